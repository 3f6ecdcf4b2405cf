import { Value } from '@sinclair/typebox/value'
import type { FastifyBaseLogger } from 'fastify'
import { isCloverError, storageFailed } from '../errors.js'
import type { Flights } from '../tokens/flights.js'
import type { Installation } from '../tokens/installation.js'
import { Pacer } from '../tokens/pace.js'
import type { Runtime } from '../tokens/runtime.js'
import type { Store, StorePage } from '../tokens/store.js'
import { isDue } from './due.js'
import { inCompletionOrder } from './in-completion-order.js'
import type { Jobs } from './jobs.js'
import { KeepAliveArgument, KeepAlivePass, type KeepAliveOptions, type KeepAliveSchedule, type KeepAliveSummary } from './keep-alive-options.js'
import { checkJobOptions } from './options.js'
import { Progress } from './progress.js'

/** @internal */
export interface KeepAliveDependencies {
  store: Pick<Store, 'get' | 'list' | 'canList'>
  flights: Pick<Flights, 'refresh' | 'isOccupied'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'now' | 'sleep' | 'jitter'>
  jobs: Jobs
  log: Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>
}

/** What is known of a merchant who is due. */
interface Due {
  merchantId: string
  /** That of the record which was listed: another one means that somebody was faster. */
  refreshToken: string | null
  /** The refresh may be refused, and a recovery follow. */
  isDoubtful: boolean
}

type Came = 'refreshed' | 'skipped' | 'refused' | 'failed'

/** A pass, and the sleep for its pauses. */
interface Pass extends KeepAlivePass, Pick<KeepAliveOptions, 'onProgress'> {
  /** Read every record, and not only those that the store finds due: a wrong clock may have written a time that never comes. */
  isFull: boolean
  stop: AbortSignal
  sleep: Runtime['sleep']
}

const pageSize = 100

/** Tries to read a page, and the seconds between them at most. */
const listing = { tries: 4, longestPause: 10 }

/** Seconds to the first pass at most, and to the next one after a pass that met an outage. */
const soon = 300

/** Milliseconds between two passes that read every record. */
const fullPassEvery = 86_400_000

/** @internal Refreshes the merchants whom nobody has asked for in so long that their tokens would end, or whose last refresh may be lost. */
export class KeepAlive {
  readonly #use: KeepAliveDependencies

  constructor (dependencies: KeepAliveDependencies) {
    this.#use = dependencies
  }

  /** Backs `keepAlive()`: one pass. */
  async run (options: KeepAliveOptions = {}): Promise<KeepAliveSummary> {
    checkJobOptions('keepAlive', KeepAliveArgument, options)
    const { store, jobs, runtime: { sleep } } = this.#use
    if (!store.canList) throw storageFailed('list', 'the adapter does not have it, and keepAlive() needs it')
    const { signal, onProgress, ...given } = options
    return this.#pass({ ...Value.Parse(KeepAlivePass, given), onProgress, isFull: true, stop: jobs.begin(signal), sleep })
  }

  /**
   * Backs the option `keepAlive`: pass after pass until the signal is aborted, the first after half a wait at least. No pause keeps the process
   * alive.
   */
  async start ({ every, ...pass }: KeepAliveSchedule, stop: AbortSignal): Promise<void> {
    const { runtime, log } = this.#use
    const { jitter } = runtime
    const sleep: Runtime['sleep'] = (milliseconds, signal) => runtime.sleep(milliseconds, signal, { ref: false })
    // Servers that were started together part here, and drift further with every pass. A process that is soon over, such as a cron job, makes none.
    let wait = Math.min(every, soon) * (0.5 + jitter() / 2)
    let nextFullPass = 0
    while (true) {
      await sleep(wait * 1000, stop)
      if (stop.aborted) return
      wait = every * (0.9 + 0.2 * jitter())
      try {
        const isFull = runtime.now() >= nextFullPass
        await this.#pass({ ...pass, isFull, stop, sleep })
        if (isFull) nextFullPass = runtime.now() + fullPassEvery
      } catch (err) {
        wait = Math.min(wait, soon * (0.5 + jitter() / 2))
        log.warn({ err }, 'fastify-clover: a keep-alive pass failed; it is tried again')
      }
    }
  }

