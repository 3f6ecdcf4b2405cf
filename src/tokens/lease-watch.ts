import { LruMap } from 'toad-cache'
import type { Installation } from '../installation.js'

/** A lease as it was seen in a record. */
interface Sight {
  /** Changes whenever the lease is written again; with a heartbeat, whenever the record is. */
  version: string
  /** When this version was first seen, and when it was last seen, in monotonic milliseconds. */
  since: number
  last: number
}

/** The most merchants whose leases are remembered. */
const mostSights = 10_000

/**
 * @internal Watches the leases of other attempts, by a monotonic clock: a wrong date must not make a merchant wait for ever, and a dead attempt
 * need not be waited for until its lease ends (rule 7).
 */
export class LeaseWatch {
  readonly #longest: number
  readonly #longestGap: number
  readonly #monotonic: () => number
  /** By merchant. It outlasts the callers: one who waits for a second at a time must see the end as well. */
  readonly #sights = new LruMap<Sight>(mostSights)

  /**
   * @param longest milliseconds after which a lease has ended that nobody wrote again
   * @param longestGap milliseconds: with a heartbeat, two sights further apart count as two watches. Otherwise the first sight after an outage of
   * the store would end the lease of an attempt that is about to store its pair
   * @param monotonic a clock in milliseconds that is never set back
   */
  constructor (longest: number, longestGap: number, monotonic: () => number) {
    this.#longest = longest
    this.#longestGap = longestGap
    this.#monotonic = monotonic
  }

  /** Notes the lease of a record that was read just now. Returns whether it has been unchanged for so long that it has ended. */
  hasEnded ({ merchantId, revision }: Installation, { until, deadAfter }: NonNullable<Installation['refreshLease']>): boolean {
    const now = this.#monotonic()
    const version = deadAfter === undefined ? String(until) : revision
    const seen = this.#sights.get(merchantId)
    const goesOn = seen?.version === version && (deadAfter === undefined || now - seen.last <= this.#longestGap)
    const { since } = goesOn ? seen : { since: now }
    this.#sights.set(merchantId, { version, since, last: now })
    const limit = deadAfter === undefined ? this.#longest : Math.min(this.#longest, deadAfter * 1000)
    return now - since >= limit
  }

  /** Forgets a merchant whose record has no lease of another attempt. */
  forget (merchantId: string): void {
    this.#sights.delete(merchantId)
  }
}
