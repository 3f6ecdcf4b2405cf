import { Value } from '@sinclair/typebox/value'
import type { FastifyBaseLogger } from 'fastify'
import { checkOptions } from '../checks/arguments.js'
import { backoff, spread } from '../concurrency/backoff.js'
import { isCloverError, storageFailed } from '../errors.js'
import type { Refreshes } from '../tokens/refreshes.js'
import type { Installation } from '../installation.js'
import { RateLimiter } from '../concurrency/rate-limiter.js'
import type { Runtime } from '../runtime.js'
import { readPages } from '../storage/page.js'
import type { Store, StorePage } from '../tokens/store.js'
import { isDue } from './due.js'
import { inCompletionOrder } from '../concurrency/in-completion-order.js'
import type { Jobs } from './jobs.js'
import { KeepAliveArgument, KeepAlivePass, type KeepAliveOptions, type KeepAliveSchedule, type KeepAliveSummary } from './keep-alive-options.js'
import { Progress } from './progress.js'

/** @internal */
export interface KeepAliveDependencies {
  store: Pick<Store, 'get' | 'list' | 'canList'>
  refreshes: Pick<Refreshes, 'refresh' | 'isBusyOrBackingOff'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'monotonic' | 'sleep' | 'jitter'>
  jobs: Jobs
  log: Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>
}

/** A merchant who is due. */
interface Due {
  merchantId: string
  /** The refresh token of the listed record: if the store has another one later, another server has refreshed. */
  refreshToken: string | null
  /** The refresh may be refused, and a recovery follow. */
  isDoubtful: boolean
}

type Outcome = 'refreshed' | 'skipped' | 'refused' | 'failed'

/** The settings of a pass, and the sleep for its pauses. */
interface Pass extends KeepAlivePass, Pick<KeepAliveOptions, 'onProgress'> {
  /** Reads every record, not only those that the store lists as due: a wrong clock may have written a time that never comes. */
  isFull: boolean
  stop: AbortSignal
  sleep: Runtime['sleep']
}

const pageSize = 100

/** How often the read of a page is tried, and the pauses between tries in milliseconds. */
const listing = { tries: 4, first: 1_000, longest: 10_000 }

/** The longest wait for the first pass, and for the pass after a failed one, in seconds. */
const soon = 300

/** Milliseconds between two passes that read every record. */
const fullPassEvery = 86_400_000

/** @internal Refreshes merchants whose refresh token would otherwise end, or whose last refresh may be lost. */
export class KeepAlive {
  readonly #use: KeepAliveDependencies

  constructor (dependencies: KeepAliveDependencies) {
    this.#use = dependencies
  }

  /** Backs `keepAlive()`: one pass. */
  async run (options: KeepAliveOptions = {}): Promise<KeepAliveSummary> {
    checkOptions('keepAlive', KeepAliveArgument, options)
    const { store, jobs, runtime: { sleep } } = this.#use
    if (!store.canList) throw storageFailed('list, which it does not have', 'keepAlive() needs it')
    const { signal, onProgress, ...given } = options
    return this.#pass({ ...Value.Parse(KeepAlivePass, given), onProgress, isFull: true, stop: jobs.begin(signal), sleep })
  }

  /**
   * Backs the option `keepAlive`: makes passes until the signal is aborted. The first begins after five minutes, or after `every` if that is
   * shorter, less up to half by chance. No pause keeps the process alive.
   */
  async start ({ every, ...pass }: KeepAliveSchedule, stop: AbortSignal): Promise<void> {
    const { runtime, log } = this.#use
    const { jitter } = runtime
    const sleep: Runtime['sleep'] = (milliseconds, signal) => runtime.sleep(milliseconds, signal, { ref: false })
    // The jitter spreads servers that were started together. A short process, such as a cron job, ends before its first pass.
    let wait = spread(Math.min(every, soon), jitter)
    let nextFullPass = 0
    while (true) {
      await sleep(wait * 1000, stop)
      if (stop.aborted) return
      wait = every * (0.9 + 0.2 * jitter())
      try {
        const isFull = runtime.monotonic() >= nextFullPass
        await this.#pass({ ...pass, isFull, stop, sleep })
        if (isFull) nextFullPass = runtime.monotonic() + fullPassEvery
      } catch (err) {
        wait = Math.min(wait, spread(soon, jitter))
        log.warn({ err }, 'fastify-clover: a keep-alive pass failed; it is tried again')
      }
    }
  }

