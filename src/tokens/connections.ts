import { unclearError } from '../clover/answer.js'
import type { CloverClient, Exchange } from '../clover/client.js'
import type { TokenPair } from '../clover/wire.js'
import type { CallSlots } from '../concurrency/call-slots.js'
import { OneAtATime } from '../concurrency/one-at-a-time.js'
import type { VisitQueue } from '../concurrency/visit-queue.js'
import { waitFor } from '../concurrency/within.js'
import { denied, isCloverError, recordChanged, tooManyVisits, unavailable } from '../errors.js'
import type { Notify } from '../events/table.js'
import type { Installation } from '../installation.js'
import { durationSince, type Runtime } from '../runtime.js'
import { remaining } from './freshness.js'
import { atOnce, type MerchantBinding } from './merchant-binding.js'
import type { Placements } from './placements.js'
import type { RecordMaker } from './record.js'
import type { Refreshes } from './refreshes.js'
import { UnreadableRecord, type Store } from './store.js'

/** @internal What {@link Connections} needs. */
export interface ConnectionsDependencies {
  store: Pick<Store, 'find' | 'get' | 'put'>
  placements: Pick<Placements, 'prepare' | 'place'>
  binding: Pick<MerchantBinding, 'bind'>
  refreshes: Pick<Refreshes, 'unsaved' | 'refresh'>
  clover: Pick<CloverClient, 'exchange' | 'merchant'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'monotonic'>
  make: RecordMaker
  /** For the calls by which a visit proves itself: a stranger can cause them. */
  visits: Pick<VisitQueue, 'run'>
  /** For all other calls. */
  slots: Pick<CallSlots, 'run'>
  notify: Notify
  /** `true`: the merchant id from the browser is trusted without asking Clover. */
  trustMerchantId: boolean
  /** `low`: a pair whose refresh was interrupted cannot be recovered. */
  trust: 'high' | 'low'
  /** Milliseconds: the longest wait of a visit for the refresh of a stored pair. */
  maxWait: number
}

/** @internal A visit that ended: the merchant is connected, or `needs-full-round`: the browser must go through Clover once more, for a full exchange. */
export type Visit = { isNew: boolean } | 'needs-full-round'

/**
 * How often a write is tried while others change the record. A round is lost only if somebody writes between its read and its write, so only a faulty store
 * reaches this limit.
 */
const maxRounds = 10

/** The most callbacks of one merchant that wait for a full exchange. Further ones get an error with `retryAfter`, in seconds. */
const mostWaiting = 32
const retryAfter = 5

/** @internal Connects merchants, and checks the stored pair when somebody opens a connected app. */
export class Connections {
  readonly #use: ConnectionsDependencies
  readonly #fullExchanges = new OneAtATime({ most: mostWaiting, tooMany: merchantId => tooManyVisits(retryAfter, merchantId) })

  constructor (dependencies: ConnectionsDependencies) {
    this.#use = dependencies
  }

