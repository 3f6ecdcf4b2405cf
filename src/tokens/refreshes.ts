import { backoff } from '../concurrency/backoff.js'
import { badReply, closing, isCloverError, reasonOf, unavailable, type CloverError } from '../errors.js'
import type { Installation } from '../installation.js'
import type { Runtime } from '../runtime.js'
import type { RefreshProtocol } from './refresh-protocol.js'
import { Unwanted, type RefreshGoal } from './refresh-types.js'
import { UnsavedPairs, type UnsavedPairsDependencies } from './unsaved-pairs.js'

/** @internal What {@link Refreshes} needs. */
export interface RefreshesDependencies extends UnsavedPairsDependencies {
  protocol: Pick<RefreshProtocol, 'run'>
  runtime: Pick<Runtime, 'monotonic' | 'sleep' | 'jitter'>
  /** Called with each record that was read or written during a refresh. */
  onRecord: (record: Installation) => void
}

/** A refresh in progress. */
interface Refresh {
  promise: Promise<Installation>
  /** The goals of the callers who share it. */
  goals: RefreshGoal[]
  /** An operator started it, in spite of a backoff. */
  isForced: boolean
  /** Set if the merchant was disconnected, or authorized again, meanwhile: says whether a record is outdated. */
  isOutdated?: (record: Installation) => boolean
}

interface Failure {
  count: number
  /** Monotonic milliseconds. */
  until: number
  error: unknown
}

/**
 * The longest backoff after a failure of Clover, and of the store, in milliseconds. The store's is shorter: it recovers sooner, and a try makes no
 * call to Clover.
 */
const longestBackoff = { clover: 30_000, storage: 5_000 }

/** The longest `retry-after` that is respected, in milliseconds: a server that asks for a day may recover in a minute. */
const longestRetryAfter = 60_000

/** The most merchants whose failures are remembered. */
const mostFailures = 10_000

/**
 * @internal One refresh of a merchant at a time in this process, shared by everybody who waits for it (rule 11). After a failure the
 * merchant is not refreshed again until its backoff ends.
 */
export class Refreshes {
  readonly #use: RefreshesDependencies
  readonly #inProgress = new Map<string, Refresh>()
  readonly #unsaved: UnsavedPairs
  /** The oldest failure comes first. */
  readonly #failures = new Map<string, Failure>()
  #closed = false

  constructor (dependencies: RefreshesDependencies) {
    this.#use = dependencies
    this.#unsaved = new UnsavedPairs(dependencies)
  }

  /** The record of a pair that Clover gave and that is not stored yet. */
  unsaved (merchantId: string): Installation | undefined {
    return this.#unsaved.get(merchantId)
  }

  /** Whether `refresh()` would start nothing now. */
  isBusyOrBackingOff (merchantId: string): boolean {
    return this.#inProgress.has(merchantId) || this.#backingOff(merchantId) !== undefined
  }

  /** Joins the merchant's refresh or starts one. Resolves with a record that serves the goal, as far as one can be obtained. */
  async refresh (merchantId: string, goal: RefreshGoal): Promise<Installation> {
    let joined = 0
    while (true) {
      const current = this.#inProgress.get(merchantId)
      const refresh = current ?? this.#start(merchantId, goal)
      if (current) current.goals.push(goal)
      try {
        const record = await refresh.promise
        if (!refresh.isOutdated?.(record) && (!current || joined >= 2 || goal.enough(record))) return record
      } catch (error) {
        // An operator who shared another caller's refresh tries again. So does a caller whose refresh was not begun, since the others had left.
        const isOwn = !goal.force || refresh.isForced
        if (!refresh.isOutdated && isOwn && !(error instanceof Unwanted)) throw error
      }
      // Nobody sees this error: its caller has left.
      if (goal.isWanted?.() === false) throw new Unwanted()
      joined++
    }
  }

  /**
   * Forgets a merchant's refresh, since the store has another record now. An unsaved pair is dropped only if it is outdated: that of the
   * present connection may be the only one that works.
   */
  drop (merchantId: string, isOutdated: (record: Installation) => boolean): void {
    const refresh = this.#inProgress.get(merchantId)
    if (refresh) refresh.isOutdated = isOutdated
    this.#inProgress.delete(merchantId)
    const unsaved = this.#unsaved.get(merchantId)
    if (unsaved && isOutdated(unsaved)) this.#unsaved.drop(merchantId)
    this.#failures.delete(merchantId)
  }

