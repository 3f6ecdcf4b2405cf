/*
 * A TypeScript host whose refreshes and webhook events are jobs of BullMQ, on Redis. Start a web process and a worker, or several of each, with:
 *
 *   ROLE=web npx tsx --tsconfig example/tsconfig.json example/hosts/bullmq.ts
 *   ROLE=worker npx tsx --tsconfig example/tsconfig.json example/hosts/bullmq.ts
 *
 * Redis needs `maxmemory-policy noeviction`: with another policy it may delete jobs, and merchants' records, when its memory is full. With
 * `appendfsync everysec` a crash of Redis loses the last second, of which Clover may have been answered already; `always` loses nothing.
 *
 * Without CLOVER_ENVIRONMENT it talks to the simulator that `node example/hosts/simulator.mjs` starts.
 */
import { randomBytes } from 'node:crypto'
import redis from '@fastify/redis'
import secureSession from '@fastify/secure-session'
import { Queue, Worker } from 'bullmq'
import Fastify from 'fastify'
import clover, { type CloverEvent, type EnvironmentName } from 'fastify-clover'
import { redisStorage } from 'fastify-clover/storage'

const {
  ROLE = 'web', // or worker
  PORT = '3000',
  BASE_URL = `http://localhost:${PORT}`,
  CLOVER_ENVIRONMENT,
  CLOVER_APP_ID,
  CLOVER_APP_SECRET,
  CLOVER_WEBHOOK_AUTH, // the Clover Auth Code; not set: only the verification of the webhook works
  CLOVER_SIMULATOR = 'http://localhost:3001',
  COOKIE_SECRET = randomBytes(32).toString('hex'), // set these two, or every start ends the visits in progress: openssl rand -base64 32
  SESSION_KEY = randomBytes(32).toString('base64'),
  REDIS_URL = 'redis://127.0.0.1:6379',
  DUE_EVERY = '3600', // seconds between two passes over all merchants
  RATE = '10', // merchants a second, of all workers together. Clover allows an app 50 requests a second, and handlers need some of them
  RETRY_DELAY = '60', // seconds before the first retry: a refresh without an answer holds its merchant for up to a minute, and a retry in that time fails
  JOB_TIMEOUT = '30' // seconds after which a job whose worker has died goes to another
} = process.env

declare module '@fastify/secure-session' {
  interface SessionData { merchantId: string }
}

const settings = CLOVER_ENVIRONMENT
  ? { environment: CLOVER_ENVIRONMENT as EnvironmentName, appId: CLOVER_APP_ID, appSecret: CLOVER_APP_SECRET }
  : {
      environment: { name: 'simulator', authorize: CLOVER_SIMULATOR, api: CLOVER_SIMULATOR, legacy: CLOVER_SIMULATOR },
      appId: 'SIMULATORAPP1',
      appSecret: 'simulator-secret'
    }
const webhookAuth = CLOVER_ENVIRONMENT ? CLOVER_WEBHOOK_AUTH : CLOVER_WEBHOOK_AUTH ?? 'simulator-webhook-auth'

const day = 86_400
const seconds = (text: string) => Number(text) * 1000

const app = Fastify({ logger: { level: 'warn' } })
const warn = (error: unknown) => { console.error(error) } // without a listener for errors, a lost connection would end the process

// Before the plugin: Fastify closes in reverse order, and a refresh that is in progress then is still to be written.
await app.register(redis, { url: REDIS_URL })
app.redis.on('error', warn)

/** A queue to add jobs to. */
function openQueue<Data> (name: string): Queue<Data, unknown, string> {
  // Without an offline queue, add() rejects while Redis is down, instead of waiting in memory: Clover gets a 503 at once.
  const queue = new Queue<Data, unknown, string>(name, { connection: { url: REDIS_URL, enableOfflineQueue: false } })
  queue.on('error', warn)
  app.addHook('onClose', () => queue.close())
  return queue
}

if (ROLE === 'worker') await work()
else await serve()

