import type { CloverRefreshRouteOptions, CloverRoute, CloverRouteOptions, CloverRoutes, CloverWebhookRouteOptions } from './options.js'

/** @internal */
export interface ResolvedRoutes {
  launch: CloverRouteOptions & { path: string } | false
  callback: CloverRouteOptions & { path: string } | false
  refresh: CloverRefreshRouteOptions & { path: string } | false
  webhook: WebhookRoute | false
}

/** @internal */
export interface WebhookRoute extends Omit<CloverWebhookRouteOptions, 'auth'> {
  path: string
  /** The values of `X-Clover-Auth` that are taken; none: the route is being set up. */
  auth: string[]
}

const routeNames = ['launch', 'callback', 'refresh', 'webhook'] as const
/** `attachValidation` would let a query into the handlers that does not fit. */
const ownedRouteOptions = ['method', 'url', 'handler', 'exposeHeadRoute', 'logSerializers', 'validatorCompiler', 'serializerCompiler', 'schemaErrorFormatter', 'attachValidation', 'bodyLimit']
const documentation = ['hide', 'deprecated', 'tags', 'summary', 'description', 'operationId', 'security']
const guards = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const

/** @internal A sentence for each wrong entry of the option `routes`. */
export function wrongRoutes (routes: unknown): string[] {
  if (routes === undefined || routes === false) return []
  if (!isPlainObject(routes)) return ['routes must be false, or an object with launch, callback, refresh and webhook.']
  return Object.entries(routes).flatMap(([name, route]: [string, unknown]) => {
    if (!(routeNames as readonly string[]).includes(name)) return [`routes.${name} is not a route of fastify-clover: there are ${routeNames.join(', ')}.`]
    if (route === undefined || route === false) return []
    if (name === 'webhook' && !isPlainObject(route)) {
      return ['routes.webhook must be false, or an object with auth, the Clover Auth Code of the developer dashboard (undefined until Clover has verified the route): without it no event can be told from a stranger\'s.']
    }
    if (typeof route === 'string') return isRoutePath(route) ? [] : [pathSentence(name)]
    if (!isPlainObject(route)) return [`routes.${name} must be a path, an object with path and route options, or false.`]
    return wrongRouteOptions(name, route)
  })
}

function wrongRouteOptions (name: string, route: Record<string, unknown>): string[] {
  const problems = ownedRouteOptions.filter(option => option in route).map(option => `routes.${name}.${option} is the plugin's own and cannot be set.`)
  if (route.path !== undefined && !isRoutePath(route.path)) problems.push(pathSentence(name))
  if (route.guard !== undefined && (name !== 'refresh' || route.guard !== 'inherited')) problems.push("guard must be 'inherited', and is for routes.refresh alone.")
  if (name === 'webhook') problems.push(...wrongWebhook(route))
  const schema = route.schema ?? {}
  if (typeof schema !== 'object' || Object.keys(schema).some(key => !documentation.includes(key))) {
    problems.push(`routes.${name}.schema may only have ${documentation.join(', ')}: the schemas are the plugin's own.`)
  }
  return problems
}

function wrongWebhook ({ auth, onVerificationCode }: Record<string, unknown>): string[] {
  const isAuth = (value: unknown) => value === undefined || value === '' || (typeof value === 'string' && /^[\x21-\x7e]{16,256}$/.test(value))
  const problems = auth === false || (Array.isArray(auth) ? auth : [auth]).every(isAuth)
    ? []
    : ['routes.webhook.auth must be the Clover Auth Code of the developer dashboard (16 characters or more, no spaces), an array of such codes, or undefined or false until Clover has verified the route.']
  if (onVerificationCode !== undefined && typeof onVerificationCode !== 'function') problems.push('routes.webhook.onVerificationCode must be a function.')
  return problems
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A static path: parameters and wildcards could not be put into a redirect URI, and browsers take dots alone away. */
function isRoutePath (path: unknown): boolean {
  return typeof path === 'string' && /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/.test(path)
}

/** @internal Whether two routes have the same path. */
export function hasTwins (routes: ResolvedRoutes): boolean {
  const paths = Object.values(routes).flatMap(route => route === false ? [] : [route.path])
  return new Set(paths).size < paths.length
}

const pathSentence = (name: string) => `routes.${name} must have a path such as /clover/${name}: letters, digits and ._~- between slashes, none at the end.`

/** @internal Fills in the routes' defaults. */
export function resolveRoutes (routes: CloverRoutes | false | undefined): ResolvedRoutes {
  const resolve = <Options extends CloverRouteOptions>(name: string, route: CloverRoute<Options> | undefined): Options & { path: string } | false => {
    if (routes === false || route === false) return false
    const path = `/clover/${name}`
    return (typeof route === 'string' ? { path: route } : { path, ...route }) as Options & { path: string }
  }
  const given = routes || {}
  const { webhook } = given
  return {
    launch: resolve('launch', given.launch),
    callback: resolve('callback', given.callback),
    refresh: resolve('refresh', given.refresh),
    webhook: webhook ? { ...webhook, path: webhook.path ?? '/clover/webhook', auth: [webhook.auth].flat().filter((value): value is string => Boolean(value)) } : false
  }
}

/** @internal Whether a hook of its own, or by the host's word one of the scope, guards the refresh route. */
export function isGuarded (route: CloverRefreshRouteOptions): boolean {
  return route.guard === 'inherited' || guards.some(name => {
    const hook: unknown = route[name]
    return [hook].flat().some(one => typeof one === 'function')
  })
}
