import type { FastifyReply } from 'fastify'
import { html, type Html } from './html.js'

/** What a page is made of. */
export interface Page {
  title: string
  main: Html
  /** A sentence about what was just done. */
  notice?: string | undefined
  /** Whether the header has a button to log the merchant out. */
  isLoggedIn?: boolean
  /** The page's script, in `public`. */
  script?: string
  /** Whether the page takes the whole width of a desktop. */
  isWide?: boolean
}

// Pages load and run what this server serves and nothing else, in no frame.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

/** Sends a page, with the status that the reply has. */
export function sendPage (reply: FastifyReply, page: Page): FastifyReply {
  return reply
    .type('text/html; charset=utf-8')
    .headers({ 'content-security-policy': policy, 'cache-control': 'no-store', 'referrer-policy': 'same-origin', 'x-content-type-options': 'nosniff' })
    .send(render(page, { path: reply.request.url, hasLab: reply.server.hasDecorator('hasLab') }).toString())
}

function render ({ title, main, notice, isLoggedIn = false, script = 'tokens.js', isWide = false }: Page, { path, hasLab }: { path: string, hasLab: boolean }): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Daybook</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<script src="/${script}" type="module"></script>
</head>
<body${isWide && html` class="wide"`}>
<header>
<a class="brand" href="/">Daybook</a>
<nav aria-label="Pages">${hasLab && html`<a href="/lab"${path.startsWith('/lab') && html` aria-current="page"`}>The lab</a>`}</nav>
${isLoggedIn && html`<form method="post" action="/logout"><button class="quiet">Log out</button></form>`}
</header>
<main>
${notice !== undefined && html`<p class="notice" role="status">${notice}</p>`}
${main}
</main>
<footer>
<p>An example of fastify-clover</p>
<nav aria-label="More"><a href="/operator">Operator</a> <a href="/documentation">OpenAPI</a></nav>
</footer>
</body>
</html>
`
}
