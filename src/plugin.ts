import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { assemble } from './assemble.js'
import { invalidOptions } from './errors.js'
import type { CloverOptions } from './options.js'
import { resolveOptions } from './resolve-options.js'
import { addRoutes } from './routes/index.js'
import type { CloverStorage } from './storage/contract.js'
import { realRuntime, type Runtime } from './tokens/runtime.js'

/** @internal Time, randomness and network for tests, under a key that no host can set by accident. */
export const kRuntime = Symbol('fastify-clover.runtime')

/** Storage adapters in use: two registrations on one store would serve each other's merchants. */
const storagesInUse = new WeakSet<CloverStorage>()

async function register (fastify: FastifyInstance, { [kRuntime]: given, ...options }: CloverOptions & { [kRuntime]?: Partial<Runtime> }): Promise<void> {
  const resolved = resolveOptions(options)
  if (fastify.hasDecorator('clover')) {
    throw invalidOptions(['fastify-clover is registered in this scope already: register each app and environment in a scope of its own, side by side.'])
  }
  if (storagesInUse.has(resolved.storage)) {
    throw invalidOptions(['storage must not be given to two registrations: make an adapter object for each, and for another app or environment with a table or key prefix of its own.'])
  }
  if (resolved.routes.callback && /[:*]/.test(fastify.prefix)) {
    throw invalidOptions(['the scope\'s prefix must have no parameters while routes.callback is on: the redirect URI is made from it.'])
  }
  if (resolved.implicit) {
    fastify.log.warn('fastify-clover: dangerouslyUseImplicitFlow is on, which is for trying things in the sandbox alone')
  }
  const runtime = { ...realRuntime, ...(given?.now && { elapsed: given.now }), ...given }
  const end = { by: Infinity }
  const { clover, parts } = assemble(fastify, resolved, runtime, end)

  fastify.decorate('clover', clover)
  fastify.decorateRequest('clover', { getter: () => clover })
  storagesInUse.add(resolved.storage)
  // Twice, since requests that are still answered may start refreshes after the first; within one deadline.
  const drain = async () => {
    end.by = Math.min(end.by, runtime.elapsed() + parts.closeTimeout)
    const left = Math.max(0, end.by - runtime.elapsed())
    parts.jobs.stop()
    await Promise.all([parts.jobs.drain(left), parts.flights.drain(left)])
  }
  fastify.addHook('preClose', drain)
  fastify.addHook('onClose', async () => {
    await drain()
    parts.flights.close()
    parts.keeper.close()
    parts.restApi.close()
    storagesInUse.delete(resolved.storage)
  })
  const { routes } = resolved
  if (routes.launch || routes.callback || routes.refresh || routes.webhook) {
    fastify.register(async scope => { addRoutes(scope, routes, parts.routeContext) })
  }
}

/** The plugin: `await app.register(clover, options)`. */
export const plugin = fp<CloverOptions>(register, { name: 'fastify-clover', fastify: '5.x' })
