import { Value } from '@sinclair/typebox/value'
import { resolveEnvironment, type Environment } from '../environments.js'
import { invalidOptions } from '../errors.js'
import { KeepAliveSchedule } from '../jobs/keep-alive-options.js'
import { realRuntime } from '../runtime.js'
import type { DeploymentSettings } from '../tokens/deployment.js'
import { resolveDeployment } from './deployment.js'
import { DefaultedOptions, type CloverDataOptions, type CloverOptions } from './options.js'
import { resolveRoutes, type ResolvedRoutes } from './resolve-routes.js'
import type { CloverStorage } from '../storage/contract.js'
import { version } from '../version.js'
import { hookNames, wrongOptions } from './wrong-options.js'

/** @internal The options with every default filled in. */
export interface ResolvedOptions extends Omit<DefaultedOptions, 'dangerouslyTrustMerchantId' | 'dangerouslyUseImplicitFlow'> {
  environment: Environment
  appId: string
  appSecret: string | false
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
  /** Undefined: records of every deployment are served. */
  deployment: DeploymentSettings | undefined
  keepAlive: KeepAliveSchedule | false
  /** Keep-alive is off because the storage adapter has no `list`, and not by the option. */
  lacksKeepAlive: boolean
  hooks: Pick<CloverOptions, 'onConnect' | 'onError' | 'onReauthorizationRequired' | 'onReconnected' | 'onDisconnect' | 'onEvent'>
}

/**
 * @internal Checks the options and fills in the defaults.
 *
 * @param now Unix milliseconds, for the end of a takeover
 * @throws FST_CLOVER_INVALID_OPTIONS with a sentence for each wrong option: its name and the rule, never its value
 */
export function resolveOptions (options: CloverOptions, now = realRuntime.wallClock()): ResolvedOptions {
  const problems = wrongOptions(options, now)
  if (problems.length > 0) throw invalidOptions(problems)

  const data = options as CloverDataOptions
  const given = Object.fromEntries(Object.keys(DefaultedOptions.properties).map(name => [name, data[name as keyof DefaultedOptions]]))
  const { dangerouslyTrustMerchantId, dangerouslyUseImplicitFlow, ...defaulted } = Value.Parse(DefaultedOptions, given)
  const canList = typeof options.storage.list === 'function'
  return {
    ...defaulted,
    environment: resolveEnvironment(data.environment),
    appId: data.appId,
    appSecret: data.appSecret,
    implicit: dangerouslyUseImplicitFlow,
    storage: options.storage,
    cookieSecrets: data.cookieSecret === undefined ? [] : [data.cookieSecret].flat(),
    baseUrl: data.baseUrl === undefined ? '' : new URL(data.baseUrl).href.replace(/\/$/, ''),
    appMarketUrl: data.appMarketUrl === undefined ? undefined : new URL(data.appMarketUrl).href,
    routes: resolveRoutes(options.routes),
    userAgent: [data.userAgent, `fastify-clover/${version}`].filter(Boolean).join(' '),
    trustMerchantId: dangerouslyTrustMerchantId,
    deployment: resolveDeployment(data.deployment),
    keepAlive: data.keepAlive !== false && canList && Value.Parse(KeepAliveSchedule, data.keepAlive ?? {}),
    // A v1 token cannot be refreshed, so keep-alive has nothing to do.
    lacksKeepAlive: data.keepAlive === undefined && !canList && defaulted.flow !== 'v1',
    hooks: Object.fromEntries(hookNames.flatMap(name => options[name] ? [[name, options[name]]] : []))
  }
}
