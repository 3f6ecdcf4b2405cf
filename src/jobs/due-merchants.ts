import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { checkOptions, requireMerchantId } from '../checks/arguments.js'
import { backoff } from '../concurrency/backoff.js'
import type { RateLimiter } from '../concurrency/rate-limiter.js'
import { closing, isCloverError, storageFailed, type CloverErrorCode } from '../errors.js'
import type { Installation } from '../installation.js'
import type { Runtime } from '../runtime.js'
import { readPages } from '../storage/page.js'
import { isAhead, limits } from '../tokens/freshness.js'
import type { Refreshes } from '../tokens/refreshes.js'
import type { Store, StorePage } from '../tokens/store.js'
import { isDue } from './due.js'
import { DueArgument, RefreshIfDueArgument, type DueOptions, type DueOutcome } from './due-options.js'
import type { Jobs } from './jobs.js'
import { KeepAlivePass } from './keep-alive-options.js'

/** @internal What {@link DueMerchants} needs. */
export interface DueMerchantsDependencies {
  store: Pick<Store, 'get' | 'list' | 'canList'>
  refreshes: Pick<Refreshes, 'refresh' | 'unsaved' | 'isBusyOrBackingOff'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'jitter' | 'sleep'>
  jobs: Pick<Jobs, 'slots' | 'begin' | 'track'>
}

/** @internal A merchant who is due. */
export interface Due {
  merchantId: string
  /** The refresh token of the record that was read: if the store has another one later, another server has refreshed. */
  refreshToken: string | null
  /** The refresh may be refused, and a recovery follow. */
  isDoubtful: boolean
}

/** @internal How the store is read for merchants who are due. */
export interface Search {
  /** Seconds: as for {@link isDue}. */
  within: number
  /** Reads every record, not only those that the store lists as due: a wrong clock may have written a time that never comes. */
  isFull: boolean
  stop: AbortSignal
  /** For the pauses after a page that could not be read. */
  sleep: Runtime['sleep']
  /** Called with each page. */
  onPage?: (page: StorePage) => void
}

const pageSize = 100

/** How often the read of a page is tried, and the pauses between tries in milliseconds. */
const listing = { tries: 4, first: 1_000, longest: 10_000 }

/** How often the refresh of another server is looked at, and the pauses in between in milliseconds. */
const another = { tries: 6, first: 100, longest: 1_000 }

/** @internal Finds the merchants who are due, and refreshes one. Keep-alive does both; a host with a queue of its own does each by itself. */
export class DueMerchants {
  readonly #use: DueMerchantsDependencies

  constructor (dependencies: DueMerchantsDependencies) {
    this.#use = dependencies
  }

  /** Backs `due()`. */
  async * list (options: DueOptions = {}): AsyncGenerator<string, void, undefined> {
    checkOptions('due', DueArgument, options)
    const { store, jobs, runtime: { sleep } } = this.#use
    if (!store.canList) throw storageFailed('list, which it does not have', 'due() needs it')
    const stop = jobs.begin(options.signal)
    for await (const { merchantId } of this.find({ within: withinOf(options), isFull: true, stop, sleep })) {
      if (stop.aborted) break
      yield merchantId
    }
    // The caller's own signal ends it early without an error; a server that closes has not listed everybody.
    if (stop.aborted && !options.signal?.aborted) throw closing()
  }

  /** Backs `refreshIfDue()`. */
  async refreshIfDue (merchantId: string, options: Pick<DueOptions, 'within'> = {}): Promise<DueOutcome> {
    requireMerchantId(merchantId)
    checkOptions('refreshIfDue', RefreshIfDueArgument, options)
    const within = withinOf(options)
    const stop = this.#use.jobs.begin()
    try {
      return await this.#refreshIfDue(merchantId, within, stop)
    } catch (error) {
      const outcome = outcomeOf(error)
      // Another try does not help, or another process has to take this merchant.
      if (outcome === 'failed' && !(isCloverError(error) && passing.includes(error.code))) throw error
      return outcome
    }
  }

  async #refreshIfDue (merchantId: string, within: number, stop: AbortSignal): Promise<DueOutcome> {
    const { store, jobs, runtime: { jitter, sleep } } = this.#use
    const throwIfStopped = () => { if (stop.aborted) throw closing() }
    const isLeft = () => {
      throwIfStopped()
      return false // no pass comes after this call, to which the merchant could be left
    }
    for (let round = 0; round <= another.tries; round++) {
      const record = await store.get(merchantId)
      const due = record && this.#dueOf(record, within)
      const outcome = due ? await jobs.track(this.#refresh(due, within, isLeft)) : 'skipped'
      if (outcome !== 'skipped') return outcome
      // A refresh of another server usually ends soon; one that failed leaves its lease.
      const current = due ? await store.get(merchantId) : record
      if (current === undefined || !this.isInProgress(current, within)) return 'skipped'
      await sleep(backoff(another, round, jitter), stop)
      throwIfStopped()
    }
    return 'failed'
  }

