import { Type, type Static } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import { environmentNames, EnvironmentOption } from '../environments.js'
import type { CloverError } from '../errors.js'
import { KeepAliveSchedule } from '../jobs/keep-alive-options.js'
import type { CloverStorage } from '../storage/contract.js'
import { MinValidity } from '../tokens/freshness.js'
import { DeploymentOption, type DeploymentTakeover } from './deployment.js'

/** A token (RFC 9110, section 5.6.2). */
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** Products and comments (RFC 9110, section 10.1.5). The first must be a product with a version, as Clover requires; comments are not nested. */
const userAgent = `^${token}/${token}(?: ${token}(?:/${token})?| \\([\\x20-\\x27\\x2a-\\x5b\\x5d-\\x7e]*\\))*$`

const Secret = Type.String({ minLength: 32 })

const CacheOptions = Type.Object({
  /** Records kept at most, 1 to 10000000. Default: 10000. */
  max: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000, default: 10_000 })),
  /** Milliseconds until the store is asked again, 0 to 86400000. Default: 10000. */
  ttl: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000, default: 10_000 }))
}, { additionalProperties: false })

/**
 * The options that are data. `must` completes the error sentence "<option> must be ...". Editors show a field's docblock for the option: the type
 * declarations keep it.
 */
export const CloverDataOptions = Type.Object({
  environment: Type.Unsafe<EnvironmentOption>({
    ...EnvironmentOption,
    must: `${environmentNames.map(name => `'${name}'`).join(', ')} (a production app names its region), one of them with origins overridden ({ base, authorize?, api?, legacy?, ecommerce? }), or { name, authorize, api, legacy, ecommerce? } with a name of 64 characters at most, none of them a control character`
  }),
  appId: Type.String({ pattern: '^[A-Za-z0-9]{1,64}$', must: 'the Clover App ID: letters and digits' }),
  appSecret: Type.Union([Type.String({ minLength: 1 }), Type.Literal(false)], {
    must: 'the App Secret (a high-trust app), or false (a low-trust app, which uses PKCE and has no recovery)'
  }),
  /** The OAuth flow: `'v2'`, or `'v1'` for regions and apps that have not moved, which needs the App Secret. Default: `'v2'`. */
  flow: Type.Optional(Type.Union([Type.Literal('v2'), Type.Literal('v1')], { must: "'v2' or 'v1'", default: 'v2' })),
  cookieSecret: Type.Optional(Type.Union([Secret, Type.Array(Secret, { minItems: 1 })], {
    must: 'a string of 32 characters or more, or an array of such strings; to make one: openssl rand -base64 32'
  })),
  baseUrl: Type.Optional(Type.String({
    must: 'the app\'s public https address without query, such as https://shop.example (plain http is accepted only for localhost)'
  })),
  appMarketUrl: Type.Optional(Type.String({
    must: 'the https URL of the app\'s page in Clover\'s App Market, such as https://www.clover.com/appmarket/apps/ABCDEFGHJKLMN'
  })),
  userAgent: Type.Optional(Type.String({
    pattern: userAgent,
    maxLength: 256,
    must: 'a product with its version, such as my-shop/2.1, with a comment if you like, such as my-shop/2.1 (+https://shop.example)'
  })),
  /**
   * `true` stores a token without asking Clover whose it is, for apps without the Read merchant permission: **anybody who edits the callback's URL can then
   * pose as another merchant**. Default: `false`.
   */
  dangerouslyTrustMerchantId: Type.Optional(Type.Boolean({ must: 'true or false', default: false })),
  /**
   * `true`, with `flow: 'v1'`, uses the implicit flow, for trying things in the sandbox only: **anybody with a merchant's token of any app can pose as
   * that merchant**. Default: `false`.
   */
  dangerouslyUseImplicitFlow: Type.Optional(Type.Boolean({ must: 'true or false', default: false })),
  deployment: Type.Optional(DeploymentOption),
  /** Minimum seconds left on a returned token, 0 to 86400; capped at half of the token's lifetime. Default: 60. */
  minValidity: Type.Optional(MinValidity),
  /** Share of a token's lifetime left, 0 to 0.9, at which it is refreshed in the background. Default: 0.2. */
  refreshAhead: Type.Optional(Type.Number({ minimum: 0, maximum: 0.9, must: 'a share from 0 to 0.9', default: 0.2 })),
  /** Time limit of one call to Clover, in milliseconds, 1 to 120000. Default: 10000. */
  callTimeout: Type.Optional(Type.Integer({
    minimum: 1, maximum: 120_000, must: 'a whole number of milliseconds from 1 to 120000', default: 10_000
  })),
  /** How long one `accessToken()` waits for a refresh, and how late a try of one `fetch()` begins, in milliseconds, 1 to 600000. Default: 30000. */
  maxWait: Type.Optional(Type.Integer({
    minimum: 1, maximum: 600_000, must: 'a whole number of milliseconds from 1 to 600000', default: 30_000
  })),
  /** Maximum concurrent token requests of this process, 1 to 1000. Default: 8. */
  maxCalls: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, must: 'a whole number from 1 to 1000', default: 8 })),
  keepAlive: Type.Optional(Type.Unsafe<false | Partial<KeepAliveSchedule>>(Type.Union([Type.Literal(false), Type.Partial(KeepAliveSchedule)], {
    must: 'false, or a plain object with every, within, rate and concurrency, all of them optional; left out, it has its defaults'
  }))),
  /**
   * The records kept in memory, or `false` for none. While the store fails, a record serves until its token ends. Default: 10000 records, each for
   * 10000 milliseconds.
   */
  cache: Type.Optional(Type.Union([Type.Literal(false), CacheOptions], {
    must: 'false, or { max?, ttl? } with a number of entries and a number of milliseconds'
  }))
}, { additionalProperties: false })
export type CloverDataOptions = Static<typeof CloverDataOptions>

