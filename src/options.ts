import { Type, type Static } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import { EnvironmentOption } from './environments.js'
import type { CloverError } from './errors.js'
import { KeepAliveSchedule } from './jobs/keep-alive-options.js'
import type { CloverStorage } from './storage/contract.js'

/** A token (RFC 9110, section 5.6.2). */
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** Products and comments (RFC 9110, section 10.1.5), the first a product with its version, as Clover asks; comments are not nested. */
const userAgent = `^${token}/${token}(?: ${token}(?:/${token})?| \\([\\x20-\\x27\\x2a-\\x5b\\x5d-\\x7e]*\\))*$`

const Secret = Type.String({ minLength: 32 })

/**
 * The options that are data. `must` is what the error says of a wrong one.
 */
export const CloverDataOptions = Type.Object({
  environment: Type.Unsafe<EnvironmentOption>({
    ...EnvironmentOption,
    must: "'sandbox', 'north-america', 'europe', 'latin-america', one of them with origins overridden ({ base, authorize?, api?, legacy?, ecommerce? }), or { name, authorize, api, legacy, ecommerce? }",
    description: 'Which of Clover\'s environments to talk to'
  }),
  appId: Type.String({ pattern: '^[A-Za-z0-9]{1,64}$', must: 'the Clover App ID: letters and digits', description: 'The Clover App ID' }),
  appSecret: Type.Union([Type.String({ minLength: 1 }), Type.Literal(false)], {
    must: 'the App Secret (a high-trust app), or false (a low-trust app, which uses PKCE and has no recovery)',
    description: 'The App Secret; false: a low-trust app'
  }),
  flow: Type.Optional(Type.Union([Type.Literal('v2'), Type.Literal('v1')], {
    must: "'v2' or 'v1'", default: 'v2', description: 'The OAuth flow; v1 is for regions and apps not yet moved'
  })),
  cookieSecret: Type.Optional(Type.Union([Secret, Type.Array(Secret, { minItems: 1 })], {
    must: 'a string of 32 characters or more, or an array of such strings', description: 'Signs the state cookie; in an array the first signs and all verify'
  })),
  baseUrl: Type.Optional(Type.String({
    must: 'the app\'s public https address without query, such as https://shop.example (plain http is accepted for localhost alone)',
    description: 'The app\'s public address, with a path if a proxy strips one'
  })),
  appMarketUrl: Type.Optional(Type.String({
    must: 'the https URL of the app\'s page in Clover\'s App Market, such as https://www.clover.com/appmarket/apps/ABCDEFGHJKLMN',
    description: 'Where a merchant can install the app; linked from error pages'
  })),
  userAgent: Type.Optional(Type.String({
    pattern: userAgent,
    maxLength: 256,
    must: 'a product with its version, such as my-shop/2.1, with a comment if you like, such as my-shop/2.1 (+https://shop.example)',
    description: 'The app in the User-Agent of each call to Clover, before fastify-clover/<version>'
  })),
  dangerouslyTrustMerchantId: Type.Optional(Type.Boolean({
    must: 'true or false', default: false, description: 'true: a token is not bound to its merchant; whoever edits the callback\'s URL can pose as another merchant'
  })),
  dangerouslyUseImplicitFlow: Type.Optional(Type.Boolean({
    must: 'true or false', default: false, description: 'true: v1 with response_type=token, for trying things in the sandbox alone; whoever holds a merchant\'s token of any app can pose as that merchant'
  })),
  minValidity: Type.Optional(Type.Number({
    minimum: 0, maximum: 86_400, must: 'a number of seconds from 0 to 86400', default: 60, description: 'Seconds that a token handed out should still live; at most half of its lifetime is asked for'
  })),
  refreshAhead: Type.Optional(Type.Number({
    minimum: 0, maximum: 0.9, must: 'a share from 0 to 0.9', default: 0.2, description: 'Share of the lifetime left at which a refresh starts in the background'
  })),
  callTimeout: Type.Optional(Type.Integer({
    minimum: 1, maximum: 120_000, must: 'a whole number of milliseconds from 1 to 120000', default: 10_000, description: 'Milliseconds for one call to Clover'
  })),
  maxWait: Type.Optional(Type.Integer({
    minimum: 1, maximum: 600_000, must: 'a whole number of milliseconds from 1 to 600000', default: 30_000, description: 'Milliseconds for one accessToken() in all, and for the tries of one fetch()'
  })),
  maxCalls: Type.Optional(Type.Integer({
    minimum: 1, maximum: 1000, must: 'a whole number from 1 to 1000', default: 8, description: 'Calls for tokens that this process has open at once at Clover'
  })),
  keepAlive: Type.Optional(Type.Union([Type.Literal(false), Type.Partial(KeepAliveSchedule)], {
    must: 'false, or a plain object with every, within, rate and concurrency, all of them optional',
    description: 'Refreshes merchants whom no handler asks for, in the background; on unless false'
  })),
  cache: Type.Optional(Type.Union([
    Type.Literal(false),
    Type.Object({
      max: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000, default: 10_000, description: 'Records kept at most' })),
      ttl: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000, default: 10_000, description: 'Milliseconds until the store is asked again' }))
    }, { additionalProperties: false })
  ], {
    must: 'false, or { max?, ttl? } with a number of entries and a number of milliseconds', description: 'Records kept in memory'
  }))
}, { additionalProperties: false })
export type CloverDataOptions = Static<typeof CloverDataOptions>