/** Takes merchants' visits, and puts Clover's events into the queue. */
async function serve (): Promise<void> {
  const events = openQueue<CloverEvent>('clover-events')
  await events.waitUntilReady()

  await app.register(secureSession, { key: Buffer.from(SESSION_KEY, 'base64'), cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: BASE_URL.startsWith('https:') } })

  await app.register(clover, {
    ...settings,
    storage: redisStorage(app.redis),
    keepAlive: false, // the workers do it
    cookieSecret: COOKIE_SECRET,
    baseUrl: BASE_URL,
    routes: {
      refresh: false,
      // Clover is answered once the queue has the events of a webhook, or with a 503.
      webhook: { auth: webhookAuth, awaitEvents: true, onVerificationCode: code => console.log(`Clover's verification code: ${code}`) }
    },
    onEvent: event => events.add('event', event, {
      jobId: idOf(event), // a job with the id of one that the queue still has is not added: an event that arrives twice is handled once
      removeOnComplete: { age: day }, // so the queue keeps what is done for as long as an event may come again
      removeOnFail: { age: 7 * day },
      attempts: 8,
      backoff: { type: 'exponential', delay: seconds(RETRY_DELAY), jitter: 0.5 }
    }),
    onConnect: (request, _reply, { merchantId }) => {
      request.session.regenerate() // against session fixation
      request.session.set('merchantId', merchantId)
    }
  })

  app.get('/', (_request, reply) => reply.redirect('/orders')) // where a merchant arrives from Clover's dashboard

  app.get('/orders', { preHandler: app.clover.requireMerchant(request => request.session.get('merchantId')) }, async request => {
    const response = await request.clover.fetch(request.cloverMerchantId, '/v3/merchants/{mId}/orders') // {mId}: the merchant
    return response.json()
  })

  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => app.close())
  await app.listen({ port: Number(PORT) })
  console.log(`Open ${BASE_URL}/orders`)
}

/** The same for the same event. BullMQ allows no colon in a job's id. */
function idOf ({ merchantId, objectId, type, ts }: CloverEvent): string {
  return [merchantId, encodeURIComponent(objectId), type, ts].join('-')
}

/**
 * Yours: does what an event calls for. A worker may die after this and before the queue knows, so it must do no harm a second time. Several run at
 * once: of two events of an object the later one, by `ts`, may come first.
 */
async function handleEvent ({ merchantId, objectId, type }: CloverEvent): Promise<void> {
  console.log(`Event: ${merchantId} ${objectId} ${type}`)
}

/** Keeps idle merchants connected, and handles Clover's events. */
async function work (): Promise<void> {
  const due = openQueue<object>('clover-due')
  const refreshes = openQueue<{ merchantId: string }>('clover-refresh')
  await Promise.all([due.waitUntilReady(), refreshes.waitUntilReady()])

  await app.register(clover, { ...settings, storage: redisStorage(app.redis), keepAlive: false, routes: false })
  await app.ready()

  const stopping = new AbortController()
  // A worker renews the lock of each job that it has in progress. Jobs without a lock are looked for as often.
  const connected = { connection: { url: REDIS_URL }, lockDuration: seconds(JOB_TIMEOUT), stalledInterval: seconds(JOB_TIMEOUT), maxStalledCount: 3 }

  const workers = [
    // One job for each merchant who is due.
    new Worker(due.name, async () => {
      for await (const merchantId of app.clover.due({ signal: stopping.signal })) {
        await refreshes.add('refresh', { merchantId }, {
          // While a merchant's job waits, runs or is to be tried again, no other is added. A `jobId` in its place would also match jobs that are
          // done or have failed, for as long as the queue keeps them: the merchant would not be refreshed again.
          deduplication: { id: merchantId },
          removeOnComplete: { age: day, count: 1000 },
          removeOnFail: { age: 7 * day },
          attempts: 5, // then the next pass finds the merchant again
          backoff: { type: 'exponential', delay: seconds(RETRY_DELAY), jitter: 0.5 }
        })
      }
      stopping.signal.throwIfAborted() // the list was not read to its end: another worker begins again
    }, connected),

    // A queue of its own, since the limit is one of a queue: events and passes do not wait for it.
    new Worker<{ merchantId: string }>(refreshes.name, async ({ data }) => {
      const outcome = await app.clover.refreshIfDue(data.merchantId) // rejects if the server is closing: then the job is tried again, too
      if (outcome === 'failed') throw new Error('no usable answer of Clover or of the store')
      return outcome
    }, { ...connected, concurrency: 10, limiter: { max: Number(RATE), duration: 1000 } }),

    new Worker<CloverEvent>('clover-events', ({ data }) => handleEvent(data), { ...connected, concurrency: 10 })
  ]
  for (const worker of workers) worker.on('error', warn).on('failed', (_job, error) => warn(error))

  // However many workers do this, there is one scheduler with this id. Its first job comes at once.
  await due.upsertJobScheduler('clover-due', { every: seconds(DUE_EVERY) }, {
    opts: { attempts: 3, backoff: { type: 'exponential', delay: 5_000 }, removeOnComplete: { count: 10 }, removeOnFail: { count: 10 } }
  })

  // First the workers, which finish their jobs. Then the app: the plugin, the queues, and the connection of the store at last.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      stopping.abort()
      await Promise.all(workers.map(worker => worker.close()))
      await app.close()
    })
  }
  console.log('Working')
}
