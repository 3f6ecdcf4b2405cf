import { Type, type Static } from '@sinclair/typebox'

/**
 * A switch for each undocumented behaviour of Clover.
 *
 * An app should work with every setting. The defaults are the most likely behaviours, or those that Clover's documentation suggests.
 */
export const Unknowns = Type.Object({
  /** A refresh ends the access token of the pair that it replaces. `false`: that token lives until it expires. Default: `false`. */
  accessTokenDiesAtRefresh: Type.Boolean({ default: false }),
  /**
   * `'once'`: a recovery works once for a token: if its answer is lost, so is the merchant. `'reusable'`: the token recovers again until the new pair
   * is used. Default: `'once'`.
   */
  recovery: Type.Union([Type.Literal('once'), Type.Literal('reusable')], { default: 'once' }),
  /** The use of the lost pair that ends recovery: the use of its refresh token, or of either of its tokens. Default: `'refresh-token'`. */
  recoveryEndsWith: Type.Union([Type.Literal('refresh-token'), Type.Literal('either-token')], { default: 'refresh-token' }),
  /** A refused refresh has the header `X-Clover-Recovery-Available: true` if recovery would work. Default: `true`. */
  recoveryHeader: Type.Boolean({ default: true }),
  /** An access token works on after an uninstall. Default: `false`. */
  accessTokenSurvivesUninstall: Type.Boolean({ default: false }),
  /** A refresh token works on after an uninstall. Default: `false`. */
  refreshSurvivesUninstall: Type.Boolean({ default: false }),
  /** A recovery token works on after an uninstall. Default: `false`. */
  recoverySurvivesUninstall: Type.Boolean({ default: false }),
  /** `migrate_v2` ends the v1 token that it gets. Default: `false`. */
  legacyTokenDiesAtMigration: Type.Boolean({ default: false }),
  /**
   * The parameters that a denial adds to the redirect URI: `error=access_denied`, with or without `error_description`, or none. Default:
   * `'error-and-description'`.
   */
  denial: Type.Union([Type.Literal('error'), Type.Literal('error-and-description'), Type.Literal('bare')], { default: 'error-and-description' }),
  /** A `code_challenge` without `code_challenge_method=S256` is refused. Default: `false`. */
  requireChallengeMethod: Type.Boolean({ default: false }),
  /** The status of `/v3/merchants/{mId}` for another merchant's token. Default: `401`. */
  foreignMerchant: Type.Union([Type.Literal(401), Type.Literal(404)], { default: 401 }),
  /**
   * The status for a call to the token endpoints or to the API without a User-Agent, or with the default one of Node. Clover requires the header and
   * does not document its answer without it. `false`: such a call is served. Default: `400`.
   */
  missingUserAgent: Type.Union([Type.Literal(400), Type.Literal(403), Type.Literal(false)], { default: 400 }),
  /** The answer to a query for orders of more than 90 days. `'cut'`: the last 90 days. `'refused'`: status 400. Default: `'cut'`. */
  longWindow: Type.Union([Type.Literal('cut'), Type.Literal('refused')], { default: 'cut' }),
  /**
   * Whether a page of the ecommerce API begins with the element of `starting_after`, as in Clover's examples, or after it. Default:
   * `'inclusive'`.
   */
  startingAfter: Type.Union([Type.Literal('inclusive'), Type.Literal('exclusive')], { default: 'inclusive' }),
  /** The query parameter of a launch that has the merchant id. Default: `'merchant_id'`. */
  launchParameter: Type.Union([Type.Literal('merchant_id'), Type.Literal('merchantId')], { default: 'merchant_id' }),
  /** The part of the URL in which v1's implicit flow puts all parameters but the token, which is always in the fragment. Default: `'query'`. */
  implicitParameters: Type.Union([Type.Literal('query'), Type.Literal('fragment')], { default: 'query' }),
  /** The redirect returns the state. Default: `true`. */
  echoState: Type.Boolean({ default: true }),
  /** A redirect URI may be plain http on a loopback host. Default: `true`. */
  httpLocalhost: Type.Boolean({ default: true }),
  /** With rate limits on, calls to the token endpoints count towards the app's limits. Default: `true`. */
  tokenEndpointsLimited: Type.Boolean({ default: true })
}, { additionalProperties: false })
export type Unknowns = Static<typeof Unknowns>
