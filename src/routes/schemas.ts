import { Type, type Static } from '@sinclair/typebox'
import { maxReturnTo } from './return-to.js'

/*
 * The schemas of the plugin's routes. Query schemas are open: Clover may send more than it documents, and what is not known is ignored.
 */

const Id = (description: string) => Type.String({ pattern: '^[A-Z0-9]{13}$', description: `${description}: 13 characters of A-Z and 0-9` })
const Code = Type.String({ minLength: 1, maxLength: 2048, description: 'An authorization code' })

/** Query of the launch route: what Clover's dashboard sends, or a link of the app itself. */
export const LaunchQuery = Type.Object({
  merchant_id: Type.Optional(Id('The merchant who opens the app')),
  merchantId: Type.Optional(Id('The same under the name that some of Clover\'s pages use')),
  employee_id: Type.Optional(Type.String({ maxLength: 64, description: 'The employee who opens the app; not verified' })),
  client_id: Type.Optional(Type.String({ maxLength: 64, description: 'The App ID; must be this app\'s' })),
  code: Type.Optional(Type.String({ maxLength: 2048, description: 'Dropped: a code that was not asked for is never exchanged' })),
  return_to: Type.Optional(Type.String({ maxLength: maxReturnTo, description: 'A path of this app to go to afterwards' }))
}, { title: 'CloverLaunchQuery' })
export type LaunchQuery = Static<typeof LaunchQuery>

/** Query of the callback route: what Clover's authorize page sends. */
export const CallbackQuery = Type.Object({
  code: Type.Optional(Code),
  state: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'What the launch sent' })),
  merchant_id: Type.Optional(Id('The merchant who authorized')),
  client_id: Type.Optional(Type.String({ maxLength: 64, description: 'The App ID; must be this app\'s' })),
  employee_id: Type.Optional(Type.String({ maxLength: 64, description: 'The employee who authorized; not verified' })),
  error: Type.Optional(Type.String({ maxLength: 512, description: 'The authorization was not granted' })),
  error_description: Type.Optional(Type.String({ maxLength: 2048, description: 'Ignored' }))
}, { title: 'CloverCallbackQuery' })
export type CallbackQuery = Static<typeof CallbackQuery>

/** Body of the refresh route. */
export const RefreshBody = Type.Object({
  merchant_id: Id('The merchant whose tokens are refreshed')
}, { title: 'CloverRefreshBody' })
export type RefreshBody = Static<typeof RefreshBody>

/** Reply of the refresh route: until when the new tokens live, never a token. */
export const RefreshReply = Type.Object({
  merchant_id: Id('The merchant'),
  access_token_expiration: Type.Union([Type.Number(), Type.Null()], { description: 'Unix seconds; null: none' }),
  refresh_token_expiration: Type.Union([Type.Number(), Type.Null()], { description: 'Unix seconds; null: unknown' })
}, { title: 'CloverRefreshReply', description: 'Until when the new tokens live' })
export type RefreshReply = Static<typeof RefreshReply>

/** An error as Fastify replies it. Nothing is required, since a host's error handler may reply in a form of its own. */
export const ErrorReply = Type.Object({
  statusCode: Type.Optional(Type.Number()),
  code: Type.Optional(Type.String({ description: 'Such as FST_CLOVER_STATE' })),
  error: Type.Optional(Type.String()),
  message: Type.Optional(Type.String({ description: 'What to do' }))
}, { title: 'CloverErrorReply', description: 'What went wrong and what to do' })
export type ErrorReply = Static<typeof ErrorReply>

/** The media type is said, since a reply is JSON otherwise. */
const Page = (description: string) => ({ description, content: { 'text/html': { schema: Type.String() } } })
const Redirect = (description: string) => Type.Null({ description })
const errors = { '4xx': ErrorReply, '5xx': ErrorReply }

/** The schemas of each route, as Fastify takes them and as they stand in an OpenAPI document. */
export const routeSchemas = {
  launch: {
    summary: 'Send a merchant to Clover to authorize the app',
    description: 'Sets a state cookie and redirects to Clover\'s authorize page. This is the app\'s Alternate Launch Path in Clover\'s dashboard.',
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
  refresh: {
    summary: 'Refresh a merchant\'s tokens now',
    description: 'For operators: handlers need not call this, since tokens are refreshed as they are used.',
    tags: ['clover'],
    body: RefreshBody,
    response: { 200: RefreshReply, ...errors }
  }
} as const
