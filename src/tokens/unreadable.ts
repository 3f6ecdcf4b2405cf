import type { Notify } from '../events/table.js'

/** Milliseconds within which each merchant's record is reported once. */
const period = 600_000

/** The most records that are reported within that time: a wrong key makes all of them unreadable. */
const most = 1_000

/**
 * @internal Reports records that cannot be read: once in ten minutes for each merchant, and a thousand merchants at most, since a handler
 * may ask for a broken record at every request (rule 22).
 *
 * @param now monotonic milliseconds
 */
export function unreadableNotice (notify: Notify, now: () => number) {
  const reported = new Set<string>()
  let until = 0
  return (merchantId: string, reason: string): void => {
    if (now() >= until) {
      reported.clear()
      until = now() + period
    }
    if (reported.has(merchantId) || reported.size >= most) return
    reported.add(merchantId)
    notify({ type: 'record-not-opened', merchantId, reason })
  }
}
