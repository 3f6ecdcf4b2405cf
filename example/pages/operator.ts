import type { CloverSummary, ListedInstallation, MerchantState, UnusableInstallation } from 'fastify-clover'
import { day, time } from './format.js'
import { html, type Html } from './html.js'
import { countdown, expirations } from './token.js'

/** Asks for the operator's password. */
export function operatorLogin (): Html {
  return html`<section class="hero">
<h1>Operator</h1>
<p>This page is for whoever runs Daybook, not for merchants. The password was printed where the server was started.</p>
<form method="post" action="/operator/login">
<label>Password<input name="password" type="password" autocomplete="current-password" required autofocus></label>
<button class="primary">Log in</button>
</form>
</section>`
}

/** A merchant of the list. */
export type Listed = ListedInstallation | UnusableInstallation
export type State = MerchantState | 'unusable'

/** What an operator asked for. */
export interface Question {
  state: State | undefined
  /** A part of a merchant id. */
  q: string
  page: number
}

/** The merchants who answer a question, and one page of them. */
export interface Answer {
  total: number
  pages: number
  page: number
  merchants: readonly Listed[]
}

const stateNames: Record<State, string> = {
  connected: 'Connected',
  dueSoon: 'Due soon',
  doubtful: 'To be confirmed',
  interrupted: 'Interrupted',
  reauthorizationRequired: 'Must approve again',
  unusable: 'Unusable'
}

/** Lists merchants by state. */
export function operatorPage (summary: CloverSummary, question: Question, answer: Answer): Html {
  const { nextRefreshTokenExpiration: next } = summary
  return html`<section class="title">
<h1>Merchants</h1>
<p class="soft">This page is the operator's: no merchant sees it.${next !== null && html` The first refresh token ends ${day(next * 1000)}, unless it is refreshed before.`}</p>
</section>
<nav class="states" aria-label="States">
${stateLink('All', undefined, summary.merchants, question)}
${(Object.keys(stateNames) as State[]).map(state => stateLink(stateNames[state], state, summary[state], question))}
</nav>
<form class="search" method="get" action="/operator" role="search">
${question.state !== undefined && html`<input type="hidden" name="state" value="${question.state}">`}
<label>Merchant id<input name="q" type="search" value="${question.q}" maxlength="13" autocomplete="off" spellcheck="false"></label>
<button>Search</button>
</form>
<p class="soft" role="status">${found(question, answer)}</p>
<div class="shops">${answer.merchants.map(merchant => merchantCard(merchant, queryOf({ ...question, page: answer.page })))}</div>
${answer.pages > 1 && paging(question, answer)}
<section class="card" aria-labelledby="route">
<h2 id="route">The refresh route</h2>
<p><code>POST /clover/refresh</code> does the same for scripts. It has this page's guard; while you are logged in you can try it on the <a href="/documentation">OpenAPI page</a>.</p>
<form method="post" action="/operator/logout"><button>Log out as operator</button></form>
</section>`
}

/** The query of this page's address for a question. */
function queryOf ({ state, q, page }: Question): string {
  const query = new URLSearchParams({ ...(state !== undefined && { state }), ...(q !== '' && { q }), ...(page > 1 && { page: String(page) }) }).toString()
  return query === '' ? '' : `?${query}`
}

function stateLink (name: string, state: State | undefined, count: number, question: Question): Html {
  return html`<a href="/operator${queryOf({ state, q: question.q, page: 1 })}"${state === question.state && html` aria-current="true"`}>${name} <strong>${count.toLocaleString('en')}</strong></a>`
}

function found ({ state, q }: Question, { total, pages, page }: Answer): Html {
  const which = `${state === undefined ? '' : ` in the state "${stateNames[state].toLowerCase()}"`}${q === '' ? '' : ` with ${q} in the id`}`
  return html`${total === 1 ? '1 merchant' : `${total.toLocaleString('en')} merchants`}${which}${pages > 1 && `: page ${page} of ${pages}`}`
}

function paging (question: Question, { page, pages }: Answer): Html {
  const link = (to: number, text: string, rel: string) => html`<a class="button" rel="${rel}" href="/operator${queryOf({ ...question, page: to })}">${text}</a>`
  return html`<nav class="row paging" aria-label="Pages of merchants">${page > 1 && link(page - 1, 'Previous page', 'prev')}${page < pages && link(page + 1, 'Next page', 'next')}</nav>`
}

function merchantCard (merchant: Listed, back: string): Html {
  if ('unusable' in merchant) return unusableCard(merchant, back)
  const { merchantId, connectedAt, reauthorizationRequired, state } = merchant
  return html`<section class="card" aria-labelledby="${merchantId}">
<h2 id="${merchantId}"><code>${merchantId}</code>${state !== 'connected' && html` <em class="tag">${stateNames[state].toLowerCase()}</em>`}</h2>
${reauthorizationRequired
    ? html`<p class="warning">Clover refuses its tokens since ${time(reauthorizationRequired.since * 1000)}: the merchant must approve again.</p>`
    : countdown(merchant)}
<dl>
${expirations(merchant)}
<dt>Connected</dt><dd>${time(connectedAt * 1000)}</dd>
</dl>
<div class="row">
${action('/operator/refresh', merchantId, back, 'Refresh')}
${action('/operator/disconnect', merchantId, back, 'Disconnect')}
</div>
</section>`
}

function unusableCard ({ merchantId, unusable }: UnusableInstallation, back: string): Html {
  return html`<section class="card">
<h2><code>${merchantId ?? 'A record without a merchant'}</code> <em class="tag">unusable</em></h2>
<p class="warning">${unusable}</p>
${merchantId !== null && html`<div class="row">${action('/operator/disconnect', merchantId, back, 'Disconnect')}</div>`}
</section>`
}

function action (path: string, merchantId: string, back: string, text: string): Html {
  return html`<form method="post" action="${path}"><input type="hidden" name="merchant_id" value="${merchantId}"><input type="hidden" name="back" value="${back}"><button aria-label="${text} ${merchantId}">${text}</button></form>`
}
