import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { unclearError, type Answer } from '../clover/answer.js'
import type { CloverClient, Exchange } from '../clover/client.js'
import { TokenReply, type TokenPair } from '../clover/wire.js'
import { denied, invalidMerchantId, isCloverError, invalidOptions, merchantMismatch, permissionMissing, storageFailed, unavailable } from '../errors.js'
import type { Notify } from './events.js'
import type { Flights } from './flights.js'
import { remaining } from './freshness.js'
import { isMerchantId, MerchantId, type Installation } from './installation.js'
import type { Reader } from './reader.js'
import type { RecordMaker } from './record.js'
import { elapsed, type Runtime } from './runtime.js'
import type { Slots } from './slots.js'
import type { Store } from './store.js'

/** @internal */
export interface ConnectionOptions {
  store: Pick<Store, 'get' | 'put' | 'delete'>
  reader: Reader
  flights: Flights
  clover: Pick<CloverClient, 'exchange' | 'merchant'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'now'>
  make: RecordMaker
  slots: Pick<Slots, 'run'>
  notify: Notify
  identity: Pick<Installation, 'appId' | 'environment' | 'flow'>
  /** `true`: the merchant id is believed without asking Clover. */
  trustMerchantId: boolean
  /** `true`: the record tells when its merchant was last here, so that an uninstall that is told late can be known for one. */
  notesReturns?: boolean
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

/** @internal A pair of a new authorization on its way into the store. */
export interface Placement {
  next: Installation
  before: Installation | undefined
  /** The revision over which it is written next. */
  expected: string | undefined
  /** A write failed and may have happened, or happen yet. */
  isUnknown: boolean
  /** It is the only trace of what was spent for it: it is written although a failed write, if it happened, may have been disconnected since. */
  insists: boolean
}

/** A record that does not open: nothing of it is known, its revision included. */
const unreadable = 'unreadable' as const

/** The most times that a write is tried while others change the record. */
const maxRounds = 10

/** @internal Merchants who come and go. */
export class Connections {
  readonly #use: ConnectionOptions

  constructor (options: ConnectionOptions) {
    this.#use = options
  }

  /**
   * Exchanges an authorization code and stores the merchant's tokens, once Clover has said that they are this merchant's.
   *
   * A returning merchant, whose stored pair is proven alive, keeps it. Resolves with whether the merchant is new.
   */
  async connect (merchantId: string, code: Omit<Exchange, 'withRefreshToken'>): Promise<{ isNew: boolean }> {
    const { store, clover, slots, runtime, notify } = this.#use
    const before = await store.get(merchantId)
    // Decided before the exchange, since a code works once.
    const keeps = before !== undefined && await this.#isProvenAlive(before)
    const began = runtime.now()
    const answer = await slots.run(() => clover.exchange({ ...code, withRefreshToken: !keeps }))
    if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
    if (answer.outcome === 'refused') {
      throw denied('Clover did not accept the authorization code. Open the app from Clover again; if that does not help, check the App ID and the App Secret.', merchantId)
    }
    await this.bind(merchantId, answer.value)
    const isNew = keeps ? await this.#stillThere(merchantId) : await this.#replace(merchantId, answer.value, before) === 'new'
    notify({ type: 'connected', merchantId, isNew, duration: elapsed(runtime, began) })
    return { isNew }
  }

  /** Stores a v1 token that the browser itself brought (the implicit flow), once Clover has said that it is this merchant's. */
  async connectWithToken (merchantId: string, accessToken: string): Promise<{ isNew: boolean }> {
    const before = await this.#use.store.get(merchantId)
    const pair = { accessToken, accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null }
    await this.bind(merchantId, pair)
    const isNew = await this.#replace(merchantId, pair, before) === 'new'
    this.#use.notify({ type: 'connected', merchantId, isNew })
    return { isNew }
  }

