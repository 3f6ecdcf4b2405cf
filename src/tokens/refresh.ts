import { unclearError, type Unclear } from '../clover/answer.js'
import type { PairAnswer } from '../clover/client.js'
import { longestGrace } from '../concurrency/deadline.js'
import { closing, notConnected, reasonOf, reauthorizationRequired, storageFailed, unavailable } from '../errors.js'
import { isRefusedFor } from './freshness.js'
import type { Installation } from './installation.js'
import type { HeldPair, RefreshDependencies, Refreshed, RefreshGoal } from './refresh-types.js'
import { elapsed } from './runtime.js'

/** A record that is under this attempt's lease once it is held. */
interface Claim {
  by: string
  record: Installation
  /** The most times that Clover is asked the same thing. */
  attempts: number
  /** Whether a store that fails to take the lease is an error now, and not a reason to begin again. */
  isLastTry: boolean
  /** Milliseconds of the runtime: Clover's clock is moved by its answers, and would tell no duration. */
  began: number
  /** Another attempt left a lease or a mark: its recovery may still reach Clover, and end what this attempt obtains. */
  isDoubtful: boolean
  /** Makes room for the next who reads a record. */
  leaveLine: () => void
}

/** One refresh, over all its rounds. */
interface Run {
  merchantId: string
  goal: RefreshGoal
  /** Names this attempt in its leases. */
  by: string
  /** When somebody else's refresh is no longer waited for. Milliseconds of the runtime, as `began` of a claim. */
  giveUpAt: number
  /** The lease that was seen last, by its end in Unix seconds, and when it must have ended since it was first seen: milliseconds of the runtime. */
  seen: { until: number | undefined, end: number }
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
const mostOwn = 10_000

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
  /** The leases that this process wrote and no longer works under, by merchant: the next attempt may go on under them while they last. */
  readonly #own = new Map<string, string>()

  constructor (dependencies: RefreshDependencies) {
    this.#use = dependencies
  }

  /** Seconds of a lease: it outlasts a refresh, a recovery of either token, each with the grace of its deadline, and the write. */
  get leaseSeconds (): number {
    const { callTimeout, storageTimeout } = this.#use
    return (3 * (callTimeout + longestGrace) + 2 * storageTimeout) / 1000
  }

