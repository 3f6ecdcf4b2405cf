import { OptionalKind, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isSecureUrl, originProblems, resolveEnvironment, type Environment } from './environments.js'
import { invalidOptions } from './errors.js'
import { CloverDataOptions, type CloverOptions, type CloverRefreshRouteOptions, type CloverRoute, type CloverRouteOptions, type CloverRoutes } from './options.js'
import type { CloverStorage } from './storage/contract.js'

/** @internal The options with every default filled in. */
export interface ResolvedOptions {
  environment: Environment
  appId: string
  appSecret: string | false
  flow: 'v2' | 'v1'
  storage: CloverStorage
  /** Empty if no route needs it. */
  cookieSecrets: string[]
  /** Without a slash at the end; empty if no route needs it. */
  baseUrl: string
  routes: ResolvedRoutes
  trustMerchantId: boolean
  minValidity: number
  refreshAhead: number
  callTimeout: number
  maxWait: number
  maxCalls: number
  cache: { max: number, ttl: number } | false
  hooks: Pick<CloverOptions, 'onConnect' | 'onError' | 'onReauthorizationRequired' | 'onDisconnect'>
}

/** @internal */
export interface ResolvedRoutes {
  launch: CloverRouteOptions & { path: string } | false
  callback: CloverRouteOptions & { path: string } | false
  refresh: CloverRefreshRouteOptions & { path: string } | false
}

const hookNames = ['onConnect', 'onError', 'onReauthorizationRequired', 'onDisconnect'] as const
const storageMethods = ['get', 'put', 'delete'] as const
const routeNames = ['launch', 'callback', 'refresh'] as const
/** `attachValidation` would let a query into the handlers that does not fit. */
const ownedRouteOptions = ['method', 'url', 'handler', 'exposeHeadRoute', 'logSerializers', 'validatorCompiler', 'serializerCompiler', 'schemaErrorFormatter', 'attachValidation', 'bodyLimit']
const documentation = ['hide', 'deprecated', 'tags', 'summary', 'description', 'operationId', 'security']
const guards = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const
/** Options of `register` itself, which Fastify hands on. */
const registerOptions = ['logLevel', 'logSerializers']

/**
 * @internal Checks the options and fills in the defaults.
 *
 * @throws FST_CLOVER_INVALID_OPTIONS with a sentence for each wrong option: its name and what it must be, never its value
 */
export function resolveOptions (options: CloverOptions): ResolvedOptions {
  const given: Record<string, unknown> = { ...options }
  const problems = [...unknownOptions(given), ...wrongData(given), ...wrongFunctions(given), ...wrongRoutes(options.routes)]
  if (problems.length > 0) throw invalidOptions(problems)

  const data = given as CloverDataOptions
  const environment = resolveEnvironment(data.environment)
  const routes = resolveRoutes(options.routes)
  const needsBrowser = routes.launch !== false || routes.callback !== false
  problems.push(...originProblems(environment))
  if (data.flow === 'v1' && data.appSecret === false) problems.push("flow must be 'v2' for a low-trust app (appSecret: false): v1 needs the App Secret.")
  if (needsBrowser && data.cookieSecret === undefined) problems.push(sentence('cookieSecret'))
  if (needsBrowser ? !isBaseUrl(data.baseUrl) : data.baseUrl !== undefined && !isBaseUrl(data.baseUrl)) problems.push(sentence('baseUrl'))
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
    storage: options.storage,
    cookieSecrets: data.cookieSecret === undefined ? [] : [data.cookieSecret].flat(),
    baseUrl: data.baseUrl === undefined ? '' : new URL(data.baseUrl).href.replace(/\/$/, ''),
    routes,
    trustMerchantId: data.dangerouslyTrustMerchantId ?? false,
    minValidity: data.minValidity ?? 60,
    refreshAhead: data.refreshAhead ?? 0.2,
    callTimeout: data.callTimeout ?? 10_000,
    maxWait: data.maxWait ?? 30_000,
    maxCalls: data.maxCalls ?? 8,
    cache: data.cache === false ? false : { max: data.cache?.max ?? 10_000, ttl: data.cache?.ttl ?? 10_000 },
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
  return Object.entries<TSchema>(CloverDataOptions.properties).flatMap(([name, schema]) => {
    return (OptionalKind in schema && given[name] === undefined) || Value.Check(schema, given[name]) ? [] : [sentence(name as keyof CloverDataOptions)]
  })
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

function wrongRoutes (routes: unknown): string[] {
  if (routes === undefined || routes === false) return []
  if (!isPlainObject(routes)) return ['routes must be false, or an object with launch, callback and refresh.']
  return Object.entries(routes).flatMap(([name, route]: [string, unknown]) => {
    if (!(routeNames as readonly string[]).includes(name)) return [`routes.${name} is not a route of fastify-clover: there are ${routeNames.join(', ')}.`]
    if (route === undefined || route === false) return []
    if (typeof route === 'string') return isRoutePath(route) ? [] : [pathSentence(name)]
    if (!isPlainObject(route)) return [`routes.${name} must be a path, an object with path and route options, or false.`]
    return wrongRouteOptions(name, route)
  })
}

function wrongRouteOptions (name: string, route: Record<string, unknown>): string[] {
  const problems = ownedRouteOptions.filter(option => option in route).map(option => `routes.${name}.${option} is the plugin's own and cannot be set.`)
  if (route.path !== undefined && !isRoutePath(route.path)) problems.push(pathSentence(name))
  if (route.guard !== undefined && (name !== 'refresh' || route.guard !== 'inherited')) problems.push("guard must be 'inherited', and is for routes.refresh alone.")
  const schema = route.schema ?? {}
  if (typeof schema !== 'object' || Object.keys(schema).some(key => !documentation.includes(key))) {
    problems.push(`routes.${name}.schema may only have ${documentation.join(', ')}: the schemas are the plugin's own.`)
  }
  return problems
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A static path: parameters and wildcards could not be put into a redirect URI, and browsers take dots alone away. */
function isRoutePath (path: unknown): boolean {
  return typeof path === 'string' && /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/.test(path)
}

function hasTwins (routes: ResolvedRoutes): boolean {
  const paths = Object.values(routes).flatMap(route => route === false ? [] : [route.path])
  return new Set(paths).size < paths.length
}

const pathSentence = (name: string) => `routes.${name} must have a path such as /clover/${name}: letters, digits and ._~- between slashes, none at the end.`

function resolveRoutes (routes: CloverRoutes | false | undefined): ResolvedRoutes {
  const resolve = <Options extends CloverRouteOptions>(name: string, route: CloverRoute<Options> | undefined): Options & { path: string } | false => {
    if (routes === false || route === false) return false
    const path = `/clover/${name}`
    return (typeof route === 'string' ? { path: route } : { path, ...route }) as Options & { path: string }
  }
  const given = routes || {}
  return { launch: resolve('launch', given.launch), callback: resolve('callback', given.callback), refresh: resolve('refresh', given.refresh) }
}

function isGuarded (route: CloverRefreshRouteOptions): boolean {
  return route.guard === 'inherited' || guards.some(name => {
    const hook: unknown = route[name]
    return [hook].flat().some(one => typeof one === 'function')
  })
}

function isBaseUrl (text: string | undefined): boolean {
  if (text === undefined || !URL.canParse(text) || /[?#\s\\]/.test(text)) return false
  const url = new URL(text)
  return isSecureUrl(url) && url.username === '' && url.password === '' && !url.pathname.includes('//')
}
