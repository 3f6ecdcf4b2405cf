import { OptionalKind, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { didYouMean } from '../checks/did-you-mean.js'
import { isForTrials, isSecureUrl, originProblems, resolveEnvironment, type Environment } from '../environments.js'
import { KeepAliveSchedule } from '../jobs/keep-alive-options.js'
import { wrongDeployment } from './deployment.js'
import { CloverDataOptions, type CloverOptions } from './options.js'
import { isPlainObject, wrongFields } from '../checks/wrong-fields.js'
import { resolveRoutes } from './resolve-routes.js'
import { needsBrowser, wrongRoutes } from './wrong-routes.js'

/** @internal The options that are functions. */
export const hookNames = ['onConnect', 'onError', 'onReauthorizationRequired', 'onReconnected', 'onDisconnect', 'onEvent'] as const
const storageMethods = ['get', 'put', 'delete'] as const
/** Options that are often read from a file, which ends in a line break. */
const readFromFiles: readonly string[] = ['appId', 'appSecret', 'cookieSecret'] satisfies Array<keyof CloverOptions>
/** What OAuth calls the options that are named as Clover's dashboard names them. */
const oauthNames = new Map([['clientId', 'appId'], ['clientSecret', 'appSecret']])
/** Options of `register` itself, which Fastify passes on. */
const registerOptions = ['logLevel', 'logSerializers']

/**
 * @internal A sentence for each wrong option, so that one start of the server shows them all: the name and the rule, never the value. `now` in Unix
 * milliseconds.
 */
export function wrongOptions (options: CloverOptions, now: number): string[] {
  const given: Record<string, unknown> = { ...options }
  return [
    ...unknownOptions(given), ...wrongData(given), ...wrongKeepAlive(given), ...wrongDeployment(given, now), ...wrongFunctions(given),
    ...wrongRoutes(given.routes), ...wrongTogether(given)
  ]
}

function unknownOptions ({ prefix, ...given }: Record<string, unknown>): string[] {
  const known = [...Object.keys(CloverDataOptions.properties), ...hookNames, ...registerOptions, 'storage', 'routes']
  return [
    ...(prefix === undefined ? [] : ['prefix has no effect here: register the plugin inside a scope that has the prefix.']),
    ...Object.keys(given).filter(name => !known.includes(name)).map(name => `${name} is not an option of fastify-clover${didYouMean(oauthNames.get(name) ?? name, known) || '.'}`)
  ]
}

function wrongData (given: Record<string, unknown>): string[] {
  const { keepAlive, deployment, ...properties } = CloverDataOptions.properties
  return Object.entries<TSchema>(properties).flatMap(([name, schema]) => {
    const value = given[name]
    if (OptionalKind in schema && value === undefined) return []
    if (readFromFiles.includes(name) && [value].flat().some(text => typeof text === 'string' && text !== text.trim())) {
      return [`${name} must not begin or end with a space or line break, which a file often has at its end: trim it.`]
    }
    return Value.Check(schema, value) ? [] : [sentence(name as keyof CloverDataOptions, value)]
  })
}

/** A sentence for each wrong field. */
function wrongKeepAlive ({ keepAlive }: Record<string, unknown>): string[] {
  if (keepAlive === undefined || keepAlive === false) return []
  return isPlainObject(keepAlive) ? wrongFields(KeepAliveSchedule, keepAlive, 'keepAlive.') : [sentence('keepAlive', keepAlive)]
}

function sentence (name: keyof CloverDataOptions, value: unknown): string {
  const schema: TSchema = CloverDataOptions.properties[name]
  const state = value === undefined ? 'is missing: it must be' : value === '' ? 'is empty: it must be' : 'must be'
  return `${name} ${state} ${String(schema.must)}.`
}

function wrongFunctions (given: Record<string, unknown>): string[] {
  return [...hookNames.filter(name => given[name] !== undefined && typeof given[name] !== 'function').map(name => `${name} must be a function.`), ...wrongStorage(given.storage)]
}

function wrongStorage (storage: unknown): string[] {
  const must = `storage ${storage === undefined ? 'is missing: it must be' : 'must be'} a storage adapter with the methods get, put and delete`
  const ready = 'see fastify-clover/storage for ready ones.'
  if (typeof storage === 'function') return [`${must}, not a function that makes one: call it, as in storage: memoryStorage().`]
  if (typeof storage !== 'object' || storage === null) return [`${must}: ${ready}`]
  const missing = storageMethods.filter(name => typeof (storage as Record<string, unknown>)[name] !== 'function')
  return missing.length === 0 ? [] : [`${must}, but it has no ${missing.join(' and no ')}: ${ready}`]
}

/** Problems of options that contradict each other, or that no schema can express. Options that are wrong by themselves are skipped. */
function wrongTogether (given: Record<string, unknown>): string[] {
  const { cookieSecret, baseUrl, appMarketUrl, keepAlive, storage, onEvent } = given
  const problems: string[] = []
  const environment = Value.Check(CloverDataOptions.properties.environment, given.environment) ? resolveEnvironment(given.environment) : undefined
  if (environment !== undefined) problems.push(...originProblems(environment))
  if (given.dangerouslyUseImplicitFlow === true) problems.push(...implicitProblems(given, environment))
  else if (given.flow === 'v1' && given.appSecret === false) problems.push("flow must be 'v2' for a low-trust app (appSecret: false): v1 needs the App Secret.")
  const isNeeded = needsBrowser(given.routes)
  if (isNeeded && cookieSecret === undefined) problems.push(sentence('cookieSecret', cookieSecret))
  if (typeof baseUrl === 'string' && isBaseUrl(baseUrl) && endsInCallback(baseUrl, given.routes)) {
    problems.push('baseUrl must be without the callback\'s path: the redirect URI is made from baseUrl, the scope\'s prefix and routes.callback.')
  }
  if (baseUrl === undefined ? isNeeded : typeof baseUrl === 'string' && !isBaseUrl(baseUrl)) problems.push(sentence('baseUrl', baseUrl))
  if (typeof appMarketUrl === 'string' && !isPublicUrl(appMarketUrl)) problems.push(sentence('appMarketUrl', appMarketUrl))
  if (isPlainObject(keepAlive) && cannotList(storage)) {
    problems.push('keepAlive must be false or left out with this storage adapter: keep-alive needs its method list, which it does not have.')
  }
  const { status }: Record<string, unknown> = isPlainObject(given.routes) ? given.routes : {}
  if (status && cannotList(storage)) {
    problems.push('routes.status must be false or left out with this storage adapter: the route needs its method list, which it does not have.')
  }
  if (onEvent === undefined && awaitsEvents(given.routes)) problems.push('routes.webhook.awaitEvents must be false or left out without onEvent: there is nothing to wait for.')
  return problems
}

/** Whether a storage adapter is right but has no `list`. A wrong one has a sentence of its own already. */
function cannotList (storage: unknown): boolean {
  return wrongStorage(storage).length === 0 && typeof (storage as CloverOptions['storage']).list !== 'function'
}

function awaitsEvents (routes: unknown): boolean {
  const { webhook } = Object(routes) as Record<string, unknown>
  return (Object(webhook) as Record<string, unknown>).awaitEvents === true
}

function implicitProblems ({ flow, dangerouslyTrustMerchantId }: Record<string, unknown>, environment: Environment | undefined): string[] {
  return [
    ...(flow === 'v1' ? [] : ["dangerouslyUseImplicitFlow must be left out unless flow is 'v1': v2 has no implicit flow."]),
    ...(environment === undefined || isForTrials(environment) ? [] : ['dangerouslyUseImplicitFlow must be left out in production: it is for the sandbox, and for a simulator whose origins are all on localhost.']),
    // Together they would let anybody store any token for any merchant.
    ...(dangerouslyTrustMerchantId === true ? ['dangerouslyUseImplicitFlow must not be combined with dangerouslyTrustMerchantId: the owner of a token would never be checked.'] : [])
  ]
}

/** Whether `baseUrl` is the redirect URI, a likely mistake. */
function endsInCallback (baseUrl: string, routes: unknown): boolean {
  if (wrongRoutes(routes).length > 0) return false
  const { callback } = resolveRoutes(routes as CloverOptions['routes'])
  return callback !== false && new URL(baseUrl).pathname.replace(/\/$/, '').endsWith(callback.path)
}

function isBaseUrl (text: string): boolean {
  return !/[?#]/.test(text) && isPublicUrl(text) && !new URL(text).pathname.includes('//')
}

/** Whether a URL is safe to show to a browser: https or loopback, without credentials, whitespace and backslashes. */
function isPublicUrl (text: string): boolean {
  if (!URL.canParse(text) || /[\s\\]/.test(text)) return false
  const url = new URL(text)
  return isSecureUrl(url) && url.username === '' && url.password === ''
}
