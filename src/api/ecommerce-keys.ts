import { checks, type EcommerceKeyReply } from '../clover/wire.js'
import { Type } from '@sinclair/typebox'
import { checkOptions, optionsOf, requireMerchantId } from '../checks/arguments.js'
import { backoff } from '../concurrency/backoff.js'
import { SharedWork } from '../concurrency/shared-work.js'
import type { Environment } from '../environments.js'
import { badReply, isCloverError, merchantMismatch, noEcommerce } from '../errors.js'
import type { Refreshes } from '../tokens/refreshes.js'
import type { AccessTokens } from '../tokens/access-tokens.js'
import type { MerchantApi } from './merchant-api.js'
import type { Reader } from '../tokens/reader.js'
import type { RecordMaker } from '../tokens/record.js'
import type { Runtime } from '../runtime.js'
import type { Store } from '../tokens/store.js'

/** @internal What {@link EcommerceKeys} needs. */
export interface EcommerceKeyDependencies {
  api: Pick<MerchantApi, 'json'>
  environment: Environment
  appId: string
  accessTokens: Pick<AccessTokens, 'record'>
  refreshes: Pick<Refreshes, 'unsaved'>
  store: Pick<Store, 'get' | 'put'>
  reader: Pick<Reader, 'drop'>
  make: RecordMaker
  clock: { now (): number }
  runtime: Pick<Runtime, 'sleep' | 'jitter'>
}

const EcommerceKeyArgument = optionsOf<{ renew?: boolean }>({ renew: Type.Boolean({ must: 'true or false' }) })

/** The most attempts to write a key while the record is busy. After that the next call requests the key again. */
const maxAttempts = 6

/**
 * @internal The merchants' public keys for ecommerce pages: requested once and kept in the record.
 *
 * Source: https://docs.clover.com/dev/docs/generate-ecommerce-api-key-or-pakms-key
 */
export class EcommerceKeys {
  readonly #use: EcommerceKeyDependencies
  readonly #requests = new SharedWork<string>()

  constructor (dependencies: EcommerceKeyDependencies) {
    this.#use = dependencies
  }

  /** Backs `ecommercePublicKey()`. */
  async key (merchantId: string, options: { renew?: boolean } = {}): Promise<string> {
    requireMerchantId(merchantId)
    checkOptions('ecommercePublicKey', EcommerceKeyArgument, options)
    const { environment, accessTokens } = this.#use
    const origin = environment.ecommerce
    if (origin === undefined) {
      throw noEcommerce(`Clover documents no ecommerce service for the environment ${environment.name}. If there is one now, set its origin in the option environment: { base, ecommerce: 'https://host' }.`, merchantId)
    }
    const { ecommercePublicKey, connectionId } = await accessTokens.record(merchantId)
    if (ecommercePublicKey !== undefined && !options.renew) return ecommercePublicKey
    return this.#requests.run(merchantId, () => this.#request(merchantId, connectionId, new URL('/pakms/apikey', origin)))
  }

  async #request (merchantId: string, connectionId: string, url: URL): Promise<string> {
    const { active, apiAccessKey } = this.#checked(merchantId, await this.#use.api.json(merchantId, url))
    await this.#keep(merchantId, connectionId, active ? apiAccessKey : undefined)
    if (active) return apiAccessKey
    throw noEcommerce(`Clover has disabled the key of merchant ${merchantId}. Ask Clover's developer support to enable it.`, merchantId)
  }

  #checked (merchantId: string, body: unknown): EcommerceKeyReply {
    if (!checks.ecommerceKeyReply.accepts(body)) throw badReply(`/pakms/apikey: ${checks.ecommerceKeyReply.firstError(body).path}`, merchantId)
    if (body.merchantUuid !== merchantId) throw merchantMismatch(merchantId)
    if (body.developerAppUuid !== this.#use.appId) throw badReply('/pakms/apikey: /developerAppUuid is of another app', merchantId)
    return body
  }

  /**
   * Writes the key into the record, but not while a refresh is in progress, whose lease and pair must not lose a race of revisions. A key that
   * cannot be written is requested again later.
   */
  async #keep (merchantId: string, connectionId: string, key: string | undefined): Promise<void> {
    const { store, refreshes, reader, make, clock, runtime } = this.#use
    try {
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        const record = await store.get(merchantId)
        // After a disconnect or a new authorization, the key may be another.
        if (record?.connectionId !== connectionId || record.ecommercePublicKey === key) return
        const isBusy = (record.refreshLease && clock.now() < record.refreshLease.until) || refreshes.unsaved(merchantId)
        if (!isBusy && await store.put(make.withEcommerceKey(record, key), record.revision)) return
        await runtime.sleep(backoff({ first: 50, longest: Infinity }, attempt, runtime.jitter))
      }
    } catch (error) {
      if (!isCloverError(error, 'FST_CLOVER_STORAGE')) throw error
    } finally {
      reader.drop(merchantId)
    }
  }
}
