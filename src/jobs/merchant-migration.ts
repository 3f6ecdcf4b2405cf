import { unclearError, type Answer, type Unclear } from '../clover/answer.js'
import type { CloverClient } from '../clover/client.js'
import type { TokenPair } from '../clover/wire.js'
import { backoff } from '../concurrency/backoff.js'
import { OneAtATime } from '../concurrency/one-at-a-time.js'
import { denied, isCloverError, notConnected } from '../errors.js'
import type { Shutdown } from '../shutdown.js'
import type { MerchantBinding } from '../tokens/merchant-binding.js'
import type { Notify } from '../events/table.js'
import type { Refreshes } from '../tokens/refreshes.js'
import type { Installation } from '../installation.js'
import type { Placements } from '../tokens/placements.js'
import type { RateLimiter } from '../concurrency/rate-limiter.js'
import type { Runtime } from '../runtime.js'
import type { CallSlots } from '../concurrency/call-slots.js'
import type { Store } from '../tokens/store.js'
import type { Jobs } from './jobs.js'
import type { LegacyToken } from './migration-options.js'

/** @internal What {@link Migration} needs. */
export interface MigrationDependencies {
  store: Pick<Store, 'get'>
  binding: Pick<MerchantBinding, 'bind'>
  placements: Pick<Placements, 'prepare' | 'place'>
  refreshes: Pick<Refreshes, 'unsaved'>
  clover: Pick<CloverClient, 'migrate' | 'exchange'>
  slots: Pick<CallSlots, 'run'>
  jobs: Pick<Jobs, 'slots'>
  notify: Notify
  runtime: Pick<Runtime, 'monotonic' | 'sleep' | 'jitter' | 'random'>
  shutdown: Pick<Shutdown, 'timeLeft'>
}

/** @internal The run that a merchant is part of. */
export interface MigrationRun {
  limiter: RateLimiter
  /** Aborted when no further merchant must be begun. */
  stop: AbortSignal
}

/** @internal The outcome of a merchant; `stopped`: the migration was not begun. */
export type Migrated = 'migrated' | 'already-connected' | 'stopped'

/** The failed tries of one call: with an unclear answer, and with a 429. */
interface Tries {
  unclear: number
  limited: number
}

/** The most failed tries of one call, and the most starts of one merchant: it is started again if the answer to a code exchange is lost. */
const most = { unclear: 5, limited: 20, starts: 3 }

const isTooOften = ({ unclear, limited }: Tries) => unclear >= most.unclear || limited >= most.limited

/** The answer of a call that was not made. */
const neverAsked: Unclear = { outcome: 'unclear', reason: 'there was no time left to ask', malformed: false }

/** Milliseconds between two tries: the first, which doubles, and the longest. */
const pauses = { clover: { first: 1000, longest: 10_000 }, store: { first: 200, longest: 5_000 } }

/** Milliseconds for which a failing store is retried: before a token was spent for a merchant, and while a new pair is not stored yet. */
const patience = { before: 60_000, unsaved: 300_000 }

/** Milliseconds before the shutdown's deadline at which retries end, so that the outcome can still be yielded. */
const reservedTime = 250

/** @internal Moves one merchant from a legacy token to a pair that is refreshed. */
export class Migration {
  readonly #use: MigrationDependencies
  /** By merchant: a second item of the same merchant waits for the first. */
  readonly #oneAtATime = new OneAtATime()

  constructor (dependencies: MigrationDependencies) {
    this.#use = dependencies
  }

  /** Migrates a merchant; rejects with a `CloverError` if that fails. A merchant who has a pair keeps it, without a call to Clover. */
  async migrate (token: LegacyToken, run: MigrationRun): Promise<Migrated> {
    return this.#oneAtATime.run(token.merchantId, () => this.#migrate(token, run))
  }

  async #migrate ({ merchantId, legacyToken: given }: LegacyToken, run: MigrationRun): Promise<Migrated> {
    const { store, binding, placements, refreshes, notify, runtime: { monotonic } } = this.#use
    if (run.stop.aborted) return 'stopped'
    const began = monotonic()
    const before = await this.#retryStore(() => store.get(merchantId), () => run.stop.aborted || monotonic() > began + patience.before, run.stop)
    if (isConnected(before) || refreshes.unsaved(merchantId)) return 'already-connected'
    const legacyToken = given ?? (before?.refreshToken === null ? before.accessToken : undefined)
    if (legacyToken === undefined) throw notConnected(merchantId)

