import { badReply, closing, isCloverError, reasonOf, unavailable } from '../errors.js'
import type { Notify } from './events.js'
import { HeldPairs } from './held.js'
import type { Installation } from './installation.js'
import type { RefreshProtocol } from './refresh.js'
import type { RefreshGoal } from './refresh-types.js'
import type { Runtime } from './runtime.js'

/** @internal */
export interface FlightOptions {
  protocol: Pick<RefreshProtocol, 'run' | 'settle'>
  /** `now`: milliseconds on a clock that is never set back. */
  runtime: Pick<Runtime, 'now' | 'sleep' | 'jitter'>
  notify: Notify
  /** Called with each record that was read or written on the way. */
  onRecord: (record: Installation) => void
}

interface Flight {
  promise: Promise<Installation>
  /** Set if the merchant left, or authorized anew, while it flew: tells which records are out of date. */
  isOver?: (record: Installation) => boolean
}

interface Failure {
  count: number
  /** By the runtime's `now`. */
  until: number
  error: unknown
}

/** Milliseconds that failures back off at most: Clover's, and the store's, which mends sooner and costs nobody a call to Clover. */
const longestBackoff = { clover: 30_000, storage: 5_000 }

/** Milliseconds of a retry-after that are honoured at most: whoever asks for a day may be well again in a minute. */
const longestAsked = 60_000

/** The most merchants whose failures are remembered. */
const mostFailures = 10_000

/**
 * @internal One refresh per merchant at a time in this process, shared by everybody who waits for it, and the merchants that are left in
 * peace after a failure.
 */
export class Flights {
  readonly #options: FlightOptions
  readonly #flying = new Map<string, Flight>()
  readonly #held: HeldPairs
  /** The failure longest ago comes first. */
  readonly #failures = new Map<string, Failure>()
  #closed = false

  constructor (options: FlightOptions) {
    this.#options = options
    this.#held = new HeldPairs(options)
  }

  /** The record of a pair that Clover gave and that is not stored yet. */
  held (merchantId: string): Installation | undefined {
    return this.#held.get(merchantId)
  }

  /** Whether a refresh would start nothing now: one is under way, or one has just failed. */
  isOccupied (merchantId: string): boolean {
    return this.#flying.has(merchantId) || this.#backingOff(merchantId) !== undefined
  }

  /** Joins the merchant's flight or starts one; resolves with a record that serves the goal, as far as one can be had. */
  async refresh (merchantId: string, goal: RefreshGoal): Promise<Installation> {
    let joined = 0
    while (true) {
      const current = this.#flying.get(merchantId)
      const flight = current ?? this.#start(merchantId, goal)
      try {
        const record = await flight.promise
        if (!flight.isOver?.(record) && (!current || joined >= 2 || goal.enough(record))) return record
      } catch (error) {
        // An operator's refresh tries for itself what another caller's did not, and a failure of before says nothing about now.
        if (!flight.isOver && (!current || !goal.force)) throw error
      }
      joined++
    }
  }

  /**
   * Lets go of what this process holds for a merchant, since the store now says otherwise: of the records that `isOver` says, since a pair
   * of the present connection may be the only trace of it.
   */
  drop (merchantId: string, isOver: (record: Installation) => boolean): void {
    const flight = this.#flying.get(merchantId)
    if (flight) flight.isOver = isOver
    this.#flying.delete(merchantId)
    const held = this.#held.get(merchantId)
    if (held && isOver(held)) this.#held.drop(merchantId)
    this.#failures.delete(merchantId)
  }

  /** Waits until what is under way has landed, for some milliseconds at most. Says whether everything did. */
  async drain (milliseconds: number): Promise<boolean> {
    const deadline = new AbortController()
    const { runtime } = this.#options
    const late = runtime.sleep(milliseconds, deadline.signal).then(() => 'late' as const)
    let outcome: unknown
    while (outcome !== 'late' && (this.#flying.size > 0 || this.#held.size > 0)) {
      this.#held.hurry()
      outcome = await Promise.race([late, Promise.allSettled([...[...this.#flying.values()].map(flight => flight.promise), this.#held.settled()])])
    }
    deadline.abort()
    return outcome !== 'late'
  }

  /** From now on nothing new is started. */
  close (): void {
    this.#closed = true
    this.#held.close()
  }

  #start (merchantId: string, goal: RefreshGoal): Flight {
    if (this.#closed) throw closing()
    const failure = this.#backingOff(merchantId)
    if (failure && !goal.force) throw this.#again(merchantId, failure)
    const promise = Promise.resolve().then(() => this.#fly(merchantId, goal, flight)).finally(() => {
      if (this.#flying.get(merchantId) === flight) this.#flying.delete(merchantId)
    })
    const flight: Flight = { promise }
    this.#flying.set(merchantId, flight)
    flight.promise.catch(() => {}) // whoever waits sees the rejection; a background refresh has nobody
    return flight
  }

  async #fly (merchantId: string, goal: RefreshGoal, flight: Flight): Promise<Installation> {
    const { protocol, onRecord } = this.#options
    try {
      // A pair in hand comes first: until it is written, no other refresh of this merchant can succeed.
      const inHand = await this.#held.settleNow(merchantId, goal)
      if (inHand) return inHand
      const { record, held } = await protocol.run(merchantId, goal)
      if (!flight.isOver?.(record)) {
        // A pair without a living token counts as a failure, or each call would spend another refresh token.
        if (goal.enough(record)) this.#failures.delete(merchantId)
        else this.#noteFailure(merchantId, badReply('the refresh brought no new living access token', merchantId))
        if (held) this.#held.add(held)
        else onRecord(record)
      }
      return record
    } catch (error) {
      if (!flight.isOver) this.#noteFailure(merchantId, error)
      // Nobody may be waiting for this refresh, and so see the error.
      if (isCloverError(error, 'FST_CLOVER_STORAGE')) this.#options.notify({ type: 'storage-failed', merchantId, reason: reasonOf(error) })
      throw error
    }
  }

  #backingOff (merchantId: string): Failure | undefined {
    const failure = this.#failures.get(merchantId)
    return failure && this.#options.runtime.now() < failure.until ? failure : undefined
  }

  #noteFailure (merchantId: string, error: unknown): void {
    const longest = isCloverError(error, 'FST_CLOVER_STORAGE')
      ? longestBackoff.storage
      : isCloverError(error, 'FST_CLOVER_UNAVAILABLE') || isCloverError(error, 'FST_CLOVER_BAD_REPLY') ? longestBackoff.clover : undefined
    if (longest === undefined) return
    const { now, jitter } = this.#options.runtime
    const count = (this.#failures.get(merchantId)?.count ?? 0) + 1
    const asked = isCloverError(error) ? Math.min(longestAsked, (error.retryAfter ?? 0) * 1000) : 0
    const wait = Math.max(asked, Math.min(longest, 500 * 2 ** count) * (0.5 + jitter() / 2))
    this.#failures.delete(merchantId)
    this.#failures.set(merchantId, { count, until: now() + wait, error })
    if (this.#failures.size > mostFailures) this.#failures.delete(this.#failures.keys().next().value as string)
  }

  /** The error for a caller who comes while a failure is backed off. */
  #again (merchantId: string, { error, until }: Failure): unknown {
    if (!isCloverError(error, 'FST_CLOVER_UNAVAILABLE')) return error
    return unavailable('the last try failed a moment ago', (until - this.#options.runtime.now()) / 1000, merchantId)
  }
}
