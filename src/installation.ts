import { Type, type Static } from '@sinclair/typebox'

/** A merchant id as Clover gives it. Source: https://docs.clover.com/dev/docs/merchant-id-and-api-token-for-development */
export const MerchantId = Type.String({ pattern: '^[A-Z0-9]{13}$', description: 'Clover\'s merchant id: 13 characters of A-Z and 0-9' })

const merchantIdPattern = new RegExp(MerchantId.pattern as string)

/** Whether a value is a merchant id in Clover's form. */
export function isMerchantId (value: unknown): value is string {
  return typeof value === 'string' && value.length === 13 && merchantIdPattern.test(value)
}

/** @internal The name of a deployment, as the option `deployment` gives it. It is shorter than a token, since logs quote a stored one. */
export const DeploymentName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$' })

const deploymentPattern = new RegExp(DeploymentName.pattern as string)

/** @internal Whether a text is the name of a deployment in its form. */
export const isDeploymentName = (text: string): boolean => deploymentPattern.test(text)

const UnixSeconds = Type.Number({ minimum: 0 })
const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description })

const publicFields = {
  /** Clover's merchant id: 13 characters of A-Z and 0-9. */
  merchantId: MerchantId,
  /** The app that the tokens belong to. */
  appId: Type.String({ minLength: 1, description: 'The app that the tokens belong to' }),
  /** The name of the environment that issued the tokens. */
  environment: Type.String({ minLength: 1, description: 'The name of the environment that issued the tokens' }),
  /** The OAuth flow that the tokens came from. */
  flow: Type.Union([Type.Literal('v2'), Type.Literal('v1')], { description: 'The OAuth flow that the tokens came from' }),
  /** The only deployment whose servers use the record; absent: all do. Written by servers with the option `deployment`. */
  deployment: Type.Optional(Type.String({
    description: 'The only deployment whose servers use the record; absent: all do. Written by servers with the option deployment'
  })),
  /** Unix seconds: when the access token expires; null: never (v1). */
  accessTokenExpiration: Nullable(UnixSeconds, 'Unix seconds: when the access token expires; null: never (v1)'),
  /** Unix seconds: when the refresh token expires; null: unknown, or no refresh token (v1). */
  refreshTokenExpiration: Nullable(UnixSeconds, 'Unix seconds: when the refresh token expires; null: unknown, or no refresh token (v1)'),
  /** Clover refused every stored token. That may be temporary: it is tried again at `retryAt`. Absent: it did not. */
  reauthorizationRequired: Type.Optional(Type.Object({
    /** Unix seconds: when Clover first refused every stored token. */
    since: Type.Number({ description: 'Unix seconds: when Clover first refused every stored token' }),
    /** Unix seconds: until then no call to Clover is made for this merchant. */
    retryAt: Type.Number({ description: 'Unix seconds: until then no call to Clover is made for this merchant' })
  }, { description: 'Clover refused every stored token. That may be temporary: it is tried again at retryAt. Absent: it did not' })),
  /** Unix seconds: when the merchant authorized. */
  connectedAt: Type.Number({ description: 'Unix seconds: when the merchant authorized' }),
  /** Unix seconds: when the current tokens were obtained. */
  updatedAt: Type.Number({ description: 'Unix seconds: when the current tokens were obtained' })
}

/**
 * The record that a storage adapter keeps for a merchant: one plain JSON document.
 *
 * Unknown fields must be kept, since a later version may add some.
 */
