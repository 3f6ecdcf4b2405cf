import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isPlainObject } from '../../checks/wrong-fields.js'
import { isSecureUrl } from '../../environments.js'
import { MerchantId } from '../../installation.js'
import type { Endpoint } from './calls.js'
import { SimulatorMisuse } from './errors.js'
import { WholeReport, type ProbeReport } from './probe-report.js'
import type { RandomSource } from './random.js'
import { Unknowns } from './unknowns.js'

/*
 * Editors show a field's docblock for the option: the type declarations keep it.
 */

/** 13 characters of A-Z and 0-9. */
const Id = Type.String({ pattern: '^[A-Z0-9]{13}$' })
/** An https URL, or http on a loopback host. */
const Url = Type.String({ minLength: 1 })

/** The permissions of an app. Source: https://docs.clover.com/docs/permissions */
export const Permissions = Type.Object({
  /** `GET /v3/merchants/{mId}`. Default: `true`. */
  readMerchant: Type.Optional(Type.Boolean({ default: true })),
  /** `GET /v3/merchants/{mId}/items`. Default: `true`. */
  readInventory: Type.Optional(Type.Boolean({ default: true })),
  /** `POST /v3/merchants/{mId}/items`. Default: `true`. */
  writeInventory: Type.Optional(Type.Boolean({ default: true })),
  /** `GET /v3/merchants/{mId}/orders`. Default: `true`. */
  readOrders: Type.Optional(Type.Boolean({ default: true })),
  /** `POST /v3/merchants/{mId}/orders`. Default: `true`. */
  writeOrders: Type.Optional(Type.Boolean({ default: true })),
  /** `GET /pakms/apikey` and `GET /v1/charges`. Default: `true`. */
  ecommerce: Type.Optional(Type.Boolean({ default: true }))
}, { additionalProperties: false })
export type Permissions = Required<Static<typeof Permissions>>

/** The settings of an app in Clover's developer dashboard. */
export const AppOptions = Type.Object({
  /** The App ID: 13 characters of A-Z and 0-9. Default: random. */
  id: Type.Optional(Id),
  /** Shown on the simulator's pages. Default: random. */
  name: Type.Optional(Type.String({ minLength: 1 })),
  /** The App Secret, or `false` for a low-trust app, which has PKCE and no recovery. Default: random. */
  secret: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Literal(false)])),
  /** The app's permissions. Default: all. */
  permissions: Type.Optional(Permissions),
  /** The URL below which redirect URIs must lie. Default: any redirect URI is accepted. */
  siteUrl: Type.Optional(Url),
  /** Clover's Alternate Launch Path: the URL that "Open app" sends the browser to. Default: none. */
  launchUrl: Type.Optional(Url),
  /** The URL that webhooks are posted to. Default: none. */
  webhookUrl: Type.Optional(Url),
  /** The `X-Clover-Auth` of each webhook. Default: random. */
  webhookAuth: Type.Optional(Type.String({ minLength: 1 }))
}, { additionalProperties: false })
export type AppOptions = Static<typeof AppOptions>

/** An employee of a merchant, who can log in. */
export const Employee = Type.Object({
  /** 13 characters of A-Z and 0-9. */
  id: Id,
  /** Shown on the simulator's pages. */
  name: Type.String({ minLength: 1 })
})
export type Employee = Static<typeof Employee>

const Rows = Type.Array(Type.Record(Type.String(), Type.Unknown()))