  /** Waits until every refresh has ended and every pair is stored, for some milliseconds at most. Resolves with whether they were. */
  async drain (milliseconds: number): Promise<boolean> {
    const deadline = new AbortController()
    const { runtime } = this.#use
    const late = runtime.sleep(milliseconds, deadline.signal).then(() => 'late' as const)
    let outcome: unknown
    while (outcome !== 'late' && (this.#inProgress.size > 0 || this.#unsaved.size > 0)) {
      this.#unsaved.hurry()
      outcome = await Promise.race([late, Promise.allSettled([...[...this.#inProgress.values()].map(({ promise }) => promise), this.#unsaved.allSaved()])])
    }
    deadline.abort()
    return outcome !== 'late'
  }

  /** From now on no refresh is started. */
  close (): void {
    this.#closed = true
    this.#unsaved.close()
  }

  #start (merchantId: string, goal: RefreshGoal): Refresh {
    if (this.#closed) throw closing()
    const failure = this.#backingOff(merchantId)
    if (failure && !goal.force) throw this.#backoffError(merchantId, failure)
    // One turn later, since the work needs the object that has its promise.
    const promise = Promise.resolve().then(() => this.#carryOut(merchantId, goal, refresh)).finally(() => {
      if (this.#inProgress.get(merchantId) === refresh) this.#inProgress.delete(merchantId)
    })
    const refresh: Refresh = { promise, goals: [goal], isForced: goal.force === true }
    this.#inProgress.set(merchantId, refresh)
    refresh.promise.catch(() => {}) // every caller sees the rejection; a background refresh has no caller
    return refresh
  }

  async #carryOut (merchantId: string, goal: RefreshGoal, refresh: Refresh): Promise<Installation> {
    const { protocol, onRecord } = this.#use
    try {
      // An unsaved pair comes first: until it is written, no other refresh of this merchant can succeed.
      const saved = await this.#unsaved.saveNow(merchantId, goal)
      if (saved) return saved
      const isWanted = () => refresh.goals.some(({ isWanted }) => isWanted?.() !== false)
      const { record, unsaved } = await protocol.run(merchantId, { ...goal, isWanted })
      if (!refresh.isOutdated?.(record)) {
        // A pair without a living token counts as a failure, or each call would spend another refresh token.
        if (goal.enough(record)) this.#failures.delete(merchantId)
        else this.#noteFailure(merchantId, badReply('the refresh brought no new living access token', merchantId))
        if (unsaved) this.#unsaved.add(unsaved)
        else onRecord(record)
      }
      return record
    } catch (error) {
      if (!refresh.isOutdated) this.#noteFailure(merchantId, error)
      // A background refresh has no caller who would see the error.
      if (isCloverError(error, 'FST_CLOVER_STORAGE')) this.#use.notify({ type: 'storage-failed', merchantId, reason: reasonOf(error) })
      throw error
    }
  }

  #backingOff (merchantId: string): Failure | undefined {
    const failure = this.#failures.get(merchantId)
    return failure && this.#use.runtime.monotonic() < failure.until ? failure : undefined
  }

  #noteFailure (merchantId: string, error: unknown): void {
    const longest = isCloverError(error, 'FST_CLOVER_STORAGE')
      ? longestBackoff.storage
      : isCloverError(error, 'FST_CLOVER_UNAVAILABLE') || isCloverError(error, 'FST_CLOVER_BAD_REPLY') ? longestBackoff.clover : undefined
    if (longest === undefined) return
    const { monotonic, jitter } = this.#use.runtime
    const count = (this.#failures.get(merchantId)?.count ?? 0) + 1
    const { retryAfter = 0 } = error as CloverError
    const wait = Math.max(Math.min(longestRetryAfter, retryAfter * 1000), backoff({ first: 1_000, longest }, count - 1, jitter))
    this.#failures.delete(merchantId)
    this.#failures.set(merchantId, { count, until: monotonic() + wait, error })
    if (this.#failures.size > mostFailures) this.#failures.delete(this.#failures.keys().next().value as string)
  }

  /** The error for a caller during the backoff. */
  #backoffError (merchantId: string, { error, until }: Failure): unknown {
    if (!isCloverError(error, 'FST_CLOVER_UNAVAILABLE')) return error
    return unavailable('the last try failed a moment ago', (until - this.#use.runtime.monotonic()) / 1000, merchantId)
  }
}
