import { didYouMean } from '../checks/did-you-mean.js'
import type { CloverGuardedRouteOptions } from './options.js'

const routeNames = ['launch', 'callback', 'refresh', 'status', 'webhook'] as const
/** Routes that are off by default, and that need options. */
const optional = ['status', 'webhook']
const guarded = ['refresh', 'status']
/** Route options that the plugin sets itself. `attachValidation` would let an invalid query reach the handlers. */
const ownedRouteOptions = ['method', 'url', 'handler', 'exposeHeadRoute', 'logSerializers', 'validatorCompiler', 'serializerCompiler', 'schemaErrorFormatter', 'attachValidation', 'bodyLimit']
/**
 * The known route options. A name similar to one of them is refused as a typing error; any other name may be an option of one of the host's plugins.
 */
const routeOptions = [
  'path', 'schema', 'config', 'constraints', 'logLevel', 'errorHandler', 'childLoggerFactory', 'prefixTrailingSlash', 'handlerTimeout',
  'onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization', 'onSend', 'onResponse', 'onError', 'onTimeout', 'onRequestAbort'
]
const ownOptions: Record<string, string[]> = { refresh: ['guard'], status: ['guard'], webhook: ['auth', 'onVerificationCode', 'awaitEvents'] }
const documentation = ['hide', 'deprecated', 'tags', 'summary', 'description', 'operationId', 'security']
const guards = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const

/** @internal A sentence for each wrong entry of the option `routes`, and for entries that contradict each other. */
export function wrongRoutes (routes: unknown): string[] {
  if (routes === false) return []
  const given = routes ?? {}
  if (routes === null || !isObject(given)) return ['routes must be false, or an object with launch, callback, refresh, status and webhook.']
  const problems = new Map(Object.entries(given).map(([name, route]) => [name, wrongRoute(name, route)]))
  return [...problems.values()].flat().concat(wrongTogether(given, name => !problems.get(name)?.length))
}

/** Problems of entries that contradict each other. `isRight`: whether an entry has no problem of its own. */
function wrongTogether (given: Record<string, unknown>, isRight: (name: string) => boolean): string[] {
  const problems: string[] = []
  const paths = routeNames.filter(isRight).flatMap(name => pathOf(name, given[name]) ?? [])
  if (new Set(paths).size < paths.length) problems.push('routes must have different paths: two have the same.')
  if (given.launch !== false && given.callback === false) problems.push('routes.callback must not be false while routes.launch is on: a launch ends there.')
  return problems.concat(guarded.flatMap(name => wrongGuard(name, given[name] ?? (name !== 'refresh' ? false : {}))))
}

function wrongGuard (name: string, route: unknown): string[] {
  const isRight = isObject(route) ? route.guard !== undefined || isGuarded(route) : typeof route !== 'string'
  return isRight
    ? []
    : [`routes.${name} must be guarded: give it an onRequest hook of its own that refuses strangers, or guard: 'inherited' if hooks of the scope do, or set it to false.`]
}

/** @internal Whether the launch or the callback route is on, also if their options are wrong. */
export function needsBrowser (routes: unknown): boolean {
  if (routes === false) return false
  const { launch, callback }: Record<string, unknown> = isObject(routes) ? routes : {}
  return launch !== false || callback !== false
}

function wrongRoute (name: string, route: unknown): string[] {
  if (!(routeNames as readonly string[]).includes(name)) {
    return [`routes.${name} is not a route of fastify-clover${didYouMean(name, routeNames, 'routes.') || `: there are ${routeNames.join(', ')}.`}`]
  }
  if (route === undefined || route === false) return []
  if (name === 'webhook' && !isObject(route)) {
    return ['routes.webhook must be false, or an object with auth, the Clover Auth Code of the developer dashboard (undefined until Clover has verified the route): without it anybody could send events.']
  }
  if (typeof route === 'string') return isRoutePath(route) ? [] : [pathSentence(name)]
  if (!isObject(route)) return [`routes.${name} must be a path, an object with path and route options, or false.`]
  return wrongRouteOptions(name, route)
}

function wrongRouteOptions (name: string, route: Record<string, unknown>): string[] {
  const problems = ownedRouteOptions.filter(option => Object.hasOwn(route, option)).map(option => `routes.${name}.${option} is the plugin's own and cannot be set.`)
  const known = [...routeOptions, ...ownOptions[name] ?? []]
  for (const option of Object.keys(route)) {
    const question = known.includes(option) || option === 'guard' || ownedRouteOptions.includes(option) ? '' : didYouMean(option, known, `routes.${name}.`)
    if (question !== '') problems.push(`routes.${name}.${option} is not a route option${question}`)
  }
  if (route.path !== undefined && !isRoutePath(route.path)) problems.push(pathSentence(name))
  if (route.guard !== undefined && !guarded.includes(name)) problems.push(`routes.${name}.guard must be left out: guard is for routes.refresh and routes.status only.`)
  else if (route.guard !== undefined && route.guard !== 'inherited') problems.push(`routes.${name}.guard must be 'inherited', which means that hooks of the scope guard the route.`)
  if (name === 'webhook') problems.push(...wrongWebhook(route))
  const schema = route.schema ?? {}
  if (typeof schema !== 'object' || Object.keys(schema).some(key => !documentation.includes(key))) {
    problems.push(`routes.${name}.schema may only have ${documentation.join(', ')}: the schemas are the plugin's own.`)
  }
  return problems
}

function wrongWebhook ({ auth, onVerificationCode, awaitEvents }: Record<string, unknown>): string[] {
  const isAuth = (value: unknown) => value === undefined || value === '' || (typeof value === 'string' && /^[\x21-\x7e]{16,256}$/.test(value))
  const problems = auth === false || (Array.isArray(auth) ? auth : [auth]).every(isAuth)
    ? []
    : ['routes.webhook.auth must be the Clover Auth Code of the developer dashboard (16 characters or more, no spaces), an array of such codes, or undefined or false until Clover has verified the route.']
  if (onVerificationCode !== undefined && typeof onVerificationCode !== 'function') problems.push('routes.webhook.onVerificationCode must be a function.')
  if (awaitEvents !== undefined && typeof awaitEvents !== 'boolean') problems.push('routes.webhook.awaitEvents must be true or false.')
  return problems
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A static path: a redirect URI cannot have parameters or wildcards, and browsers remove segments that are only dots. */
function isRoutePath (path: unknown): boolean {
  return typeof path === 'string' && /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/.test(path)
}

/** The path of a route; undefined if the route is off. */
function pathOf (name: string, route: unknown): unknown {
  if (route === false || (optional.includes(name) && route === undefined)) return undefined
  return typeof route === 'string' ? route : (isObject(route) ? route.path : undefined) ?? `/clover/${name}`
}

const pathSentence = (name: string) => `routes.${name} must have a path such as /clover/${name}: letters, digits and ._~- between slashes, none at the end.`

/** Whether a route has a hook that guards it, or its options say that a hook of the scope does. */
function isGuarded (route: CloverGuardedRouteOptions): boolean {
  return route.guard === 'inherited' || guards.some(name => {
    const hook: unknown = route[name]
    return [hook].flat().some(one => typeof one === 'function')
  })
}
