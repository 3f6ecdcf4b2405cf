import { Type, type Static } from '@sinclair/typebox'

/*
 * What goes over the wire, as Clover's pages and integrators' reports have it. Bodies are open: a field too many is ignored.
 */

const Secret = Type.String({ minLength: 1, maxLength: 4096 })
const Short = Type.Optional(Type.String({ maxLength: 4096 }))

/** Every error of the token endpoints and of the REST API. */
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

/** An access token alone: what `no_refresh_token=true` gets. */
export const AccessTokenReply = Type.Object({
  access_token: Type.String(),
  access_token_expiration: Type.Integer({ description: 'Unix seconds' })
})
export type AccessTokenReply = Static<typeof AccessTokenReply>

/** A token pair. */
export const TokenReply = Type.Object({
  ...AccessTokenReply.properties,
  refresh_token: Type.String(),
  refresh_token_expiration: Type.Integer({ description: 'Unix seconds' })
})
export type TokenReply = Static<typeof TokenReply>

/** What the token endpoint replies. */
export const AnyTokenReply = Type.Object({
  ...AccessTokenReply.properties,
  ...Type.Partial(Type.Pick(TokenReply, ['refresh_token', 'refresh_token_expiration'])).properties
})

/** `POST /oauth/token/migrate_v2`. Source: https://docs.clover.com/docs/legacy-token-migration-flow */
export const MigrateBody = Type.Object({
  merchant_uuid: Secret, app_uuid: Secret, auth_token: Secret, code_challenge: Type.Optional(Type.String({ description: 'Low trust' }))
})

/** What `migrate_v2` replies: a code for the token endpoint. */
export const MigrateReply = Type.Object({
  authorization_code: Type.String(), expiration: Type.Integer({ description: 'Unix seconds' })
})
export type MigrateReply = Static<typeof MigrateReply>

/** `GET /oauth/token` of the v1 flow. Source: https://docs.clover.com/dev/docs/generate-oauth-api-token-with-the-legacy-oauth-flow */
export const LegacyTokenQuery = Type.Object({ client_id: Secret, client_secret: Secret, code: Secret })

/** What the v1 flow replies: no expiration, no refresh token. */
export const LegacyTokenReply = Type.Object({ access_token: Type.String() })
export type LegacyTokenReply = Static<typeof LegacyTokenReply>

/** What a browser brings to an authorize page; checked by the page, which has better words than a schema. */
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

/** What an approval brings to the redirect URI, besides `state`. */
export const CallbackQuery = Type.Object({
  code: Type.String(), merchant_id: Type.String(), employee_id: Type.String(), client_id: Type.String()
})
export type CallbackQuery = Static<typeof CallbackQuery>

/** A merchant in a path; any text, since an unknown one is answered and not refused. */
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
    description: 'Such as createdTime>=1700000000000; several are all met'
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

/** One of a collection's elements: to create one, its fields but for the id. */
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
export const WebhookEvent = Type.Object({
  objectId: Type.String({ description: 'A type letter, a colon and an id; A:<app id> is the app itself' }),
  type: Type.Union([Type.Literal('CREATE'), Type.Literal('UPDATE'), Type.Literal('DELETE')]),
  ts: Type.Integer({ description: 'Milliseconds' })
})
export type WebhookEvent = Static<typeof WebhookEvent>

/** The body of a webhook: the events of one or more merchants. */
export const WebhookBody = Type.Object({ appId: Type.String(), merchants: Type.Record(Type.String(), Type.Array(WebhookEvent)) })
export type WebhookBody = Static<typeof WebhookBody>
