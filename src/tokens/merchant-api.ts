import { discard, type CloverApi } from '../clover/api.js'
import { apiUrl } from '../clover/api-url.js'
import { parseRetryAfter } from '../clover/client.js'
import { isReplayable, readInit, type CloverFetchInit } from '../clover/fetch-init.js'
import type { Environment } from '../environments.js'
import { badReply, invalidMerchantId, permissionMissing, unavailable } from '../errors.js'
import { isMerchantId } from './installation.js'
import type { TokenKeeper } from './keeper.js'

/** @internal */
export interface MerchantApiOptions {
  environment: Environment
  api: Pick<CloverApi, 'send'>
  keeper: Pick<TokenKeeper, 'accessToken' | 'afterRefusal'>
  /** Milliseconds on a clock that is never set back. */
  now (): number
  /** Milliseconds for one call in all. */
  maxWait: number
}

/** @internal Clover's API with the merchants' tokens. */
export class MerchantApi {
  readonly #use: MerchantApiOptions

  constructor (options: MerchantApiOptions) {
    this.#use = options
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
    if (!isMerchantId(merchantId)) throw invalidMerchantId()
    return apiUrl(this.#use.environment, path, merchantId)
  }

  /** The body of a successful `GET`; undefined if it is not JSON. Any other status is a typed error. */
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
    const { api, keeper, now, maxWait } = this.#use
    // A signal of its own for each call: the caller may share one among many, and each listener on it would count.
    const signal = init.signal ? AbortSignal.any([init.signal]) : undefined
    signal?.throwIfAborted()
    const giveUpAt = now() + maxWait
    const send = (accessToken: string) => api.send({ merchantId, url, init: { ...init, signal: signal ?? null }, accessToken, giveUpAt, isBuffered })
    const accessToken = await keeper.accessToken(merchantId, signal && { signal })
    const response = await send(accessToken)
    if (response.status !== 401) return response
    // Also for a body that cannot be sent again: the next call then has a good token.
    const another = await keeper.afterRefusal(merchantId, accessToken, signal)
    if (another === undefined || !isReplayable(init.body)) return response
    discard(response)
    return send(another)
  }
}