  /**
   * Exchanges the authorization code of one visit (rule 9).
   *
   * Each full exchange adds a refresh token at Clover. Clover keeps a limited number, which it does not publish, and ends the oldest. So if
   * a pair is stored, the code is exchanged only for an access token, which proves the visit; then the stored pair is checked. Resolves
   * with `needs-full-round` if that pair is dead: then the browser must fetch a second code, which is exchanged in full.
   *
   * @param isFullRound `true` for that second code
   * @throws FST_CLOVER_DENIED, FST_CLOVER_MERCHANT_MISMATCH, FST_CLOVER_PERMISSION, FST_CLOVER_UNAVAILABLE, FST_CLOVER_BAD_REPLY,
   * FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT
   */
  async connect (merchantId: string, code: Omit<Exchange, 'withRefreshToken'>, isFullRound = false): Promise<Visit> {
    const found = await this.#use.store.find(merchantId)
    if (!isFullRound && hasPair(found)) return this.#visit(code, found)
    return this.#fullExchanges.run(merchantId, async () => {
      // An earlier callback may have stored a pair meanwhile. With a second code the browser has proved its visit already.
      const current = await this.#use.store.find(merchantId)
      if (!hasPair(current)) return this.#connectInFull(merchantId, code, current)
      if (!isFullRound) return this.#visit(code, current)
      return await this.#isAlive(current) ? this.#visit(code, current, true) : this.#connectInFull(merchantId, code, current)
    })
  }

  /** Stores a v1 token that came from the browser (the implicit flow), once Clover has confirmed that it belongs to this merchant. */
  async connectWithToken (merchantId: string, accessToken: string): Promise<{ isNew: boolean }> {
    const before = await this.#use.store.find(merchantId)
    const token = { accessToken, accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null }
    await this.#use.visits.run(() => this.#use.binding.bind(merchantId, token, atOnce))
    return this.#store(merchantId, token, before)
  }

  /** Handles a visit to a connected app. The stored tokens are used only after the code was exchanged and bound to the merchant. */
  async #visit (code: Omit<Exchange, 'withRefreshToken'>, before: Installation, isAlive = false): Promise<Visit> {
    const { runtime, notify } = this.#use
    const { merchantId } = before
    const began = runtime.monotonic()
    const tokens = await this.#exchange(merchantId, { ...code, withRefreshToken: false })
    // If Clover gives a refresh token although none was asked for, it may have ended the stored one.
    if (tokens.refreshToken !== null) return this.#store(merchantId, tokens, before, began)
    if (!isAlive && !await this.#isAlive(before)) return 'needs-full-round'
    await this.#noteVisit(merchantId)
    notify({ type: 'connected', merchantId, isNew: false, duration: durationSince(runtime, began) })
    return { isNew: false }
  }

  async #connectInFull (merchantId: string, code: Omit<Exchange, 'withRefreshToken'>, before: Installation | UnreadableRecord | undefined): Promise<{ isNew: boolean }> {
    const began = this.#use.runtime.monotonic()
    const pair = await this.#exchange(merchantId, { ...code, withRefreshToken: true })
    return this.#store(merchantId, pair, before, began)
  }

  /** Exchanges a code, and binds the tokens to the merchant. Both calls share one turn in the queue. */
  #exchange (merchantId: string, exchange: Exchange): Promise<TokenPair> {
    return this.#use.visits.run(() => this.#prove(merchantId, exchange))
  }

  async #prove (merchantId: string, exchange: Exchange): Promise<TokenPair> {
    const { clover, notify } = this.#use
    const answer = await clover.exchange(exchange)
    if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
    if (answer.outcome === 'refused') {
      notify({ type: 'exchange-refused', merchantId, status: answer.status })
      throw denied('Clover did not accept the authorization code. Open the app from Clover again; if that does not help, check the App ID and the App Secret.', merchantId)
    }
    await this.#use.binding.bind(merchantId, answer.value, atOnce)
    return answer.value
  }

  /**
   * Whether the stored pair works: Clover accepts its access token, or a refresh succeeds. Visits at the same time share that refresh.
   *
   * @throws FST_CLOVER_UNAVAILABLE and others, if that cannot be found out
   */
  async #isAlive (before: Installation): Promise<boolean> {
    const { refreshes, clock, clover, slots, trustMerchantId, trust } = this.#use
    const { merchantId } = before
    // An unsaved pair is newer than the record that was read.
    const record = refreshes.unsaved(merchantId) ?? before
    const { accessToken, refreshToken, refreshLease, reauthorizationRequired } = record
    // Without recovery, a lease may be the only trace of a refresh that ended this pair.
    const isInterrupted = refreshLease !== undefined && trust === 'low'
    if (!reauthorizationRequired && !isInterrupted && !trustMerchantId && remaining(record, clock.now()) > 0) {
      const answer = await slots.run(() => clover.merchant(merchantId, accessToken))
      if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
      if (answer.outcome === 'ok' && answer.value === merchantId) return true
    }
    return await this.#refreshed(merchantId, refreshToken) !== undefined
  }

  /** Resolves with the record once its refresh token is not `refreshToken` any more; with undefined if Clover refuses to refresh. */
  async #refreshed (merchantId: string, refreshToken: string | null): Promise<Installation | undefined> {
    const { refreshes, maxWait } = this.#use
    const late = () => unavailable('another server is refreshing this merchant', 1, merchantId)
    try {
      const enough = (current: Installation) => current.refreshToken !== refreshToken
      return await waitFor(isWanted => refreshes.refresh(merchantId, { enough, isWanted }), maxWait, late)
    } catch (error) {
      if (isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED') || isCloverError(error, 'FST_CLOVER_UNREADABLE')) return undefined
      if (isCloverError(error, 'FST_CLOVER_NOT_CONNECTED')) throw recordChanged(merchantId)
      throw error
    }
  }

  /** Writes the visit into the record, so that a disconnect which began earlier does not end this connection. */
  async #noteVisit (merchantId: string): Promise<void> {
    const { store, make, clock } = this.#use
    const visitId = make.id()
    for (let round = 1; round <= maxRounds; round++) {
      const record = await store.get(merchantId)
      if (record === undefined) break
      if (record.visitId === visitId) return
      let isStored = false
      try {
        isStored = await store.put(make.returned(record, visitId, clock.now()), record.revision)
      } catch (error) {
        if (round === maxRounds) throw error
      }
      if (isStored) return
    }
    throw recordChanged(merchantId)
  }

  /**
   * Stores the tokens of an exchange. If another server stored a pair first, this exchange may have ended that pair's refresh token. Then
   * this pair replaces it. If a third server's pair is stored first, that one is checked in the same way.
   */
  async #store (merchantId: string, pair: TokenPair, before: Installation | UnreadableRecord | undefined, began?: number): Promise<{ isNew: boolean }> {
    const { placements, notify, runtime } = this.#use
    const placement = placements.prepare(merchantId, pair, before)
    let isStored = await placements.place(placement)
    const isNew = isStored && before === undefined
    for (let round = 1; !isStored && pair.refreshToken !== null && !await this.#survived(merchantId); round++) {
      if (round > maxRounds) throw recordChanged(merchantId)
      isStored = await placements.place(placement)
    }
    notify({ type: 'connected', merchantId, isNew, ...(began !== undefined && { duration: durationSince(runtime, began) }) })
    return { isNew }
  }

  /** Whether the pair that another server stored still works after this server's exchange. */
  async #survived (merchantId: string): Promise<boolean> {
    while (true) {
      const current = await this.#use.store.find(merchantId)
      if (current === undefined) throw recordChanged(merchantId)
      if (!hasPair(current)) return false
      const refreshed = await this.#refreshed(merchantId, current.refreshToken)
      if (refreshed === undefined) return false
      // A refresh or an authorization that began earlier may have reached Clover before this exchange: neither proves anything.
      if (current.refreshLease === undefined && refreshed.connectionId === current.connectionId) return true
    }
  }
}

function hasPair (found: Installation | UnreadableRecord | undefined): found is Installation {
  return found !== undefined && !(found instanceof UnreadableRecord) && found.refreshToken !== null
}