/** @internal The options that have a default in their schema, as they are once it is filled in. */
export const DefaultedOptions = Type.Object({
  ...Type.Required(Type.Pick(CloverDataOptions, [
    'flow', 'dangerouslyTrustMerchantId', 'dangerouslyUseImplicitFlow', 'minValidity', 'refreshAhead', 'callTimeout', 'maxWait', 'maxCalls'
  ])).properties,
  cache: Type.Union([Type.Literal(false), Type.Required(CacheOptions)], { default: {} })
})
/** @internal The type of these options. */
export type DefaultedOptions = Static<typeof DefaultedOptions>

/** Options of one of the plugin's routes: its path, and any Fastify route option that is not the plugin's own. */
export interface CloverRouteOptions extends Omit<RouteShorthandOptions, 'exposeHeadRoute' | 'logSerializers' | 'schema' | 'validatorCompiler' | 'serializerCompiler' | 'schemaErrorFormatter' | 'attachValidation' | 'bodyLimit'> {
  /** The path within the scope's prefix. Default: `/clover/` and the route's name. */
  path?: string
  /** The route's entry in an OpenAPI document. The schemas themselves are the plugin's. */
  schema?: {
    /** `true` leaves the route out of the document. */
    hide?: boolean
    /** `true` marks the route as deprecated. */
    deprecated?: boolean
    /** The tags instead of the plugin's own. */
    tags?: readonly string[]
    /** The summary instead of the plugin's own. */
    summary?: string
    /** The description instead of the plugin's own. */
    description?: string
    /** The id of the operation. */
    operationId?: string
    /** The security requirements. */
    security?: ReadonlyArray<Record<string, readonly string[]>>
  }
}

/** Options of a route that must be guarded: the refresh route and the status route. */
export interface CloverGuardedRouteOptions extends CloverRouteOptions {
  /** `'inherited'`: hooks of the scope guard the route. Default: the route must have a hook of its own that does. */
  guard?: 'inherited'
}

/** Options of the refresh route, which must be guarded. */
export type CloverRefreshRouteOptions = CloverGuardedRouteOptions

/** Options of the webhook route, which is off without them. */
export interface CloverWebhookRouteOptions extends CloverRouteOptions {
  /**
   * The Clover Auth Code of the developer dashboard, which Clover sends as `X-Clover-Auth`. Of an array any code is accepted, for a rotation.
   *
   * Clover shows it only after it has verified the route: while it is undefined, empty or `false`, the route answers only Clover's verification.
   */
  auth: string | false | undefined | ReadonlyArray<string | undefined>
  /**
   * Called with the verification code, which must be entered in the developer dashboard. Not awaited.
   *
   * Clover's verification is not authenticated, so anybody can cause this call: only show the code to an operator.
   */
  onVerificationCode?: (code: string) => unknown
  /**
   * `true` answers Clover only when `onEvent` has taken each event of the body, for 10 seconds at most: with 503 if one was not taken, so that Clover may
   * send the body again. `onEvent` has taken an event once its promise resolves. Default: `false`: Clover is answered at once.
   */
  awaitEvents?: boolean
}

/** An event of a webhook, for `onEvent`. */
export interface CloverEvent {
  /** The merchant of the event, who may not be connected. */
  merchantId: string
  /** As Clover sent it, such as `O:GHIVJT2ABCRSC`. */
  objectId: string
  /** The part of `objectId` before the colon: `O` for an order, `I` for an item, `IS` for its stock, `A` for the app itself. Empty without a colon. */
  kind: string
  /** The part of `objectId` after the colon. */
  id: string
  /** The kind of change. Clover documents these three. */
  type: 'CREATE' | 'UPDATE' | 'DELETE' | (string & {})
  /** The time of the event in Unix milliseconds, by Clover's clock. */
  ts: number
  /** The whole event as Clover sent it, with any further fields. */
  raw: Readonly<Record<string, unknown>>
}

/** A route's path, its options, or `false` for none. */
export type CloverRoute<Options = CloverRouteOptions> = string | false | Options

/** The plugin's routes. */
export interface CloverRoutes {
  /** `/clover/launch` by default. */
  launch?: CloverRoute
  /** `/clover/callback` by default. */
  callback?: CloverRoute
  /** `/clover/refresh` by default. Must be guarded, or `false`. */
  refresh?: CloverRoute<CloverRefreshRouteOptions>
  /**
   * For monitors: replies `summary()` as JSON. Off by default; `/clover/status` unless it has a path. Must be guarded. Needs a storage adapter with `list`.
   */
  status?: CloverGuardedRouteOptions | false | undefined
  /** Off by default; `/clover/webhook` unless it has a path. */
  webhook?: CloverWebhookRouteOptions | false | undefined
}

