import type { CloverFetchInit } from './api/fetch-init.js'
import type { KeepAliveOptions, KeepAliveSummary } from './jobs/keep-alive-options.js'
import type { DueOptions, DueOutcome } from './jobs/due-options.js'
import type { LegacyToken, MigrationOptions, MigrationOutcome } from './jobs/migration-options.js'
import type { MerchantHook, MerchantSource } from './routes/require-merchant.js'
import type { CloverSummary, ListedInstallation, SummaryOptions } from './operations/summary.js'
import type { InstallationSummary, UnusableInstallation } from './installation.js'
import type { AccessTokenOptions } from './tokens/access-tokens.js'
import type { AdoptedTokens } from './tokens/adoption.js'
import type { PaginateOptions } from './api/paginate.js'
import type { DiagnoseOptions } from './operations/diagnose.js'
import type { Finding } from './operations/finding.js'

/**
 * The functions for handlers: `request.clover`, which is the same object as `app.clover`.
 *
 * The plugin does not authorize the host's users: take the merchant id from a session, never from a URL that anybody can edit.
 */
export interface Clover {
  /**
   * A `preHandler` hook for routes that are for connected merchants: it asks `merchantOf` for the visitor's merchant id, and puts it at
   * `request.cloverMerchantId`.
   *
   * If there is none, or one that is not in Clover's form, a browser on its way to a page (GET or HEAD that accepts `text/html`) is
   * redirected to the launch route, with the path that it asked for as `return_to` (left out if it has more than 256 characters). For any
   * other request the hook throws FST_CLOVER_NOT_CONNECTED, a 409 with `launchUrl`. The store is not asked: for a merchant who has been
   * disconnected meanwhile, `accessToken()` and `fetch()` throw FST_CLOVER_NOT_CONNECTED in the handler.
   *
   * As a hook of the whole app, `app.addHook('preHandler', ...)`, it lets everybody reach the plugin's launch, callback and webhook routes.
   *
   * @param merchantOf gives the merchant id from where `onConnect` put it, such as the session, or undefined or null; may be async. Never
   * from a URL, a body or a header
   * @throws FST_CLOVER_INVALID_OPTIONS, at once, if `routes.launch` is `false` or `merchantOf` is no function
   *
   * @example
   * ```ts
   * const preHandler = app.clover.requireMerchant(request => request.session.get('merchantId'))
   * app.get('/orders', { preHandler }, async request => {
   *   const response = await request.clover.fetch(request.cloverMerchantId, '/v3/merchants/{mId}/orders')
   *   return response.json()
   * })
   * ```
   */
  requireMerchant (merchantOf: MerchantSource): MerchantHook
  /**
   * Resolves with a valid access token of a merchant, after a refresh if necessary. A caller waits for the refresh for `maxWait` milliseconds at most.
   *
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_NOT_CONNECTED, FST_CLOVER_REAUTHORIZATION_REQUIRED, FST_CLOVER_UNAVAILABLE,
   * FST_CLOVER_BAD_REPLY, FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT, FST_CLOVER_UNREADABLE, FST_CLOVER_SEALED,
   * FST_CLOVER_INVALID_OPTIONS for wrong options, FST_CLOVER_CLOSING, or the reason of the signal
   *
   * @example
   * ```ts
   * let token = await request.clover.accessToken(merchantId)
   * let response = await send(token)
   * if (response.status === 401) {
   *   token = await request.clover.accessToken(merchantId, { rejected: token })
   *   response = await send(token)
   * }
   * ```
   */
  accessToken (merchantId: string, options?: AccessTokenOptions): Promise<string>
  /**
   * Refreshes a merchant's tokens now, whatever their age: for operators.
   *
   * @throws as {@link Clover.accessToken} does; FST_CLOVER_REAUTHORIZATION_REQUIRED for a v1 token, which cannot be refreshed
   */
  refresh (merchantId: string): Promise<InstallationSummary>
  /**
   * Calls Clover's API with a merchant's token, as `fetch()` would.
   *
   * Resolves with Clover's answer whatever its status, after retries: after 429 as Clover asks, after 401 once with another token, and
   * safe methods (GET, HEAD, OPTIONS) after 5xx and network failures. A redirect is not followed: the answer is the redirect itself. At
   * most 5 calls of a merchant and 10 of all are open at once; a call leaves its place when the headers have arrived. `callTimeout` holds
   * for each try up to the headers, and no try begins later than `maxWait`; for the body give a signal.
   *
   * @param path a path of the environment's `api` origin, in which `{mId}` stands for the merchant, or a URL of its `api` or `ecommerce` origin
   * @param init options of `fetch()`, or a `Request`, of which all but the URL is used. A body that is a stream, as that of a `Request` is, is
   * sent once, without retries. Never add `authorization`: it is replaced
   * @throws as {@link Clover.accessToken} does; FST_CLOVER_FOREIGN_URL; FST_CLOVER_INVALID_OPTIONS for options that are no object;
   * FST_CLOVER_UNAVAILABLE if Clover did not answer
   *
   * @example
   * ```ts
   * const response = await clover.fetch(merchantId, '/v3/merchants/{mId}/orders?limit=10&orderBy=createdTime%20DESC')
   * if (!response.ok) throw new Error(`Clover answered ${response.status}`)
   * const { elements } = await response.json() as { elements: Order[] }
   * ```
   */
  fetch (merchantId: string, path: string | URL, init?: CloverFetchInit): Promise<Response>
  /**
   * All elements of one of Clover's collections, page by page; other parameters of the path are kept. The elements are not checked:
   * `T` is what the caller expects.
   *
   * Clover pages by offset, so elements that come or go meanwhile shift the rest: some may come twice, or be missed. Of orders, payments and
   * authorizations it gives the last 90 days only, unless `since` says otherwise. URLs of the environment's `ecommerce` origin are paged as
   * the ecommerce API does, by cursors.
   *
   * @throws as {@link Clover.fetch} does; FST_CLOVER_PERMISSION after 401 or 403, FST_CLOVER_UNAVAILABLE after 429 or 5xx,
   * FST_CLOVER_BAD_REPLY after any other status, without elements, or for pages without an end, FST_CLOVER_INVALID_OPTIONS for a limit that is not 1 to 1000
   * (ecommerce: 1 to 100) and for times that cannot be right
   *
   * @example
   * ```ts
   * let cents = 0
   * // Without `since` Clover gives the orders of the last 90 days only.
   * for await (const { total } of clover.paginate<Order>(merchantId, '/v3/merchants/{mId}/orders', { since, limit: 1000 })) cents += total
   * ```
   */
  paginate<T = Record<string, unknown>> (merchantId: string, path: string | URL, options?: PaginateOptions): AsyncIterableIterator<T>
  /**
   * The merchant's public key for ecommerce pages (Clover calls it apiAccessKey, or PAKMS key): asked for once, then kept with the
   * installation until the merchant authorizes again. `renew` asks again.
   *
   * @throws as {@link Clover.paginate} does; FST_CLOVER_NO_ECOMMERCE if the environment has no such service or Clover has disabled the
   * key; FST_CLOVER_MERCHANT_MISMATCH
   */
  ecommercePublicKey (merchantId: string, options?: {
    /** `true` asks Clover again. Default: `false`. */
    renew?: boolean
  }): Promise<string>
  /** The stored record of a merchant without its secrets; undefined if the merchant is not connected. */
  installation (merchantId: string): Promise<InstallationSummary | undefined>
  /**
   * All merchants, page by page from the store, each with the state in which {@link Clover.summary} counts it. Any order; a merchant may come twice
   * while records change. Records that cannot be used are left out.
   *
   * @throws FST_CLOVER_STORAGE if the adapter has no `list`
   */
  installations (options?: {
    /** `true` lists records that cannot be used as well. Default: `false`. */
    unusable?: false
  }): AsyncIterableIterator<ListedInstallation>
  /**
   * The same, with the records that cannot be used: they are damaged, sealed with an unknown key, or of another app or deployment. A damaged or
   * sealed one can be disconnected, and is replaced when its merchant opens the app again.
   *
   * @throws FST_CLOVER_STORAGE if the adapter has no `list`
   */
  installations (options: {
    /** `true` lists records that cannot be used as well. Default: `false`. */
    unusable: true
  }): AsyncIterableIterator<ListedInstallation | UnusableInstallation>
  /**
   * Takes over a pair of tokens that another integration holds, and which that integration must not use again.
   *
   * Resolves with false, and changes nothing, if the merchant has tokens that Clover has not refused. If the access token has not expired, Clover is asked
   * whether it belongs to the merchant. For an expired one the caller is responsible.
   *
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_INVALID_OPTIONS, FST_CLOVER_MERCHANT_MISMATCH, FST_CLOVER_PERMISSION,
   * FST_CLOVER_UNAVAILABLE, FST_CLOVER_BAD_REPLY, FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT
   *
   * @example
   * ```ts
   * await app.clover.adopt({
   *   merchantId: 'MERCHANT00001',
   *   accessToken: pair.access_token,
   *   accessTokenExpiration: pair.access_token_expiration,
   *   refreshToken: pair.refresh_token,
   *   refreshTokenExpiration: pair.refresh_token_expiration
   * })
   * ```
   */
  adopt (tokens: AdoptedTokens): Promise<boolean>
  /**
   * Deletes a merchant's record, also while a refresh is in progress. Resolves with whether there was one.
   *
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT
   */
  disconnect (merchantId: string): Promise<boolean>
  /**
   * Moves merchants from legacy (v1) tokens to pairs that are refreshed, and yields the outcome of each, in the order of completion. An item
   * without `legacyToken` stands for the v1 token that is stored for the merchant.
   *
   * A merchant who has a pair keeps it, so a stopped run can be run again. The run begins when the first outcome is requested, and reads no
   * faster than outcomes are taken. Its signal, or the close of the server, ends it early without an error. Merchants in progress are finished
   * and stored first, also if the loop is left.
   *
   * @throws FST_CLOVER_INVALID_OPTIONS and FST_CLOVER_CLOSING, at once; then, after three merchants in a row, FST_CLOVER_STORAGE if the store
   * stays down and FST_CLOVER_PERMISSION if the app may not read its merchants; and the errors of the source
   *
   * @example
   * ```ts
   * for await (const result of app.clover.migrateLegacy(file, { signal })) {
   *   if (result.outcome === 'refused' || result.outcome === 'failed') app.log.error(result)
   * }
   * ```
   */
  migrateLegacy (legacy: Iterable<LegacyToken> | AsyncIterable<LegacyToken>, options?: MigrationOptions): AsyncGenerator<MigrationOutcome, void, undefined>
  /**
   * Makes one pass of keep-alive, for cron jobs: refreshes merchants whose refresh token would otherwise end, and those whose last refresh may be
   * lost. A server makes passes by itself unless the option `keepAlive` is `false`. Any number of processes may make one at once.
   *
   * Resolves with the numbers of the pass, also if it was stopped before its end.
   *
   * @throws FST_CLOVER_INVALID_OPTIONS, FST_CLOVER_STORAGE if the adapter has no `list` or it fails, FST_CLOVER_CLOSING if the server is closing
   */
  keepAlive (options?: KeepAliveOptions): Promise<KeepAliveSummary>
  /**
   * The merchants whom a pass of keep-alive would refresh now: for a queue of the host's, which calls {@link Clover.refreshIfDue} for each. Every record
   * is read, page by page. Any order; a merchant may come twice while records change.
   *
   * @throws as {@link Clover.keepAlive} does, when the first merchant is requested
   */
  due (options?: DueOptions): AsyncGenerator<string, void, undefined>
  /**
   * Refreshes a merchant's tokens if they are due, as a pass of keep-alive does. It may be repeated, and run on several servers at once: a merchant who
   * has been refreshed since is skipped.
   *
   * It has no rate limit of its own: set one in the queue. Of its calls, at most half of `maxCalls` are open at once.
   *
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_INVALID_OPTIONS; FST_CLOVER_CLOSING if the server is closing: another one must take the
   * merchant; FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT, FST_CLOVER_SEALED and FST_CLOVER_UNREADABLE: another try does not help. Every other failure is
   * the outcome `'failed'`
   */
  refreshIfDue (merchantId: string, options?: Pick<DueOptions, 'within'>): Promise<DueOutcome>
  /**
   * How many merchants are in which state: one pass over all records, a page at a time. While records change, one may be counted twice.
   *
   * @throws FST_CLOVER_INVALID_OPTIONS, FST_CLOVER_STORAGE if the adapter has no `list` or it fails, FST_CLOVER_CLOSING, or the reason of the signal
   */
  summary (options?: SummaryOptions): Promise<CloverSummary>
  /**
   * Checks this registration, its store, its public addresses and Clover, for operators: yields a finding for each check, in the order of the guide. None
   * holds a secret. The diagnosis begins when the first finding is requested, and goes on as findings are taken.
   *
   * It changes nothing that stays: a temporary record is written and removed again, and the public addresses get harmless requests. It refreshes no
   * merchant, unless `accessToken()` does so for the one that is named.
   *
   * @throws FST_CLOVER_INVALID_OPTIONS, FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_CLOSING, or the reason of the signal
   *
   * @example
   * ```ts
   * for await (const { check, status, message, fix } of app.clover.diagnose({ merchantId })) {
   *   if (status === 'error' || status === 'warning') app.log.warn({ check, fix }, message)
   * }
   * ```
   */
  diagnose (options?: DiagnoseOptions): AsyncIterableIterator<Finding>
}

declare module 'fastify' {
  interface FastifyInstance {
    clover: Clover
  }
  interface FastifyRequest {
    clover: Clover
    /**
     * The merchant id that `clover.requireMerchant()` let pass. It is not at `request.clover`, the one object that all requests and the
     * server share, and not called `merchantId`, a name that a host is likely to use for a decorator of its own.
     *
     * @throws FST_CLOVER_INVALID_OPTIONS, when it is read in a route without that hook
     */
    readonly cloverMerchantId: string
  }
}
