import { html, type Html } from './html.js'

const date = new Intl.DateTimeFormat('en', { year: 'numeric', month: 'short', day: 'numeric' })
const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
const minute = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

/** A time in milliseconds: the day and the minute. */
export function time (milliseconds: number): Html {
  return tag(milliseconds, `${date.format(milliseconds)}, ${minute.format(milliseconds)}`)
}

/** A time in milliseconds: the day, or for one that is near the time of day with seconds. */
export function day (milliseconds: number): Html {
  const isNear = Math.abs(milliseconds - Date.now()) < 12 * 3_600_000
  return tag(milliseconds, (isNear ? clock : date).format(milliseconds))
}

function tag (milliseconds: number, text: string): Html {
  return html`<time datetime="${new Date(milliseconds).toISOString()}">${text}</time>`
}

/** Seconds as 1:05, or as hours and minutes. */
export function duration (seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return seconds < 3600 ? `${Math.floor(seconds / 60)}:${two(seconds % 60)}` : `${Math.floor(seconds / 3600)} h ${two(seconds % 3600 / 60)} min`
}

/** An amount in cents. */
export function money (cents: number, currency = 'USD'): string {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(cents / 100)
}