/** The argument of `onConnect`. */
export interface CloverConnection {
  /** The merchant, confirmed by Clover. */
  merchantId: string
  /** The employee as the browser names it: not verified. */
  employeeId: string | undefined
  /** The merchant was not connected before. */
  isNew: boolean
}

/** The options of the plugin. */
export interface CloverOptions extends Omit<CloverDataOptions, 'environment' | 'appId' | 'appSecret' | 'cookieSecret' | 'baseUrl' | 'appMarketUrl' | 'userAgent' | 'keepAlive' | 'deployment'> {
  /**
   * Which Clover to call: the name of a Clover environment; `{ base }` with such a name and the origins to override; or
   * `{ name, authorize, api, legacy, ecommerce }`, such as a simulator's.
   */
  environment: EnvironmentOption
  /** The Clover App ID. */
  appId: string | undefined
  /** The App Secret of a high-trust app, or `false` for a low-trust app, which uses PKCE and has no recovery. */
  appSecret: string | false | undefined
  /** The storage adapter that keeps the merchants' installations. */
  storage: CloverStorage
  /**
   * Signs the state cookie: 32 characters or more, such as the output of `openssl rand -base64 32`. In an array the first signs and all verify. Required
   * with the launch or callback route.
   */
  cookieSecret?: string | string[] | undefined
  /** The app's public https address, such as `https://shop.example`, with a path if a proxy strips one. Required with the launch or callback route. */
  baseUrl?: string | undefined
  /** The https URL of the app's page in Clover's App Market: the plugin's error pages link to it. Default: none. */
  appMarketUrl?: string | undefined
  /**
   * Keeps merchants connected who are not used: every hour, the server refreshes those whose refresh token would otherwise expire, and those
   * whose last refresh may be lost. On by default where the storage adapter has `list`; `false` switches it off.
   *
   * `every`: seconds between two passes, 3600 by default. `within`: seconds, 2 592 000 (30 days) by default; a refresh token that expires within them
   * is refreshed. `rate`: requests a second of this process, 5 by default. `concurrency`: merchants at once, 4 by default.
   */
  keepAlive?: false | Partial<KeepAliveSchedule>
  /**
   * The app's product token in the `User-Agent` of every call to Clover, such as `my-shop/2.1`: the header is then `my-shop/2.1 fastify-clover/<version>`.
   * Clover requires the header. Default: `fastify-clover/<version>`.
   */
  userAgent?: string | undefined
  /**
   * The name of the deployment that this server is part of, such as `'production'`: each record is bound to it at its next write, and a record that is
   * bound to another deployment is refused with FST_CLOVER_OTHER_DEPLOYMENT. So a staging server on a copy of production's store spends none of its tokens.
   * 1 to 32 letters, digits, dots, hyphens and underscores. Default: none: every record is served, and stays bound as it is.
   *
   * `{ name, takeOver, until }` serves the records of the deployment `takeOver` too, and binds them to `name`, through the day `until`: for a store that was
   * moved on purpose.
   */
  deployment?: string | DeploymentTakeover
  /** The routes, or `false` for none. Default: launch, callback and refresh, of which refresh must be guarded. */
  routes?: CloverRoutes | false
  /**
   * Called when a merchant has authorized, before the browser is redirected.
   *
   * May return a path to redirect to, or `reply` if it has sent a reply. Default: redirects to `return_to`, or to `/`. If it throws, the merchant
   * stays connected and the error goes to the host's error handler.
   */
  onConnect?: (request: FastifyRequest, reply: FastifyReply, connection: CloverConnection) => unknown
  /**
   * Replies if a launch or a callback fails, also if the merchant denies the app.
   *
   * Default: a browser gets a short page; for any other client the error goes to the host's error handler.
   */
  onError?: (request: FastifyRequest, reply: FastifyReply, error: CloverError) => unknown
  /** Called once when Clover refuses every stored token of a merchant. `since`: the Unix seconds of the first refusal. Not awaited. */
  onReauthorizationRequired?: (notice: { merchantId: string, since: number }) => unknown
  /**
   * Called once when a merchant whom Clover had refused (see `onReauthorizationRequired`) works again. Not awaited.
   *
   * `since`: the Unix seconds of the first refusal. `by`: `refresh` if Clover accepted a stored token again, `authorization` if the merchant
   * authorized again.
   */
  onReconnected?: (notice: { merchantId: string, since: number, by: 'refresh' | 'authorization' }) => unknown
  /** Called after a merchant was disconnected. Not awaited. */
  onDisconnect?: (notice: { merchantId: string }) => unknown
  /**
   * Called with each event that the webhook route accepts, except uninstalls, which disconnect the merchant. Not awaited, unless
   * `routes.webhook.awaitEvents` is `true`.
   */
  onEvent?: (event: CloverEvent) => unknown
}
