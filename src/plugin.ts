import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { CloverClock } from './clover/clock.js'
import { createCloverClient } from './clover/client.js'
import { createCloverHttp } from './clover/http.js'
import type { Clover } from './decorator.js'
import { invalidOptions } from './errors.js'
import { logEvents } from './logging.js'
import type { CloverOptions } from './options.js'
import { resolveOptions, type ResolvedOptions } from './resolve-options.js'
import type { RouteContext } from './routes/context.js'
import { addRoutes } from './routes/index.js'
import { States } from './routes/state.js'
import type { CloverStorage } from './storage/contract.js'
import { RecordCache } from './tokens/cache.js'
import { Connections } from './tokens/connections.js'
import type { Notify } from './tokens/events.js'
import { Flights } from './tokens/flights.js'
import { TokenKeeper } from './tokens/keeper.js'
import { Reader } from './tokens/reader.js'
import { RecordMaker } from './tokens/record.js'
import { RefreshProtocol } from './tokens/refresh.js'
import { realRuntime, type Runtime } from './tokens/runtime.js'
import { Slots } from './tokens/slots.js'
import { Store } from './tokens/store.js'

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
  const runtime = { ...realRuntime, ...given }
  const end = { by: Infinity }
  const { clover, parts } = assemble(fastify, resolved, runtime, end)

  fastify.decorate('clover', clover)
  fastify.decorateRequest('clover', { getter: () => clover })
  storagesInUse.add(resolved.storage)
  // Twice, since requests that are still answered may start refreshes after the first; within one deadline.
  const drain = async () => {
    end.by = Math.min(end.by, runtime.now() + parts.closeTimeout)
    await parts.flights.drain(Math.max(0, end.by - runtime.now()))
  }
  fastify.addHook('preClose', drain)
  fastify.addHook('onClose', async () => {
    await drain()
    parts.flights.close()
    parts.keeper.close()
    storagesInUse.delete(resolved.storage)
  })
  const { routes } = resolved
  if (routes.launch || routes.callback || routes.refresh) {
    fastify.register(async scope => { addRoutes(scope, routes, parts.routeContext) })
  }
}

/** Puts the parts together; each gets what it needs and no more. */
function assemble (fastify: FastifyInstance, options: ResolvedOptions, runtime: Runtime, end: { by: number }) {
  const { environment, appId, appSecret, flow, storage, callTimeout, minValidity, refreshAhead, maxWait, hooks } = options
  const { now } = runtime
  const notify = notifier(fastify, hooks)
  const clock = new CloverClock(now)
  const app = { environment, appId, appSecret, flow }
  const client = createCloverClient(app, createCloverHttp({ fetch: runtime.fetch, clock, callTimeout }))
  const store = new Store({ storage, appId, environment: environment.name, timeout: runtime.storageTimeout })
  const make = new RecordMaker(runtime.random)
  const slots = new Slots(options.maxCalls)
  const cache = options.cache ? new RecordCache({ ...options.cache, minValidity, refreshAhead, now, clock }) : undefined
  const reader = new Reader(store, cache)
  const trust = appSecret === false ? 'low' : 'high'
  const protocol = new RefreshProtocol({
    store,
    clover: client,
    clock,
    runtime,
    make,
    slots,
    notify,
    trust,
    callTimeout,
    storageTimeout: runtime.storageTimeout,
    isClosing: () => now() + callTimeout + runtime.storageTimeout > end.by
  })
  const flights = new Flights({ protocol, runtime, notify, onRecord: record => reader.keep(record) })
  const connections = new Connections({
    store, reader, flights, clover: client, clock, make, slots, notify, identity: { appId, environment: environment.name, flow }, trustMerchantId: options.trustMerchantId
  })
  const { basePath, redirectUri, launchPath, launchUrl } = addresses(fastify.prefix.replace(/\/$/, ''), options)
  const keeper = new TokenKeeper({ store, reader, cache, flights, clover: client, clock, make, slots, notify, minValidity, refreshAhead, maxWait, launchUrl, trustMerchantId: options.trustMerchantId })
  const states = new States({
    secrets: options.cookieSecrets, appId, environment: environment.name, secure: options.baseUrl.startsWith('https:'), now, random: runtime.random
  })
  const routeContext: RouteContext = {
    app,
    states,
    connections,
    keeper,
    hooks,
    redirectUri,
    basePath,
    launchPath,
    onStateRefused: (reason, merchantId) => fastify.log.info({ clover: { event: 'state-refused', reason, merchantId } }, 'fastify-clover: a callback was not exchanged')
  }
  const clover: Clover = Object.freeze({
    accessToken: (merchantId, options) => keeper.accessToken(merchantId, options),
    refresh: merchantId => keeper.refresh(merchantId),
    installation: merchantId => keeper.installation(merchantId),
    installations: () => keeper.installations(),
    adopt: tokens => connections.adopt(tokens),
    disconnect: merchantId => connections.disconnect(merchantId)
  } satisfies Clover)
  return { clover, parts: { flights, keeper, routeContext, closeTimeout: callTimeout + 2 * runtime.storageTimeout } }
}

/** The public addresses of the routes: made from `baseUrl` and the scope's prefix alone, never from a request. */
function addresses (prefix: string, { baseUrl, routes }: ResolvedOptions) {
  const basePath = baseUrl === '' ? '' : new URL(baseUrl).pathname.replace(/\/$/, '')
  const redirectUri = routes.callback ? `${baseUrl}${prefix}${routes.callback.path}` : ''
  const { launch } = routes
  return {
    basePath,
    redirectUri,
    launchPath: launch ? `${basePath}${prefix}${launch.path}` : undefined,
    launchUrl: launch ? (merchantId: string) => `${baseUrl}${prefix}${launch.path}?merchant_id=${merchantId}` : undefined
  }
}

/** Tells the log, and the host where it asked for it: a host's notice that throws must not stop a refresh. */
function notifier (fastify: FastifyInstance, { onReauthorizationRequired, onDisconnect }: ResolvedOptions['hooks']): Notify {
  const log = logEvents(fastify.log)
  const tell = (name: string, run: () => unknown) => {
    Promise.resolve().then(run).catch((err: unknown) => { fastify.log.error({ err }, `fastify-clover: ${name} threw`) })
  }
  return event => {
    log(event)
    const { merchantId } = event
    if (event.type === 'reauthorization-required' && event.first && onReauthorizationRequired) {
      tell('onReauthorizationRequired', () => onReauthorizationRequired({ merchantId, since: event.since }))
    }
    if (event.type === 'disconnected' && onDisconnect) tell('onDisconnect', () => onDisconnect({ merchantId }))
  }
}

/** The plugin: `await app.register(clover, options)`. */
export const plugin = fp<CloverOptions>(register, { name: 'fastify-clover', fastify: '5.x' })
