import { LruMap } from 'toad-cache'
import { unclearError, type Unclear } from '../clover/answer.js'
import type { PairAnswer } from '../clover/client.js'
import { backoff } from '../concurrency/backoff.js'
import { longestGrace } from '../concurrency/deadline.js'
import { closing, notConnected, reauthorizationRequired, unavailable } from '../errors.js'
import { isRefusedFor } from './freshness.js'
import { Heartbeat, heartbeatOf } from './heartbeat.js'
import type { Installation } from '../installation.js'
import { LeaseWatch } from './lease-watch.js'
import type { PairWriter } from './pair-writer.js'
import { Unwanted, type Claim, type Obtained, type RefreshDependencies, type Refreshed, type RefreshGoal, type Run } from './refresh-types.js'
import { durationSince } from '../runtime.js'

/** How often one call to Clover is tried: under a new lease, and under a lease that an earlier attempt left. */
const attempts = { first: 3, later: 1 }

/** The most leases of earlier attempts that are remembered. */
const mostOwn = 10_000

/** The longest pause between two looks at the lease of another server, in milliseconds. */
const longestPause = 1_000

/** @internal What {@link RefreshProtocol} needs. */
export interface RefreshProtocolDependencies extends RefreshDependencies {
  pairs: Pick<PairWriter, 'keep'>
}

/**
 * @internal The protocol by which any number of servers refresh a merchant once.
 *
 * A Clover refresh token works once. So two refreshes at once, or a crash before the new pair is written, would disconnect the merchant. The
 * record is both the lock and the trace: a lease is written before Clover is called, and the new pair is written, by revision, before
 * anything else is done. The rules that docblocks cite by number are those of README.md in this folder.
 */
export class RefreshProtocol {
  readonly #use: RefreshProtocolDependencies
  /** By merchant: the lease of an attempt of this process that ended without an answer. The next attempt may continue it until it expires. */
  readonly #own = new LruMap<string>(mostOwn)
  readonly #watch: LeaseWatch

  constructor (dependencies: RefreshProtocolDependencies) {
    this.#use = dependencies
    this.#watch = new LeaseWatch(this.#leaseTime, longestPause + dependencies.storageTimeout, dependencies.runtime.monotonic)
  }

  /**
   * Length of a lease in seconds: enough for a refresh and two recoveries, each with the grace of its deadline, and two calls to the store
   * (rule 7).
   */
  get leaseSeconds (): number {
    const { callTimeout, storageTimeout } = this.#use
    return (3 * (callTimeout + longestGrace) + 2 * storageTimeout) / 1000
  }

