import { Type, type Static } from '@sinclair/typebox'
import { Compiled } from '../checks/compiled.js'

/*
 * Schemas of Clover's replies. Clover documents no lengths and forbids to rely on any. So a reply is refused only for values that would do
 * harm: characters that an HTTP header cannot hold, tokens of more than 16384 characters, and times outside the years 2000 to 9999.
 * Source: https://docs.clover.com/dev/docs/high-trust-app-auth-flow
 */

/** @internal A token: 1 to 16384 characters that an HTTP header can hold. */
export const Token = Type.String({ pattern: '^[\\x21-\\x7e]+$', minLength: 1, maxLength: 16_384 })
const Expiration = Type.Number({ minimum: 946_684_800, maximum: 253_402_300_799, description: 'Unix seconds' })

/** Reply of `/oauth/v2/token` to an exchange with `no_refresh_token=true`. */
export const AccessTokenReply = Type.Object({
  access_token: Token,
  access_token_expiration: Expiration
}, { $id: 'CloverAccessTokenReply', description: 'An access token without a refresh token' })
export type AccessTokenReply = Static<typeof AccessTokenReply>

/** Reply of `/oauth/v2/token`, `/oauth/v2/refresh` and `/oauth/v2/recovery`. */
export const TokenReply = Type.Object({
  ...AccessTokenReply.properties,
  refresh_token: Token,
  refresh_token_expiration: Expiration
}, { $id: 'CloverTokenReply', description: 'A pair of tokens' })
export type TokenReply = Static<typeof TokenReply>

/** Reply of v1's `/oauth/token`: no refresh token and no expiration. */
export const LegacyTokenReply = Type.Object({
  access_token: Token
}, { $id: 'CloverLegacyTokenReply', description: 'A v1 token' })
export type LegacyTokenReply = Static<typeof LegacyTokenReply>

/** Reply of `/oauth/token/migrate_v2`: a code for `/oauth/v2/token`. */
export const MigrationReply = Type.Object({
  authorization_code: Token,
  expiration: Expiration
}, { $id: 'CloverMigrationReply', description: 'An authorization code for a legacy token' })
export type MigrationReply = Static<typeof MigrationReply>

/** Reply of `GET /v3/merchants/{mId}`, of which only the id is used. */
export const MerchantReply = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 })
}, { $id: 'CloverMerchantReply', description: 'A merchant; only the id is used' })
export type MerchantReply = Static<typeof MerchantReply>

/** Reply of `GET /pakms/apikey`: the key for ecommerce pages in a browser. */
export const EcommerceKeyReply = Type.Object({
  active: Type.Boolean(),
  apiAccessKey: Token,
  createdTime: Type.Number({ description: 'Unix milliseconds' }),
  modifiedTime: Type.Number({ description: 'Unix milliseconds' }),
  developerAppUuid: Type.String(),
  merchantUuid: Type.String()
}, { $id: 'CloverEcommerceKeyReply', description: 'A public key for ecommerce' })
export type EcommerceKeyReply = Static<typeof EcommerceKeyReply>

/** @internal Checks of the replies that the plugin reads. */
export const checks = {
  token: new Compiled(Token),
  expiration: new Compiled(Expiration),
  tokenReply: new Compiled(TokenReply),
  accessTokenReply: new Compiled(AccessTokenReply),
  legacyTokenReply: new Compiled(LegacyTokenReply),
  migrationReply: new Compiled(MigrationReply),
  merchantReply: new Compiled(MerchantReply),
  ecommerceKeyReply: new Compiled(EcommerceKeyReply)
}

/** @internal The tokens of a reply, in the plugin's own names. Expirations in Unix seconds; null: unknown, or there is no such token. */
export interface TokenPair {
  accessToken: string
  accessTokenExpiration: number | null
  refreshToken: string | null
  refreshTokenExpiration: number | null
}

/** @internal A reply without the documented form but with a refresh token, which must be kept: the one that was sent is spent. */
export interface OddPair extends Partial<TokenPair> {
  refreshToken: string
}
