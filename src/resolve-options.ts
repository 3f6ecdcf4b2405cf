import { OptionalKind, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isForTrials, isSecureUrl, originProblems, resolveEnvironment, type Environment } from './environments.js'
import { invalidOptions } from './errors.js'
import { KeepAliveSchedule } from './jobs/keep-alive-options.js'
import { CloverDataOptions, type CloverOptions } from './options.js'
import { hasTwins, isGuarded, resolveRoutes, wrongRoutes, type ResolvedRoutes } from './resolve-routes.js'
import type { CloverStorage } from './storage/contract.js'
import { isPlainObject, wrongFields } from './wrong-fields.js'
import { version } from './version.js'

/** @internal The options with every default filled in. */
export interface ResolvedOptions {
  environment: Environment
  appId: string
  appSecret: string | false
  flow: 'v2' | 'v1'
  implicit: boolean
  storage: CloverStorage
  /** Empty if no route needs it. */
  cookieSecrets: string[]
  /** Without a slash at the end; empty if no route needs it. */
  baseUrl: string
  /** Undefined if there is none. */
  appMarketUrl: string | undefined
  routes: ResolvedRoutes
  /** The `User-Agent` of every call to Clover. */
  userAgent: string
  trustMerchantId: boolean
  minValidity: number
  refreshAhead: number
  callTimeout: number
  maxWait: number
  maxCalls: number
  cache: { max: number, ttl: number } | false
  keepAlive: KeepAliveSchedule | false
  /** Keep-alive is off, although nobody switched it off. */
  lacksKeepAlive: boolean
  hooks: Pick<CloverOptions, 'onConnect' | 'onError' | 'onReauthorizationRequired' | 'onReconnected' | 'onDisconnect' | 'onEvent'>
}

const hookNames = ['onConnect', 'onError', 'onReauthorizationRequired', 'onReconnected', 'onDisconnect', 'onEvent'] as const
const storageMethods = ['get', 'put', 'delete'] as const
/** Options of `register` itself, which Fastify hands on. */
const registerOptions = ['logLevel', 'logSerializers']

/**
 * @internal Checks the options and fills in the defaults.
 *
 * @throws FST_CLOVER_INVALID_OPTIONS with a sentence for each wrong option: its name and what it must be, never its value
 */
export function resolveOptions (options: CloverOptions): ResolvedOptions {
  const given: Record<string, unknown> = { ...options }
  const problems = [...unknownOptions(given), ...wrongData(given), ...wrongKeepAlive(given), ...wrongFunctions(given), ...wrongRoutes(options.routes)]
  if (problems.length > 0) throw invalidOptions(problems)

  const data = given as CloverDataOptions
  const environment = resolveEnvironment(data.environment)
  const routes = resolveRoutes(options.routes)
  const canList = typeof options.storage.list === 'function'
  const needsBrowser = routes.launch !== false || routes.callback !== false
  problems.push(...originProblems(environment))
  if (data.dangerouslyUseImplicitFlow) problems.push(...implicitProblems(data, environment))
  else if (data.flow === 'v1' && data.appSecret === false) problems.push("flow must be 'v2' for a low-trust app (appSecret: false): v1 needs the App Secret.")
  if (needsBrowser && data.cookieSecret === undefined) problems.push(sentence('cookieSecret'))
  if (needsBrowser ? !isBaseUrl(data.baseUrl) : data.baseUrl !== undefined && !isBaseUrl(data.baseUrl)) problems.push(sentence('baseUrl'))
  if (data.appMarketUrl !== undefined && !isPublicUrl(data.appMarketUrl)) problems.push(sentence('appMarketUrl'))
  if (data.keepAlive && !canList) problems.push('keepAlive must be false or left out with this storage adapter: keep-alive needs its method list, which it does not have.')
  if (hasTwins(routes)) problems.push('routes must have a path each: two of them have the same.')
  if (routes.launch !== false && routes.callback === false) problems.push('routes.callback must not be false while routes.launch is on: a launch ends there.')
  if (routes.refresh !== false && !isGuarded(routes.refresh)) {
    problems.push("routes.refresh must be guarded: give it an onRequest hook of its own that refuses strangers, or guard: 'inherited' if hooks of the scope do, or set it to false.")
  }
  if (problems.length > 0) throw invalidOptions(problems)

  return {
    environment,
    appId: data.appId,
    appSecret: data.appSecret,
    flow: data.flow ?? 'v2',
    implicit: data.dangerouslyUseImplicitFlow ?? false,
    storage: options.storage,
    cookieSecrets: data.cookieSecret === undefined ? [] : [data.cookieSecret].flat(),
    baseUrl: data.baseUrl === undefined ? '' : new URL(data.baseUrl).href.replace(/\/$/, ''),
    appMarketUrl: data.appMarketUrl === undefined ? undefined : new URL(data.appMarketUrl).href,
    routes,
    userAgent: [data.userAgent, `fastify-clover/${version}`].filter(Boolean).join(' '),
    trustMerchantId: data.dangerouslyTrustMerchantId ?? false,
    minValidity: data.minValidity ?? 60,
    refreshAhead: data.refreshAhead ?? 0.2,
    callTimeout: data.callTimeout ?? 10_000,
    maxWait: data.maxWait ?? 30_000,
    maxCalls: data.maxCalls ?? 8,
    cache: data.cache === false ? false : { max: data.cache?.max ?? 10_000, ttl: data.cache?.ttl ?? 10_000 },
    keepAlive: data.keepAlive !== false && canList && Value.Parse(KeepAliveSchedule, data.keepAlive ?? {}),
    // A v1 token cannot be refreshed, so nothing is lost without it.
    lacksKeepAlive: data.keepAlive === undefined && !canList && data.flow !== 'v1',
    hooks: Object.fromEntries(hookNames.flatMap(name => options[name] ? [[name, options[name]]] : []))
  }
}

