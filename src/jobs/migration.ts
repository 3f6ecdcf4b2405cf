import { unclearError, type Answer, type Unclear } from '../clover/answer.js'
import type { CloverClient } from '../clover/client.js'
import type { TokenPair } from '../clover/wire.js'
import { denied, isCloverError, notConnected } from '../errors.js'
import type { Shutdown } from '../shutdown.js'
import type { Connections } from '../tokens/connections.js'
import type { Notify } from '../tokens/events.js'
import type { Flights } from '../tokens/flights.js'
import type { Installation } from '../tokens/installation.js'
import type { Placements } from '../tokens/placements.js'
import type { Pacer } from '../tokens/pace.js'
import type { Runtime } from '../tokens/runtime.js'
import type { Slots } from '../tokens/slots.js'
import type { Store } from '../tokens/store.js'
import type { Jobs } from './jobs.js'
import type { LegacyToken } from './migration-types.js'

/** @internal */
export interface MigrationDependencies {
  store: Pick<Store, 'get'>
  connections: Pick<Connections, 'bind'>
  placements: Pick<Placements, 'prepare' | 'place'>
  flights: Pick<Flights, 'held'>
  clover: Pick<CloverClient, 'migrate' | 'exchange'>
  slots: Pick<Slots, 'run'>
  jobs: Pick<Jobs, 'slots'>
  notify: Notify
  runtime: Pick<Runtime, 'now' | 'sleep' | 'jitter' | 'random'>
  shutdown: Pick<Shutdown, 'timeLeft'>
}

/** @internal The run that a merchant is migrated in. */
export interface MigrationRun {
  pacer: Pacer
  /** Nothing new is begun any more. */
  stop: AbortSignal
}

/** @internal What came of a merchant; `stopped`: nothing was begun. */
export type Migrated = 'migrated' | 'already-connected' | 'stopped'

/** How often Clover was asked the same in vain, and why. */
interface Tries {
  unclear: number
  limited: number
}

/** The most times that Clover is asked the same, and that a merchant is begun again whose code was spent in vain. */
const most = { unclear: 5, limited: 20, beginnings: 3 }

const isTooOften = ({ unclear, limited }: Tries) => unclear >= most.unclear || limited >= most.limited

/** The answer to what was not asked any more. */
const neverAsked: Unclear = { outcome: 'unclear', reason: 'there was no time left to ask', malformed: false }

/** Milliseconds between two tries: the first, which doubles, and the longest. */
const pauses = { clover: { first: 1000, longest: 10_000 }, store: { first: 200, longest: 5_000 } }

/** Milliseconds that a store is given to mend: before anything was spent for a merchant, and while a pair is in hand. */
const patience = { before: 60_000, inHand: 300_000 }

/** Milliseconds before the shutdown's deadline at which a pair is given up, so that its outcome can still be yielded. */
const lastWords = 250

/** @internal Moves one merchant from a legacy token to a pair that is refreshed. */
export class Migration {
  readonly #use: MigrationDependencies
  /** A merchant who comes twice waits for the first. */
  readonly #underWay = new Map<string, Promise<unknown>>()

  constructor (dependencies: MigrationDependencies) {
    this.#use = dependencies
  }

