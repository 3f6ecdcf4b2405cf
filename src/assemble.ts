import type { FastifyInstance } from 'fastify'
import { CloverApi } from './api/clover-api.js'
import { CloverClock } from './clover/clock.js'
import { createCloverClient } from './clover/client.js'
import { createCloverHttp } from './clover/http.js'
import { longestGrace } from './concurrency/deadline.js'
import type { Clover } from './decorator.js'
import { DueMerchants } from './jobs/due-merchants.js'
import { Jobs } from './jobs/jobs.js'
import { KeepAlive } from './jobs/keep-alive.js'
import { MigrateLegacy } from './jobs/migrate-legacy.js'
import { Migration } from './jobs/merchant-migration.js'
import { safeLogger } from './events/log.js'
import { createNotify, hostNotifier } from './events/notify.js'
import type { PublicUrls } from './operations/context.js'
import { diagnose } from './operations/diagnose.js'
import type { ResolvedOptions } from './options/resolve-options.js'
import type { RouteContext } from './routes/context.js'
import { merchantHook } from './routes/require-merchant.js'
import { listed, Summaries } from './operations/summary.js'
import { States } from './routes/state.js'
import { Shutdown } from './shutdown.js'
import { RecordCache } from './tokens/cache.js'
import { EcommerceKeys } from './api/ecommerce-keys.js'
import { FairQueue } from './concurrency/fair-queue.js'
import { MerchantApi } from './api/merchant-api.js'
import { unreadableNotice } from './tokens/unreadable.js'
import { paginate } from './api/paginate.js'
import { createTokens } from './tokens/create-tokens.js'
import { Deployment } from './tokens/deployment.js'
import { installations } from './tokens/installations.js'
import { RecordMaker } from './tokens/record.js'
import type { Runtime } from './runtime.js'
import { CallSlots } from './concurrency/call-slots.js'
import { Store } from './tokens/store.js'
import { VisitQueue } from './concurrency/visit-queue.js'

/**
 * Clover's limits of calls at once, for one token and for an app. Refreshes have a limit of their own (`maxCalls`), so that they do not wait
 * behind a burst of calls. If both together exceed Clover's limit, Clover answers 429, and the refused ones are retried.
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
const callsAtOnce = { each: 5, total: 10 }

/** The most visits that wait for their turn: at ten a second the last one waits ten seconds, and few people wait longer for a page. */
const mostVisitsWaiting = 100

