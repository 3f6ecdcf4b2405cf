import { Value } from '@sinclair/typebox/value'
import type { FastifyBaseLogger } from 'fastify'
import { checkOptions } from '../checks/arguments.js'
import { spread } from '../concurrency/backoff.js'
import { storageFailed } from '../errors.js'
import { RateLimiter } from '../concurrency/rate-limiter.js'
import type { Runtime } from '../runtime.js'
import type { Store, StorePage } from '../tokens/store.js'
import type { Due, DueMerchants, Search } from './due-merchants.js'
import { inCompletionOrder } from '../concurrency/in-completion-order.js'
import type { Jobs } from './jobs.js'
import { KeepAliveArgument, KeepAlivePass, type KeepAliveOptions, type KeepAliveSchedule, type KeepAliveSummary } from './keep-alive-options.js'
import { Progress } from './progress.js'

/** @internal What {@link KeepAlive} needs. */
export interface KeepAliveDependencies {
  store: Pick<Store, 'canList'>
  due: Pick<DueMerchants, 'find' | 'refresh' | 'isInProgress'>
  runtime: Pick<Runtime, 'monotonic' | 'sleep' | 'jitter'>
  jobs: Jobs
  log: Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>
}

/** The settings of a pass, and the sleep for its pauses. */
type Pass = KeepAlivePass & Pick<KeepAliveOptions, 'onProgress'> & Omit<Search, 'onPage'>

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
   * shorter, less up to half by chance. No pause keeps the process alive (rule 19).
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
    const { due: merchants, runtime, jobs, log } = this.#use
    const summary: KeepAliveSummary = { candidates: 0, due: 0, refreshed: 0, skipped: 0, refused: 0, failed: 0, inProgress: 0, unusable: 0, isComplete: false }
    const limiter = new RateLimiter({ rate, runtime: { monotonic: runtime.monotonic, sleep } })
    const hurry = () => limiter.hurry()
    stop.addEventListener('abort', hurry)
    const progress = new Progress(onProgress, runtime, log)
    const onPage = ({ items, unusable }: StorePage) => {
      summary.candidates += items.length + unusable.length
      summary.unusable += unusable.length
      summary.inProgress += items.filter(record => merchants.isInProgress(record, within)).length
    }
    async function * source (): AsyncGenerator<Due, void, undefined> {
      for await (const merchant of merchants.find({ within, isFull, stop, sleep, onPage })) {
        summary.due++
        yield merchant
      }
    }
    const run = (due: Due) => jobs.track(merchants.refresh(due, { within, stop, limiter }))
    try {
      for await (const outcome of inCompletionOrder({ source: source(), run, concurrency, signal: stop })) {
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
}
