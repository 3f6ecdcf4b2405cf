import { LRUCache } from 'lru-cache'
import type { CloverClient } from '../clover/client.js'
import { unclearError, type Answer } from '../clover/answer.js'
import { badReply, closing, invalidMerchantId, isCloverError, notConnected, reauthorizationRequired, unavailable, type CloverError } from '../errors.js'
import type { RecordCache } from './cache.js'
import type { Notify } from './events.js'
import type { Flights } from './flights.js'
import { isAgeing, isFresh, isRefusedFor, isToBeConfirmed, remaining } from './freshness.js'
import { isMerchantId, summarize, type Installation, type InstallationSummary, type UnusableInstallation } from './installation.js'
import type { Reader } from './reader.js'
import type { RecordMaker } from './record.js'
import type { RefreshGoal } from './refresh-types.js'
import type { Slots } from './slots.js'
import type { Store } from './store.js'
import { within } from './within.js'

/** Options of `accessToken()`. */
export interface AccessTokenOptions {
  /** Seconds that the token should still live; the plugin's `minValidity` by default, and at most half of the token's lifetime. */
  minValidity?: number
  /** A token that Clover has just refused: another one is returned. */
  rejected?: string
  /** Ends the waiting of this caller; a refresh under way goes on for the others. */
  signal?: AbortSignal
}

/** @internal */
export interface KeeperOptions {
  store: Store
  reader: Reader
  cache: RecordCache | undefined
  flights: Flights
  clover: Pick<CloverClient, 'merchant'>
  clock: { now (): number }
  make: RecordMaker
  slots: Slots
  notify: Notify
  minValidity: number
  refreshAhead: number
  maxWait: number
  /** The app may not read its merchants. */
  trustMerchantId: boolean
  /** Where a merchant's browser authorizes again. */
  launchUrl: ((merchantId: string) => string) | undefined
}

/**
 * Seconds in which a refused token is followed by one refresh at most. Clover answers 401 for a missing permission too, which no refresh
 * mends; a token that came from a refresh a moment ago surely lives, whichever server made it.
 */
const refusalPeriod = 300

/** @internal Hands out access tokens: at once where it can, after a refresh where it must. */
export class TokenKeeper {
  readonly #use: KeeperOptions
  /** By merchant and token. */
  readonly #checking = new Map<string, Promise<Answer<string>>>()
  /** v1 tokens that Clover refused somewhere and knew elsewhere, and until when they are not asked about again: Unix seconds. */
  readonly #proven = new LRUCache<string, { accessToken: string, until: number }>({ max: 10_000 })
  #closed = false

  constructor (options: KeeperOptions) {
    this.#use = options
  }

  /** Backs `accessToken()` of the decorator. */
  async accessToken (merchantId: string, options?: AccessTokenOptions): Promise<string> {
    // A pair in hand is newer than anything read before.
    if (options === undefined && this.#use.flights.held(merchantId) === undefined) {
      const token = this.#use.cache?.easyToken(merchantId)
      if (token !== undefined) return token
    }
    this.#admit(merchantId)
    try {
      return await this.#obtain(merchantId, options ?? {})
    } catch (error) {
      throw this.#explain(error, merchantId)
    }
  }