    const pair = await this.#obtain(merchantId, legacyToken, run)
    if (typeof pair === 'string') return pair
    // The legacy token may be spent for this pair, so neither a stop nor an outage ends the migration at once from here on.
    const since = monotonic()
    await binding.bind(merchantId, pair, call => this.#ask(call, run, () => this.#isLate(since)))
    const placement = placements.prepare(merchantId, pair, before, true)
    const isMine = await this.#retryStore(() => placements.place(placement), () => this.#isLate(since))
    if (!isMine) return 'already-connected'
    notify({ type: 'connected', merchantId, isNew: before === undefined })
    return 'migrated'
  }

  /** Exchanges a legacy token for a code, and the code for a pair. */
  async #obtain (merchantId: string, legacyToken: string, run: MigrationRun): Promise<TokenPair | 'already-connected' | 'stopped'> {
    const { store, clover, runtime: { random, monotonic } } = this.#use
    let began = 0
    for (let start = 1; ; start++) {
      const verifier = random(32)
      const migrated = await this.#ask(() => clover.migrate({ merchantId, legacyToken, verifier }), run,
        tries => isTooOften(tries) || (start === 1 ? run.stop.aborted : this.#isLate(began)))
      if (migrated === neverAsked && start === 1) return 'stopped'
      if (migrated.outcome === 'unclear') throw unclearError(migrated, merchantId)
      if (migrated.outcome === 'refused') {
        // Another server may have migrated the merchant meanwhile, and ended the legacy token by it.
        if (isConnected(await store.get(merchantId))) return 'already-connected'
        throw denied(`Clover did not accept the legacy token (status ${migrated.status}): the merchant must open the app from Clover.`, merchantId)
      }
      // The legacy token may be spent from here on.
      if (start === 1) began = monotonic()
      const { code } = migrated.value
      let isLost = false
      const exchanged = await this.#ask(() => clover.exchange({ code, verifier, withRefreshToken: true }), run, tries => {
        isLost = tries.unclear > 0
        return isTooOften(tries) || this.#isLate(began)
      })
      if (exchanged.outcome === 'ok') return exchanged.value
      // If an answer was lost, the code is spent: the legacy token may give another one.
      if (isLost && start < most.starts && !this.#isLate(began)) continue
      if (exchanged.outcome === 'unclear') throw unclearError(exchanged, merchantId)
      throw denied(`Clover did not accept the authorization code that it gave for the legacy token (status ${exchanged.status}): check the App ID and the App Secret.`, merchantId)
    }
  }

  /** Calls Clover at the run's rate, and retries an unclear answer until `isEnough()`. */
  async #ask<T> (call: () => Promise<Answer<T>>, { limiter, stop }: MigrationRun, isEnough: (tries: Tries) => boolean): Promise<Answer<T>> {
    const { slots, jobs, runtime: { sleep } } = this.#use
    const tries: Tries = { unclear: 0, limited: 0 }
    let last: Answer<T> = neverAsked
    while (true) {
      await limiter.turn()
      if (isEnough(tries)) return last
      last = await jobs.slots.run(() => slots.run(call))
      if (last.outcome !== 'unclear') {
        limiter.ease()
        return last
      }
      tries[last.limited ? 'limited' : 'unclear']++
      if (last.limited || last.retryAfter !== undefined) limiter.slowDown(last.retryAfter)
      if (isEnough(tries)) return last
      if (!last.limited) await sleep(this.#pause(pauses.clover, tries.unclear), stop.aborted ? undefined : stop)
    }
  }

  /** Retries while the store fails, until `isTooLate()`. */
  async #retryStore<T> (run: () => Promise<T>, isTooLate: () => boolean, signal?: AbortSignal, round = 1): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (!isCloverError(error, 'FST_CLOVER_STORAGE') || isTooLate()) throw error
      await this.#use.runtime.sleep(this.#pause(pauses.store, round), signal)
      return this.#retryStore(run, isTooLate, signal, round + 1)
    }
  }

  #pause ({ first, longest }: { first: number, longest: number }, round: number): number {
    return backoff({ first, longest }, round - 1, this.#use.runtime.jitter)
  }

  #isLate (since: number): boolean {
    const { runtime, shutdown } = this.#use
    return runtime.monotonic() > since + patience.unsaved || shutdown.timeLeft() < reservedTime
  }
}

/** Whether the record has a pair that Clover has not refused. If its last refresh may be lost, the next one recovers it. */
function isConnected (record: Installation | undefined): boolean {
  return record !== undefined && record.refreshToken !== null && !record.reauthorizationRequired
}
