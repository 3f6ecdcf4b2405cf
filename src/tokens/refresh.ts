import { unclearError, type Unclear } from '../clover/answer.js'
import type { CloverClient, PairAnswer } from '../clover/client.js'
import { closing, notConnected, reasonOf, reauthorizationRequired, storageFailed, unavailable } from '../errors.js'
import type { Notify } from './events.js'
import type { Installation } from './installation.js'
import type { ObtainedPair, RecordMaker } from './record.js'
import type { Runtime } from './runtime.js'
import type { Slots } from './slots.js'
import type { Store } from './store.js'

/** @internal */
export interface RefreshDependencies {
  store: Pick<Store, 'get' | 'put'>
  clover: Pick<CloverClient, 'refresh' | 'recover'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'sleep' | 'jitter'>
  make: RecordMaker
  slots: Pick<Slots, 'run'>
  notify: Notify
  /** `low`: the app has no secret, and Clover no recovery for it. */
  trust: 'high' | 'low'
  /** Milliseconds of one call to Clover. */
  callTimeout: number
  /** Milliseconds of one call to the store. */
  storageTimeout: number
  /** Whether the server is so near to its end that what is begun now would not be finished. */
  isClosing?: () => boolean
}

/** @internal What a caller wants of a refresh. */
export interface RefreshGoal {
  /** Whether a stored record serves the caller as it is. */
  enough (record: Installation): boolean
  /** Try although the record is marked: for operators. */
  force?: boolean
}

/** @internal The record that serves the caller; `held` if its pair is not stored yet. */
export interface Refreshed {
  record: Installation
  held?: HeldPair
}

/** @internal A pair that Clover gave and the store does not have yet. It is the only trace of a living token: never let go of it lightly. */
export interface HeldPair {
  /** The record that is to be written. */
  next: Installation
  /** The revision that must be stored for the write to succeed. */
  expected: string
  /** The refresh token of the record from which the refresh began. */
  base: string
  pair: ObtainedPair
}

/** A record under this attempt's lease. */
interface Claim {
  by: string
  record: Installation
  /** The most times that Clover is asked the same thing. */
  attempts: number
}

/** What Clover gave, before it is written. */
interface Obtained {
  claim: Claim
  answer: Extract<PairAnswer, { outcome: 'ok' | 'odd' }>
  /** The refresh token that was presented. */
  presented: string
  recovered: boolean
}

/** The most times that Clover is asked the same thing in a row, first and later under the same lease. */
const attempts = { first: 3, later: 1 }

/** The most leases that are remembered as this process's own. */
const mostUnanswered = 10_000

/** The most times that a pair is written over a record that others change in between. */
const maxRounds = 50

/**
 * @internal The one-refresh protocol, over one record at a time.
 *
 * A Clover refresh token works once, so a refresh that two servers make at once, or that crashes before the new pair is written,
 * disconnects the merchant. The record itself is the lock and the trace: an intent is written before Clover is called, and
 * what Clover gave is written, by revision, before anything else.
 */
export class RefreshProtocol {
  readonly #use: RefreshDependencies
  /** The leases under which Clover gave this process no answer: it may go on under them while they last. */
  readonly #unanswered = new Map<string, string>()

  constructor (dependencies: RefreshDependencies) {
    this.#use = dependencies
  }

  /** Seconds of a lease: it outlasts a refresh, a recovery of either token, and the write. */
  get leaseSeconds (): number {
    const { callTimeout, storageTimeout } = this.#use
    return (3 * callTimeout + 2 * storageTimeout) / 1000
  }

