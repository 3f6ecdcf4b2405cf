/* global addEventListener, document, EventSource, fetch, URLSearchParams */

/*
 * The lab: shows what the server tells by server-sent events, and sends what a person does. The browser connects again by itself if the stream ends, and
 * gets everything again.
 */
import { draw, mark } from './chart.js'

const kept = 180
const linesShown = 40

const find = selector => document.querySelector(selector)
const state = { now: 0, seconds: [], totals: {}, servers: [], shops: [], spans: [], outcomes: new Map() }

/** An element with text, or with children. */
function make (name, { text, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties)
  if (text !== undefined) element.textContent = text
  element.append(...children)
  return element
}

const clock = at => new Date(at).toLocaleTimeString('en', { hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit' })
const took = ms => ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
const left = ms => `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}`

function setText (element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** The shops: the radio buttons stay, so that the keyboard keeps its place. */
function showShops () {
  const list = find('[data-shops]')
  find('[data-no-shop]').hidden = state.shops.length > 0
  list.hidden = state.shops.length === 0
  const ids = new Set(state.shops.map(({ merchantId }) => merchantId))
  for (const row of list.querySelectorAll('label')) if (!ids.has(row.dataset.id)) row.remove()
  for (const { merchantId, name, state: words, until } of state.shops) {
    let row = list.querySelector(`[data-id="${merchantId}"]`)
    if (row === null) {
      const input = make('input', { type: 'radio', name: 'merchant_id', value: merchantId })
      row = make('label', {}, input, make('span', { className: 'name', text: name }), make('span', { className: 'soft', text: '' }))
      row.dataset.id = merchantId
      list.append(row)
    }
    const lives = until === null ? 'no access token lives' : `access token lives ${left(Math.max(0, until - state.now))}`
    setText(row.lastChild, `${words}\n${lives}`)
  }
  const chosen = list.querySelector('input:checked') ?? list.querySelector('input')
  if (chosen) chosen.checked = true
  setText(find('[data-chosen]'), state.shops.find(({ merchantId }) => merchantId === chosen?.value)?.name ?? 'a shop')
}

function showServers () {
  const rows = find('[data-servers]').children
  state.servers.forEach(({ name, pid, isReady }, i) => {
    setText(rows[i].firstChild, name)
    setText(rows[i].lastChild, `process ${pid} ${isReady ? 'serves' : 'starts'}`)
    const place = find(`[data-pid="${name}"]`)
    if (place) setText(place, String(pid))
  })
}

function showTotals () {
  const { exchanges = 0, refreshes = 0, recoveries = 0, served = 0, failed = 0 } = state.totals
  for (const [name, value] of Object.entries({ calls: exchanges + refreshes + recoveries, served, failed })) {
    setText(find(`[data-total="${name}"]`), value.toLocaleString('en'))
  }
}

/** The table: a row for each quarter of a minute. It is made while it is open. */
function showTable () {
  if (!find('details').open) return
  const rows = []
  for (let ago = 0; ago < kept; ago += 15) {
    const seconds = state.seconds.slice(Math.max(0, state.seconds.length - ago - 15), Math.max(0, state.seconds.length - ago))
    const sum = name => String(seconds.reduce((total, second) => total + second[name], 0))
    rows.push(make('tr', {}, make('th', { scope: 'row', text: `${ago} to ${ago + 15}` }),
      ...['exchanges', 'refreshes', 'recoveries', 'served', 'failed', 'without'].map(name => make('td', { text: sum(name) }))))
  }
  find('[data-table]').replaceChildren(...rows)
}

function showOutcome ({ deed, isRunning, until, words }) {
  const card = find(`[data-deed="${deed}"]`).closest('[data-card]')
  card.classList.toggle('running', isRunning)
  const seconds = until === null ? '' : ` ${Math.max(0, Math.ceil((until - state.now) / 1000))} s left.`
  setText(card.querySelector('[data-outcome]'), isRunning ? `Going on.${seconds}` : words)
}

function newLine ({ at, by, pid, words, duration, tone }) {
  const who = pid === undefined ? by : `${by} (${pid})`
  const rest = duration === undefined ? words : `${words}, ${took(duration)}`
  return make('li', { className: tone }, make('time', { text: clock(at) }), make('span', {}, make('b', { text: who }), ` ${rest}`))
}

function show () {
  showShops()
  showServers()
  showTotals()
  showTable()
  for (const outcome of state.outcomes.values()) if (outcome.isRunning) showOutcome(outcome)
  draw(find('[data-chart]'), state)
}

const stream = new EventSource('/lab/events')
const on = (type, hear) => stream.addEventListener(type, ({ data }) => hear(JSON.parse(data)))

on('hello', ({ lines, outcomes, ...rest }) => {
  Object.assign(state, rest, { outcomes: new Map(outcomes.map(outcome => [outcome.deed, outcome])) })
  find('[data-feed]').replaceChildren(...lines.map(newLine))
  outcomes.forEach(showOutcome)
  show()
})
on('tick', ({ second, ...rest }) => {
  Object.assign(state, rest, { seconds: [...state.seconds, second].slice(-kept) })
  if (!document.hidden) show()
})
on('line', line => {
  const list = find('[data-feed]')
  list.prepend(newLine(line))
  while (list.children.length > linesShown) list.lastChild.remove()
})
on('outcome', outcome => {
  state.outcomes.set(outcome.deed, outcome)
  state.now = Math.max(state.now, outcome.since)
  showOutcome(outcome)
})
stream.onopen = () => { find('[data-offline]').hidden = true }
stream.onerror = () => { find('[data-offline]').hidden = false }

document.addEventListener('submit', async event => {
  event.preventDefault()
  const body = new URLSearchParams()
  const chosen = find('[data-shops] input:checked')
  if (chosen) body.set('merchant_id', chosen.value)
  const refused = find('[data-refused]')
  const response = await fetch(event.target.action, { method: 'POST', body }).catch(() => undefined)
  const problem = response?.ok ? '' : (await response?.json().catch(() => undefined))?.message ?? 'The lab does not answer.'
  refused.hidden = problem === ''
  refused.textContent = problem
})
document.addEventListener('change', showShops)
document.addEventListener('toggle', showTable, true)
addEventListener('resize', () => draw(find('[data-chart]'), state))

for (const key of document.querySelectorAll('[data-key]')) key.append(mark(key.dataset.key))