  async #pass ({ within, rate, concurrency, onProgress, isFull, stop, sleep }: Pass): Promise<KeepAliveSummary> {
    const { runtime, jobs, log } = this.#use
    const summary: KeepAliveSummary = { candidates: 0, due: 0, refreshed: 0, skipped: 0, refused: 0, failed: 0, unusable: 0, isComplete: false }
    const pacer = new Pacer({ rate, runtime: { now: runtime.now, sleep } })
    const hurry = () => pacer.hurry()
    stop.addEventListener('abort', hurry)
    const progress = new Progress(onProgress, runtime, log)
    const run = (due: Due) => jobs.track(this.#refresh(due, within, pacer, stop))
    try {
      for await (const came of inCompletionOrder({ source: this.#due(within, summary, { isFull, stop, sleep }), run, concurrency, signal: stop })) {
        summary[came]++
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

  /** The merchants who are due, a page at a time; in any order, so that servers that run at once do not ask for the same ones. */
  async * #due (within: number, summary: KeepAliveSummary, { isFull, ...pauses }: Pick<Pass, 'isFull' | 'stop' | 'sleep'>): AsyncGenerator<Due, void, undefined> {
    const { clock } = this.#use
    let cursor: string | undefined
    do {
      const page = await this.#list({ limit: pageSize, ...(!isFull && { dueBefore: Math.ceil(clock.now() + within) }), ...(cursor !== undefined && { cursor }) }, pauses)
      summary.candidates += page.items.length + page.unusable.length
      summary.unusable += page.unusable.length
      const due = page.items.filter(record => isDue(record, within, clock.now()))
        .map(({ merchantId, refreshToken, refreshLease, reauthorizationRequired }) => ({ merchantId, refreshToken, isDoubtful: Boolean(refreshLease ?? reauthorizationRequired) }))
      cursor = page.cursor
      for (const merchant of this.#shuffled(due)) {
        summary.due++
        yield merchant
      }
    } while (cursor !== undefined && !pauses.stop.aborted)
  }

  async #list (query: Parameters<Store['list']>[0], pauses: Pick<Pass, 'stop' | 'sleep'>, round = 1): Promise<StorePage> {
    const { store, runtime: { jitter } } = this.#use
    const { stop, sleep } = pauses
    try {
      return await store.list(query)
    } catch (error) {
      if (round >= listing.tries || stop.aborted) throw error
      await sleep(Math.min(listing.longestPause, 2 ** (round - 1)) * (0.5 + jitter() / 2) * 1000, stop)
      return this.#list(query, pauses, round + 1)
    }
  }

  async #refresh ({ merchantId, refreshToken, isDoubtful }: Due, within: number, pacer: Pacer, stop: AbortSignal): Promise<Came> {
    const { store, flights, clock, jobs } = this.#use
    const isEnough = (record: Installation) => record.refreshToken !== refreshToken || !isDue(record, within, clock.now())
    const isInGoodHands = async () => {
      const current = await store.get(merchantId)
      return current === undefined || isEnough(current) || flights.isOccupied(merchantId)
    }
    try {
      // Before the wait, which a merchant who needs nothing is not to cost; and after it, since another server may have been faster.
      if (stop.aborted || await isInGoodHands()) return 'skipped'
      await pacer.turn()
      // Not before the turn: whoever waits for the pace must not keep other long work from its calls.
      return await jobs.slots.run(async () => {
        if (stop.aborted || await isInGoodHands()) return 'skipped'
        if (isDoubtful) pacer.charge(1)
        await flights.refresh(merchantId, { enough: isEnough })
        pacer.ease()
        return 'refreshed'
      })
    } catch (error) {
      if (isCloverError(error, 'FST_CLOVER_NOT_CONNECTED') || isCloverError(error, 'FST_CLOVER_CLOSING')) return 'skipped'
      if (isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED')) return 'refused'
      if (isCloverError(error, 'FST_CLOVER_UNAVAILABLE')) pacer.slowDown(error.retryAfter)
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
