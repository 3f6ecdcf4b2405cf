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
import type { Slots } from './slots.js'
import type { Store } from './store.js'

/** @internal */
export interface ConnectionOptions {
  store: Pick<Store, 'get' | 'put' | 'delete'>
  reader: Reader
  flights: Flights
  clover: Pick<CloverClient, 'exchange' | 'merchant'>
  clock: { now (): number }
  make: RecordMaker
  slots: Pick<Slots, 'run'>
  notify: Notify
  identity: Pick<Installation, 'appId' | 'environment' | 'flow'>
  /** `true`: the merchant id is believed without asking Clover. */
  trustMerchantId: boolean
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
    const { store, clover, slots } = this.#use
    const before = await store.get(merchantId)
    // Decided before the exchange, since a code works once.
    const keeps = before !== undefined && await this.#isProvenAlive(before)
    const answer = await slots.run(() => clover.exchange({ ...code, withRefreshToken: !keeps }))
    if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
    if (answer.outcome === 'refused') {
      throw denied('Clover did not accept the authorization code. Open the app from Clover again; if that does not help, check the App ID and the App Secret.', merchantId)
    }
    await this.#bind(merchantId, answer.value)
    const isNew = keeps ? await this.#stillThere(merchantId) : await this.#replace(merchantId, answer.value, before)
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
    if (pair.accessTokenExpiration > this.#use.clock.now()) await this.#bind(merchantId, pair)
    const isNew = await this.#replace(merchantId, pair, before)
    this.#use.notify({ type: 'connected', merchantId, isNew })
    return true
  }

  /** Forgets a merchant; resolves with whether there was anything to forget. A connection made meanwhile stays. */
  async disconnect (merchantId: string): Promise<boolean> {
    if (!isMerchantId(merchantId)) throw invalidMerchantId()
    const { store, reader, flights, notify } = this.#use
    const first = await store.get(merchantId).catch((error: unknown) => {
      if (isCloverError(error, 'FST_CLOVER_SEALED')) return unreadable
      throw error
    })
    if (first === undefined) {
      reader.drop(merchantId)
      return false
    }
    const isForgotten = await (first === unreadable ? store.delete(merchantId) : this.#delete(first)).finally(() => reader.drop(merchantId))
    // Not earlier: a pair that is held while the store fails may be the only trace of a merchant who stays connected.
    flights.drop(merchantId, record => first === unreadable || record.connectionId === first.connectionId)
    if (isForgotten) notify({ type: 'disconnected', merchantId })
    return isForgotten
  }

  /** Deletes by revision: a delete that arrives late must not hit a newer connection. */
  async #delete ({ merchantId, connectionId, revision }: Installation): Promise<boolean> {
    const { store } = this.#use
    for (let round = 0; round < maxRounds; round++) {
      if (await store.delete(merchantId, revision)) return true
      const current = await store.get(merchantId)
      if (current?.connectionId !== connectionId) return false
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
    const answer = await this.#whoIs(merchantId, accessToken)
    return answer.outcome === 'ok' && answer.value === merchantId
  }

  /** Binds a token to its merchant: the browser named the merchant, and a browser can be told anything. */
  async #bind (merchantId: string, { accessToken }: Pick<TokenPair, 'accessToken'>): Promise<void> {
    if (this.#use.trustMerchantId) return
    const answer = await this.#whoIs(merchantId, accessToken)
    if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
    if (answer.outcome === 'ok' && answer.value === merchantId) return
    this.#use.notify({ type: 'merchant-mismatch', merchantId })
    throw answer.outcome === 'refused' && answer.status !== 404
      ? permissionMissing(merchantId, 'Read merchant')
      : merchantMismatch(merchantId)
  }

  #whoIs (merchantId: string, accessToken: string): Promise<Answer<string>> {
    const { clover, slots } = this.#use
    return slots.run(() => clover.merchant(merchantId, accessToken))
  }

  /** A disconnect during a returning visit leaves an access token alone, with which nothing can be stored. */
  async #stillThere (merchantId: string): Promise<false> {
    if (await this.#use.store.get(merchantId) === undefined) throw this.#interrupted(merchantId)
    return false
  }

  /** Stores a pair of a new authorization. Resolves with whether the merchant is new. */
  async #replace (merchantId: string, pair: TokenPair, before: Installation | undefined): Promise<boolean> {
    const { store, make, clock, identity, flights, reader } = this.#use
    const next = make.connected({ merchantId, ...identity }, pair, make.id(), clock.now())
    let expected = before?.revision
    let isUnknown = false
    for (let round = 1; ; round++) {
      let isStored = false
      try {
        isStored = await store.put(next, expected)
      } catch (error) {
        isUnknown = true
        if (round >= maxRounds) throw error
      }
      if (!isStored && round > maxRounds) throw this.#interrupted(merchantId)
      const current = isStored ? next : await store.get(merchantId)
      if (current?.connectionId === next.connectionId) {
        flights.drop(merchantId, record => record.connectionId !== next.connectionId)
        reader.drop(merchantId)
        return before === undefined
      }
      if (current === undefined) {
        // A disconnect came between, or may have: it is not undone behind the merchant's back.
        if (before !== undefined || isUnknown) throw this.#interrupted(merchantId)
        expected = undefined
      } else if (current.connectionId === before?.connectionId || (current.reauthorizationRequired && !isUnknown)) {
        expected = current.revision
      } else {
        return false // another authorization was faster, and its pair is as good
      }
    }
  }

  #interrupted (merchantId: string): Error {
    return unavailable('the merchant\'s record changed while the authorization was stored: open the app from Clover again', 1, merchantId)
  }
}
