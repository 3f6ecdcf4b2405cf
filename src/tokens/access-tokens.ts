import { Type } from '@sinclair/typebox'
import { LruMap } from 'toad-cache'
import { checkOptions, optionsOf, requireMerchantId, Signal } from '../checks/arguments.js'
import { badReply, closing, isCloverError, notConnected, unavailable, type CloverError } from '../errors.js'
import type { RecordCache } from './cache.js'
import type { Refreshes } from './refreshes.js'
import { isAgeing, isFresh, isToBeConfirmed, MinValidity, remaining } from './freshness.js'
import { summarize, type Installation, type InstallationSummary } from '../installation.js'
import type { Reader } from './reader.js'
import type { RefreshGoal } from './refresh-types.js'
import type { V1Tokens } from './v1-tokens.js'
import { waitFor, within } from '../concurrency/within.js'

/** Options of `accessToken()`. */
export interface AccessTokenOptions {
  /** Minimum seconds left on the returned token; capped at half of its lifetime. Default: the plugin's option `minValidity`. */
  minValidity?: number
  /** A token that Clover answered with 401 before it expired: another one is returned. Default: none. */
  rejected?: string
  /** Ends the wait of this caller with the signal's reason; a refresh in progress goes on for the others. */
  signal?: AbortSignal
}

const AccessTokenArgument = optionsOf<AccessTokenOptions>({
  minValidity: MinValidity,
  rejected: Type.String({ minLength: 1, must: 'the token that Clover refused, as it was handed out' }),
  signal: Signal
})

/** @internal What {@link AccessTokens} needs. */
export interface AccessTokensDependencies {
  /** Milliseconds: timeout of a call to the store. */
  storageTimeout: number
  reader: Reader
  cache: RecordCache | undefined
  refreshes: Pick<Refreshes, 'unsaved' | 'refresh' | 'isBusyOrBackingOff'>
  v1Tokens: Pick<V1Tokens, 'token'>
  /** Clover's clock, in Unix seconds. */
  clock: { now (): number }
  /** Seconds: minimum validity left on a returned token. */
  minValidity: number
  /** The last part of a token's life, from 0 to 1, in which it is refreshed in the background. */
  refreshAhead: number
  /** Milliseconds: the longest wait of a caller. */
  maxWait: number
  /** The URL at which a merchant's browser authorizes again; undefined without a launch route. */
  launchUrl: ((merchantId: string) => string) | undefined
}

/**
 * Seconds in which a merchant's 401s cause at most one refresh. Clover also answers 401 for a missing permission, which a refresh does not
 * grant; so a token that came from a refresh within this time counts as valid, whichever server made it.
 */
const refusalPeriod = 300

/** @internal Hands out access tokens, after a refresh if necessary. */
export class AccessTokens {
  readonly #use: AccessTokensDependencies
  /** v1 tokens that one endpoint rejected and `/v3/merchants/{mId}` accepted; `until`: how long that result is trusted, in Unix seconds. */
  readonly #proven = new LruMap<{ accessToken: string, until: number }>(10_000)
  #closed = false

  constructor (dependencies: AccessTokensDependencies) {
    this.#use = dependencies
  }

  /** Backs `accessToken()` of the decorator. */
  accessToken (merchantId: string, options?: AccessTokenOptions): Promise<string> {
    // An unsaved pair is newer than any record that was read.
    if (options === undefined && this.#use.refreshes.unsaved(merchantId) === undefined) {
      const token = this.#use.cache?.cachedToken(merchantId)
      if (token !== undefined) return Promise.resolve(token)
    }
    try {
      this.#checkCall(merchantId)
      checkOptions('accessToken', AccessTokenArgument, options)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#obtain(merchantId, options ?? {})
  }

  /**
   * Resolves with another token than the rejected one, or with undefined if another token would not help: the rejected one came from a
   * recent refresh, or Clover accepts it elsewhere, so a permission is missing.
   */
  async afterRefusal (merchantId: string, rejected: string, signal?: AbortSignal): Promise<string | undefined> {
    return this.#call(merchantId, async () => {
      const { refreshes, reader, maxWait } = this.#use
      const record = refreshes.unsaved(merchantId) ?? await within(reader.readStored(merchantId), maxWait, () => this.#timeoutError(merchantId), signal)
      if (record?.accessToken === rejected) {
        const proven = this.#proven.get(merchantId)
        const isAlive = record.refreshToken === null
          ? proven?.accessToken === rejected && this.#now() < proven.until
          : record.spentRefreshToken !== undefined && this.#now() - record.updatedAt < refusalPeriod
        if (isAlive) return undefined
      }
      const token = await this.#obtain(merchantId, { rejected, ...(signal && { signal }) })
      if (token !== rejected) return token
      this.#proven.set(merchantId, { accessToken: token, until: this.#now() + refusalPeriod })
      return undefined
    })
  }