  /**
   * Another token than the one that Clover refused. Undefined where none would do better: it came from a refresh a moment ago, or Clover
   * knows it elsewhere, so a permission is missing.
   */
  async afterRefusal (merchantId: string, rejected: string, signal?: AbortSignal): Promise<string | undefined> {
    return this.#explained(merchantId, async () => {
      const { flights, reader, maxWait } = this.#use
      const record = flights.held(merchantId) ?? await within(reader.readStored(merchantId), maxWait, () => this.#late(merchantId), signal)
      if (record?.accessToken === rejected) {
        const proven = this.#proven.get(merchantId)
        const lives = record.refreshToken === null
          ? proven?.accessToken === rejected && this.#now() < proven.until
          : record.spentRefreshToken !== undefined && this.#now() - record.updatedAt < refusalPeriod
        if (lives) return undefined
      }
      const token = await this.#obtain(merchantId, { rejected, ...(signal && { signal }) })
      if (token !== rejected) return token
      this.#proven.set(merchantId, { accessToken: token, until: this.#now() + refusalPeriod })
      return undefined
    })
  }

  /** A merchant's record, from the cache if it is recent. */
  async record (merchantId: string): Promise<Installation> {
    return this.#explained(merchantId, async () => {
      const record = this.#use.flights.held(merchantId) ?? await this.#use.reader.read(merchantId)
      if (record === undefined) throw notConnected(merchantId)
      return record
    })
  }

  /** Backs `refresh()`: refreshes whatever the token's age, and whatever mark the record has. */
  async refresh (merchantId: string): Promise<InstallationSummary> {
    return this.#explained(merchantId, async () => {
      const { reader, flights, maxWait } = this.#use
      const before = await reader.readStored(merchantId)
      if (before === undefined) throw notConnected(merchantId)
      const goal: RefreshGoal = {
        force: true,
        enough: record => record.accessToken !== before.accessToken && isFresh(record, this.#now(), 0)
      }
      const record = await within(flights.refresh(merchantId, goal), maxWait, () => this.#late(merchantId))
      if (record.accessToken === before.accessToken) throw badReply('the refresh brought no new access token', merchantId)
      return summarize(record)
    })
  }

  /** Backs `installation()`. */
  async installation (merchantId: string): Promise<InstallationSummary | undefined> {
    return this.#explained(merchantId, async () => {
      const record = this.#use.flights.held(merchantId) ?? await this.#use.reader.readStored(merchantId)
      return record && summarize(record)
    })
  }

  /** Backs `installations()`. */
  async * installations (withUnusable = false): AsyncGenerator<InstallationSummary | UnusableInstallation, void, undefined> {
    let cursor: string | undefined
    do {
      const page = await this.#use.store.list({ limit: 100, ...(cursor !== undefined && { cursor }) })
      for (const record of page.items) yield summarize(record)
      if (withUnusable) for (const { merchantId = null, reason } of page.unusable) yield { merchantId, unusable: reason }
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  /** From now on no token is handed out, and none is kept in memory. */
  close (): void {
    this.#closed = true
    this.#use.cache?.close()
  }

  async #obtain (merchantId: string, { minValidity = this.#use.minValidity, rejected, signal }: AccessTokenOptions): Promise<string> {
    const { flights, maxWait } = this.#use
    const record = flights.held(merchantId) ?? await this.#read(merchantId, rejected === undefined, signal)
    if (record === undefined) throw notConnected(merchantId)
    if (record.refreshToken === null) return this.#unrefreshable(record, rejected, signal)
    const isEnough = (record: Installation, now: number) => record.accessToken !== rejected && isFresh(record, now, minValidity)
    const now = this.#now()
    if (isEnough(record, now)) {
      if (this.#isToBeRefreshed(record, now)) this.#refreshAhead(merchantId)
      return record.accessToken
    }
    const goal: RefreshGoal = { enough: record => isEnough(record, this.#now()) }
    try {
      const refreshed = await within(flights.refresh(merchantId, goal), maxWait, () => this.#late(merchantId), signal)
      if (refreshed.accessToken !== rejected && remaining(refreshed, this.#now()) > 0) return refreshed.accessToken
      throw badReply('the refresh brought no living access token', merchantId)
    } catch (error) {
      // While a token lives, no failure reaches a request.
      if (signal?.aborted || record.accessToken === rejected || remaining(record, this.#now()) === 0 || isGone(error)) throw error
      return record.accessToken
    }
  }

  /** A merchant's record, if need be from the cache. */
  #read (merchantId: string, mayBeCached: boolean, signal: AbortSignal | undefined): Promise<Installation | undefined> {
    const { store, reader, maxWait } = this.#use
    const reading = mayBeCached ? reader.read(merchantId) : reader.readStored(merchantId)
    // The store has a limit of its own: a second one that cannot come first would be for nothing.
    if (signal === undefined && maxWait >= store.timeout) return reading
    return within(reading, maxWait, () => this.#late(merchantId), signal)
  }

  /** Whether a refresh in the background is due: the token is in the last part of its life, or its pair is doubtful. */
  #isToBeRefreshed (record: Installation, now: number): boolean {
    return isAgeing(record, now, this.#use.refreshAhead) || isToBeConfirmed(record, now)
  }

  /** Starts a refresh that nobody waits for. */
  #refreshAhead (merchantId: string): void {
    const { flights } = this.#use
    if (flights.isOccupied(merchantId)) return
    // A failure is in the log, and met again by whoever needs the token when it is dead.
    flights.refresh(merchantId, { enough: record => !this.#isToBeRefreshed(record, this.#now()) }).catch(() => {})
  }

  /**
   * A v1 token has no refresh token. One that Clover refused is asked for its merchant, since a 401 may also be a missing permission;
   * only a token that is refused there too marks the record.
   */
  async #unrefreshable (record: Installation, rejected: string | undefined, signal: AbortSignal | undefined): Promise<string> {
    const { store, reader, make, notify, maxWait, trustMerchantId } = this.#use
    const { merchantId, accessToken, reauthorizationRequired: mark } = record
    if (isRefusedFor(mark, this.#now())) throw reauthorizationRequired(merchantId)
    if (accessToken !== rejected) {
      if (remaining(record, this.#now()) > 0) return accessToken
      throw reauthorizationRequired(merchantId)
    }
    // Without the Read merchant permission the question proves nothing: this caller must launch, and the token stays for the others.
    if (trustMerchantId) throw reauthorizationRequired(merchantId)
    const answer = await within(this.#check(merchantId, accessToken), maxWait, () => this.#late(merchantId), signal)
    if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
    if (answer.outcome === 'ok' || answer.status !== 401) return accessToken
    const next = make.marked(record, this.#now())
    if (await store.put(next, record.revision)) {
      reader.keep(next)
      const { since, retryAt } = next.reauthorizationRequired as NonNullable<Installation['reauthorizationRequired']>
      notify({ type: 'reauthorization-required', merchantId, since, retryAt, first: mark === undefined })
    }
    throw reauthorizationRequired(merchantId)
  }

  /** Asks Clover for the merchant of a token, once for everybody who asks about the same token. */
  #check (merchantId: string, accessToken: string): Promise<Answer<string>> {
    const { clover, slots } = this.#use
    const key = `${merchantId} ${accessToken}`
    const current = this.#checking.get(key)
    if (current) return current
    const checking = slots.run(() => clover.merchant(merchantId, accessToken)).finally(() => this.#checking.delete(key))
    this.#checking.set(key, checking)
    return checking
  }

  async #explained<T> (merchantId: string, run: () => Promise<T>): Promise<T> {
    this.#admit(merchantId)
    try {
      return await run()
    } catch (error) {
      throw this.#explain(error, merchantId)
    }
  }

  #admit (merchantId: string): void {
    if (this.#closed) throw closing()
    if (!isMerchantId(merchantId)) throw invalidMerchantId()
  }

  /** The error with the way to the launch, where that is what it takes. */
  #explain (error: unknown, merchantId: string): unknown {
    if (this.#use.launchUrl && needsLaunch(error)) error.launchUrl = this.#use.launchUrl(merchantId)
    return error
  }

  #late (merchantId: string): Error {
    return unavailable(`no token within ${this.#use.maxWait} ms`, 1, merchantId)
  }

  #now (): number {
    return this.#use.clock.now()
  }
}

function needsLaunch (error: unknown): error is CloverError {
  return isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED') || isCloverError(error, 'FST_CLOVER_NOT_CONNECTED')
}

/** The merchant left meanwhile: its living token is nobody's to hand out any more. */
function isGone (error: unknown): boolean {
  return isCloverError(error, 'FST_CLOVER_NOT_CONNECTED')
}