export const Installation = Type.Object({
  ...publicFields,
  /** The token for calls to Clover's API: a secret. */
  // A character that a header cannot carry would have the error of `fetch` quote the token.
  accessToken: Type.String({ minLength: 1, pattern: '^[\\x20-\\x7e]+$', description: 'The token for calls to Clover\'s API: a secret' }),
  /** The token that is exchanged for a new pair, a secret: works once; null in the v1 flow. */
  refreshToken: Nullable(Type.String({ minLength: 1 }), 'The token that is exchanged for a new pair, a secret: works once; null in the v1 flow'),
  /** The refresh token that was presented to get the current pair, a secret; absent after an authorization. */
  spentRefreshToken: Type.Optional(Type.String({ minLength: 1, description: 'The refresh token that was presented to get the current pair, a secret; absent after an authorization' })),
  /** The current pair came from recovery. Absent: it did not. */
  recovered: Type.Optional(Type.Boolean({ description: 'The current pair came from recovery. Absent: it did not' })),
  /** A refresh that is in progress, or that may have happened; absent: none. */
  refreshLease: Type.Optional(Type.Object({
    /** Names the attempt: random for each. */
    by: Type.String({ description: 'Names the attempt: random for each' }),
    /** Unix seconds: when the lease ends. */
    until: Type.Number({ description: 'Unix seconds: when the lease ends' }),
    /** Seconds: while the attempt lives, the record is written again more often than that. Absent: the lease lasts until its end. */
    deadAfter: Type.Optional(Type.Number({
      minimum: 0, description: 'Seconds: while the attempt lives, the record is written again more often than that. Absent: the lease lasts until its end'
    }))
  }, { description: 'A refresh that is in progress, or that may have happened; absent: none' })),
  /**
   * Unix seconds: from then on the tokens are refreshed once more, since a recovery that Clover handles late could have ended them. Absent: they need
   * not be.
   */
  confirmAt: Type.Optional(Type.Number({
    description: 'Unix seconds: from then on the tokens are refreshed once more, since a recovery that Clover handles late could have ended them. Absent: they need not be'
  })),
  /** Unix seconds: when the merchant last authorized again and kept the stored tokens; absent: never. */
  returnedAt: Type.Optional(Type.Number({
    description: 'Unix seconds: when the merchant last authorized again and kept the stored tokens; absent: never'
  })),
  /** Random for each authorization that kept the stored tokens: a disconnect that began before it stops there. Absent: there was none. */
  visitId: Type.Optional(Type.String({
    description: 'Random for each authorization that kept the stored tokens: a disconnect that began before it stops there. Absent: there was none'
  })),
  /** The merchant's public key for ecommerce pages (PAKMS); absent until it is asked for, and after a new authorization. */
  ecommercePublicKey: Type.Optional(Type.String({
    minLength: 1, description: 'The merchant\'s public key for ecommerce pages (PAKMS); absent until it is asked for, and after a new authorization'
  })),
  /** Random for each authorization, kept by every other write. */
  connectionId: Type.String({ description: 'Random for each authorization, kept by every other write' }),
  /** Unix seconds: when keep-alive must check this record; null: never. */
  dueAt: Nullable(Type.Number(), 'Unix seconds: when keep-alive must check this record; null: never'),
  /** The name of this version of the record: made by the plugin, new for every write. */
  revision: Type.String({ pattern: '^[0-9a-f]{32}$', description: 'The name of this version of the record: made by the plugin, new for every write' })
}, { $id: 'CloverInstallation', description: 'What is stored for a merchant' })
export type Installation = Static<typeof Installation>

/** The stored record of a merchant without its secrets: safe to log and to send. */
export const InstallationSummary = Type.Object(publicFields, { $id: 'CloverInstallationSummary', description: 'A connected merchant, without secrets' })
export type InstallationSummary = Static<typeof InstallationSummary>

/** A stored record that cannot be used: damaged, sealed with an unknown key, made by another app or environment, or of another deployment. */
export const UnusableInstallation = Type.Object({
  /** Clover's merchant id; null: the record does not name it. */
  merchantId: Type.Union([MerchantId, Type.Null()], { description: 'Clover\'s merchant id; null: the record does not name it' }),
  /** Why, in words for an operator. */
  unusable: Type.String({ description: 'Why, in words for an operator' })
}, { $id: 'CloverUnusableInstallation', description: 'A stored record that cannot be used' })
export type UnusableInstallation = Static<typeof UnusableInstallation>

/** The part of a record that holds no secret. */
export function summarize (installation: Installation): InstallationSummary {
  const { merchantId, appId, environment, flow, deployment, connectedAt, updatedAt } = installation
  const { accessTokenExpiration, refreshTokenExpiration, reauthorizationRequired } = installation
  return {
    merchantId,
    appId,
    environment,
    flow,
    ...(deployment !== undefined && { deployment }),
    accessTokenExpiration,
    refreshTokenExpiration,
    ...(reauthorizationRequired && { reauthorizationRequired: { ...reauthorizationRequired } }),
    connectedAt,
    updatedAt
  }
}