/** Options of one of the plugin's routes: its path, and any Fastify route option that is not the plugin's own. */
export interface CloverRouteOptions extends Omit<RouteShorthandOptions, 'exposeHeadRoute' | 'logSerializers' | 'schema' | 'validatorCompiler' | 'serializerCompiler' | 'schemaErrorFormatter' | 'attachValidation' | 'bodyLimit'> {
  /** Within the scope's prefix. */
  path?: string
  /** What an OpenAPI document says of the route; the schemas themselves are the plugin's. */
  schema?: { hide?: boolean, deprecated?: boolean, tags?: readonly string[], summary?: string, description?: string, operationId?: string, security?: ReadonlyArray<Record<string, readonly string[]>> }
}

/** Options of the refresh route, which must be guarded. */
export interface CloverRefreshRouteOptions extends CloverRouteOptions {
  /** `'inherited'`: hooks of the scope guard the route, so it needs none of its own. */
  guard?: 'inherited'
}

/** Options of the webhook route, which is off unless they are given. */
export interface CloverWebhookRouteOptions extends CloverRouteOptions {
  /**
   * The Clover Auth Code of the developer dashboard, which Clover sends as `X-Clover-Auth`; in an array any of them, so that it can be changed.
   *
   * Clover shows it only after the route has been verified: while it is undefined, empty or `false`, the route answers Clover's
   * verification and refuses all else.
   */
  auth: string | false | undefined | ReadonlyArray<string | undefined>
  /**
   * Told the verification code that is to be entered in the developer dashboard. Not awaited.
   *
   * Clover's verification is not authenticated, so anybody can have this called: show the code to an operator, and do nothing else with it.
   */
  onVerificationCode?: (code: string) => unknown
}

/** An event of a webhook, for `onEvent`. */
export interface CloverEvent {
  /** The merchant concerned, who need not be connected. */
  merchantId: string
  /** As Clover sent it, such as `O:GHIVJT2ABCRSC`. */
  objectId: string
  /** What stands before the colon of `objectId`, such as `O` for an order, `I` for an item, `IS` for its stock, `A` for the app itself; empty without one. */
  kind: string
  /** What stands behind the colon. */
  id: string
  /** What happened. Clover documents these three. */
  type: 'CREATE' | 'UPDATE' | 'DELETE' | (string & {})
  /** When it happened: Unix milliseconds, by Clover's clock. */
  ts: number
  /** The whole event as Clover sent it: some kinds carry more. */
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
  /** Off by default; `/clover/webhook` unless it has a path. */
  webhook?: CloverWebhookRouteOptions | false | undefined
}

