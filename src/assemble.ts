import type { FastifyInstance } from 'fastify'
import { CloverApi } from './clover/api.js'
import { CloverClock } from './clover/clock.js'
import { createCloverClient } from './clover/client.js'
import { createCloverHttp } from './clover/http.js'
import { longestGrace } from './concurrency/deadline.js'
import type { Clover } from './decorator.js'
import { Jobs } from './jobs/jobs.js'
import { KeepAlive } from './jobs/keep-alive.js'
import { MigrateLegacy } from './jobs/migrate-legacy.js'
import { Migration } from './jobs/migration.js'
import { unfailing } from './logging.js'
import { notifier, teller } from './notices.js'
import type { ResolvedOptions } from './resolve-options.js'
import type { RouteContext } from './routes/context.js'
import { States } from './routes/state.js'
import { Shutdown } from './shutdown.js'
import { RecordCache } from './tokens/cache.js'
import { Connections } from './tokens/connections.js'
import { Disconnects } from './tokens/disconnects.js'
import { EcommerceKeys } from './tokens/ecommerce-keys.js'
import { Flights } from './tokens/flights.js'
import { TokenKeeper } from './tokens/keeper.js'
import { Lanes } from './tokens/lanes.js'
import { MerchantApi } from './tokens/merchant-api.js'
import { unreadableNotice } from './tokens/unreadable.js'
import { paginate } from './tokens/pages.js'
import { Placements } from './tokens/placements.js'
import { Reader } from './tokens/reader.js'
import { RecordMaker } from './tokens/record.js'
import { RefreshProtocol } from './tokens/refresh.js'
import type { Runtime } from './tokens/runtime.js'
import { Slots } from './tokens/slots.js'
import { Store } from './tokens/store.js'
import { VisitQueue } from './tokens/visit-queue.js'

/**
 * Clover's limits of calls at once, for one token and for an app. Refreshes are counted apart (`maxCalls`): they must not wait behind
 * a burst of calls, and what is too much together Clover answers with 429, after which both are tried again.
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
const callsAtOnce = { each: 5, total: 10 }

/** The most visits that wait for their turn: at ten a second the last waits ten seconds, after which few people still look at the page. */
const mostVisitsWaiting = 100

/** @internal Puts the parts together; each gets what it needs and no more. */
export function assemble (fastify: FastifyInstance, options: ResolvedOptions, runtime: Runtime) {
  const { environment, appId, appSecret, flow, implicit, storage, userAgent, callTimeout, minValidity, refreshAhead, maxWait, hooks } = options
  const { now, elapsed, storageTimeout } = runtime
  /** The most milliseconds that a call to Clover takes. */
  const longestCall = callTimeout + longestGrace
  /** For what asks for durations alone: no setting of the machine's clock disturbs it. */
  const timing = { ...runtime, now: elapsed }
  // A refresh that is in progress when the server begins to close: it writes its lease, calls Clover, and writes the new pair.
  const shutdown = new Shutdown(runtime, longestCall + 2 * storageTimeout)
  const notify = notifier(fastify, options)
  const clock = new CloverClock(now, elapsed)
  const app = { environment, appId, appSecret, flow, implicit }
  const client = createCloverClient(app, createCloverHttp({ fetch: runtime.fetch, clock, callTimeout, userAgent }))
  const store = new Store({ storage, appId, environment: environment.name, timeout: storageTimeout, onUnreadable: unreadableNotice(notify, elapsed) })
  const make = new RecordMaker(runtime.random)
  const slots = new Slots(options.maxCalls)
  const visits = new VisitQueue({
    atOnce: Math.max(1, Math.floor(options.maxCalls / 4)), rate: runtime.visitRate, mostWaiting: mostVisitsWaiting, maxWait, runtime: timing, closing: shutdown.signal
  })
  const cache = options.cache ? new RecordCache({ ...options.cache, minValidity, refreshAhead, now: elapsed, clock }) : undefined
  const reader = new Reader(store, cache)
  const trust = appSecret === false ? 'low' : 'high'
  const protocol = new RefreshProtocol({
    store,
    clover: client,
    clock,
    runtime: timing,
    make,
    slots,
    notify,
    trust,
    callTimeout,
    storageTimeout,
    isClosing: () => shutdown.timeLeft() < longestCall + storageTimeout
  })
  const flights = new Flights({ protocol, runtime: timing, notify, onRecord: record => reader.keep(record) })
  const identity = { appId, environment: environment.name, flow }
  const placements = new Placements({ store, reader, flights, clock, make, notify, identity })
  const connections = new Connections({
    store, placements, flights, clover: client, clock, runtime: timing, make, visits, slots, notify, trustMerchantId: options.trustMerchantId, trust, maxWait
  })
  const disconnects = new Disconnects({ store, reader, flights, notify })
  const { basePath, redirectUri, launchPath, launchUrl } = addresses(fastify.prefix.replace(/\/$/, ''), options)
  const keeper = new TokenKeeper({ store, reader, cache, flights, clover: client, clock, make, slots, notify, minValidity, refreshAhead, maxWait, launchUrl, trustMerchantId: options.trustMerchantId })
  const restApi = new CloverApi({ ...timing, clock, lanes: new Lanes(callsAtOnce), callTimeout, userAgent })
  const api = new MerchantApi({ environment, api: restApi, keeper, now: elapsed, maxWait })
  const ecommerceKeys = new EcommerceKeys({ api, environment, appId, keeper, flights, store, reader, make, clock, runtime })
  const jobs = new Jobs(options.maxCalls, timing, shutdown.signal)
  const log = unfailing(fastify.log)
  const keepAlive = new KeepAlive({ store, flights, clock, runtime: timing, jobs, log })
  const migration = new Migration({ store, connections, placements, flights, clover: client, slots, jobs, notify, runtime: timing, shutdown })
  const migrateLegacy = new MigrateLegacy({ migration, flow, runtime: timing, jobs, log })
  const states = new States({
    secrets: options.cookieSecrets, appId, environment: environment.name, secure: options.baseUrl.startsWith('https:'), now, random: runtime.random
  })
  const routeContext: RouteContext = {
    app,
    states,
    connections,
    disconnects,
    keeper,
    hooks,
    redirectUri,
    basePath,
    launchPath,
    appMarketUrl: options.appMarketUrl,
    onStateRefused: (reason, merchantId) => notify({ type: 'state-refused', reason, ...(merchantId !== undefined && { merchantId }) }),
    onWebhookRefused: reason => notify({ type: 'webhook-refused', reason }),
    onVerification: isTold => notify({ type: 'webhook-verification', isTold }),
    tell: teller(fastify)
  }
  const clover: Clover = Object.freeze({
    accessToken: (merchantId, options) => keeper.accessToken(merchantId, options),
    refresh: merchantId => keeper.refresh(merchantId),
    fetch: (merchantId, path, init) => api.fetch(merchantId, path, init),
    paginate: (merchantId, path, options) => paginate({ api, environment, clock }, merchantId, path, options),
    ecommercePublicKey: (merchantId, options) => ecommerceKeys.key(merchantId, options),
    installation: merchantId => keeper.installation(merchantId),
    installations: (options => keeper.installations(options?.unusable)) as Clover['installations'],
    adopt: tokens => connections.adopt(tokens),
    disconnect: merchantId => disconnects.disconnect(merchantId),
    migrateLegacy: (legacy, options) => migrateLegacy.run(legacy, options),
    keepAlive: options => keepAlive.run(options)
  } satisfies Clover)
  return { clover, parts: { flights, jobs, keepAlive, keeper, restApi, routeContext, shutdown } }
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
