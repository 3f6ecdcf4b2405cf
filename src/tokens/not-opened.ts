import type { Notify } from './events.js'

/** Milliseconds within which a merchant's record is named once. */
const period = 600_000

/** The most records that are named within that time: a wrong key is a thousand records' trouble, and one line's news. */
const most = 1_000

/**
 * @internal Says that a record does not open: once in ten minutes for each merchant, and of a thousand merchants at most, since a handler
 * may ask for a broken record at every request.
 *
 * @param now the local clock, Unix milliseconds
 */
export function notOpenedNotice (notify: Notify, now: () => number) {
  const named = new Set<string>()
  let until = 0
  return (merchantId: string, reason: string): void => {
    if (now() >= until) {
      named.clear()
      until = now() + period
    }
    if (named.has(merchantId) || named.size >= most) return
    named.add(merchantId)
    notify({ type: 'record-not-opened', merchantId, reason })
  }
}