  async #pass ({ within, rate, concurrency, onProgress, isFull, stop, sleep }: Pass): Promise<KeepAliveSummary> {
    const { runtime, jobs, log } = this.#use
    const summary: KeepAliveSummary = { candidates: 0, due: 0, refreshed: 0, skipped: 0, refused: 0, failed: 0, unusable: 0, isComplete: false }
    const limiter = new RateLimiter({ rate, runtime: { monotonic: runtime.monotonic, sleep } })
    const hurry = () => limiter.hurry()
    stop.addEventListener('abort', hurry)
    const progress = new Progress(onProgress, runtime, log)
    const run = (due: Due) => jobs.track(this.#refresh(due, within, limiter, stop))
    try {
      for await (const outcome of inCompletionOrder({ source: this.#due(within, summary, { isFull, stop, sleep }), run, concurrency, signal: stop })) {
        summary[outcome]++
        progress.step(0, () => ({ ...summary }))
      }
      summary.isComplete = !stop.aborted
    } finally {
      stop.removeEventListener('abort', hurry)
      progress.report(0, () => ({ ...summary }))
      const level = summary.due + summary.unusable > 0 ? 'info' : 'debug'
      log[level]({ clover: { event: 'keep-alive', ...summary } }, 'fastify-clover: a keep-alive pass is over')
    }
    return summary
  }

  /** The merchants who are due, page by page. Each page is shuffled, so that servers at the same time begin with different merchants. */
  async * #due (within: number, summary: KeepAliveSummary, { isFull, ...pauses }: Pick<Pass, 'isFull' | 'stop' | 'sleep'>): AsyncGenerator<Due, void, undefined> {
    const { clock } = this.#use
    const pages = readPages(from => this.#list({ limit: pageSize, ...(!isFull && { dueBefore: Math.ceil(clock.now() + within) }), ...from }, pauses))
    for await (const page of pages) {
      summary.candidates += page.items.length + page.unusable.length
      summary.unusable += page.unusable.length
      const due = page.items.filter(record => isDue(record, within, clock.now()))
        .map(({ merchantId, refreshToken, refreshLease, reauthorizationRequired }) => ({ merchantId, refreshToken, isDoubtful: Boolean(refreshLease ?? reauthorizationRequired) }))
      for (const merchant of this.#shuffled(due)) {
        summary.due++
        yield merchant
      }
      if (pauses.stop.aborted) return
    }
  }

  async #list (query: Parameters<Store['list']>[0], pauses: Pick<Pass, 'stop' | 'sleep'>, round = 1): Promise<StorePage> {
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

  async #refresh ({ merchantId, refreshToken, isDoubtful }: Due, within: number, limiter: RateLimiter, stop: AbortSignal): Promise<Outcome> {
    const { store, refreshes, clock, jobs } = this.#use
    const isEnough = (record: Installation) => record.refreshToken !== refreshToken || !isDue(record, within, clock.now())
    const needsNothing = async () => {
      const current = await store.get(merchantId)
      return current === undefined || isEnough(current) || refreshes.isBusyOrBackingOff(merchantId)
    }
    try {
      // Checked before the wait, so that a merchant who needs nothing costs no turn; and after it, since another server may have been faster.
      if (stop.aborted || await needsNothing()) return 'skipped'
      await limiter.turn()
      // The slot is taken only after the turn: a wait for the rate limiter must not hold up other jobs.
      return await jobs.slots.run(async () => {
        if (stop.aborted || await needsNothing()) return 'skipped'
        if (isDoubtful) limiter.charge(1)
        await refreshes.refresh(merchantId, { enough: isEnough })
        limiter.ease()
        return 'refreshed'
      })
    } catch (error) {
      if (isCloverError(error, 'FST_CLOVER_NOT_CONNECTED') || isCloverError(error, 'FST_CLOVER_CLOSING')) return 'skipped'
      if (isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED')) return 'refused'
      if (isCloverError(error, 'FST_CLOVER_UNAVAILABLE')) limiter.slowDown(error.retryAfter)
      return 'failed'
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
