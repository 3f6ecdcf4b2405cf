import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isSecureUrl } from '../../environments.js'
import { MerchantId } from '../../tokens/installation.js'
import type { Endpoint } from './calls.js'
import { SimulatorMisuse } from './errors.js'
import type { RandomSource } from './random.js'
import { Unknowns } from './unknowns.js'

const Id = Type.String({ pattern: '^[A-Z0-9]{13}$', description: '13 characters of A-Z and 0-9' })
const Url = Type.String({ minLength: 1, description: 'An https URL, or http on a loopback host' })

/** What an app may do. Source: https://docs.clover.com/docs/permissions */
export const Permissions = Type.Object({
  readMerchant: Type.Boolean({ default: true, description: 'GET /v3/merchants/{mId}' }),
  readInventory: Type.Boolean({ default: true, description: 'GET /v3/merchants/{mId}/items' }),
  writeInventory: Type.Boolean({ default: true, description: 'POST /v3/merchants/{mId}/items' }),
  readOrders: Type.Boolean({ default: true, description: 'GET /v3/merchants/{mId}/orders' }),
  writeOrders: Type.Boolean({ default: true, description: 'POST /v3/merchants/{mId}/orders' }),
  ecommerce: Type.Boolean({ default: true, description: 'GET /pakms/apikey and GET /v1/charges' })
}, { additionalProperties: false })
export type Permissions = Static<typeof Permissions>

/** An app, as its developer sets it up. What is left out is made up. */
export const AppOptions = Type.Object({
  id: Type.Optional(Id),
  name: Type.Optional(Type.String({ minLength: 1 })),
  secret: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Literal(false)],
    { description: 'false: a low-trust app, which has PKCE and no recovery' })),
  permissions: Type.Optional(Type.Partial(Permissions)),
  siteUrl: Type.Optional(Type.String({ ...Url, description: 'Redirect URIs must lie below it; left out: any will do' })),
  launchUrl: Type.Optional(Type.String({ ...Url, description: 'Clover\'s Alternate Launch Path: where a launch sends the browser' })),
  webhookUrl: Type.Optional(Type.String({ ...Url, description: 'Where webhooks are posted' })),
  webhookAuth: Type.Optional(Type.String({ minLength: 1, description: 'The X-Clover-Auth of each webhook' }))
}, { additionalProperties: false })
export type AppOptions = Static<typeof AppOptions>

/** Somebody who can log in at a merchant's. */
export const Employee = Type.Object({ id: Id, name: Type.String({ minLength: 1 }) })
export type Employee = Static<typeof Employee>

const Rows = Type.Array(Type.Record(Type.String(), Type.Unknown()))

/** A merchant and what the REST API tells about it. What is left out is made up. */
export const MerchantOptions = Type.Object({
  id: Type.Optional(MerchantId),
  name: Type.Optional(Type.String({ minLength: 1 })),
  employees: Type.Optional(Type.Array(Employee, { minItems: 1 })),
  items: Type.Optional(Rows),
  orders: Type.Optional(Rows),
  charges: Type.Optional(Type.Array(Type.Record(Type.String(), Type.Unknown()), { description: 'Of the ecommerce API, the newest first' }))
}, { additionalProperties: false })
export type MerchantOptions = Static<typeof MerchantOptions>

const seconds = (value: number, description: string) =>
  Type.Integer({ minimum: 1, default: value, description: `Seconds. ${description}` })
const limit = (value: number, description: string) => Type.Integer({ minimum: 1, default: value, description })

/** Lifetimes in seconds. */
export const Lifetimes = Type.Object({
  accessTokenLifetime: seconds(1800, 'Of a v2 access token'),
  refreshTokenLifetime: seconds(31_536_000, 'Of a refresh token'),
  legacyTokenLifetime: seconds(31_536_000, 'Of a v1 access token'),
  codeLifetime: seconds(600, 'Of an authorization code'),
  recoveryWindow: seconds(1_209_600, 'How long after a refresh its lost answer can be recovered')
})
export type Lifetimes = Static<typeof Lifetimes>

/** Clover's rate limits. Source: https://docs.clover.com/dev/docs/api-usage-rate-limits */
export const RateLimits = Type.Object({
  appPerSecond: limit(50, 'Requests a second of one app'),
  appConcurrent: limit(10, 'Requests open at once of one app'),
  tokenPerSecond: limit(16, 'Requests a second with one token'),
  tokenConcurrent: limit(5, 'Requests open at once with one token'),
  retryAfter: limit(1, 'Seconds: the retry-after of the two concurrent limits')
}, { additionalProperties: false })
export type RateLimits = Static<typeof RateLimits>

