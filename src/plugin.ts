import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { assemble } from './assemble.js'
import type { Clover } from './decorator.js'
import { invalidOptions } from './errors.js'
import { takeoverNotice } from './options/deployment.js'
import type { CloverOptions } from './options/options.js'
import { resolveOptions } from './options/resolve-options.js'
import { addRoutes } from './routes/index.js'
import { merchantIdOf } from './routes/require-merchant.js'
import type { CloverStorage } from './storage/contract.js'
import { realRuntime, type Runtime } from './runtime.js'

/** @internal Time, randomness and network for tests, under a key that no host can set by accident. */
export const kRuntime = Symbol('fastify-clover.runtime')

/**
 * @internal The mark of an app that a command of the command line has loaded. The global registry has it, since the app may register another copy of
 * this package than the command's.
 */
export const kCommand = Symbol.for('fastify-clover.command')

/** @internal What such an app tells the command. */
export interface LoadedByCommand {
  /** Milliseconds that the shutdowns of all registrations take at most. */
  longestShutdown: number
}

/** The registration that uses each storage adapter: two on one store would serve each other's merchants. */
const users = new WeakMap<CloverStorage, Clover>()

async function register (fastify: FastifyInstance, { [kRuntime]: given, ...options }: CloverOptions & { [kRuntime]?: Partial<Runtime> }): Promise<void> {
  const runtime = { ...realRuntime, ...(given?.wallClock && { monotonic: given.wallClock }), ...given }
  const resolved = resolveOptions(options, runtime.wallClock())
  const { storage, routes, keepAlive } = resolved
  if (fastify.hasDecorator('clover')) {
    throw invalidOptions(['fastify-clover is registered in this scope already: register each app and environment in a scope of its own, side by side.'])
  }
  if (resolved.routes.callback && /[:*]/.test(fastify.prefix)) {
    throw invalidOptions(['the scope\'s prefix must have no parameters while routes.callback is on: the redirect URI is made from it.'])
  }
  if (resolved.implicit) {
    fastify.log.warn('fastify-clover: dangerouslyUseImplicitFlow is on, which is only for tests in the sandbox')
  }
  if (resolved.lacksKeepAlive) {
    fastify.log.warn('fastify-clover: the storage adapter has no method list, so keep-alive is off: a merchant whom nobody asks for in a year, or in the two weeks after a crash during a refresh, must authorize again. Add list to the adapter; or, if that is as intended, set the option keepAlive: false')
  }
  const takeover = takeoverNotice(resolved.deployment, runtime.wallClock())
  if (takeover !== undefined) fastify.log.warn(`fastify-clover: ${takeover}`)
  const { clover, parts } = assemble(fastify, resolved, runtime)
  const { [kCommand]: command } = fastify as { [kCommand]?: LoadedByCommand }
  if (command) command.longestShutdown += parts.shutdown.timeout

  fastify.decorate('clover', clover)
  fastify.decorateRequest('clover', { getter: () => clover })
  fastify.decorateRequest('cloverMerchantId', { getter () { return merchantIdOf(this) } })
  fastify.addHook('onReady', async () => {
    if (users.has(storage)) {
      throw invalidOptions(['storage must not be given to two registrations: make an adapter object for each, and for another app or environment with a table or key prefix of its own.'])
    }
    users.set(storage, clover)
    // A command does what it is asked to do, and nothing by a schedule.
    const schedule = command === undefined && keepAlive
    // Not awaited, since it waits for this hook too. Another hook may still fail, and a host whose boot failed need not call close().
    rootOf(fastify).ready().then(() => { if (schedule) parts.keepAlive.start(schedule, parts.shutdown.signal) }, () => { users.delete(storage) })
  })
  parts.shutdown.addHooks(fastify, [parts.jobs, parts.refreshes], () => {
    parts.refreshes.close()
    parts.accessTokens.close()
    parts.restApi.close()
    if (users.get(storage) === clover) users.delete(storage)
  })
  if (routes.launch || routes.callback || routes.refresh || routes.status || routes.webhook) {
    fastify.register(async scope => { addRoutes(scope, routes, parts.routeContext) })
  }
}

/**
 * The server that a scope is in. Each scope inherits from the one around it, but has a `ready()` of its own, which ends the process if it
 * is called while hooks run (Fastify 5.0 to 5.12).
 */
function rootOf (scope: FastifyInstance): FastifyInstance {
  const around = Object.getPrototypeOf(scope) as FastifyInstance
  return 'ready' in around ? rootOf(around) : scope
}

/** The plugin: `await app.register(clover, options)`. */
export const plugin = fp<CloverOptions>(register, { name: 'fastify-clover', fastify: '5.x' })
