import type { InstallationSummary } from './tokens/installation.js'
import type { AccessTokenOptions } from './tokens/keeper.js'
import type { AdoptedTokens } from './tokens/connections.js'

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
  /** What is stored for a merchant, without secrets; undefined if the merchant is not connected. */
  installation (merchantId: string): Promise<InstallationSummary | undefined>
  /**
   * All merchants, page by page from the store. Any order; a merchant may come twice while records change.
   *
   * @throws FST_CLOVER_STORAGE if the adapter has no `list`
   */
  installations (): AsyncIterableIterator<InstallationSummary>
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
}

declare module 'fastify' {
  interface FastifyInstance {
    clover: Clover
  }
  interface FastifyRequest {
    clover: Clover
  }
}
