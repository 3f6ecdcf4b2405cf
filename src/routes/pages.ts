import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'

const style = 'body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto 0;padding:0 1.25rem;color:#1f2933;background:#fff}' +
  'h1{font-size:1.4rem;margin:0 0 .75rem}p{margin:0 0 1rem}a{color:#0b6b3a;font-weight:600}code{color:#616e7c;font-size:.85rem}' +
  '@media(prefers-color-scheme:dark){body{color:#e4e7eb;background:#1f2933}a{color:#6ee7a8}code{color:#9aa5b1}}'

const styleHash = createHash('sha256').update(style).digest('base64')

/** @internal A page of the plugin's own. All of it is escaped. */
export interface Page {
  title: string
  text: string
  links: Array<{ href: string, text: string }>
  /** An error's code, for whoever is asked for help. */
  code?: string
}

/**
 * @internal Headers of all that the browser's routes answer: nothing of it is kept, and the address, which may hold a code, goes nowhere
 * (RFC 9700, section 4.2.4).
 */
export function setPrivateHeaders (reply: FastifyReply): void {
  reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
}

/**
 * @internal Sends a page that loads nothing and runs nothing.
 *
 * @param framed the page is meant to be seen in a frame, since its link leads out of it; no other may be framed
 */
export function sendPage (reply: FastifyReply, page: Page, framed = false): FastifyReply {
  return sendDocument(reply, escape(page.title), render(page), ["form-action 'none'", ...(framed ? [] : ["frame-ancestors 'none'"])])
}

/** @internal Sends HTML as a page. `policy`: what the Content-Security-Policy says besides that nothing but the style is allowed. */
export function sendDocument (reply: FastifyReply, title: string, main: string, policy: string[]): FastifyReply {
  setPrivateHeaders(reply)
  return reply
    .header('content-security-policy', ["default-src 'none'", `style-src 'sha256-${styleHash}'`, "base-uri 'none'", ...policy].join('; '))
    .header('x-content-type-options', 'nosniff')
    .type('text/html; charset=utf-8')
    .send('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">' +
      `<title>${title}</title><style>${style}</style></head><body><main>${main}</main></body></html>\n`)
}

function render ({ title, text, links, code }: Page): string {
  return `<h1>${escape(title)}</h1><p>${escape(text)}</p>` +
    links.map(({ href, text }) => `<p><a href="${escape(href)}" target="_top" rel="noreferrer">${escape(text)}</a></p>`).join('') +
    (code !== undefined ? `<p><code>${escape(code)}</code></p>` : '')
}

function escape (text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