function unknownOptions (given: Record<string, unknown>): string[] {
  if ('prefix' in given) {
    delete given.prefix
    return ['prefix does nothing here: register the plugin inside a scope that has the prefix.', ...unknownOptions(given)]
  }
  const known = new Set<string>([...Object.keys(CloverDataOptions.properties), ...hookNames, ...registerOptions, 'storage', 'routes'])
  return Object.keys(given).filter(name => !known.has(name)).map(name => `${name} is not an option of fastify-clover.`)
}

function wrongData (given: Record<string, unknown>): string[] {
  const { keepAlive, ...properties } = CloverDataOptions.properties
  return Object.entries<TSchema>(properties).flatMap(([name, schema]) => {
    return (OptionalKind in schema && given[name] === undefined) || Value.Check(schema, given[name]) ? [] : [sentence(name as keyof CloverDataOptions)]
  })
}

/** A sentence for each wrong field. */
function wrongKeepAlive ({ keepAlive }: Record<string, unknown>): string[] {
  if (keepAlive === undefined || keepAlive === false) return []
  return isPlainObject(keepAlive) ? wrongFields(KeepAliveSchedule, keepAlive, 'keepAlive.') : [sentence('keepAlive')]
}

function sentence (name: keyof CloverDataOptions): string {
  const schema: TSchema = CloverDataOptions.properties[name]
  return `${name} must be ${String(schema.must)}.`
}

function wrongFunctions (given: Record<string, unknown>): string[] {
  const problems = hookNames.filter(name => given[name] !== undefined && typeof given[name] !== 'function').map(name => `${name} must be a function.`)
  const storage = given.storage as Record<string, unknown> | null | undefined
  if (typeof storage !== 'object' || storage === null || storageMethods.some(name => typeof storage[name] !== 'function')) {
    problems.push('storage must be a storage adapter with the methods get, put and delete: see fastify-clover/storage for ready ones.')
  }
  return problems
}

function implicitProblems ({ flow, dangerouslyTrustMerchantId }: CloverDataOptions, environment: Environment): string[] {
  return [
    ...(flow === 'v1' ? [] : ["dangerouslyUseImplicitFlow must be left out unless flow is 'v1': v2 has no implicit flow."]),
    ...(isForTrials(environment) ? [] : ['dangerouslyUseImplicitFlow must be left out in production: it is for the sandbox, and for a simulator whose origins are all on localhost.']),
    // Together they would let anybody plant any token.
    ...(dangerouslyTrustMerchantId ? ['dangerouslyUseImplicitFlow must not be combined with dangerouslyTrustMerchantId: nothing would say whose a token is.'] : [])
  ]
}

function isBaseUrl (text: string | undefined): boolean {
  return text !== undefined && !/[?#]/.test(text) && isPublicUrl(text) && !new URL(text).pathname.includes('//')
}

/** A secure URL that a browser may be shown: without credentials, and of characters that no browser takes for others. */
function isPublicUrl (text: string): boolean {
  if (!URL.canParse(text) || /[\s\\]/.test(text)) return false
  const url = new URL(text)
  return isSecureUrl(url) && url.username === '' && url.password === ''
}
