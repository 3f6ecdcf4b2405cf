import { createHash } from 'node:crypto'
import { parse } from 'node:querystring'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { escapeHtml } from '../escape-html.js'
import { sendDocument } from './pages.js'
import { postedNames } from './schemas.js'
import { sentences } from './sentences.js'

/*
 * The implicit flow (RFC 6749, section 4.2), which OAuth has dropped (RFC 9700, section 2.1.2): Clover puts the token into the fragment of
 * the callback's URL, which a browser does not send. A page of the plugin posts it to the server.
 */

/**
 * Removes the query and fragment from the address bar and the tab's history first, then posts the parameters. The token is read only from the
 * fragment, the others from the query too: Clover does not document where it puts them.
 */
const script = '"use strict";const query=new URLSearchParams(location.search),fragment=new URLSearchParams(location.hash.slice(1)),form=document.forms[0];' +
  'history.replaceState(null,"",location.pathname);' +
  'for(const field of form.elements){const value=field.name!=="access_token"&&query.has(field.name)?query.get(field.name):fragment.get(field.name);' +
  'if(value===null)field.disabled=true;else field.value=value}' +
  'form.submit()'

const scriptHash = createHash('sha256').update(script).digest('base64')

const form = `<form method="post" hidden>${postedNames.map(name => `<input name="${name}">`).join('')}</form>`

/** @internal Sends the page that posts the token. It is the same for everybody, and may post only to this site. */
export function sendImplicitPage (reply: FastifyReply): FastifyReply {
  const { title, text, noScript } = sentences.implicit
  const main = `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p><noscript><p>${escapeHtml(noScript)}</p></noscript>${form}<script>${script}</script>`
  return sendDocument(reply, title, main, [`script-src 'sha256-${scriptHash}'`, "form-action 'self'", "frame-ancestors 'none'"])
}

/**
 * @internal Whether a post comes from a page of this site, by the headers `Origin` and `Sec-Fetch-Site`, which a page cannot set.
 *
 * A page with `Referrer-Policy: no-referrer` posts the origin `null` (Fetch Standard, "append a request Origin header"): then `Sec-Fetch-Site`
 * decides. A request with neither header is refused.
 */
export function isFromOwnPage ({ headers }: FastifyRequest, ownOrigin: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers
  if (origin !== undefined && origin !== 'null' && origin !== ownOrigin) return false
  return site === undefined ? origin === ownOrigin : site === 'same-origin'
}

/** @internal Makes a scope accept only the page's form. A repeated field becomes a list, which the schema refuses. */
export function takeForm (scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: 65_536 }, (_request, body, done) => {
    done(null, { ...parse(String(body)) })
  })
}