  /**
   * Refreshes a merchant's tokens, or waits for whoever does, until the record serves the goal.
   *
   * Rejects with `FST_CLOVER_NOT_CONNECTED`, `FST_CLOVER_REAUTHORIZATION_REQUIRED`, `FST_CLOVER_UNAVAILABLE`, `FST_CLOVER_BAD_REPLY` or
   * `FST_CLOVER_STORAGE`.
   */
  async run (merchantId: string, goal: RefreshGoal): Promise<Refreshed> {
    const { store, clock, slots } = this.#use
    const giveUpAt = clock.now() + 2 * this.leaseSeconds
    for (let round = 0; ; round++) {
      const record = await store.get(merchantId)
      if (record === undefined) throw notConnected(merchantId)
      if (goal.enough(record)) return { record }
      const mark = record.reauthorizationRequired
      if (record.refreshToken === null || (mark && !goal.force && clock.now() < mark.retryAt)) throw reauthorizationRequired(merchantId)
      if (clock.now() > giveUpAt) throw unavailable('another server is refreshing this merchant', 1, merchantId)
      if (this.#isClosing()) throw closing()
      let by = this.#use.make.id()
      let isLater = false
      if (record.refreshLease && clock.now() < record.refreshLease.until) {
        if (record.refreshLease.by !== this.#unanswered.get(merchantId)) {
          await this.#pause(round)
          continue
        }
        by = record.refreshLease.by
        isLater = true
      }
      const began = clock.now()
      const base = record.refreshToken
      const obtained = await slots.run(async () => {
        // Asked again, since there may have been a line: a refresh that the process does not live to finish loses a low-trust merchant.
        if (this.#isClosing()) throw closing()
        const claim = await this.#claim(record, by, round > 1)
        return claim && this.#underLease({ ...claim, attempts: isLater ? attempts.later : attempts.first }, record, base)
      })
      const kept = obtained && await this.#keep(obtained, base, began)
      if (kept) return kept
      // Somebody else changed the record: begin again, and see what it says now.
      if (round > 1) await this.#pause(round)
    }
  }

  /** Refresh first, recover second. Resolves with undefined if somebody else has the record now. */
  async #underLease (claim: Claim, start: Installation, base: string): Promise<Obtained | undefined> {
    const { clover, notify, trust } = this.#use
    const { merchantId } = start
    const refreshed = await this.#ask(claim, () => clover.refresh(base))
    if (refreshed === undefined) return undefined
    if (refreshed.outcome === 'unclear') return this.#fail(claim, refreshed)
    if (refreshed.outcome !== 'refused') return { claim, answer: refreshed, presented: base, recovered: false }
    const { status, recoveryAvailable } = refreshed
    notify({ type: 'refresh-refused', merchantId, status, recoveryAvailable })

    const candidates = trust === 'high' ? [base, start.spentRefreshToken] : []
    for (const spent of candidates) {
      if (spent === undefined) continue
      // Recovery kills the pair that it replaces, so it is asked for only while nobody else can be at work on this record.
      if (!await this.#extend(claim)) return undefined
      const recovered = await this.#ask(claim, () => clover.recover(spent))
      if (recovered === undefined) return undefined
      if (recovered.outcome === 'unclear') return this.#fail(claim, recovered)
      if (recovered.outcome !== 'refused') return { claim, answer: recovered, presented: spent, recovered: true }
    }
    return this.#mark(claim, start)
  }

  /** Writes the intent; resolves with undefined if the record changed meanwhile, and unless it is the last try also if the store failed. */
  async #claim (record: Installation, by: string, isLastTry: boolean): Promise<Omit<Claim, 'attempts'> | undefined> {
    const { store, make, clock } = this.#use
    const next = make.leased(record, by, clock.now() + this.leaseSeconds)
    try {
      return await store.put(next, record.revision) ? { by, record: next } : undefined
    } catch (error) {
      // The outcome is unknown. Only a lease that is seen in the record allows a call to Clover.
      const current = await store.get(record.merchantId)
      if (current?.refreshLease?.by === by) return { by, record: current }
      if (isLastTry && current?.revision === record.revision) throw error
      return undefined
    }
  }

  /** Makes sure that the lease is still this attempt's and has most of its time left. */
  async #extend (claim: Claim): Promise<boolean> {
    const extended = await this.#claim(claim.record, claim.by, true)
    if (extended === undefined) return false
    claim.record = extended.record
    return (claim.record.refreshLease?.until ?? 0) - this.#use.clock.now() > this.leaseSeconds / 2
  }