/** A merchant, and its data in the REST API. */
export const MerchantOptions = Type.Object({
  /** The merchant id: 13 characters of A-Z and 0-9. Default: random. */
  id: Type.Optional(MerchantId),
  /** The business's name. Default: random. */
  name: Type.Optional(Type.String({ minLength: 1 })),
  /** The employees, who can log in; the first is the owner. Default: one with a random id. */
  employees: Type.Optional(Type.Array(Employee, { minItems: 1 })),
  /** The inventory in the form of Clover's REST API. Default: a few items. */
  items: Type.Optional(Rows),
  /** The orders in the form of Clover's REST API; `createdTime` in Unix milliseconds. Default: a few orders. */
  orders: Type.Optional(Rows),
  /** The charges of the ecommerce API, the newest first; `created` in Unix milliseconds. Default: a few charges. */
  charges: Type.Optional(Type.Array(Type.Record(Type.String(), Type.Unknown())))
}, { additionalProperties: false })
export type MerchantOptions = Static<typeof MerchantOptions>

const positive = (value: number) => Type.Integer({ minimum: 1, default: value })

/** Lifetimes in seconds. */
export const Lifetimes = Type.Object({
  /** Seconds that a v2 access token lives. Default: 1800. */
  accessTokenLifetime: positive(1800),
  /** Seconds that a refresh token lives. Default: 31536000 (365 days). */
  refreshTokenLifetime: positive(31_536_000),
  /** Seconds that a v1 access token lives. Default: 31536000 (365 days). */
  legacyTokenLifetime: positive(31_536_000),
  /** Seconds that an authorization code lives. Default: 600. */
  codeLifetime: positive(600),
  /** Seconds after a refresh within which its lost answer can be recovered. Default: 1209600 (14 days). */
  recoveryWindow: positive(1_209_600)
})
export type Lifetimes = Static<typeof Lifetimes>

/** Clover's rate limits. Source: https://docs.clover.com/dev/docs/api-usage-rate-limits */
export const RateLimits = Type.Object({
  /** Requests a second of one app. Default: 50. */
  appPerSecond: Type.Optional(positive(50)),
  /** Concurrent requests of one app. Default: 10. */
  appConcurrent: Type.Optional(positive(10)),
  /** Requests a second with one token. Default: 16. */
  tokenPerSecond: Type.Optional(positive(16)),
  /** Concurrent requests with one token. Default: 5. */
  tokenConcurrent: Type.Optional(positive(5)),
  /** The `retry-after` of the two limits on concurrent requests, in seconds. Default: 1. */
  retryAfter: Type.Optional(positive(1))
}, { additionalProperties: false })
export type RateLimits = Required<Static<typeof RateLimits>>

/** The options of the simulator that are data. */
export const DataOptions = Type.Object({
  ...Lifetimes.properties,
  /** The port of localhost; 0 takes a free one. Default: 0. */
  port: Type.Integer({ minimum: 0, maximum: 65535, default: 0 }),
  /** The apps. Default: one of high trust, `SIMULATORAPP1`, and one of low trust, `SIMULATORAPP2`. */
  apps: Type.Array(AppOptions, {
    minItems: 1, default: [{ id: 'SIMULATORAPP1', name: 'Your app' }, { id: 'SIMULATORAPP2', name: 'Your low-trust app', secret: false }]
  }),
  /** The merchants. Default: three small shops. */
  merchants: Type.Optional(Type.Array(MerchantOptions)),
  /** `true` for Clover's rate limits, or an object to change some of them. Default: `false`, no limits. */
  rateLimits: Type.Union([Type.Boolean(), RateLimits], { default: false }),
  /**
   * The page that a merchant without the app gets at the authorize URL: `'install'`, an approval that installs it, or `'app-market'`, the App Market.
   * Default: `'install'`.
   */
  notInstalled: Type.Union([Type.Literal('install'), Type.Literal('app-market')], { default: 'install' }),
  /** `true` asks for approval at each authorization, not only at a merchant's first. Default: `false`. */
  alwaysAsk: Type.Boolean({ default: false }),
  /**
   * The most live refresh tokens of an app for a merchant: one more authorization ends the oldest. Clover has such a limit and does not publish the
   * number. Default: `false`, no limit.
   */
  refreshTokensPerMerchant: Type.Union([Type.Literal(false), Type.Integer({ minimum: 1 })], { default: false }),
  /** The most calls in the list `calls`; the counters count all calls. Default: 1000. */
  callsKept: Type.Integer({ minimum: 0, default: 1000 }),
  unknowns: Type.Partial(Unknowns)
}, { additionalProperties: false })

