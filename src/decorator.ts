import type { CloverFetchInit } from './clover/fetch-init.js'
import type { KeepAliveOptions, KeepAliveSummary } from './jobs/keep-alive-options.js'
import type { LegacyToken, MigrationOptions, MigrationOutcome } from './jobs/migration-types.js'
import type { InstallationSummary, UnusableInstallation } from './tokens/installation.js'
import type { AccessTokenOptions } from './tokens/keeper.js'
import type { AdoptedTokens } from './tokens/connections.js'
import type { PaginateOptions } from './tokens/pages.js'

/**
 * What handlers use: `request.clover`, which is the same object as `app.clover`.
 *
 * The plugin does not authorize the host's users: take the merchant id from a session, never from a URL that anybody can edit.
 */
export interface Clover {
  /**
   * A valid access token of a merchant, refreshed if need be.
   *
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_NOT_CONNECTED, FST_CLOVER_REAUTHORIZATION_REQUIRED, FST_CLOVER_UNAVAILABLE,
   * FST_CLOVER_BAD_REPLY, FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_CLOSING, or the reason of the signal
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
   * for each try up to the headers, `maxWait` for all of them; for the body give a signal.
   *
   * @param path a path of the environment's `api` origin, in which `{mId}` stands for the merchant, or a URL of its `api` or `ecommerce` origin
   * @param init options of `fetch()`, or a `Request`, of which all but the URL is used. A body that is a stream, as that of a `Request` is, is
   * sent once, without retries. Never add `authorization`: it is replaced
   * @throws as {@link Clover.accessToken} does; FST_CLOVER_FOREIGN_URL; FST_CLOVER_INVALID_OPTIONS for options that are no object;
   * FST_CLOVER_UNAVAILABLE if Clover did not answer
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
   * FST_CLOVER_BAD_REPLY after any other status, without elements, or for pages that lead nowhere, FST_CLOVER_INVALID_OPTIONS for a limit that is not 1 to 1000
   * (ecommerce: 1 to 100) and for times that cannot be right
   */
  paginate<T = Record<string, unknown>> (merchantId: string, path: string | URL, options?: PaginateOptions): AsyncIterableIterator<T>
  /**
   * The merchant's public key for ecommerce pages (Clover calls it apiAccessKey, or PAKMS key): asked for once, then kept with the
   * installation until the merchant authorizes anew. `renew` asks again.
   *
   * @throws as {@link Clover.paginate} does; FST_CLOVER_NO_ECOMMERCE if the environment has no such service or Clover has disabled the
   * key; FST_CLOVER_MERCHANT_MISMATCH
   */
  ecommercePublicKey (merchantId: string, options?: { renew?: boolean }): Promise<string>
  /** What is stored for a merchant, without secrets; undefined if the merchant is not connected. */
  installation (merchantId: string): Promise<InstallationSummary | undefined>
  /**
   * All merchants, page by page from the store. Any order; a merchant may come twice while records change. Records that cannot be used
   * are left out.
   *
   * @throws FST_CLOVER_STORAGE if the adapter has no `list`
   */
  installations (options?: { unusable?: false }): AsyncIterableIterator<InstallationSummary>
  /**
   * The same, with the records that cannot be used: they are damaged, sealed with a key that is not here, or of another app. Each can be
   * disconnected; a damaged or sealed one is replaced when its merchant opens the app again.
   *
   * @throws FST_CLOVER_STORAGE if the adapter has no `list`
   */
  installations (options: { unusable: true }): AsyncIterableIterator<InstallationSummary | UnusableInstallation>
  /**
   * Takes over a pair of tokens that another integration holds, and which that integration must not use again.
   *
   * Resolves with false, and changes nothing, if the merchant is connected already. A living access token is checked against its
   * merchant first; for an expired one the caller answers.
   *
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_INVALID_OPTIONS, FST_CLOVER_MERCHANT_MISMATCH, FST_CLOVER_PERMISSION,
   * FST_CLOVER_UNAVAILABLE, FST_CLOVER_STORAGE
   */
  adopt (tokens: AdoptedTokens): Promise<boolean>
  /**
   * Forgets a merchant, also if a refresh is under way. Resolves with whether there was anything to forget.
   *
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_STORAGE
   */
  disconnect (merchantId: string): Promise<boolean>
  /**
   * Moves merchants from legacy (v1) tokens to pairs that are refreshed, and yields what came of each, in the order of completion. An item
   * without `legacyToken` stands for the v1 token that is stored for the merchant.
   *
   * A merchant who has a pair is left alone, so a run that was stopped is simply run again. It begins with the first outcome that is asked
   * for, and reads no faster than outcomes are taken. It ends early without an error by its signal, or when the server closes: merchants
   * under way are finished and stored first, also where the loop is left.
   *
   * @throws FST_CLOVER_INVALID_OPTIONS and FST_CLOVER_CLOSING, at once; then, after three merchants in a row, FST_CLOVER_STORAGE if the store
   * stays down and FST_CLOVER_PERMISSION if the app may not read its merchants; and whatever the source throws
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
}

declare module 'fastify' {
  interface FastifyInstance {
    clover: Clover
  }
  interface FastifyRequest {
    clover: Clover
  }
}
