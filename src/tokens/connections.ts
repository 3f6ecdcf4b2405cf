import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { unclearError, type Answer } from '../clover/answer.js'
import type { CloverClient, Exchange } from '../clover/client.js'
import { TokenReply, type TokenPair } from '../clover/wire.js'
import { denied, invalidMerchantId, invalidOptions, isCloverError, merchantMismatch, permissionMissing, recordChanged, tooManyVisits, unavailable } from '../errors.js'
import type { Notify } from './events.js'
import type { Flights } from './flights.js'
import { remaining } from './freshness.js'
import { isMerchantId, MerchantId, type Installation } from './installation.js'
import { OneAtATime } from './one-at-a-time.js'
import type { Placements } from './placements.js'
import type { RecordMaker } from './record.js'
import { elapsed, type Runtime } from './runtime.js'
import type { Slots } from './slots.js'
import { UnreadableRecord, type Store } from './store.js'
import type { VisitQueue } from './visit-queue.js'
import { within } from './within.js'

/** @internal */
export interface ConnectionOptions {
  store: Pick<Store, 'find' | 'get' | 'put'>
  placements: Pick<Placements, 'prepare' | 'place'>
  flights: Pick<Flights, 'held' | 'refresh'>
  clover: Pick<CloverClient, 'exchange' | 'merchant'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'now'>
  make: RecordMaker
  /** For the calls by which a visit proves itself: a stranger can cause them. */
  visits: Pick<VisitQueue, 'run'>
  /** For all other calls. */
  slots: Pick<Slots, 'run'>
  notify: Notify
  /** `true`: the merchant id is believed without asking Clover. */
  trustMerchantId: boolean
  /** `low`: a pair whose refresh was interrupted cannot be recovered. */
  trust: 'high' | 'low'
  /** Milliseconds that a visit waits for the refresh of a stored pair. */
  maxWait: number
}

/** A pair of tokens that another integration holds, for `adopt()`. */
export const AdoptedTokens = Type.Object({
  merchantId: MerchantId,
  accessToken: TokenReply.properties.access_token,
  accessTokenExpiration: TokenReply.properties.access_token_expiration,
  refreshToken: TokenReply.properties.refresh_token,
  refreshTokenExpiration: TokenReply.properties.refresh_token_expiration
}, { description: 'A pair of tokens that another integration holds' })
export type AdoptedTokens = Static<typeof AdoptedTokens>

/** @internal A visit that ended: the merchant is connected, or `again`: the browser must go through Clover once more, for a full exchange. */
export type Visit = { isNew: boolean } | 'again'

/** The most times that a visit is noted while others change the record. */
const maxRounds = 10

/** The most callbacks of one merchant that wait for a full exchange, and the seconds after which one that is too many may try again. */
const mostWaiting = 32
const retryAfter = 5

/** @internal Merchants who connect, and those who come back. */
export class Connections {
  readonly #use: ConnectionOptions
  readonly #fullExchanges = new OneAtATime({ most: mostWaiting, tooMany: merchantId => tooManyVisits(retryAfter, merchantId) })

  constructor (options: ConnectionOptions) {
    this.#use = options
  }

