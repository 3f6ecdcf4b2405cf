/* global document, fetch, location */

/*
 * Counts the tokens down, and asks the server for the merchant's token every few seconds, as handlers do: that is what refreshes it.
 * Without this script the page shows the times at which it was loaded.
 */

const pollEvery = 5_000

/** Seconds as 1:05, or as hours and minutes. */
function duration (seconds) {
  const two = value => String(Math.floor(value)).padStart(2, '0')
  return seconds < 3600 ? `${Math.floor(seconds / 60)}:${two(seconds % 60)}` : `${Math.floor(seconds / 3600)} h ${two(seconds % 3600 / 60)} min`
}

/** The time of the browser's clock that a countdown runs to; the server says how long, so that clocks may differ. */
const ends = new Map()

function setCountdown (element, left, lifetime) {
  ends.set(element, Date.now() + left * 1000)
  element.querySelector('progress').max = lifetime
  show(element)
}

function show (element) {
  const left = Math.max(0, (ends.get(element) - Date.now()) / 1000)
  element.querySelector('.left').textContent = duration(Math.ceil(left))
  element.querySelector('progress').value = left
  element.classList.toggle('low', left <= Number(element.dataset.low))
}

/** The merchant's own token: shows what became of it since the last time. */
async function poll (card) {
  if (document.hidden) return
  const response = await fetch('/token', { headers: { accept: 'application/json' } }).catch(() => undefined)
  if (response === undefined || response.status === 503) return // the server or Clover is away: the countdown goes on
  if (!response.ok) return location.reload()
  const { token, left, lifetime } = await response.json()
  const shown = card.querySelector('[data-token]')
  if (left === null || token === shown.textContent) return
  setCountdown(card.querySelector('.countdown'), left, lifetime)
  const clock = milliseconds => new Date(milliseconds).toLocaleTimeString('en', { hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit' })
  card.querySelector('[data-story]').textContent = `Refreshed at ${clock(Date.now())}: ${token} took the place of ${shown.textContent}.`
  card.querySelector('[data-until] time').textContent = clock(Date.now() + left * 1000)
  shown.textContent = token
}

for (const element of document.querySelectorAll('.countdown[data-left]')) {
  setCountdown(element, Number(element.dataset.left), Number(element.dataset.lifetime))
}
setInterval(() => { for (const element of ends.keys()) show(element) }, 250)

const card = document.querySelector('[data-live]')
if (card) setInterval(poll, pollEvery, card)