  /** Whether a merchant would be due, but has a lease: a refresh is in progress, or failed a moment ago. */
  isInProgress ({ refreshLease, ...record }: Installation, within: number): boolean {
    const now = this.#use.clock.now()
    return refreshLease !== undefined && isAhead(refreshLease.until, now, limits.lease) && isDue(record, within, now)
  }

  /** The merchants who are due, page by page. Each page is shuffled, so that servers at the same time begin with different merchants. */
  async * find (search: Search): AsyncGenerator<Due, void, undefined> {
    const { within, isFull, stop, onPage } = search
    const pages = readPages(from => this.#list({ limit: pageSize, ...(!isFull && { dueBefore: Math.ceil(this.#use.clock.now() + within) }), ...from }, search))
    for await (const page of pages) {
      onPage?.(page)
      yield * this.#shuffled(page.items.flatMap(record => this.#dueOf(record, within) ?? []))
      if (stop.aborted) return
    }
  }

  /** Refreshes a merchant of a pass, unless that is no longer necessary. */
  async refresh (due: Due, { within, stop, limiter }: Pick<Search, 'within' | 'stop'> & { limiter: RateLimiter }): Promise<DueOutcome> {
    const { refreshes } = this.#use
    const isLeft = () => stop.aborted || refreshes.isBusyOrBackingOff(due.merchantId)
    const charge = () => { if (due.isDoubtful) limiter.charge(1) }
    try {
      // Checked before the wait, so that a merchant who needs nothing costs no turn; and after it, since another server may have been faster.
      if (stop.aborted || await this.#isDone(due, within) || isLeft()) return 'skipped'
      await limiter.turn()
      const outcome = await this.#refresh(due, within, isLeft, charge)
      if (outcome === 'refreshed') limiter.ease()
      return outcome
    } catch (error) {
      if (isCloverError(error, 'FST_CLOVER_CLOSING')) return 'skipped'
      if (isCloverError(error, 'FST_CLOVER_UNAVAILABLE')) limiter.slowDown(error.retryAfter)
      return outcomeOf(error)
    }
  }

  /** The slot is taken only for the refresh: a wait for a rate limiter must not hold up other jobs. */
  async #refresh (due: Due, within: number, isLeft: () => boolean, onBegin?: () => void): Promise<DueOutcome> {
    const { refreshes, jobs } = this.#use
    return jobs.slots.run(async () => {
      if (await this.#isDone(due, within) || isLeft()) return 'skipped'
      onBegin?.()
      await refreshes.refresh(due.merchantId, { enough: record => this.#isEnough(record, due, within) })
      // A pair that is only in memory is lost with the process.
      return refreshes.unsaved(due.merchantId) === undefined ? 'refreshed' : 'failed'
    })
  }

  async #isDone (due: Due, within: number): Promise<boolean> {
    const current = await this.#use.store.get(due.merchantId)
    return current === undefined || this.#isEnough(current, due, within)
  }

  #isEnough (record: Installation, { refreshToken }: Due, within: number): boolean {
    return record.refreshToken !== refreshToken || this.#dueOf(record, within) === undefined
  }

  #dueOf (record: Installation, within: number): Due | undefined {
    if (!isDue(record, within, this.#use.clock.now())) return undefined
    const { merchantId, refreshToken, refreshLease, reauthorizationRequired } = record
    return { merchantId, refreshToken, isDoubtful: Boolean(refreshLease ?? reauthorizationRequired) }
  }

  async #list (query: Parameters<Store['list']>[0], pauses: Pick<Search, 'stop' | 'sleep'>, round = 1): Promise<StorePage> {
    const { store, runtime: { jitter } } = this.#use
    const { stop, sleep } = pauses
    try {
      return await store.list(query)
    } catch (error) {
      if (round >= listing.tries || stop.aborted) throw error
      await sleep(backoff(listing, round - 1, jitter), stop)
      return this.#list(query, pauses, round + 1)
    }
  }

  /** Fisher and Yates' shuffle. */
  #shuffled<T> (items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = Math.floor(this.#use.runtime.jitter() * (i + 1))
      const moved = items[i] as T
      items[i] = items[j] as T
      items[j] = moved
    }
    return items
  }
}

/** The errors after which another try may help. */
const passing: readonly string[] = ['FST_CLOVER_UNAVAILABLE', 'FST_CLOVER_BAD_REPLY', 'FST_CLOVER_STORAGE'] satisfies CloverErrorCode[]

function outcomeOf (error: unknown): DueOutcome {
  if (isCloverError(error, 'FST_CLOVER_NOT_CONNECTED')) return 'skipped'
  return isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED') ? 'refused' : 'failed'
}

function withinOf ({ within }: Pick<DueOptions, 'within'>): number {
  return Value.Parse(Type.Pick(KeepAlivePass, ['within']), within === undefined ? {} : { within }).within
}