  /** The same in milliseconds. */
  get #leaseTime (): number {
    return this.leaseSeconds * 1000
  }

  /**
   * Refreshes a merchant's tokens, or waits for whoever does, until the record serves the goal.
   *
   * Rejects with `FST_CLOVER_NOT_CONNECTED`, `FST_CLOVER_REAUTHORIZATION_REQUIRED`, `FST_CLOVER_UNAVAILABLE`, `FST_CLOVER_BAD_REPLY` or
   * `FST_CLOVER_STORAGE`.
   */
  async run (merchantId: string, goal: RefreshGoal): Promise<Refreshed> {
    const { runtime, slots, make } = this.#use
    const by = make.id()
    const state: Run = { merchantId, goal, by, giveUpAt: 0, seen: { until: undefined, end: 0 } }
    for (let round = 0; ; round++) {
      // The record is read when a call to Clover is near: by the end of a long line, another server may have refreshed the merchant.
      const came = await slots.near(leave => {
        if (round === 0) state.giveUpAt = runtime.now() + 2 * this.#leaseTime // the line is no time that another server takes
        return this.#try(state, round, leave)
      })
      if (came !== 'changed' && came !== 'leased') return came
      // Somebody else changed the record, or is about to: begin again, and see what it says now.
      if (came === 'leased' || round > 1) await this.#pause(round)
    }
  }

  async #try (state: Run, round: number, leaveLine: () => void): Promise<Refreshed | 'changed' | 'leased'> {
    const { store, clock, runtime } = this.#use
    const { merchantId, goal, by, giveUpAt, seen } = state
    const record = await store.get(merchantId)
    if (record === undefined) throw notConnected(merchantId)
    if (goal.enough(record)) return { record }
    const mark = record.reauthorizationRequired
    if (record.refreshToken === null || (!goal.force && isRefusedFor(mark, clock.now()))) throw reauthorizationRequired(merchantId)
    if (runtime.now() > giveUpAt) throw unavailable('another server is refreshing this merchant', 1, merchantId)
    if (this.#isClosing()) throw closing()
    const { refreshLease } = record
    // No lease lasts longer than this from when it is first seen, whatever a clock says that no answer of Clover has set right yet.
    if (refreshLease?.until !== seen.until) Object.assign(seen, { until: refreshLease?.until, end: runtime.now() + this.#leaseTime })
    const lease = refreshLease && clock.now() < refreshLease.until && runtime.now() < seen.end ? refreshLease : undefined
    if (lease && lease.by !== by && lease.by !== this.#own.get(merchantId)) return 'leased'
    const base = record.refreshToken
    const claim: Claim = { by: lease?.by ?? by, record, attempts: lease ? attempts.later : attempts.first, isLastTry: round > 1, began: runtime.now(), isDoubtful: refreshLease !== undefined || mark !== undefined, leaveLine }
    const obtained = await this.#underLease(claim, record, base)
    return (obtained && await this.#keep(obtained, base)) ?? 'changed'
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
      const recovered = await this.#ask(claim, () => clover.recover(spent))
      if (recovered === undefined) return undefined
      if (recovered.outcome === 'unclear') return this.#fail(claim, recovered)
      if (recovered.outcome !== 'refused') return { claim, answer: recovered, presented: spent, recovered: true }
    }
    return this.#mark(claim, start)
  }

  /**
   * Asks Clover under the lease, and asks again where the answer said nothing. Resolves with undefined if somebody else has the record now.
   *
   * A slot is taken for each call and not for the pauses between them: eight merchants who wait must not hold up the others.
   */
  async #ask (claim: Claim, call: () => Promise<PairAnswer>): Promise<PairAnswer | undefined> {
    const { slots, runtime } = this.#use
    for (let attempt = 1; ; attempt++) {
      const answer = await slots.run(async () => {
        claim.leaveLine()
        return await this.#hold(claim) ? call() : undefined
      })
      if (answer?.outcome !== 'unclear' || answer.malformed || attempt >= claim.attempts) return answer
      const wait = Math.max(answer.retryAfter ?? 0, 0.25 * 2 ** attempt * (0.5 + runtime.jitter()))
      if (wait > this.leaseSeconds / 4 || this.#isClosing()) return answer
      await runtime.sleep(wait * 1000)
    }
  }

  /**
   * Writes the intent, or extends it, right before a call: the lease is this attempt's and has most of its time left. Recovery kills
   * the pair that it replaces, so nobody else may be at work on the record.
   */
  async #hold (claim: Claim): Promise<boolean> {
    // After the line: a refresh that the process does not live to finish loses a low-trust merchant.
    if (this.#isClosing()) throw closing()
    const before = claim.record.refreshLease
    const leased = await this.#lease(claim)
    if (leased === undefined) return false
    claim.record = leased.record
    claim.isLastTry = true
    // The write may have taken seconds: a pair that Clover gives now could not be written any more.
    if (this.#isClosing()) {
      await this.#giveBack(leased.record, before)
      throw closing()
    }
    return leased.until - this.#use.clock.now() > this.leaseSeconds / 2
  }

  /** Resolves with the leased record, or with undefined if the record changed meanwhile, and unless it is the last try also if the store failed. */
  async #lease ({ record, by, isLastTry }: Claim): Promise<{ record: Installation, until: number } | undefined> {
    const { store, make, clock } = this.#use
    const until = clock.now() + this.leaseSeconds
    const next = make.leased(record, by, until)
    try {
      return await store.put(next, record.revision) ? { record: next, until } : undefined
    } catch (error) {
      // The outcome is unknown. Only a lease that is seen in the record allows a call to Clover. Should this read fail too, the next attempt
      // goes on under the lease instead of waiting for its end.
      this.#remember(record.merchantId, by)
      const current = await store.get(record.merchantId)
      if (current?.refreshLease?.by === by) return { record: current, until: current.refreshLease.until }
      if (isLastTry && current?.revision === record.revision) throw error
      return undefined
    }
  }

  /**
   * Takes a lease back under which nothing was sent, so that no other server waits for its end. A lease that was there before comes back:
   * a refresh may have been sent under that one. If the write fails, the lease ends by itself.
   */
  async #giveBack (record: Installation, before: Installation['refreshLease']): Promise<void> {
    const { store, make } = this.#use
    await store.put(make.unleased(record, before), record.revision).catch(() => {})
  }

  /** Clover said nothing of use. The lease stays: it is the trace of a refresh that may have happened. */
  #fail ({ by, began, record: { merchantId } }: Claim, answer: Unclear): never {
    this.#remember(merchantId, by)
    this.#use.notify({ type: 'refresh-failed', merchantId, duration: elapsed(this.#use.runtime, began), reason: answer.reason })
    throw unclearError(answer, merchantId)
  }

  /** Remembers a lease as this process's own, for the next attempt. */
  #remember (merchantId: string, by: string): void {
    if (this.#own.size >= mostOwn) this.#own.clear()
    this.#own.set(merchantId, by)
  }

  /** Writes a new pair; if the write fails the pair is held, and serves meanwhile. Resolves with undefined if it was dropped. */
  async #keep ({ claim, answer, presented, recovered }: Obtained, base: string): Promise<Refreshed | undefined> {
    const { make, clock, runtime, notify, trust } = this.#use
    const { record, by } = claim
    const { merchantId, accessToken, accessTokenExpiration } = record
    // A low-trust app has no recovery that could arrive late.
    const isDoubtful = trust === 'high' && (recovered || claim.isDoubtful)
    const pair = { accessToken, accessTokenExpiration, refreshTokenExpiration: null, ...answer.value, presented, recovered, isDoubtful }
    const next = make.withPair(record, pair, clock.now())
    // Without a new access token the old one stays, with its own times.
    if (answer.outcome === 'odd' && answer.value.accessToken === undefined) next.updatedAt = record.updatedAt
    const held = { next, expected: record.revision, base, by, pair, refusedSince: record.reauthorizationRequired?.since }
    // Only now: a subscriber that throws may end the process, and the pair with it while it is not stored.
    const tell = () => {
      if (answer.outcome === 'odd') notify({ type: 'odd-reply', merchantId, reason: answer.reason })
      notify({ type: recovered ? 'recovered' : 'refreshed', merchantId, duration: elapsed(runtime, claim.began) })
    }
    try {
      const stored = await this.settle(held)
      tell()
      return stored && { record: stored }
    } catch (error) {
      tell()
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
    const { base, by } = held
    const { merchantId } = held.next
    for (let round = 0; round < maxRounds; round++) {
      const { pair } = held
      if (await store.put(held.next, held.expected)) return this.#stored(held, held.next)
      const current = await store.get(merchantId)
      if (current !== undefined) {
        const mine = current.refreshToken === pair.refreshToken || current.spentRefreshToken === pair.refreshToken
        if (mine) return this.#stored(held, current)
        const untouched = current.refreshToken === base
        // A recovery that presented the same token has killed the pair that the refresh gave, and mine is the recovery's.
        const replaced = current.spentRefreshToken === pair.presented && pair.recovered && !current.recovered
        if (untouched || replaced) {
          const { refreshLease: lease, reauthorizationRequired: mark } = current
          // Somebody else is at work on the same token, or was: with a recovery, perhaps, that comes after this pair.
          if (this.#use.trust === 'high' && (mark || (lease && lease.by !== by))) held.pair = { ...pair, isDoubtful: true }
          const { updatedAt } = held.next
          held.next = { ...make.withPair(current, held.pair, updatedAt), updatedAt }
          held.expected = current.revision
          held.refusedSince = mark?.since
          continue
        }
      }
      notify({ type: 'pair-dropped', merchantId })
      return undefined
    }
    throw storageFailed('put', 'it refuses a write although the revision is the stored one', merchantId)
  }

  /** A pair is in the store. */
  #stored (held: HeldPair, record: Installation): Installation {
    const { merchantId } = record
    if (held.refusedSince !== undefined) this.#use.notify({ type: 'reconnected', merchantId, since: held.refusedSince, by: 'refresh' })
    held.refusedSince = undefined
    return record
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

  /** Waits a little while somebody else refreshes: 10 ms at first, then about a fifth of the time that has passed, up to a second. */
  async #pause (round: number): Promise<void> {
    const longest = Math.min(1000, 10 * 1.25 ** round)
    await this.#use.runtime.sleep(longest * (0.5 + this.#use.runtime.jitter() / 2))
  }
}
