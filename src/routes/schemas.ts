import { Type, type Static } from '@sinclair/typebox'
import { Token } from '../clover/wire.js'
import { MerchantId } from '../installation.js'
import { CloverSummary } from '../operations/summary.js'
import { maxReturnTo } from './return-to.js'

/*
 * The schemas of the plugin's routes. Query schemas are open: Clover may send more than it documents, and unknown parameters are ignored.
 */

const Id = (description: string) => Type.String({ pattern: '^[A-Z0-9]{13}$', description: `${description}: 13 characters of A-Z and 0-9` })
const Code = Type.String({ minLength: 1, maxLength: 2048, description: 'An authorization code' })

/** Query of the launch route, as Clover's dashboard or a link of the app sends it. */
export const LaunchQuery = Type.Object({
  merchant_id: Type.Optional(Id('The merchant who opens the app')),
  merchantId: Type.Optional(Id('The same under the name that some of Clover\'s pages use')),
  employee_id: Type.Optional(Type.String({ maxLength: 64, description: 'The employee who opens the app; not verified' })),
  client_id: Type.Optional(Type.String({ maxLength: 64, description: 'The App ID; must be this app\'s' })),
  code: Type.Optional(Type.String({ maxLength: 2048, description: 'Dropped: a code that the plugin did not request is never exchanged' })),
  return_to: Type.Optional(Type.String({ maxLength: maxReturnTo, description: 'A path of this app to go to afterwards' }))
}, { title: 'CloverLaunchQuery' })
export type LaunchQuery = Static<typeof LaunchQuery>

/** Query of the callback route, as Clover's authorize page sends it. */
export const CallbackQuery = Type.Object({
  code: Type.Optional(Code),
  state: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'The state of the launch' })),
  merchant_id: Type.Optional(Id('The merchant who authorized')),
  client_id: Type.Optional(Type.String({ maxLength: 64, description: 'The App ID; must be this app\'s' })),
  employee_id: Type.Optional(Type.String({ maxLength: 64, description: 'The employee who authorized; not verified' })),
  error: Type.Optional(Type.String({ maxLength: 512, description: 'The authorization was not granted' })),
  error_description: Type.Optional(Type.String({ maxLength: 2048, description: 'Ignored' }))
}, { title: 'CloverCallbackQuery' })
export type CallbackQuery = Static<typeof CallbackQuery>

/** Form of the implicit flow's page: the token, and the callback's parameters from the query or the fragment. */
export const ImplicitBody = Type.Object({
  access_token: Type.Optional(Type.String({ ...Token, description: 'A v1 token' })),
  ...Type.Pick(CallbackQuery, ['state', 'merchant_id', 'client_id', 'employee_id', 'error']).properties
}, { title: 'CloverImplicitBody' })
export type ImplicitBody = Static<typeof ImplicitBody>

/** @internal The names of the fields that the page posts. */
export const postedNames = Object.keys(ImplicitBody.properties)

/** Body of the refresh route. */
export const RefreshBody = Type.Object({
  merchant_id: Id('The merchant whose tokens are refreshed')
}, { title: 'CloverRefreshBody' })
export type RefreshBody = Static<typeof RefreshBody>

/** Reply of the refresh route: the expirations of the new tokens, never a token. */
export const RefreshReply = Type.Object({
  merchant_id: Id('The merchant'),
  access_token_expiration: Type.Union([Type.Number(), Type.Null()], { description: 'Unix seconds; null: none' }),
  refresh_token_expiration: Type.Union([Type.Number(), Type.Null()], { description: 'Unix seconds; null: unknown' })
}, { title: 'CloverRefreshReply', description: 'The expirations of the new tokens' })
export type RefreshReply = Static<typeof RefreshReply>

/** An event of a webhook. Source: https://docs.clover.com/dev/docs/webhooks */
export const WebhookEvent = Type.Object({
  objectId: Type.String({ minLength: 1, maxLength: 256, description: 'The kind of object, a colon and its id; A:<App ID> is the app itself' }),
  type: Type.String({ minLength: 1, maxLength: 64, description: 'CREATE, UPDATE or DELETE' }),
  ts: Type.Number({ minimum: 0, description: 'Unix milliseconds' })
}, { title: 'CloverWebhookEvent' })
export type WebhookEvent = Static<typeof WebhookEvent>