  /** Takes over a pair from another integration. Resolves with false, and changes nothing, if the merchant is connected already. */
  async adopt (tokens: AdoptedTokens): Promise<boolean> {
    if (!isMerchantId(tokens?.merchantId)) throw invalidMerchantId()
    const wrong = Value.Errors(AdoptedTokens, tokens).First()
    if (wrong) throw invalidOptions([`adopt() needs merchantId, accessToken, refreshToken, and their expirations in Unix seconds: ${wrong.path.slice(1)} is wrong.`])
    const { merchantId, ...pair } = tokens
    const before = await this.#use.store.get(merchantId)
    if (before !== undefined && !before.reauthorizationRequired) return false
    // An expired token proves nothing either way: there the host answers for the merchant.
    if (pair.accessTokenExpiration > this.#use.clock.now()) await this.bind(merchantId, pair)
    const result = await this.#replace(merchantId, pair, before)
    if (result === 'overtaken') return false
    this.#use.notify({ type: 'connected', merchantId, isNew: result === 'new' })
    return true
  }

  /**
   * Forgets a merchant; resolves with whether there was anything to forget. A connection made meanwhile stays.
   *
   * @param connectedBefore only a merchant who last authorized before this second, in Unix seconds by Clover's clock, is forgotten
   */
  async disconnect (merchantId: string, connectedBefore = Infinity): Promise<boolean> {
    if (!isMerchantId(merchantId)) throw invalidMerchantId()
    const { store, reader, flights, notify } = this.#use
    const first = await store.get(merchantId).catch((error: unknown) => {
      // When a record that does not open was made is not known either.
      if (isCloverError(error, 'FST_CLOVER_SEALED') && connectedBefore === Infinity) return unreadable
      throw error
    })
    if (first === undefined) {
      reader.drop(merchantId)
      return false
    }
    if (first !== unreadable && lastAuthorized(first) >= connectedBefore) return false
    const isForgotten = await (first === unreadable ? store.delete(merchantId) : this.#delete(first, connectedBefore)).finally(() => reader.drop(merchantId))
    if (isForgotten === undefined) return false
    // Not earlier: a pair that is held while the store fails may be the only trace of a merchant who stays connected.
    flights.drop(merchantId, record => first === unreadable || record.connectionId === first.connectionId)
    if (isForgotten) notify({ type: 'disconnected', merchantId })
    return isForgotten
  }

  /** Deletes by revision: a delete that arrives late must not hit a newer connection. Resolves with undefined if this very one stays. */
  async #delete ({ merchantId, connectionId, revision }: Installation, connectedBefore: number): Promise<boolean | undefined> {
    const { store } = this.#use
    for (let round = 0; round < maxRounds; round++) {
      if (await store.delete(merchantId, revision)) return true
      const current = await store.get(merchantId)
      if (current?.connectionId !== connectionId) return false
      if (lastAuthorized(current) >= connectedBefore) return undefined
      revision = current.revision
    }
    throw storageFailed('delete', 'it refuses to delete although the revision is the stored one', merchantId)
  }

  /** Whether the stored pair surely works: after an uninstall and a reinstall it may not. */
  async #isProvenAlive (record: Installation): Promise<boolean> {
    const { flights, clock, trustMerchantId } = this.#use
    const { merchantId, refreshToken, refreshLease, reauthorizationRequired, accessToken } = record
    if (refreshToken === null || refreshLease || reauthorizationRequired || trustMerchantId || flights.held(merchantId)) return false
    if (remaining(record, clock.now()) === 0) return false
    const answer = await this.#ask(() => this.#use.clover.merchant(merchantId, accessToken))
    return answer.outcome === 'ok' && answer.value === merchantId
  }

  /**
   * Binds a token to its merchant: the browser named the merchant, and a browser can be told anything. `ask` makes the call, or makes it
   * again where its answer was unclear.
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

  readonly #ask = (call: () => Promise<Answer<string>>): Promise<Answer<string>> => this.#use.slots.run(call)

  /** A disconnect during a returning visit leaves an access token alone, with which nothing can be stored. */
  async #stillThere (merchantId: string): Promise<false> {
    const { store, make, clock, notesReturns } = this.#use
    const record = await store.get(merchantId)
    if (record === undefined) throw this.#interrupted(merchantId)
    // Best effort: a record that somebody else is changing is left alone.
    if (notesReturns && !record.refreshLease) await store.put(make.returned(record, clock.now()), record.revision).catch(() => false)
    return false
  }

  /** Stores a pair of a new authorization; `overtaken`: another authorization was faster, and its pair is as good. */
  async #replace (merchantId: string, pair: TokenPair, before: Installation | undefined): Promise<'new' | 'replaced' | 'overtaken'> {
    if (!await this.place(this.placement(merchantId, pair, before))) return 'overtaken'
    return before === undefined ? 'new' : 'replaced'
  }

  /** A pair that is to be stored in the place of `before`. */
  placement (merchantId: string, pair: TokenPair, before: Installation | undefined, insists = false): Placement {
    const { make, clock, identity } = this.#use
    const next = make.connected({ merchantId, ...identity }, pair, make.id(), clock.now())
    return { next, before, expected: before?.revision, isUnknown: false, insists }
  }

  /**
   * Stores a pair. Resolves with false if another authorization was faster, whose pair is as good. Where the store failed it rejects, and
   * may be called again with the same placement.
   */
  async place (placement: Placement): Promise<boolean> {
    const { store, flights, reader } = this.#use
    const { next, before, insists } = placement
    const { merchantId, connectionId } = next
    for (let round = 1; ; round++) {
      let isStored = false
      try {
        isStored = await store.put(next, placement.expected)
      } catch (error) {
        placement.isUnknown = true
        if (round >= maxRounds) throw error
      }
      if (!isStored && round > maxRounds) throw this.#interrupted(merchantId)
      const current = isStored ? next : await store.get(merchantId)
      if (current?.connectionId === connectionId) {
        flights.drop(merchantId, record => record.connectionId !== connectionId)
        reader.drop(merchantId)
        return true
      }
      if (current === undefined) {
        // A disconnect came between, or may have: it is not undone behind the merchant's back.
        if (before !== undefined || (placement.isUnknown && !insists)) throw this.#interrupted(merchantId)
        placement.expected = undefined
      } else if (current.connectionId === before?.connectionId || (current.reauthorizationRequired && !placement.isUnknown) || (insists && current.refreshToken === null)) {
        placement.expected = current.revision
      } else {
        return false
      }
    }
  }

  #interrupted (merchantId: string): Error {
    return unavailable('the merchant\'s record changed while the authorization was stored: open the app from Clover again', 1, merchantId)
  }
}

/** Unix seconds by Clover's clock: when the merchant last went through an authorization. */
function lastAuthorized ({ connectedAt, returnedAt = 0 }: Installation): number {
  return Math.max(connectedAt, returnedAt)
}