/** What `onConnect` is told. */
export interface CloverConnection {
  /** Verified: Clover said that the authorization is this merchant's. */
  merchantId: string
  /** What the browser said: not verified. */
  employeeId: string | undefined
  /** The merchant was not connected before. */
  isNew: boolean
}

/** The options of the plugin. */
export interface CloverOptions extends Omit<CloverDataOptions, 'appId' | 'appSecret' | 'cookieSecret' | 'baseUrl' | 'appMarketUrl' | 'userAgent' | 'keepAlive'> {
  /** The Clover App ID. */
  appId: string | undefined
  /** The App Secret of a high-trust app; `false`: a low-trust app, which uses PKCE and has no recovery. */
  appSecret: string | false | undefined
  /** Where installations are kept. */
  storage: CloverStorage
  /** Signs the state cookie: 32 characters or more. In an array the first signs and all verify. Not needed without launch and callback. */
  cookieSecret?: string | string[] | undefined
  /** The app's public address. Not needed without launch and callback. */
  baseUrl?: string | undefined
  /** The app's page in Clover's App Market: the plugin's error pages link to it. */
  appMarketUrl?: string | undefined
  /**
   * Keeps merchants connected whom no handler asks for: every hour, the server refreshes those whose refresh token would otherwise end, and those
   * whose last refresh may be lost. On by default where the storage adapter has `list`; `false` switches it off.
   *
   * `every`: seconds between two passes, 3600 by default. `within`: seconds, 2 592 000 (30 days) by default; a refresh token that ends within them
   * is refreshed. `rate`: requests a second of this process, 5 by default. `concurrency`: merchants at once, 4 by default.
   */
  keepAlive?: CloverDataOptions['keepAlive']
  /**
   * The app in the `User-Agent` of every call to Clover, such as `my-shop/2.1`: the header is then `my-shop/2.1 fastify-clover/<version>`. Clover
   * requires the header. Default: `fastify-clover/<version>`.
   */
  userAgent?: string | undefined
  /** The routes, or `false` for none. */
  routes?: CloverRoutes | false
  /**
   * Called when a merchant has authorized, before the browser is sent on.
   *
   * Returns a path to redirect to, or `reply` if it has sent, or nothing for the default: `return_to`, else `/`. If it throws, the
   * merchant stays connected and the error goes to the host's error handler.
   */
  onConnect?: (request: FastifyRequest, reply: FastifyReply, connection: CloverConnection) => unknown
  /**
   * Replies when a launch or a callback failed, denial included.
   *
   * By default a browser gets a short page, and any other client what the host's error handler makes of the error.
   */
  onError?: (request: FastifyRequest, reply: FastifyReply, error: CloverError) => unknown
  /** Told once when Clover refuses every stored token of a merchant. Not awaited. */
  onReauthorizationRequired?: (notice: { merchantId: string, since: number }) => unknown
  /**
   * Called once when a merchant whom Clover had refused (see `onReauthorizationRequired`) works again. Not awaited.
   *
   * `since`: Unix seconds, when Clover first refused every stored token. `by`: `refresh` where Clover accepted a stored token again,
   * `authorization` where the merchant authorized again.
   */
  onReconnected?: (notice: { merchantId: string, since: number, by: 'refresh' | 'authorization' }) => unknown
  /** Told when a merchant was forgotten. Not awaited. */
  onDisconnect?: (notice: { merchantId: string }) => unknown
  /** Told each event that the webhook route takes, but for uninstalls, which disconnect the merchant. Not awaited. */
  onEvent?: (event: CloverEvent) => unknown
}