/** @internal Makes the parts of a registration and connects them. */
export function assemble (fastify: FastifyInstance, options: ResolvedOptions, runtime: Runtime) {
  const { environment, appId, appSecret, flow, implicit, storage, userAgent, callTimeout, minValidity, refreshAhead, maxWait, hooks } = options
  const { wallClock, monotonic, storageTimeout } = runtime
  /** The most milliseconds that a call to Clover takes. */
  const longestCall = callTimeout + longestGrace
  // A refresh that is in progress when the server begins to close: it writes its lease, calls Clover, and writes the new pair.
  const shutdown = new Shutdown(runtime, longestCall + 2 * storageTimeout)
  const notify = createNotify(fastify, options)
  const clock = new CloverClock(wallClock, monotonic)
  const app = { environment, appId, appSecret, flow, implicit }
  const http = createCloverHttp({ fetch: runtime.fetch, clock, callTimeout, userAgent })
  const client = createCloverClient(app, http)
  const deployment = options.deployment && new Deployment(options.deployment, clock)
  const onUnreadable = unreadableNotice(notify, monotonic)
  const store = new Store({ storage, appId, environment: environment.name, deployment, timeout: storageTimeout, onUnreadable })
  const make = new RecordMaker(runtime.random, deployment?.name)
  const slots = new CallSlots(options.maxCalls)
  const visits = new VisitQueue({
    atOnce: Math.max(1, Math.floor(options.maxCalls / 4)), rate: runtime.visitRate, mostWaiting: mostVisitsWaiting, maxWait, runtime, closing: shutdown.signal
  })
  const cache = options.cache ? new RecordCache({ ...options.cache, minValidity, refreshAhead, monotonic, clock }) : undefined
  const { basePath, redirectUri, launchPath, launchUrl, launchUrlOf, urls } = addresses(fastify.prefix.replace(/\/$/, ''), options)
  const { reader, refreshes, binding, placements, connections, disconnects, adopt, accessTokens } = createTokens({
    store,
    cache,
    clover: client,
    clock,
    runtime,
    make,
    slots,
    visits,
    notify,
    identity: { appId, environment: environment.name, flow },
    trust: appSecret === false ? 'low' : 'high',
    trustMerchantId: options.trustMerchantId,
    minValidity,
    refreshAhead,
    callTimeout,
    storageTimeout,
    maxWait,
    launchUrl: launchUrlOf,
    isClosing: () => shutdown.timeLeft() < longestCall + storageTimeout
  })
  const restApi = new CloverApi({ ...runtime, clock, fairQueue: new FairQueue(callsAtOnce), callTimeout, userAgent })
  const api = new MerchantApi({ environment, api: restApi, accessTokens, monotonic, maxWait })
  const ecommerceKeys = new EcommerceKeys({ api, environment, appId, accessTokens, refreshes, store, reader, make, clock, runtime })
  const jobs = new Jobs(options.maxCalls, runtime, shutdown.signal)
  const log = safeLogger(fastify.log)
  const due = new DueMerchants({ store, refreshes, clock, runtime, jobs })
  const keepAlive = new KeepAlive({ store, due, runtime, jobs, log })
  const migration = new Migration({ store, binding, placements, refreshes, clover: client, slots, jobs, notify, runtime, shutdown })
  const migrateLegacy = new MigrateLegacy({ migration, flow, runtime, jobs, log })
  const summaries = new Summaries({ store, clock, jobs })
  const states = new States({
    secrets: options.cookieSecrets, appId, environment: environment.name, secure: options.baseUrl.startsWith('https:'), wallClock, random: runtime.random
  })
  const routeContext: RouteContext = {
    app,
    states,
    connections,
    disconnects,
    accessTokens,
    hooks,
    redirectUri,
    basePath,
    launchPath,
    appMarketUrl: options.appMarketUrl,
    onStateRefused: (reason, merchantId) => notify({ type: 'state-refused', reason, ...(merchantId !== undefined && { merchantId }) }),
    onWebhookRefused: reason => notify({ type: 'webhook-refused', reason }),
    onVerification: isTold => notify({ type: 'webhook-verification', isTold }),
    notifyHost: hostNotifier(fastify),
    summary: () => summaries.run(),
    sleep: runtime.sleep
  }
  const clover: Clover = Object.freeze({
    requireMerchant: merchantOf => merchantHook(launchUrl, merchantOf),
    accessToken: (merchantId, options) => accessTokens.accessToken(merchantId, options),
    refresh: merchantId => accessTokens.refresh(merchantId),
    fetch: (merchantId, path, init) => api.fetch(merchantId, path, init),
    paginate: (merchantId, path, options) => paginate({ api, environment, clock }, merchantId, path, options),
    ecommercePublicKey: (merchantId, options) => ecommerceKeys.key(merchantId, options),
    installation: merchantId => accessTokens.installation(merchantId),
    installations: (options => installations(store, options, record => listed(record, clock.now()))) as Clover['installations'],
    adopt: tokens => adopt(tokens),
    disconnect: merchantId => disconnects.disconnect(merchantId),
    migrateLegacy: (legacy, options) => migrateLegacy.run(legacy, options),
    keepAlive: options => keepAlive.run(options),
    due: options => due.list(options),
    refreshIfDue: (merchantId, options) => due.refreshIfDue(merchantId, options),
    summary: options => summaries.run(options),
    diagnose: given => diagnose({ app, options, urls, store, http, clover: client, accessTokens, make, clock, runtime, closing: shutdown.signal }, given)
  } satisfies Clover)
  return { clover, parts: { refreshes, jobs, keepAlive, accessTokens, restApi, routeContext, shutdown } }
}

/** The public addresses of the routes: made only from `baseUrl` and the scope's prefix, never from a request. */
function addresses (prefix: string, { baseUrl, routes }: ResolvedOptions) {
  const basePath = baseUrl === '' ? '' : new URL(baseUrl).pathname.replace(/\/$/, '')
  const redirectUri = routes.callback ? `${baseUrl}${prefix}${routes.callback.path}` : ''
  const { launch } = routes
  const urlOf = (route: { path: string } | false) => route && baseUrl !== '' ? `${baseUrl}${prefix}${route.path}` : undefined
  const urls: PublicUrls = { launch: urlOf(launch), callback: urlOf(routes.callback), refresh: urlOf(routes.refresh), webhook: urlOf(routes.webhook) }
  return {
    urls,
    basePath,
    redirectUri,
    launchPath: launch ? `${basePath}${prefix}${launch.path}` : undefined,
    launchUrl: launch ? `${baseUrl}${prefix}${launch.path}` : undefined,
    launchUrlOf: launch ? (merchantId: string) => `${baseUrl}${prefix}${launch.path}?merchant_id=${merchantId}` : undefined
  }
}
