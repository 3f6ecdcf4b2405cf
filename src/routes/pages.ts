import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { escapeHtml } from '../escape-html.js'

const style = 'body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto 0;padding:0 1.25rem;color:#1f2933;background:#fff}' +
  'h1{font-size:1.4rem;margin:0 0 .75rem}p{margin:0 0 1rem}a{color:#0b6b3a;font-weight:600}code{color:#616e7c;font-size:.85rem}' +
  '@media(prefers-color-scheme:dark){body{color:#e4e7eb;background:#1f2933}a{color:#6ee7a8}code{color:#9aa5b1}}'

const styleHash = createHash('sha256').update(style).digest('base64')

/** @internal A page of the plugin, in plain text: `sendPage` escapes it. */
export interface Page {
  title: string
  text: string
  links: Array<{ href: string, text: string }>
  /** An error's code, so that a merchant can quote it to the developer. */
  code?: string
}

/**
 * @internal Sets the headers of every reply of the plugin's routes: no cache keeps it, and no `Referer` leaks its URL, which may hold a code
 * (RFC 9700, section 4.2.4).
 */
export function setPrivateHeaders (reply: FastifyReply): void {
  reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
}

/**
 * @internal Sends a page that loads nothing and runs nothing.
 *
 * @param framed the page may be shown in a frame, since its link leads out of the frame. Default: framing is forbidden
 */
export function sendPage (reply: FastifyReply, page: Page, framed = false): FastifyReply {
  return sendDocument(reply, page.title, render(page), ["form-action 'none'", ...(framed ? [] : ["frame-ancestors 'none'"])])
}

/** @internal Sends HTML as a page. `policy`: directives to add to a Content-Security-Policy that allows only the page's style. */
export function sendDocument (reply: FastifyReply, title: string, main: string, policy: string[]): FastifyReply {
  setPrivateHeaders(reply)
  return reply
    .header('content-security-policy', ["default-src 'none'", `style-src 'sha256-${styleHash}'`, "base-uri 'none'", ...policy].join('; '))
    .header('x-content-type-options', 'nosniff')
    .type('text/html; charset=utf-8')
    .send('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">' +
      `<title>${escapeHtml(title)}</title><style>${style}</style></head><body><main>${main}</main></body></html>\n`)
}

function render ({ title, text, links, code }: Page): string {
  return `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p>` +
    links.map(({ href, text }) => `<p><a href="${escapeHtml(href)}" target="_top" rel="noreferrer">${escapeHtml(text)}</a></p>`).join('') +
    (code !== undefined ? `<p><code>${escapeHtml(code)}</code></p>` : '')
}