  /** Rejects with a typed error if it came to nothing. A merchant who has a pair is left alone, without a call to Clover. */
  async migrate (token: LegacyToken, run: MigrationRun): Promise<Migrated> {
    const { merchantId } = token
    while (this.#underWay.has(merchantId)) await this.#underWay.get(merchantId)
    const work = this.#migrate(token, run)
    const settled = work.then(() => {}, () => {})
    this.#underWay.set(merchantId, settled)
    try {
      return await work
    } finally {
      this.#underWay.delete(merchantId)
    }
  }

  async #migrate ({ merchantId, legacyToken: given }: LegacyToken, run: MigrationRun): Promise<Migrated> {
    const { store, connections, placements, flights, notify, runtime: { now } } = this.#use
    if (run.stop.aborted) return 'stopped'
    const began = now()
    const before = await this.#untilStored(() => store.get(merchantId), () => run.stop.aborted || now() > began + patience.before, run.stop)
    if (isConnected(before) || flights.held(merchantId)) return 'already-connected'
    const legacyToken = given ?? (before?.refreshToken === null ? before.accessToken : undefined)
    if (legacyToken === undefined) throw notConnected(merchantId)

    const pair = await this.#obtain(merchantId, legacyToken, run)
    if (typeof pair === 'string') return pair
    // From here on the pair is in hand, and the legacy token may be spent for it: neither a stop nor an outage ends this at once.
    const since = now()
    await connections.bind(merchantId, pair, call => this.#ask(call, run, () => this.#isLate(since)))
    const placement = placements.prepare(merchantId, pair, before, true)
    const isMine = await this.#untilStored(() => placements.place(placement), () => this.#isLate(since))
    if (!isMine) return 'already-connected'
    notify({ type: 'connected', merchantId, isNew: before === undefined })
    return 'migrated'
  }

  /** A legacy token's way to a pair: a code, and its exchange. */
  async #obtain (merchantId: string, legacyToken: string, run: MigrationRun): Promise<TokenPair | 'already-connected' | 'stopped'> {
    const { store, clover, runtime: { random, now } } = this.#use
    let began = 0
    for (let beginning = 1; ; beginning++) {
      const verifier = random(32)
      const migrated = await this.#ask(() => clover.migrate({ merchantId, legacyToken, verifier }), run,
        tries => isTooOften(tries) || (beginning === 1 ? run.stop.aborted : this.#isLate(began)))
      if (migrated === neverAsked && beginning === 1) return 'stopped'
      if (migrated.outcome === 'unclear') throw unclearError(migrated, merchantId)
      if (migrated.outcome === 'refused') {
        // Another server may have migrated the merchant meanwhile, and ended the legacy token by it.
        if (isConnected(await store.get(merchantId))) return 'already-connected'
        throw denied(`Clover did not accept the legacy token (status ${migrated.status}): the merchant must open the app from Clover.`, merchantId)
      }
      // The legacy token may be spent from here on.
      if (beginning === 1) began = now()
      const { code } = migrated.value
      let isLost = false
      const exchanged = await this.#ask(() => clover.exchange({ code, verifier, withRefreshToken: true }), run, tries => {
        isLost = tries.unclear > 0
        return isTooOften(tries) || this.#isLate(began)
      })
      if (exchanged.outcome === 'ok') return exchanged.value
      // After an answer that was lost the code is spent: the legacy token may give another one.
      if (isLost && beginning < most.beginnings && !this.#isLate(began)) continue
      if (exchanged.outcome === 'unclear') throw unclearError(exchanged, merchantId)
      throw denied(`Clover did not accept the authorization code that it gave for the legacy token (status ${exchanged.status}): check the App ID and the App Secret.`, merchantId)
    }
  }

  /** Asks Clover at the run's pace, and again where the answer said nothing, until it is enough. */
  async #ask<T> (call: () => Promise<Answer<T>>, { pacer, stop }: MigrationRun, isEnough: (tries: Tries) => boolean): Promise<Answer<T>> {
    const { slots, jobs, runtime: { sleep } } = this.#use
    const tries: Tries = { unclear: 0, limited: 0 }
    let last: Answer<T> = neverAsked
    while (true) {
      await pacer.turn()
      if (isEnough(tries)) return last
      last = await jobs.slots.run(() => slots.run(call))
      if (last.outcome !== 'unclear') {
        pacer.ease()
        return last
      }
      tries[last.limited ? 'limited' : 'unclear']++
      if (last.limited || last.retryAfter !== undefined) pacer.slowDown(last.retryAfter)
      if (isEnough(tries)) return last
      if (!last.limited) await sleep(this.#pause(pauses.clover, tries.unclear), stop.aborted ? undefined : stop)
    }
  }

  /** Tries until the store takes part, or until it is too late. */
  async #untilStored<T> (run: () => Promise<T>, isTooLate: () => boolean, signal?: AbortSignal, round = 1): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (!isCloverError(error, 'FST_CLOVER_STORAGE') || isTooLate()) throw error
      await this.#use.runtime.sleep(this.#pause(pauses.store, round), signal)
      return this.#untilStored(run, isTooLate, signal, round + 1)
    }
  }

  #pause ({ first, longest }: { first: number, longest: number }, round: number): number {
    return Math.min(longest, first * 2 ** (round - 1)) * (0.5 + this.#use.runtime.jitter() / 2)
  }

  #isLate (since: number): boolean {
    const { runtime, shutdown } = this.#use
    return runtime.now() > since + patience.inHand || shutdown.timeLeft() < lastWords
  }
}

/** A pair that Clover has not refused: one whose refresh is doubtful is recovered by whoever needs it. */
function isConnected (record: Installation | undefined): boolean {
  return record !== undefined && record.refreshToken !== null && !record.reauthorizationRequired
}
