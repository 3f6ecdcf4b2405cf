import { discard, type CloverApi } from './clover-api.js'
import { apiUrl } from './api-url.js'
import { requireMerchantId } from '../checks/arguments.js'
import { parseRetryAfter } from '../clover/client.js'
import { isReplayable, readInit, type CloverFetchInit } from './fetch-init.js'
import type { Environment } from '../environments.js'
import { badReply, permissionMissing, unavailable } from '../errors.js'
import type { AccessTokens } from '../tokens/access-tokens.js'

/** @internal What {@link MerchantApi} needs. */
export interface MerchantApiDependencies {
  environment: Environment
  api: Pick<CloverApi, 'send'>
  accessTokens: Pick<AccessTokens, 'accessToken' | 'afterRefusal'>
  /** Monotonic milliseconds. */
  monotonic (): number
  /** Total milliseconds for one call with its retries. */
  maxWait: number
}

/** @internal Calls Clover's API with the merchants' tokens. */
export class MerchantApi {
  readonly #use: MerchantApiDependencies

  constructor (dependencies: MerchantApiDependencies) {
    this.#use = dependencies
  }

  /** Backs `fetch()` of the decorator. */
  async fetch (merchantId: string, path: string | URL, init?: CloverFetchInit): Promise<Response> {
    return this.#request(merchantId, this.url(merchantId, path), readInit(init), false)
  }

  /**
   * The address of a call.
   *
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_FOREIGN_URL
   */
  url (merchantId: string, path: string | URL): URL {
    requireMerchantId(merchantId)
    return apiUrl(this.#use.environment, path, merchantId)
  }

  /**
   * The body of a successful `GET`; undefined if it is not JSON.
   *
   * @throws FST_CLOVER_PERMISSION for 401 and 403, FST_CLOVER_UNAVAILABLE for 429 and 5xx, FST_CLOVER_BAD_REPLY for any other status
   */
  async json (merchantId: string, url: URL, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#request(merchantId, url, signal ? { signal } : {}, true)
    const { status, headers } = response
    const what = `GET ${url.pathname}: status ${status}`
    if (response.ok) return response.json().catch(() => undefined)
    if (status === 401 || status === 403) throw permissionMissing(merchantId, 'necessary')
    if (status === 429 || status >= 500) throw unavailable(what, parseRetryAfter(headers.get('retry-after')), merchantId)
    throw badReply(what, merchantId)
  }

  async #request (merchantId: string, url: URL, init: CloverFetchInit, isBuffered: boolean): Promise<Response> {
    const { api, accessTokens, monotonic, maxWait } = this.#use
    // A new signal for each call: a caller may use one for many calls, and Node warns about many listeners on one signal.
    const signal = init.signal ? AbortSignal.any([init.signal]) : undefined
    signal?.throwIfAborted()
    const giveUpAt = monotonic() + maxWait
    const send = (accessToken: string) => api.send({ merchantId, url, init: { ...init, signal: signal ?? null }, accessToken, giveUpAt, isBuffered })
    const accessToken = await accessTokens.accessToken(merchantId, signal && { signal })
    const response = await send(accessToken)
    if (response.status !== 401) return response
    // Also if this body cannot be sent again: the next call then gets a good token.
    const another = await accessTokens.afterRefusal(merchantId, accessToken, signal)
    if (another === undefined || !isReplayable(init.body)) return response
    discard(response)
    return send(another)
  }
}