/** The options of `cloverSimulator()`. Each has a default. */
export interface SimulatorOptions extends Partial<Omit<Static<typeof DataOptions>, 'unknowns'>> {
  /**
   * A switch for each undocumented behaviour of Clover, or a report of `fastify-clover probe`. A report also has lifetimes and the limit of refresh
   * tokens, if they were measured, for options that are left out. Default: the most likely behaviour.
   */
  unknowns?: Partial<Unknowns> | ProbeReport
  /** The time in Unix milliseconds. Default: `Date.now`. */
  now?: () => number
  /** The source of ids, codes and tokens, which must not repeat itself. Default: `crypto.randomBytes`. */
  random?: RandomSource
  /** Milliseconds that each call takes before Clover handles it, or a function that returns them for an endpoint. Default: 0. */
  latency?: number | ((endpoint: Endpoint) => number)
}

/** The options with every default filled in. */
export interface Settings extends Omit<Static<typeof DataOptions>, 'unknowns' | 'rateLimits'> {
  unknowns: Unknowns
  rateLimits: RateLimits | false
  latency: (endpoint: Endpoint) => number
}

/** Throws a {@link SimulatorMisuse} that names the first field that does not fit the schema. */
export function check<T extends TSchema> (schema: T, value: unknown, what: string): asserts value is Static<T> {
  const problem = Value.Errors(schema, value).First()
  if (problem !== undefined) throw new SimulatorMisuse(`${what}${problem.path.replaceAll('/', '.')}: ${problem.message}.`)
}

/** Throws a {@link SimulatorMisuse} unless the URL is https, or http on a loopback host. */
export function checkUrl (text: string, what: string): void {
  if (!URL.canParse(text) || !isSecureUrl(new URL(text))) throw new SimulatorMisuse(`${what}: Expected an https URL, or http on a loopback host.`)
}

/** Checks options and fills in the defaults. Throws a {@link SimulatorMisuse} for a wrong one. */
export function resolveOptions ({ now, random, latency = 0, ...given }: SimulatorOptions): Settings {
  for (const [name, value] of Object.entries({ now, random })) {
    if (value !== undefined && typeof value !== 'function') throw new SimulatorMisuse(`options.${name}: Expected function.`)
  }
  if (typeof latency !== 'function' && !(typeof latency === 'number' && latency >= 0)) {
    throw new SimulatorMisuse('options.latency: Expected milliseconds, or a function that returns them.')
  }
  const data = withReport(given)
  check(Type.Partial(DataOptions), data, 'options')
  const options: unknown = Value.Default(DataOptions, { unknowns: {}, ...structuredClone(data) })
  check(DataOptions, options, 'options')
  const unknowns: unknown = Value.Default(Unknowns, options.unknowns)
  const rateLimits: unknown = Value.Default(RateLimits, options.rateLimits === true ? {} : options.rateLimits)
  check(Unknowns, unknowns, 'options.unknowns')
  if (rateLimits !== false) check(Type.Required(RateLimits), rateLimits, 'options.rateLimits')
  return { ...options, unknowns, rateLimits, latency: typeof latency === 'function' ? latency : () => latency }
}

/** The options with a report's switches, and with what it measured for options that are left out. */
function withReport ({ unknowns, ...options }: SimulatorOptions): SimulatorOptions {
  if (!isPlainObject(unknowns) || !('unknowns' in unknowns)) return { ...options, ...(unknowns !== undefined && { unknowns }) }
  check(WholeReport, unknowns, 'options.unknowns')
  return { ...unknowns.measured, ...options, unknowns: unknowns.unknowns }
}