/** The options of the simulator that are data. */
export const DataOptions = Type.Object({
  ...Lifetimes.properties,
  port: Type.Integer({ minimum: 0, maximum: 65535, default: 0, description: '0: a free one' }),
  apps: Type.Array(AppOptions, {
    minItems: 1, default: [{ id: 'SIMULATORAPP1', name: 'Your app' }, { id: 'SIMULATORAPP2', name: 'Your low-trust app', secret: false }]
  }),
  merchants: Type.Optional(Type.Array(MerchantOptions, { description: 'Default: three small shops' })),
  rateLimits: Type.Union([Type.Boolean(), Type.Partial(RateLimits)], { default: false, description: 'true: Clover\'s numbers' }),
  notInstalled: Type.Union([Type.Literal('install'), Type.Literal('app-market')], {
    default: 'install', description: 'What a merchant without the app finds at authorize: approval installs it, or the way leads to the App Market'
  }),
  alwaysAsk: Type.Boolean({ default: false, description: 'Ask for approval at each authorize, not at a merchant\'s first only' }),
  refreshTokensPerMerchant: Type.Union([Type.Literal(false), Type.Integer({ minimum: 1 })], {
    default: false,
    description: 'How many live refresh tokens an app may have for a merchant: one more authorization ends the oldest. Clover has such a limit and does not publish the number. false: no limit'
  }),
  callsKept: Type.Integer({ minimum: 0, default: 1000, description: 'How many calls the list keeps; the counters count them all' }),
  unknowns: Type.Partial(Unknowns)
}, { additionalProperties: false })

/** The options of `cloverSimulator()`. Each has a default. */
export interface SimulatorOptions extends Partial<Static<typeof DataOptions>> {
  /** The time in milliseconds; default `Date.now`. */
  now?: () => number
  /** The source of ids, codes and tokens; it must not repeat itself. Default `crypto.randomBytes`. */
  random?: RandomSource
  /** Milliseconds that each call takes before Clover handles it; default 0. */
  latency?: number | ((endpoint: Endpoint) => number)
}

/** The options with every default filled in. */
export interface Settings extends Omit<Static<typeof DataOptions>, 'unknowns' | 'rateLimits'> {
  unknowns: Unknowns
  rateLimits: RateLimits | false
  latency: (endpoint: Endpoint) => number
}

/** Throws a {@link SimulatorMisuse} that names what does not fit the schema. */
export function check<T extends TSchema> (schema: T, value: unknown, what: string): asserts value is Static<T> {
  const problem = Value.Errors(schema, value).First()
  if (problem !== undefined) throw new SimulatorMisuse(`${what}${problem.path.replaceAll('/', '.')}: ${problem.message}.`)
}

/** Throws a {@link SimulatorMisuse} unless the URL is https, or http on a loopback host. */
export function checkUrl (text: string, what: string): void {
  if (!URL.canParse(text) || !isSecureUrl(new URL(text))) throw new SimulatorMisuse(`${what}: Expected an https URL, or http on a loopback host.`)
}

/** Checks options and fills in the defaults. Throws a {@link SimulatorMisuse} for a wrong one. */
export function resolveOptions ({ now, random, latency = 0, ...data }: SimulatorOptions): Settings {
  for (const [name, value] of Object.entries({ now, random })) {
    if (value !== undefined && typeof value !== 'function') throw new SimulatorMisuse(`options.${name}: Expected function.`)
  }
  if (typeof latency !== 'function' && !(typeof latency === 'number' && latency >= 0)) {
    throw new SimulatorMisuse('options.latency: Expected milliseconds, or a function that returns them.')
  }
  check(Type.Partial(DataOptions), data, 'options')
  const options: unknown = Value.Default(DataOptions, { unknowns: {}, ...structuredClone(data) })
  check(DataOptions, options, 'options')
  const unknowns: unknown = Value.Default(Unknowns, options.unknowns)
  const rateLimits: unknown = Value.Default(RateLimits, options.rateLimits === true ? {} : options.rateLimits)
  check(Unknowns, unknowns, 'options.unknowns')
  if (rateLimits !== false) check(RateLimits, rateLimits, 'options.rateLimits')
  return { ...options, unknowns, rateLimits, latency: typeof latency === 'function' ? latency : () => latency }
}