/** Body of the webhook route: the events of one or more merchants. Keys that are not merchant ids are ignored. */
export const WebhookBody = Type.Object({
  appId: Type.String({ minLength: 1, maxLength: 64, description: 'The App ID; must be this app\'s' }),
  merchants: Type.Record(MerchantId, Type.Array(WebhookEvent), { description: 'Events by merchant id' })
}, { title: 'CloverWebhookBody' })
export type WebhookBody = Static<typeof WebhookBody>

/** Body of the webhook route when Clover verifies it. */
export const WebhookVerification = Type.Object({
  verificationCode: Type.String({ pattern: '^[A-Za-z0-9-]{1,128}$', description: 'To be entered in Clover\'s developer dashboard' })
}, { title: 'CloverWebhookVerification' })
export type WebhookVerification = Static<typeof WebhookVerification>

/** An error as Fastify sends it. No field is required, since the host's error handler may send another form. */
export const ErrorReply = Type.Object({
  statusCode: Type.Optional(Type.Number()),
  code: Type.Optional(Type.String({ description: 'Such as FST_CLOVER_STATE' })),
  error: Type.Optional(Type.String()),
  message: Type.Optional(Type.String({ description: 'What to do' }))
}, { title: 'CloverErrorReply', description: 'What went wrong and what to do' })
export type ErrorReply = Static<typeof ErrorReply>

/** The media type is given, since it would be JSON by default. */
const Page = (description: string) => ({ description, content: { 'text/html': { schema: Type.String() } } })
const Redirect = (description: string) => Type.Null({ description })
const errors = { '4xx': ErrorReply, '5xx': ErrorReply }

/** The schemas of each route, for Fastify and for an OpenAPI document. */
export const routeSchemas = {
  launch: {
    summary: 'Send a merchant to Clover to authorize the app',
    description: 'Sets a state cookie and redirects to Clover\'s authorize page. Enter this URL as the app\'s Alternate Launch Path in Clover\'s dashboard.',
    tags: ['clover'],
    querystring: LaunchQuery,
    response: { 200: Page('A page with a link that opens the app outside of its frame'), 302: Redirect('To Clover\'s authorize page'), ...errors }
  },
  callback: {
    summary: 'Take a merchant back from Clover',
    description: 'Exchanges the authorization code, checks that the token is the merchant\'s, stores it and redirects into the app.',
    tags: ['clover'],
    querystring: CallbackQuery,
    response: { 302: Redirect('Into the app, or once more to Clover\'s authorize page'), ...errors }
  },
  implicit: {
    summary: 'Take a token from the page of the callback',
    description: 'Only with dangerouslyUseImplicitFlow: the form of the plugin\'s own page, which the callback route serves.',
    tags: ['clover'],
    consumes: ['application/x-www-form-urlencoded'],
    body: ImplicitBody,
    response: { 303: Redirect('Into the app'), ...errors }
  },
  refresh: {
    summary: 'Refresh a merchant\'s tokens now',
    description: 'For operators: handlers need not call this, since tokens are refreshed as they are used.',
    tags: ['clover'],
    body: RefreshBody,
    response: { 200: RefreshReply, ...errors }
  },
  status: {
    summary: 'Count merchants by state',
    description: 'For monitors: makes one pass over the stored records.',
    tags: ['clover'],
    response: { 200: CloverSummary, ...errors }
  },
  webhook: {
    summary: 'Take events from Clover',
    description: 'Only for Clover, which authenticates itself by X-Clover-Auth. A merchant who uninstalls the app is disconnected; other events go to the app.',
    tags: ['clover'],
    headers: Type.Object({ 'x-clover-auth': Type.Optional(Type.String({ description: 'The Clover Auth Code; absent when Clover verifies the route' })) }),
    body: Type.Union([WebhookVerification, WebhookBody]),
    response: { 200: Type.Null({ description: 'Accepted' }), ...errors }
  }
} as const
