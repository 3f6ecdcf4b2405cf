import { deedNames, deedOf, serverCount, type DeedName } from '../lab/deeds.js'
import type { LabSettings } from '../settings.js'
import { html, type Html } from './html.js'

/** The lab; /lab.js fills it with what happens. */
export function labPage (settings: LabSettings): Html {
  return html`<section class="title">
<h1>Try to lose a shop</h1>
<p class="soft">Three servers share one SQLite file behind this address. While this page is open, each shop below has two callers a second, who need an access token. A refresh token works once: if a server dies with it, or an answer is lost, somebody has to find the way back.</p>
</section>
<noscript><p class="warning">This page needs its script.</p></noscript>
<p class="warning" data-offline hidden>The connection to the lab is lost. It is tried again each second.</p>
<div class="lab">
${shopsCard()}
${chartCard()}
${feedCard()}
</div>
<section class="world" aria-labelledby="world">
<h2 id="world">What you can do to <span data-chosen>a shop</span> and its world</h2>
<p class="warning" data-refused role="alert" hidden></p>
<div class="deeds">${cards.map(names => deedCard(names, settings))}</div>
</section>`
}

/** The deeds of each card. */
const cards: DeedName[][] = [...deedNames.filter(name => name !== 'everything' && !name.startsWith('kill-')).map(name => [name]), deedNames.filter(name => name.startsWith('kill-')), ['everything']]

const verbs: Partial<Record<DeedName, string>> = {
  callers: 'Send a hundred callers',
  'end-token': 'End the access token',
  'drop-answer': 'Drop the next answer',
  refuse: 'Refuse everything',
  slow: 'Answer slowly',
  lock: 'Lock the database',
  everything: 'All at once'
}

function shopsCard (): Html {
  return html`<section class="card" aria-labelledby="shops">
<h2 id="shops">Shops</h2>
<fieldset class="choice" data-shops><legend>What you do below, you do to</legend></fieldset>
<p class="soft" data-no-shop>No shop is connected yet. <a href="/clover/launch">Connect one.</a></p>
<h2 id="servers">Servers</h2>
<ul class="ledger" data-servers aria-labelledby="servers">${Array.from({ length: serverCount }, (_, i) => html`<li><span>Server ${i + 1}</span><span class="amount soft">starts</span></li>`)}</ul>
</section>`
}

const figures = [['calls', 'calls to Clover for tokens'], ['served', 'tokens handed out'], ['failed', 'failures while a token lived']] as const

const keys = [
  ['refreshed', 'refresh'], ['recovered', 'recovery'], ['ended', 'end of the token'], ['failed', 'refresh given up'], ['refused', 'refused by Clover']
] as const

function chartCard (): Html {
  return html`<section class="card chart" aria-labelledby="chart">
<h2 id="chart">The last three minutes</h2>
<dl class="figures">${figures.map(([name, text]) => html`<div><dt>${text}</dt><dd data-total="${name}">0</dd></div>`)}</dl>
<svg data-chart role="img" aria-label="Chart of the last three minutes; the table below has its numbers" width="100%" height="330"></svg>
<ul class="keys" aria-label="Marks in the life of a shop's tokens">${keys.map(([kind, text]) => html`<li><svg data-key="${kind}" width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true"></svg>${text}</li>`)}</ul>
<details>
<summary>The same as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Numbers of the last three minutes">
<table>
<thead><tr><th scope="col">Seconds ago</th><th scope="col">Exchanges</th><th scope="col">Refreshes</th><th scope="col">Recoveries</th><th scope="col">Tokens handed out</th><th scope="col">Failures while a token lived</th><th scope="col">Callers while none lived</th></tr></thead>
<tbody data-table></tbody>
</table>
</div>
</details>
</section>`
}

function feedCard (): Html {
  return html`<section class="card feed" aria-labelledby="feed">
<h2 id="feed">What happens, newest first</h2>
<div class="log" tabindex="0" role="log" aria-live="off" aria-labelledby="feed"><ol data-feed></ol></div>
</section>`
}

function deedCard (names: readonly DeedName[], settings: LabSettings): Html {
  const [first = 'everything'] = names
  const group = names.length === 1 ? first : 'kill'
  const { title, says } = deedOf(group, settings)
  return html`<section class="card deed" aria-labelledby="${group}" data-card="${group}">
<h3 id="${group}">${title}</h3>
<p class="soft" id="${group}-says">${says}</p>
<div class="row">${names.map(name => html`<form method="post" action="/lab/world/${name}" data-deed="${name}"><button${name === 'everything' && html` class="primary"`} aria-describedby="${group}-says">${label(name)}</button></form>`)}</div>
<p class="outcome" role="status" data-outcome></p>
</section>`
}

function label (name: DeedName): Html {
  if (!name.startsWith('kill-')) return html`${verbs[name] ?? 'Do it'}`
  const server = name.replace('kill-', 'server ')
  return html`Kill ${server} <small>process <span data-pid="${server.replace('s', 'S')}">…</span></small>`
}
