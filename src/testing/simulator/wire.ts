import { Type, type Static } from '@sinclair/typebox'

/*
 * Requests and replies, after Clover's documentation and the reports of integrators. Bodies are open: unknown fields are ignored.
 */

const Secret = Type.String({ minLength: 1, maxLength: 4096 })
const Short = Type.Optional(Type.String({ maxLength: 4096 }))

/** The form of every error of the token endpoints and of the REST API. */
export const ErrorReply = Type.Object({ message: Type.String() }, { description: 'An error as Clover words it' })
export type ErrorReply = Static<typeof ErrorReply>

/** `POST /oauth/v2/token`. Source: https://docs.clover.com/dev/docs/high-trust-app-auth-flow */
export const TokenBody = Type.Object({
  client_id: Secret,
  code: Secret,
  client_secret: Type.Optional(Type.String({ description: 'High trust' })),
  code_verifier: Type.Optional(Type.String({ description: 'Low trust' }))
})

/** The query of `POST /oauth/v2/token`. */
export const TokenQuery = Type.Object({
  no_refresh_token: Type.Optional(Type.String({ description: '"true": an access token only' }))
})

/** `POST /oauth/v2/refresh`. Source: https://docs.clover.com/dev/docs/refresh-access-tokens */
export const RefreshBody = Type.Object({ client_id: Secret, refresh_token: Secret })

/** `POST /oauth/v2/recovery`. */
export const RecoveryBody = Type.Object({ client_id: Secret, client_secret: Secret, recovery_token: Secret })

/** An access token without a refresh token: the reply to `no_refresh_token=true`. */
export const AccessTokenReply = Type.Object({
  access_token: Type.String(),
  access_token_expiration: Type.Integer({ description: 'Unix seconds' })
})
export type AccessTokenReply = Static<typeof AccessTokenReply>

/** A token pair. */
export const SimulatedTokenReply = Type.Object({
  ...AccessTokenReply.properties,
  refresh_token: Type.String(),
  refresh_token_expiration: Type.Integer({ description: 'Unix seconds' })
})
export type SimulatedTokenReply = Static<typeof SimulatedTokenReply>

/** The reply of the token endpoint. */
export const AnyTokenReply = Type.Object({
  ...AccessTokenReply.properties,
  ...Type.Partial(Type.Pick(SimulatedTokenReply, ['refresh_token', 'refresh_token_expiration'])).properties
})

/** `POST /oauth/token/migrate_v2`. Source: https://docs.clover.com/docs/legacy-token-migration-flow */
export const MigrateBody = Type.Object({
  merchant_uuid: Secret, app_uuid: Secret, auth_token: Secret, code_challenge: Type.Optional(Type.String({ description: 'Low trust' }))
})

/** The reply of `migrate_v2`: a code for the token endpoint. */
export const MigrateReply = Type.Object({
  authorization_code: Type.String(), expiration: Type.Integer({ description: 'Unix seconds' })
})
export type MigrateReply = Static<typeof MigrateReply>

/** `GET /oauth/token` of the v1 flow. Source: https://docs.clover.com/dev/docs/generate-oauth-api-token-with-the-legacy-oauth-flow */
export const LegacyTokenQuery = Type.Object({ client_id: Secret, client_secret: Secret, code: Secret })

/** The reply of the v1 flow: without expiration and refresh token. */
export const LegacyTokenReply = Type.Object({ access_token: Type.String() })
export type LegacyTokenReply = Static<typeof LegacyTokenReply>

/** The query of an authorize page. The page checks it, since its messages are clearer than a schema's. */
export const AuthorizeQuery = Type.Object({
  client_id: Short,
  redirect_uri: Short,
  state: Short,
  merchant_id: Short,
  response_type: Short,
  code_challenge: Short,
  code_challenge_method: Short,
  q: Short
})
export type AuthorizeQuery = Static<typeof AuthorizeQuery>

/** The parameters that an approval adds to the redirect URI, besides `state`. */
export const SimulatedCallbackQuery = Type.Object({
  code: Type.String(), merchant_id: Type.String(), employee_id: Type.String(), client_id: Type.String()
})
export type SimulatedCallbackQuery = Static<typeof SimulatedCallbackQuery>

/** A merchant id in a path; any text, since an unknown id gets Clover's own answer. */
export const MerchantParams = Type.Object({ mId: Type.String() })

/** `GET /v3/merchants/{mId}`. Source: https://docs.clover.com/dev/reference/api-reference-overview */
export const MerchantReply = Type.Object({
  id: Type.String(), name: Type.String(), href: Type.String(), owner: Type.Object({ id: Type.String(), name: Type.String() })
})

/** Paging: decimal numbers. */
export const PageQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^[0-9]{1,6}$', description: 'At most 1000; default 100' })),
  offset: Type.Optional(Type.String({ pattern: '^[0-9]{1,9}$' })),
  orderBy: Type.Optional(Type.String({ maxLength: 200, description: 'Such as createdTime DESC, or several with commas' })),
  filter: Type.Optional(Type.Union([Type.String({ maxLength: 200 }), Type.Array(Type.String({ maxLength: 200 }), { maxItems: 20 })], {
    description: 'Such as createdTime>=1700000000000; with several, an element must match all'
  }))
})

/** Paging and filters of the ecommerce API. Source: https://docs.clover.com/docs/get-charges */
export const ListQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^[0-9]{1,6}$', description: 'At most 100; default 10' })),
  starting_after: Type.Optional(Type.String({ maxLength: 200, description: 'The id of an element' })),
  'created.gte': Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$', description: 'Unix milliseconds' })),
  'created.lte': Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$', description: 'Unix milliseconds' }))
})

/** A page of the ecommerce API. */
export const ListReply = Type.Object({
  object: Type.Literal('list'), url: Type.String(), has_more: Type.Boolean(), data: Type.Array(Type.Record(Type.String(), Type.Unknown()))
})

/** A page of a collection. */
export const ElementsReply = Type.Object({
  elements: Type.Array(Type.Record(Type.String(), Type.Unknown())), href: Type.String()
})

/** An element of a collection. */
export const Element = Type.Record(Type.String(), Type.Unknown())

/** `GET /pakms/apikey`. Source: https://docs.clover.com/dev/docs/generate-ecommerce-api-key-or-pakms-key */
export const PakmsReply = Type.Object({
  active: Type.Boolean(),
  apiAccessKey: Type.String(),
  createdTime: Type.Integer({ description: 'Milliseconds' }),
  modifiedTime: Type.Integer({ description: 'Milliseconds' }),
  developerAppUuid: Type.String(),
  merchantUuid: Type.String()
})

/** A webhook event. Source: https://docs.clover.com/dev/docs/webhooks */
export const SimulatedWebhookEvent = Type.Object({
  /** A kind, a colon and an id, such as `O:GHIVJT2ABCRSC`; `A:` and the App ID is the app itself. */
  objectId: Type.String(),
  /** The kind of change. */
  type: Type.Union([Type.Literal('CREATE'), Type.Literal('UPDATE'), Type.Literal('DELETE')]),
  /** The time of the change in Unix milliseconds. */
  ts: Type.Integer()
})
export type SimulatedWebhookEvent = Static<typeof SimulatedWebhookEvent>

/** The body of a webhook: the events of one or more merchants. */
export const WebhookBody = Type.Object({ appId: Type.String(), merchants: Type.Record(Type.String(), Type.Array(SimulatedWebhookEvent)) })
export type WebhookBody = Static<typeof WebhookBody>
