import { checks, type EcommerceKeyReply } from '../clover/wire.js'
import type { Environment } from '../environments.js'
import { badReply, invalidMerchantId, isCloverError, merchantMismatch, noEcommerce } from '../errors.js'
import type { Flights } from './flights.js'
import { isMerchantId } from './installation.js'
import type { TokenKeeper } from './keeper.js'
import type { MerchantApi } from './merchant-api.js'
import type { Reader } from './reader.js'
import type { RecordMaker } from './record.js'
import type { Runtime } from './runtime.js'
import type { Store } from './store.js'

/** @internal */
export interface EcommerceKeyDependencies {
  api: Pick<MerchantApi, 'json'>
  environment: Environment
  appId: string
  keeper: Pick<TokenKeeper, 'record'>
  flights: Pick<Flights, 'held'>
  store: Pick<Store, 'get' | 'put'>
  reader: Pick<Reader, 'drop'>
  make: RecordMaker
  clock: { now (): number }
  runtime: Pick<Runtime, 'sleep' | 'jitter'>
}

/** The most times that a key is written while the record is busy; after that it is asked for again when it is next needed. */
const maxRounds = 6

/**
 * @internal The merchants' public keys for ecommerce pages: asked for once and kept in the record.
 *
 * Source: https://docs.clover.com/dev/docs/generate-ecommerce-api-key-or-pakms-key
 */
export class EcommerceKeys {
  readonly #use: EcommerceKeyDependencies
  readonly #asking = new Map<string, Promise<string>>()

  constructor (dependencies: EcommerceKeyDependencies) {
    this.#use = dependencies
  }

  /** Backs `ecommercePublicKey()`. */
  async key (merchantId: string, { renew = false }: { renew?: boolean } = {}): Promise<string> {
    if (!isMerchantId(merchantId)) throw invalidMerchantId()
    const { environment, keeper } = this.#use
    const origin = environment.ecommerce
    if (origin === undefined) {
      throw noEcommerce(`Clover documents no such service for the environment ${environment.name}. If there is one now, set its origin in the option environment, such as { base: 'europe', ecommerce: 'https://host' }.`, merchantId)
    }
    const { ecommercePublicKey, connectionId } = await keeper.record(merchantId)
    if (ecommercePublicKey !== undefined && !renew) return ecommercePublicKey
    const current = this.#asking.get(merchantId)
    if (current) return current
    const asking = this.#ask(merchantId, connectionId, new URL('/pakms/apikey', origin)).finally(() => this.#asking.delete(merchantId))
    this.#asking.set(merchantId, asking)
    return asking
  }

  async #ask (merchantId: string, connectionId: string, url: URL): Promise<string> {
    const { active, apiAccessKey } = this.#checked(merchantId, await this.#use.api.json(merchantId, url))
    await this.#keep(merchantId, connectionId, active ? apiAccessKey : undefined)
    if (active) return apiAccessKey
    throw noEcommerce(`Clover has disabled the key of merchant ${merchantId}. Ask Clover's developer support to enable it.`, merchantId)
  }

  #checked (merchantId: string, body: unknown): EcommerceKeyReply {
    if (!checks.ecommerceKeyReply.Check(body)) throw badReply(`/pakms/apikey: ${checks.ecommerceKeyReply.Errors(body).First()?.path || '/'}`, merchantId)
    if (body.merchantUuid !== merchantId) throw merchantMismatch(merchantId)
    if (body.developerAppUuid !== this.#use.appId) throw badReply('/pakms/apikey: /developerAppUuid is another app', merchantId)
    return body
  }

  /**
   * Writes the key into the record, by revision, and not while a refresh is under way: its lease and its pair must land undisturbed. A
   * key that cannot be written is only asked for again.
   */
  async #keep (merchantId: string, connectionId: string, key: string | undefined): Promise<void> {
    const { store, flights, reader, make, clock, runtime } = this.#use
    try {
      for (let round = 0; round < maxRounds; round++) {
        const record = await store.get(merchantId)
        // A disconnect, or a new authorization, whose key may be another.
        if (record?.connectionId !== connectionId || record.ecommercePublicKey === key) return
        const isBusy = (record.refreshLease && clock.now() < record.refreshLease.until) || flights.held(merchantId)
        if (!isBusy && await store.put(make.withEcommerceKey(record, key), record.revision)) return
        await runtime.sleep(50 * 2 ** round * (0.5 + runtime.jitter() / 2))
      }
    } catch (error) {
      if (!isCloverError(error, 'FST_CLOVER_STORAGE')) throw error
    } finally {
      reader.drop(merchantId)
    }
  }
}
