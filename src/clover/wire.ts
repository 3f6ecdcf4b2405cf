import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

/*
 * What Clover replies. Clover documents no lengths and forbids to rely on any, so only what would do harm is refused: characters
 * that cannot stand in an HTTP header, sizes that no token has, and times that cannot be Unix seconds of our days.
 * Source: https://docs.clover.com/dev/docs/high-trust-app-auth-flow
 */

/** @internal A token, as it can stand in an HTTP header. */
export const Token = Type.String({ pattern: '^[\\x21-\\x7e]+$', minLength: 1, maxLength: 16_384 })
const Expiration = Type.Number({ minimum: 946_684_800, maximum: 253_402_300_799, description: 'Unix seconds' })

/** Reply of `/oauth/v2/token` to an exchange with `no_refresh_token=true`. */
export const AccessTokenReply = Type.Object({
  access_token: Token,
  access_token_expiration: Expiration
}, { $id: 'CloverAccessTokenReply', description: 'An access token alone' })
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

/** The part that is used of the reply of `GET /v3/merchants/{mId}`. */
export const MerchantReply = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 })
}, { $id: 'CloverMerchantReply', description: 'A merchant, of which only the id matters here' })
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

/** @internal Compiled checks of the replies that the plugin reads. */
export const checks = {
  token: TypeCompiler.Compile(Token),
  expiration: TypeCompiler.Compile(Expiration),
  tokenReply: TypeCompiler.Compile(TokenReply),
  accessTokenReply: TypeCompiler.Compile(AccessTokenReply),
  legacyTokenReply: TypeCompiler.Compile(LegacyTokenReply),
  migrationReply: TypeCompiler.Compile(MigrationReply),
  merchantReply: TypeCompiler.Compile(MerchantReply),
  ecommerceKeyReply: TypeCompiler.Compile(EcommerceKeyReply)
}

/** @internal What the token endpoints give, in the plugin's own terms. Expirations in Unix seconds. */
export interface TokenPair {
  accessToken: string
  accessTokenExpiration: number | null
  refreshToken: string | null
  refreshTokenExpiration: number | null
}

/** @internal A reply to a refresh that does not fit, but holds a usable refresh token: the one sent is spent, so this one must be kept. */
export interface OddPair extends Partial<TokenPair> {
  refreshToken: string
}