  /**
   * Exchanges an authorization code, once for whoever opens the app.
   *
   * Each full exchange adds a refresh token at Clover, which ends the oldest past a number that it does not publish. So where a pair is
   * stored, the code is exchanged for an access token only, which proves the visit; then the stored pair is checked. Resolves with `again`
   * if that pair is dead: the code of the browser's next round is to be exchanged in full.
   *
   * @param isFullRound this is that next round
   * @throws FST_CLOVER_DENIED, FST_CLOVER_MERCHANT_MISMATCH, FST_CLOVER_PERMISSION, FST_CLOVER_UNAVAILABLE, FST_CLOVER_BAD_REPLY,
   * FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP
   */
  async connect (merchantId: string, code: Omit<Exchange, 'withRefreshToken'>, isFullRound = false): Promise<Visit> {
    const found = await this.#use.store.find(merchantId)
    if (!isFullRound && hasPair(found)) return this.#visit(code, found)
    return this.#fullExchanges.run(merchantId, async () => {
      // Whoever came before may have stored a pair meanwhile. In a full round the browser has proved itself already.
      const current = await this.#use.store.find(merchantId)
      if (!hasPair(current)) return this.#connectInFull(merchantId, code, current)
      if (!isFullRound) return this.#visit(code, current)
      return await this.#isAlive(current) ? this.#visit(code, current, true) : this.#connectInFull(merchantId, code, current)
    })
  }

  /** Stores a v1 token that the browser itself brought (the implicit flow), once Clover has said that it is this merchant's. */
  async connectWithToken (merchantId: string, accessToken: string): Promise<{ isNew: boolean }> {
    const before = await this.#use.store.find(merchantId)
    const token = { accessToken, accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null }
    await this.#use.visits.run(() => this.bind(merchantId, token, atOnce))
    return this.#store(merchantId, token, before)
  }

  /** Takes over a pair from another integration. Resolves with false, and changes nothing, if the merchant is connected already. */
  async adopt (tokens: AdoptedTokens): Promise<boolean> {
    if (!isMerchantId(tokens?.merchantId)) throw invalidMerchantId()
    const wrong = Value.Errors(AdoptedTokens, tokens).First()
    if (wrong) throw invalidOptions([`adopt() needs merchantId, accessToken, refreshToken, and their expirations in Unix seconds: ${wrong.path.slice(1)} is wrong.`])
    const { store, placements, clock, notify } = this.#use
    const { merchantId, ...pair } = tokens
    const before = await store.find(merchantId)
    if (before !== undefined && !(before instanceof UnreadableRecord) && !before.reauthorizationRequired) return false
    // An expired token proves nothing either way: there the host answers for the merchant.
    if (pair.accessTokenExpiration > clock.now()) await this.bind(merchantId, pair)
    if (!await placements.place(placements.prepare(merchantId, pair, before))) return false
    notify({ type: 'connected', merchantId, isNew: before === undefined })
    return true
  }

  /**
   * Binds a token to its merchant: the browser named the merchant, and a browser can name anyone. `ask` makes the call, or repeats it
   * where its answer was unclear.
   */
  async bind (merchantId: string, { accessToken }: Pick<TokenPair, 'accessToken'>, ask = this.#ask): Promise<void> {
    const { clover, trustMerchantId } = this.#use
    if (trustMerchantId) return
    const answer = await ask(() => clover.merchant(merchantId, accessToken))
    if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
    if (answer.outcome === 'ok' && answer.value === merchantId) return
    const reason = answer.outcome === 'ok'
      ? 'the token is another merchant\'s'
      : `Clover answers ${answer.status} to the token at /v3/merchants/{mId}`
    this.#use.notify({ type: 'merchant-mismatch', merchantId, reason })
    throw answer.outcome === 'refused' && answer.status !== 404
      ? permissionMissing(merchantId, 'Read merchant')
      : merchantMismatch(merchantId)
  }

  /** Somebody opens an app that is connected. No call is made with the stored tokens before the visit has proved itself. */
  async #visit (code: Omit<Exchange, 'withRefreshToken'>, before: Installation, isAlive = false): Promise<Visit> {
    const { runtime, notify } = this.#use
    const { merchantId } = before
    const began = runtime.now()
    const tokens = await this.#exchange(merchantId, { ...code, withRefreshToken: false })
    // Where Clover gives a refresh token all the same, it may have ended the stored one by that.
    if (tokens.refreshToken !== null) return this.#store(merchantId, tokens, before, began)
    if (!isAlive && !await this.#isAlive(before)) return 'again'
    await this.#noteVisit(merchantId)
    notify({ type: 'connected', merchantId, isNew: false, duration: elapsed(runtime, began) })
    return { isNew: false }
  }

  async #connectInFull (merchantId: string, code: Omit<Exchange, 'withRefreshToken'>, before: Installation | UnreadableRecord | undefined): Promise<{ isNew: boolean }> {
    const began = this.#use.runtime.now()
    const pair = await this.#exchange(merchantId, { ...code, withRefreshToken: true })
    return this.#store(merchantId, pair, before, began)
  }

  /** Resolves with the tokens once Clover has said that they are this merchant's. One turn in the queue is for both calls. */
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
    await this.bind(merchantId, answer.value, atOnce)
    return answer.value
  }

  /**
   * Whether the stored pair works: Clover knows its access token, or a refresh has just succeeded, one for all who visit at once.
   *
   * @throws FST_CLOVER_UNAVAILABLE and others, where that could not be found out
   */
  async #isAlive (before: Installation): Promise<boolean> {
    const { flights, clock, clover, trustMerchantId, trust } = this.#use
    const { merchantId } = before
    // A pair that is not stored yet is newer than what was read.
    const record = flights.held(merchantId) ?? before
    const { accessToken, refreshToken, refreshLease, reauthorizationRequired } = record
    // Without recovery, a lease may be the only trace of a refresh that ended this pair.
    const isInterrupted = refreshLease !== undefined && trust === 'low'
    if (!reauthorizationRequired && !isInterrupted && !trustMerchantId && remaining(record, clock.now()) > 0) {
      const answer = await this.#ask(() => clover.merchant(merchantId, accessToken))
      if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
      if (answer.outcome === 'ok' && answer.value === merchantId) return true
    }
    return await this.#refreshed(merchantId, refreshToken) !== undefined
  }

  /** Resolves with the record once its refresh token is not `refreshToken` any more; with undefined if Clover refuses to refresh. */
  async #refreshed (merchantId: string, refreshToken: string | null): Promise<Installation | undefined> {
    const { flights, maxWait } = this.#use
    const late = () => unavailable('another server is refreshing this merchant', 1, merchantId)
    try {
      return await within(flights.refresh(merchantId, { enough: current => current.refreshToken !== refreshToken }), maxWait, late)
    } catch (error) {
      if (isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED') || isCloverError(error, 'FST_CLOVER_UNREADABLE')) return undefined
      if (isCloverError(error, 'FST_CLOVER_NOT_CONNECTED')) throw recordChanged(merchantId)
      throw error
    }
  }

  /** Writes that the merchant was here, so that a disconnect which began before does not end this connection. */
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
   * Stores the tokens of an exchange. If another server's authorization was faster, this exchange may have ended the refresh token that is
   * stored: then this pair takes its place, unless a third server's does so first, which is checked in turn.
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
    notify({ type: 'connected', merchantId, isNew, ...(began !== undefined && { duration: elapsed(runtime, began) }) })
    return { isNew }
  }

  /** Whether the pair that another server stored outlived an exchange of this one. */
  async #survived (merchantId: string): Promise<boolean> {
    while (true) {
      const current = await this.#use.store.find(merchantId)
      if (current === undefined) throw recordChanged(merchantId)
      if (!hasPair(current)) return false
      const refreshed = await this.#refreshed(merchantId, current.refreshToken)
      if (refreshed === undefined) return false
      // A refresh that was in progress already may have reached Clover before this exchange did, and so may another authorization: neither
      // proves anything.
      if (current.refreshLease === undefined && refreshed.connectionId === current.connectionId) return true
    }
  }

  readonly #ask = (call: () => Promise<Answer<string>>): Promise<Answer<string>> => this.#use.slots.run(call)
}

/** For a call that has its turn already. */
const atOnce = (call: () => Promise<Answer<string>>) => call()

function hasPair (found: Installation | UnreadableRecord | undefined): found is Installation {
  return found !== undefined && !(found instanceof UnreadableRecord) && found.refreshToken !== null
}
