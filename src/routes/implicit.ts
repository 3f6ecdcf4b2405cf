import { createHash } from 'node:crypto'
import { parse } from 'node:querystring'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sendDocument } from './pages.js'
import { handedOn } from './schemas.js'

/*
 * The implicit flow (RFC 6749, section 4.2), which OAuth has dropped (RFC 9700, section 2.1.2): Clover puts the token into the fragment of
 * the callback's address, which a browser keeps to itself. A page of the plugin hands it to the server.
 */

/**
 * Takes the address off the address bar and out of the tab's history before anything else, and posts what was in it. The token is read from the
 * fragment alone; the rest from the query too, since where Clover puts it is not documented.
 */
const script = '"use strict";const query=new URLSearchParams(location.search),fragment=new URLSearchParams(location.hash.slice(1)),form=document.forms[0];' +
  'history.replaceState(null,"",location.pathname);' +
  'for(const field of form.elements){const value=field.name!=="access_token"&&query.has(field.name)?query.get(field.name):fragment.get(field.name);' +
  'if(value===null)field.disabled=true;else field.value=value}' +
  'form.submit()'

const scriptHash = createHash('sha256').update(script).digest('base64')

const form = `<form method="post" hidden>${handedOn.map(name => `<input name="${name}">`).join('')}</form>`

/** @internal Sends the page that hands the token on. It is the same for everybody, and may talk to this site alone. */
export function sendImplicitPage (reply: FastifyReply): FastifyReply {
  const main = '<h1>One moment</h1><p>The app is being connected.</p>' +
    '<noscript><p>For this, the page needs JavaScript: allow it for this site, and open the app from Clover again.</p></noscript>' +
    `${form}<script>${script}</script>`
  return sendDocument(reply, 'One moment', main, [`script-src 'sha256-${scriptHash}'`, "form-action 'self'", "frame-ancestors 'none'"])
}

/**
 * @internal Whether a post comes from a page of this site, by what the browser itself says.
 *
 * A page without referrer posts the origin `null` (Fetch Standard, "append a request Origin header"), so that `Sec-Fetch-Site` decides; a
 * browser that sends neither is refused.
 */
export function isFromOwnPage ({ headers }: FastifyRequest, ownOrigin: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers
  if (origin !== undefined && origin !== 'null' && origin !== ownOrigin) return false
  return site === undefined ? origin === ownOrigin : site === 'same-origin'
}

/** @internal Lets a scope take the page's form, and nothing else. A field that comes twice is a list, which the schema refuses. */
export function takeForm (scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: 65_536 }, (_request, body, done) => {
    done(null, { ...parse(String(body)) })
  })
}
