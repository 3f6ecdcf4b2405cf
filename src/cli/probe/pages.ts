import { createHash } from 'node:crypto'
import { escapeHtml } from '../../escape-html.js'

const css = 'body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}pre{overflow-x:auto}'

/** @internal Headers of every page: nothing is kept, and no address leaves by a referrer. */
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(css).digest('base64')}'; base-uri 'none'; frame-ancestors 'none'`
}

/** @internal A page that goes on to `/next` by itself. */
export const waitingPage = page('The probe is working', '<p>Keep this page open. It goes to Clover and comes back by itself.</p><p>Questions are asked on the terminal.</p>',
  '<meta http-equiv="refresh" content="0; url=/next">')

/** @internal A page about a request that the probe does not take. */
export const strangePage = page('This does not belong to the probe', '<p>Open the address that the probe has printed.</p>')

/** @internal The last page. `text`: the table. */
export function lastPage (text: string): string {
  return page('The probe is done', `<pre>${escapeHtml(text)}</pre><p>You can close this page.</p>`)
}

function page (title: string, body: string, head = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${head}
<title>${title}</title>
<style>${css}</style>
</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`
}
