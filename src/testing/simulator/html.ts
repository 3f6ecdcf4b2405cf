import { createHash } from 'node:crypto'
import { escapeHtml } from '../../escape-html.js'
import type { Outcome } from './outcome.js'

/** Text that is HTML already. Only {@link html} makes it. */
export class Html {
  readonly #text: string

  /** @internal Use {@link html}. */
  constructor (text: string) {
    this.#text = text
  }

  toString (): string {
    return this.#text
  }
}

/** A value in a template: HTML and lists of it stay unchanged, text and numbers are escaped, `undefined` and `false` become empty. */
export type Slot = Html | readonly Html[] | string | number | undefined | false

/** A template whose values are escaped, so that no name, query or id can become markup. Attributes must be quoted. */
export function html (strings: TemplateStringsArray, ...slots: Slot[]): Html {
  return new Html(strings.reduce((text, part, index) => text + render(slots[index - 1]) + part))
}

function render (slot: Slot): string {
  if (slot instanceof Html) return slot.toString()
  if (typeof slot === 'object') return slot.join('')
  if (slot === undefined || slot === false) return ''
  return escapeHtml(String(slot))
}

const css = `
:root { color-scheme: light dark; --ink: #1d2b24; --soft: #5c6b63; --line: #d9e0db; --field: #78887f; --page: #f3f6f4; --card: #fff; --green: #1f7a3f; --onGreen: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eeea; --soft: #9dada4; --line: #34403a; --field: #708078; --page: #141a17; --card: #1d2622; --green: #58c07c; --onGreen: #0d1410 }
}
* { box-sizing: border-box }
body { margin: 0; padding: 1.5rem 1rem 3rem; background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
header, main, footer { max-width: 30rem; margin: 0 auto }
.wide header, .wide main, .wide footer { max-width: 46rem }
header { display: flex; justify-content: space-between; align-items: center; gap: 1rem; margin-bottom: 1rem; color: var(--soft); font-size: .875rem }
header strong { color: var(--green) }
main { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.5rem }
footer { margin-top: 1rem; color: var(--soft); font-size: .8125rem; text-align: center }
h1 { margin: 0 0 .5rem; font-size: 1.375rem; line-height: 1.25 }
h2 { margin: 0; font-size: 1.0625rem }
p { margin: .5rem 0; overflow-wrap: anywhere }
small, .soft { color: var(--soft) }
ul { list-style: none; margin: 1rem 0; padding: 0 }
li { padding: .75rem 0; border-top: 1px solid var(--line) }
label { display: block; margin: .75rem 0; font-size: .875rem; color: var(--soft) }
input { display: block; width: 100%; margin-top: .25rem; padding: .625rem .75rem; font: inherit; color: var(--ink) }
input { background: var(--card); border: 1px solid var(--field); border-radius: .5rem }
button, .button { display: inline-block; min-height: 2.75rem; padding: .5rem 1.125rem; font: inherit; font-weight: 600; line-height: 1.625rem }
button, .button { color: var(--green); background: none; border: 1px solid var(--line); border-radius: .5rem; text-decoration: none; cursor: pointer }
.primary { color: var(--onGreen); background: var(--green); border-color: var(--green) }
.choice { display: block; width: 100%; margin: .5rem 0; padding: .75rem 1rem; text-align: left; color: var(--ink) }
.choice small { display: block; font-weight: 400; line-height: 1.25rem }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; margin-top: .75rem }
.row form { margin: 0 }
button:hover, .button:hover { border-color: var(--green) }
:focus-visible { outline: 2px solid var(--green); outline-offset: 2px }
a { color: var(--green) }
`

const styleHash = createHash('sha256').update(css).digest('base64')

// No form-action: Chromium also applies it to the redirect after a form, which leads to the app.
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; frame-ancestors 'none'`
}

/** The parts of a page. */
export interface Page {
  title: string
  main: Html
  /** The name of the person who is logged in. */
  person?: string | undefined
  wide?: boolean
  status?: number
}

/** A whole page. */
export function page ({ title, main, person, wide = false, status = 200 }: Page): Outcome {
  const body = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Clover simulator</title>
<style>${new Html(css)}</style>
</head>
<body class="${wide && 'wide'}">
<header><strong>Clover simulator</strong>${person !== undefined && html`<span>${person}</span>`}</header>
<main>
${main}
</main>
<footer>A simulator for development. Nothing here reaches Clover or a real merchant.</footer>
</body>
</html>
`
  return { status, headers, body: body.toString() }
}

/** A page about a problem, with a sentence about it and its solution. */
export function problemPage (status: number, sentence: string): Outcome {
  return page({ title: 'This does not work', status, main: html`<h1>This does not work</h1><p>${sentence}</p>` })
}