  /**
   * Asks Clover, and asks again under the same lease where the answer said nothing. Resolves with undefined if the lease is lost
   * meanwhile.
   */
  async #ask (claim: Claim, call: () => Promise<PairAnswer>): Promise<PairAnswer | undefined> {
    let answer = await call()
    for (let attempt = 1; attempt < claim.attempts && answer.outcome === 'unclear' && !answer.malformed; attempt++) {
      const wait = Math.max(answer.retryAfter ?? 0, 0.25 * 2 ** attempt * (0.5 + this.#use.runtime.jitter()))
      if (wait > this.leaseSeconds / 4 || this.#isClosing()) break
      await this.#use.runtime.sleep(wait * 1000)
      if (!await this.#extend(claim)) return undefined
      answer = await call()
    }
    return answer
  }

  /** Clover said nothing of use. The lease stays: it is the trace of a refresh that may have happened. */
  #fail ({ by, record: { merchantId } }: Claim, answer: Unclear): never {
    if (this.#unanswered.size >= mostUnanswered) this.#unanswered.clear()
    this.#unanswered.set(merchantId, by)
    this.#use.notify({ type: 'refresh-failed', merchantId, reason: answer.reason })
    throw unclearError(answer, merchantId)
  }

  /** Writes a new pair; if the write fails the pair is held, and serves meanwhile. Resolves with undefined if it was dropped. */
  async #keep ({ claim, answer, presented, recovered }: Obtained, base: string, began: number): Promise<Refreshed | undefined> {
    const { make, clock, notify } = this.#use
    const { record } = claim
    const { merchantId, accessToken, accessTokenExpiration } = record
    this.#unanswered.delete(merchantId)
    const pair = { accessToken, accessTokenExpiration, refreshTokenExpiration: null, ...answer.value, presented, recovered }
    const next = make.withPair(record, pair, clock.now())
    // Without a new access token the old one stays, with its own times.
    if (answer.outcome === 'odd' && answer.value.accessToken === undefined) next.updatedAt = record.updatedAt
    const held = { next, expected: record.revision, base, pair }
    notify({ type: recovered ? 'recovered' : 'refreshed', merchantId, duration: (clock.now() - began) * 1000 })
    try {
      const stored = await this.settle(held)
      return stored && { record: stored }
    } catch (error) {
      notify({ type: 'pair-held', merchantId, reason: reasonOf(error) })
      return { record: held.next, held }
    }
  }

  /**
   * Writes a held pair. Resolves with the record that is stored, or with undefined if the pair was dropped for a newer one or for a
   * disconnect; rejects where the store failed, and may then be called again.
   */
  async settle (held: HeldPair): Promise<Installation | undefined> {
    const { store, make, notify } = this.#use
    const { pair, base } = held
    const { merchantId } = held.next
    for (let round = 0; round < maxRounds; round++) {
      if (await store.put(held.next, held.expected)) return held.next
      const current = await store.get(merchantId)
      if (current !== undefined) {
        const mine = current.refreshToken === pair.refreshToken || current.spentRefreshToken === pair.refreshToken
        if (mine) return current
        const untouched = current.refreshToken === base
        // A recovery that presented the same token has killed the pair that the refresh gave, and mine is the recovery's.
        const replaced = current.spentRefreshToken === pair.presented && pair.recovered && !current.recovered
        if (untouched || replaced) {
          const { updatedAt } = held.next
          held.next = { ...make.withPair(current, pair, updatedAt), updatedAt }
          held.expected = current.revision
          continue
        }
      }
      notify({ type: 'pair-dropped', merchantId })
      return undefined
    }
    throw storageFailed('put', 'it refuses a write although the revision is the stored one', merchantId)
  }

  /** Every stored token was refused. A guess and not a verdict: the merchant is tried again at `retryAt`. */
  async #mark (claim: Claim, start: Installation): Promise<undefined> {
    const { store, make, clock, notify } = this.#use
    const next = make.marked(claim.record, clock.now())
    if (!await store.put(next, claim.record.revision)) return undefined
    const { since, retryAt } = next.reauthorizationRequired as NonNullable<Installation['reauthorizationRequired']>
    const { merchantId } = next
    notify({ type: 'reauthorization-required', merchantId, since, retryAt, first: start.reauthorizationRequired === undefined })
    throw reauthorizationRequired(merchantId)
  }

  #isClosing (): boolean {
    return this.#use.isClosing?.() ?? false
  }

  /** Waits a little while somebody else refreshes: 20 ms at first, then up to a second. */
  async #pause (round: number): Promise<void> {
    const longest = Math.min(1000, 20 * 1.5 ** round)
    await this.#use.runtime.sleep(longest * (0.5 + this.#use.runtime.jitter() / 2))
  }
}
