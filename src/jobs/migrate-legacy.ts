import { Value } from '@sinclair/typebox/value'
import type { FastifyBaseLogger } from 'fastify'
import { checkOptions } from '../checks/arguments.js'
import { invalidMerchantId, invalidOptions, isCloverError, reasonOf } from '../errors.js'
import { isMerchantId } from '../installation.js'
import { RateLimiter } from '../concurrency/rate-limiter.js'
import type { Runtime } from '../runtime.js'
import { inCompletionOrder } from '../concurrency/in-completion-order.js'
import type { Jobs } from './jobs.js'
import type { Migration, MigrationRun } from './merchant-migration.js'
import { LegacyToken, MigrationArgument, notBegun, type MigrationOptions, type MigrationOutcome } from './migration-options.js'
import { Progress } from './progress.js'
import { sizeOf, Tally } from './tally.js'

type Source = Iterable<LegacyToken> | AsyncIterable<LegacyToken>

/** @internal What a run of {@link MigrateLegacy} needs. */
export interface MigrateLegacyDependencies {
  migration: Pick<Migration, 'migrate'>
  flow: 'v2' | 'v1'
  runtime: Pick<Runtime, 'monotonic' | 'sleep'>
  jobs: Jobs
  log: Pick<FastifyBaseLogger, 'error'>
}

/** The run ends after a general error for this many merchants in a row: going on could spend legacy tokens without a pair to show for it. */
const enoughInARow = 3

/** Errors that would probably occur for every merchant. */
const general = ['FST_CLOVER_STORAGE', 'FST_CLOVER_PERMISSION'] as const

/** Errors that another run would meet again. */
const final = ['FST_CLOVER_DENIED', 'FST_CLOVER_PERMISSION', 'FST_CLOVER_MERCHANT_MISMATCH', 'FST_CLOVER_NOT_CONNECTED', 'FST_CLOVER_INVALID_MERCHANT_ID', 'FST_CLOVER_INVALID_OPTIONS', 'FST_CLOVER_OTHER_APP', 'FST_CLOVER_OTHER_DEPLOYMENT'] as const

/** @internal Moves many merchants from legacy tokens to pairs. */
export class MigrateLegacy {
  readonly #use: MigrateLegacyDependencies

  constructor (dependencies: MigrateLegacyDependencies) {
    this.#use = dependencies
  }

  /** Backs `migrateLegacy()`: throws at once for wrong arguments, and begins when the first outcome is requested. */
  run (legacy: Source, options: MigrationOptions = {}): AsyncGenerator<MigrationOutcome, void, undefined> {
    checkOptions('migrateLegacy', MigrationArgument, options)
    if (typeof legacy !== 'object' || legacy === null || !(Symbol.iterator in legacy || Symbol.asyncIterator in legacy)) {
      throw invalidOptions(['migrateLegacy(): the first argument must be an iterable or an async iterable of { merchantId, legacyToken }.'])
    }
    if (this.#use.flow !== 'v2') throw invalidOptions(["migrateLegacy(): the plugin must be registered with flow 'v2', to which the merchants are moved."])
    const quit = new AbortController()
    return this.#run(legacy, options, quit, this.#use.jobs.begin(options.signal, quit.signal))
  }

  async * #run (legacy: Source, options: MigrationOptions, quit: AbortController, stop: AbortSignal): AsyncGenerator<MigrationOutcome, void, undefined> {
    const { runtime, jobs, log } = this.#use
    const { rate = 20, concurrency = 4, onProgress } = options
    const limiter = new RateLimiter({ rate, runtime })
    const hurry = () => limiter.hurry()
    stop.addEventListener('abort', hurry)
    const tally = new Tally(options.total ?? sizeOf(legacy))
    const progress = new Progress(onProgress, runtime, log)
    const streak = new Streak()
    const run = async (item: unknown, index: number): Promise<MigrationOutcome> => {
      const outcome = await jobs.track(this.#outcome(item, index, { limiter, stop }, streak))
      if (streak.error) quit.abort()
      tally.add(outcome)
      progress.step(tally.attempted, rate => tally.report(rate))
      return outcome
    }
    try {
      yield * inCompletionOrder<unknown, MigrationOutcome>({ source: legacy, run, concurrency, signal: stop, onLeave: () => quit.abort() })
      if (streak.error) throw streak.error
    } finally {
      stop.removeEventListener('abort', hurry)
      progress.report(tally.attempted, rate => tally.report(rate))
    }
  }

  async #outcome (item: unknown, index: number, run: MigrationRun, streak: Streak): Promise<MigrationOutcome> {
    const token = copyOf(item)
    const merchantId = isMerchantId(token.merchantId) ? token.merchantId : null
    try {
      if (merchantId === null) throw invalidMerchantId()
      if (!Value.Check(LegacyToken, token)) throw invalidOptions(['legacyToken must be a token: a string of printable characters without spaces. Left out, it is the one that is stored for the merchant.'])
      const outcome = await this.#use.migration.migrate(token, run)
      if (outcome === 'stopped') return { index, merchantId, outcome: 'failed', reason: notBegun }
      streak.end()
      return { index, merchantId, outcome }
    } catch (error) {
      streak.note(error)
      const why = { reason: reasonOf(error), ...(isCloverError(error) && { code: error.code }) }
      return merchantId === null || final.some(code => isCloverError(error, code))
        ? { index, merchantId, outcome: 'refused', ...why }
        : { index, merchantId, outcome: 'failed', ...why }
    }
  }
}

/** Reads each field once: an item may be an object of a database client, whose getters may throw. */
function copyOf (item: unknown): { merchantId?: unknown, legacyToken?: unknown } {
  try {
    const { merchantId, legacyToken } = Object(item) as Record<string, unknown>
    return { merchantId, ...(legacyToken !== undefined && { legacyToken }) }
  } catch {
    return {}
  }
}

/** Counts general errors in a row. */
class Streak {
  #length = 0
  /** The error that ends the run, once `enoughInARow` have occurred. */
  error: unknown

  note (error: unknown): void {
    if (!general.some(code => isCloverError(error, code))) this.end()
    else if (++this.#length >= enoughInARow) this.error ??= error
  }

  end (): void {
    this.#length = 0
  }
}