  /** The same in milliseconds. */
  get #leaseTime (): number {
    return this.leaseSeconds * 1000
  }

  /**
   * Refreshes a merchant's tokens, or waits for another server's refresh, until the record serves the goal.
   *
   * @throws FST_CLOVER_NOT_CONNECTED, FST_CLOVER_REAUTHORIZATION_REQUIRED, FST_CLOVER_UNAVAILABLE, FST_CLOVER_BAD_REPLY,
   * FST_CLOVER_STORAGE, FST_CLOVER_CLOSING; `Unwanted` if all callers left before the refresh was begun
   */
  async run (merchantId: string, goal: RefreshGoal): Promise<Refreshed> {
    const { runtime, slots, make } = this.#use
    const by = make.id()
    const state: Run = { merchantId, goal, by, giveUpAt: 0 }
    for (let round = 0; ; round++) {
      // The record is read shortly before a call to Clover: during a long wait in the queue, another server may have refreshed the merchant.
      const result = await slots.admit(leave => {
        // Time spent queueing does not count towards the wait for another server.
        if (round === 0) state.giveUpAt = runtime.monotonic() + 2 * this.#leaseTime
        return this.#try(state, round, leave)
      })
      if (result !== 'changed' && result !== 'leased') return result
      // Another attempt changed the record, or holds its lease: begin again with a new read.
      if (result === 'leased' || round > 1) await this.#pause(round)
    }
  }

  /**
   * One round: reads the record, and sees whether there is anything to do (rule 1). The order of the checks counts:
   *
   * 1. Does a caller still wait?
   * 2. Is there a record, and does it serve the goal? Then nothing is done, whatever mark or lease it has.
   * 3. Is the merchant to be called at all? A v1 token cannot be refreshed, and a mark forbids calls until its `retryAt`, except an operator's.
   * 4. Is there time? The wait for other servers has an end, and a server that closes begins nothing.
   * 5. Whose is the lease? That of another attempt is waited for until it ends; one that an attempt of this process left is continued.
   *
   * Resolves with `leased` if another attempt's lease lasts, and with `changed` if another attempt changed the record.
   */
  async #try (state: Run, round: number, leaveQueue: () => void): Promise<Refreshed | 'changed' | 'leased'> {
    const { store, clock, runtime, pairs } = this.#use
    const { merchantId, goal, by, giveUpAt } = state
    const isWanted = () => goal.isWanted?.() !== false
    if (!isWanted()) throw new Unwanted()
    const record = await store.get(merchantId)
    if (record === undefined) throw notConnected(merchantId)
    if (goal.enough(record)) return { record }
    const mark = record.reauthorizationRequired
    if (record.refreshToken === null || (!goal.force && isRefusedFor(mark, clock.now()))) throw reauthorizationRequired(merchantId)
    if (runtime.monotonic() > giveUpAt) throw unavailable('another server is refreshing this merchant', 1, merchantId)
    if (this.#isClosing()) throw closing()
    const { refreshLease } = record
    const lasting = refreshLease && clock.now() < refreshLease.until ? refreshLease : undefined
    const isOwn = lasting && (lasting.by === by || lasting.by === this.#own.get(merchantId))
    if (lasting && !isOwn && !this.#watch.hasEnded(record, lasting)) return 'leased'
    this.#watch.forget(merchantId)
    const lease = isOwn ? lasting : undefined
    const base = record.refreshToken
    const claim: Claim = {
      by: lease?.by ?? by,
      record,
      attempts: lease ? attempts.later : attempts.first,
      isLastTry: round > 1,
      began: runtime.monotonic(),
      isDoubtful: refreshLease !== undefined || mark !== undefined,
      isWanted,
      leaveQueue
    }
    if (this.#use.trust === 'high') claim.heartbeat = new Heartbeat({ ...this.#use, longest: this.#leaseTime }, claim)
    const obtained = await this.#underLease(claim, record, base).finally(() => claim.heartbeat?.stop())
    return (obtained && await pairs.keep(obtained, base)) ?? 'changed'
  }

  /** Refreshes, and recovers if Clover refuses that (rule 3). Resolves with undefined if another attempt changed the record. */
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
   * Calls Clover under the lease, and retries an unclear answer. Resolves with undefined if another attempt changed the record.
   *
   * Each call takes a slot, but the pauses between calls do not: eight merchants whose calls are retried must not hold up the others.
   */
  async #ask (claim: Claim, call: () => Promise<PairAnswer>): Promise<PairAnswer | undefined> {
    const { slots, runtime } = this.#use
    for (let attempt = 1; ; attempt++) {
      const answer = await slots.run(async () => {
        claim.leaveQueue()
        return await this.#hold(claim) ? call() : undefined
      })
      if (answer?.outcome !== 'unclear' || answer.malformed || attempt >= claim.attempts) return answer
      const wait = Math.max(answer.retryAfter ?? 0, 0.25 * 2 ** attempt * (0.5 + runtime.jitter()))
      if (wait > this.leaseSeconds / 4 || this.#isClosing()) return answer
      await runtime.sleep(wait * 1000)
    }
  }

  /**
   * Writes the lease, or extends it, right before a call. Resolves with whether the call may be made: the lease is this attempt's, and more
   * than half of it is left (rule 2). A recovery ends the pair that it replaces, so no other attempt may be in progress.
   */
  async #hold (claim: Claim): Promise<boolean> {
    await claim.heartbeat?.rest()
    // Checked after the queue: a refresh that the process cannot finish loses a low-trust merchant.
    if (this.#isClosing()) throw closing()
    if (!claim.isWanted()) throw new Unwanted()
    const before = claim.record.refreshLease
    const began = this.#use.runtime.monotonic()
    const leased = await this.#lease(claim)
    if (leased === undefined) return false
    claim.isWanted = () => true
    claim.record = leased.record
    claim.isLastTry = true
    // The write may have taken seconds: a pair that Clover gives now could not be written any more.
    if (this.#isClosing()) {
      await this.#giveBack(leased.record, before)
      throw closing()
    }
    claim.heartbeat?.start(began)
    return leased.until - this.#use.clock.now() > this.leaseSeconds / 2
  }

  /** Writes a lease (rule 2). Resolves with undefined if the record changed meanwhile, or if the write failed and may be tried again. */
  async #lease ({ record, by, isLastTry, heartbeat }: Claim): Promise<{ record: Installation, until: number } | undefined> {
    const { store, make, clock, storageTimeout } = this.#use
    const until = clock.now() + this.leaseSeconds
    const next = make.leased(record, by, until, heartbeat && heartbeatOf(storageTimeout).deadAfter / 1000)
    try {
      return await store.put(next, record.revision) ? { record: next, until } : undefined
    } catch (error) {
      // The outcome is unknown. Only a lease that is seen in the record allows a call to Clover. If this read fails too, the next attempt
      // continues the lease instead of waiting for its end.
      this.#own.set(record.merchantId, by)
      const current = await store.get(record.merchantId)
      if (current?.refreshLease?.by === by) return { record: current, until: current.refreshLease.until }
      if (isLastTry && current?.revision === record.revision) throw error
      return undefined
    }
  }

  /**
   * Removes a lease under which no call was made, so that no other server waits for its end. An earlier lease is restored: a refresh may
   * have been sent under that one. If the write fails, the lease expires by itself.
   */
  async #giveBack (record: Installation, before: Installation['refreshLease']): Promise<void> {
    const { store, make } = this.#use
    await store.put(make.unleased(record, before), record.revision).catch(() => {})
  }

  /** Ends an attempt without a usable answer. The lease stays: it is the trace of a refresh that may have happened. */
  #fail ({ by, began, record: { merchantId } }: Claim, answer: Unclear): never {
    this.#own.set(merchantId, by)
    this.#use.notify({ type: 'refresh-failed', merchantId, duration: durationSince(this.#use.runtime, began), reason: answer.reason })
    throw unclearError(answer, merchantId)
  }

  /** Marks the record, since Clover refused every stored token (rule 6). That may be temporary, so the merchant is tried again at `retryAt`. */
  async #mark (claim: Claim, start: Installation): Promise<undefined> {
    const { store, make, clock, notify } = this.#use
    await claim.heartbeat?.rest()
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

  /** Waits while another server refreshes: up to 10 ms at first, a quarter longer each time, up to a second. */
  async #pause (round: number): Promise<void> {
    const { runtime } = this.#use
    await runtime.sleep(backoff({ first: 10, longest: longestPause, factor: 1.25 }, round, runtime.jitter))
  }
}