  /** A merchant's record, from the cache if it is recent. */
  async record (merchantId: string): Promise<Installation> {
    return this.#call(merchantId, async () => {
      const record = this.#use.refreshes.unsaved(merchantId) ?? await this.#use.reader.read(merchantId)
      if (record === undefined) throw notConnected(merchantId)
      return record
    })
  }

  /** Backs `refresh()`: refreshes even if the token is fresh or the record is marked. */
  async refresh (merchantId: string): Promise<InstallationSummary> {
    return this.#call(merchantId, async () => {
      const { reader } = this.#use
      const before = await reader.readStored(merchantId)
      if (before === undefined) throw notConnected(merchantId)
      const enough = (record: Installation) => record.accessToken !== before.accessToken && isFresh(record, this.#now(), 0)
      const record = await this.#refreshed(merchantId, { force: true, enough })
      if (record.accessToken === before.accessToken) throw badReply('the refresh brought no new access token', merchantId)
      return summarize(record)
    })
  }

  /** Backs `installation()`. */
  async installation (merchantId: string): Promise<InstallationSummary | undefined> {
    return this.#call(merchantId, async () => {
      const record = this.#use.refreshes.unsaved(merchantId) ?? await this.#use.reader.readStored(merchantId)
      return record && summarize(record)
    })
  }

  /** Drops all tokens from memory; from now on every call throws FST_CLOVER_CLOSING. */
  close (): void {
    this.#closed = true
    this.#use.cache?.close()
  }

  /** Hands out the stored token if it serves the caller, else another one. */
  async #obtain (merchantId: string, { minValidity = this.#use.minValidity, rejected, signal }: AccessTokenOptions): Promise<string> {
    try {
      const { refreshes, v1Tokens } = this.#use
      const record = refreshes.unsaved(merchantId) ?? await this.#read(merchantId, rejected === undefined, signal)
      if (record === undefined) throw notConnected(merchantId)
      if (record.refreshToken === null) return await v1Tokens.token(record, rejected, () => this.#timeoutError(merchantId), signal)
      const isEnough = (record: Installation, now: number) => record.accessToken !== rejected && isFresh(record, now, minValidity)
      const now = this.#now()
      if (!isEnough(record, now)) return await this.#replaced(record, record => isEnough(record, this.#now()), rejected, signal)
      if (this.#isToBeRefreshed(record, now)) this.#refreshAhead(merchantId)
      return record.accessToken
    } catch (error) {
      throw this.#withLaunchUrl(error, merchantId)
    }
  }

  /** The token that a refresh brings; if none can be obtained, the stored one as long as it lives (rule 12). */
  async #replaced (stored: Installation, enough: RefreshGoal['enough'], rejected: string | undefined, signal: AbortSignal | undefined): Promise<string> {
    const { merchantId } = stored
    try {
      const refreshed = await this.#refreshed(merchantId, { enough }, signal)
      if (refreshed.accessToken !== rejected && remaining(refreshed, this.#now()) > 0) return refreshed.accessToken
      throw badReply('the refresh brought no living access token', merchantId)
    } catch (error) {
      // While the stored token is valid, the caller gets it instead of the error.
      if (signal?.aborted || stored.accessToken === rejected || remaining(stored, this.#now()) === 0 || isGone(error)) throw error
      return stored.accessToken
    }
  }

  /** Refreshes a merchant's tokens for a caller who waits for `maxWait` at most. */
  #refreshed (merchantId: string, goal: RefreshGoal, signal?: AbortSignal): Promise<Installation> {
    const { refreshes, maxWait } = this.#use
    return waitFor(isWanted => refreshes.refresh(merchantId, { ...goal, isWanted }), maxWait, () => this.#timeoutError(merchantId), signal)
  }

  /** Reads a merchant's record, from the cache if that is allowed. */
  #read (merchantId: string, mayBeCached: boolean, signal: AbortSignal | undefined): Promise<Installation | undefined> {
    const { storageTimeout, reader, maxWait } = this.#use
    const reading = mayBeCached ? reader.read(merchantId) : reader.readStored(merchantId)
    // The store's own timeout comes first: a second timer would never fire.
    if (signal === undefined && maxWait >= storageTimeout) return reading
    return within(reading, maxWait, () => this.#timeoutError(merchantId), signal)
  }

  /** Whether a refresh in the background is due: the token is in the last part of its life, or its pair is doubtful. */
  #isToBeRefreshed (record: Installation, now: number): boolean {
    return isAgeing(record, now, this.#use.refreshAhead) || isToBeConfirmed(record, now)
  }

  /** Starts a refresh that nobody waits for. */
  #refreshAhead (merchantId: string): void {
    const { refreshes } = this.#use
    if (refreshes.isBusyOrBackingOff(merchantId)) return
    // The failure is logged. Callers meet it only if it lasts until the token has expired.
    refreshes.refresh(merchantId, { enough: record => !this.#isToBeRefreshed(record, this.#now()) }).catch(() => {})
  }

  async #call<T> (merchantId: string, run: () => Promise<T>): Promise<T> {
    this.#checkCall(merchantId)
    try {
      return await run()
    } catch (error) {
      throw this.#withLaunchUrl(error, merchantId)
    }
  }

  #checkCall (merchantId: string): void {
    if (this.#closed) throw closing()
    requireMerchantId(merchantId)
  }

  /** Adds `launchUrl` to an error that a new authorization would end. */
  #withLaunchUrl (error: unknown, merchantId: string): unknown {
    if (this.#use.launchUrl && needsLaunch(error)) error.launchUrl = this.#use.launchUrl(merchantId)
    return error
  }

  #timeoutError (merchantId: string): Error {
    return unavailable(`no token within ${this.#use.maxWait} ms`, 1, merchantId)
  }

  #now (): number {
    return this.#use.clock.now()
  }
}

function needsLaunch (error: unknown): error is CloverError {
  return isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED') || isCloverError(error, 'FST_CLOVER_NOT_CONNECTED')
}

/** The merchant was disconnected meanwhile: its token must not be handed out any more, even if it is valid. */
function isGone (error: unknown): boolean {
  return isCloverError(error, 'FST_CLOVER_NOT_CONNECTED')
}
