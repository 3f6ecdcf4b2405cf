/*
 * A TypeScript host whose refreshes and webhook events are jobs of pg-boss, in the PostgreSQL database of the store. Start a web process and a
 * worker, or several of each, with:
 *
 *   ROLE=web npx tsx --tsconfig example/tsconfig.json example/hosts/pg-boss.ts
 *   ROLE=worker npx tsx --tsconfig example/tsconfig.json example/hosts/pg-boss.ts
 *
 * Without CLOVER_ENVIRONMENT it talks to the simulator that `node example/hosts/simulator.mjs` starts.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import postgres from '@fastify/postgres'
import secureSession from '@fastify/secure-session'
import Fastify from 'fastify'
import clover, { type CloverEvent, type EnvironmentName } from 'fastify-clover'
import { postgresStorage } from 'fastify-clover/storage'
import PgBoss from 'pg-boss'

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
  PG_URL = 'postgres://postgres@127.0.0.1:5432/test',
  DUE_CRON = '17 * * * *', // when all merchants are looked through: not on the hour, as everybody does
  RATE = '10', // merchants a second of this worker: divide by the workers. Clover allows an app 50 requests a second, and handlers need some of them
  RETRY_DELAY = '60', // seconds before the first retry: a refresh without an answer holds its merchant for up to a minute, and a retry in that time fails
  JOB_TIMEOUT = '120' // seconds after which a job that is not done goes to another worker, since its own may have died: longer than a refresh ever takes
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

const queues = { due: 'clover-due', refresh: 'clover-refresh', events: 'clover-events' }

const app = Fastify({ logger: { level: 'warn' } })
const warn = (error: unknown) => { console.error(error) } // without a listener for errors, a lost connection would end the process

// Before the plugin: Fastify closes in reverse order, and a refresh that is in progress then is still to be written.
await app.register(postgres, { connectionString: PG_URL })
app.pg.pool.on('error', warn)

const boss = new PgBoss({
  db: { executeSql: (text, values) => app.pg.query(text, values) }, // the pool of the app, which closes after both
  // What is for one process at a time, the workers do.
  supervise: ROLE === 'worker',
  schedule: ROLE === 'worker',
  maintenanceIntervalSeconds: Math.min(Number(JOB_TIMEOUT), 120),
  archiveCompletedAfterSeconds: 86_400 // for so long an event that comes again is recognized
})
boss.on('error', warn)

// One process after the other, since two that make the same queue at once would deadlock: pg-boss makes a table for each, and a schema at the first start.
await app.pg.transact(async client => {
  await client.query("select pg_advisory_xact_lock(hashtext('clover queues'))")
  await boss.start()
  // The web processes make the queues, too: what is sent to a queue that does not exist is dropped without an error.
  const retries = { retryBackoff: true, retryDelay: Number(RETRY_DELAY) }
  // 'short': of the jobs with one singletonKey at most one waits. Not 'stately' or 'singleton': with these a job that may not begin yet, since one with
  // its key is active, keeps all others from beginning, for as long as nobody knows that the active one's worker has died.
  await makeQueue({ name: queues.due, policy: 'short', ...retries, retryLimit: 2, expireInSeconds: 900 })
  await makeQueue({ name: queues.refresh, policy: 'short', ...retries, retryLimit: 4, expireInSeconds: Number(JOB_TIMEOUT) }) // then the next pass finds the merchant again
  await makeQueue({ name: queues.events, ...retries, retryLimit: 7, expireInSeconds: Number(JOB_TIMEOUT) })
})

if (ROLE === 'worker') await work()
else await serve()

async function makeQueue (queue: PgBoss.Queue): Promise<void> {
  await boss.createQueue(queue.name, queue)
  await boss.updateQueue(queue.name, queue) // one that exists takes on settings that have changed
}

/** Takes merchants' visits, and puts Clover's events into the queue. */
async function serve (): Promise<void> {
  await app.register(secureSession, { key: Buffer.from(SESSION_KEY, 'base64'), cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: BASE_URL.startsWith('https:') } })

  await app.register(clover, {
    ...settings,
    storage: postgresStorage(app.pg),
    keepAlive: false, // the workers do it
    cookieSecret: COOKIE_SECRET,
    baseUrl: BASE_URL,
    routes: {
      refresh: false,
      // Clover is answered once the queue has the events of a webhook, or with a 503.
      webhook: { auth: webhookAuth, awaitEvents: true, onVerificationCode: code => console.log(`Clover's verification code: ${code}`) }
    },
    // A job with the id of one that the queue still has is not added: an event that arrives twice is handled once.
    onEvent: event => boss.send(queues.events, event, { id: idOf(event) }),
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

/** The same for the same event. The id of a job is a UUID: a singletonKey would be compared with jobs of the same period only. */
function idOf ({ merchantId, objectId, type, ts }: CloverEvent): string {
  return createHash('sha256').update(JSON.stringify([merchantId, objectId, type, ts])).digest('hex').slice(0, 32)
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
  await app.register(clover, { ...settings, storage: postgresStorage(app.pg), keepAlive: false, routes: false })
  await app.ready()

  const stopping = new AbortController()
  /**
   * Takes jobs of a queue, `batchSize` a second at most, until the worker stops. Not `boss.work()`: in pg-boss 10 all jobs of a batch fail with one,
   * and nobody waits until the results are stored.
   */
  async function take<Data> (queue: string, batchSize: number, run: (data: Data) => Promise<unknown>): Promise<void> {
    const settle = async ({ id, data }: PgBoss.Job<Data>): Promise<void> => {
      try {
        await run(data)
        await boss.complete(queue, id)
      } catch (error) {
        warn(error)
        await boss.fail(queue, id, error as Error).catch(warn) // if not even that can be stored, the job goes to another worker later
      }
    }
    while (!stopping.signal.aborted) {
      const jobs = await boss.fetch<Data>(queue, { batchSize })
      await Promise.all(jobs.map(settle))
      await setTimeout(1000, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }

  const workers = [
    // One job for each merchant who is due, unless one waits already.
    take(queues.due, 1, async () => {
      let page: PgBoss.JobInsert[] = []
      for await (const merchantId of app.clover.due({ signal: stopping.signal })) {
        page.push({ name: queues.refresh, data: { merchantId }, singletonKey: merchantId })
        if (page.length < 100) continue
        await boss.insert(page)
        page = []
      }
      await boss.insert(page)
      stopping.signal.throwIfAborted() // the list was not read to its end: another worker begins again
    }),

    take<{ merchantId: string }>(queues.refresh, Number(RATE), async ({ merchantId }) => {
      const outcome = await app.clover.refreshIfDue(merchantId) // rejects if the server is closing: then the job is tried again, too
      if (outcome === 'failed') throw new Error('no usable answer of Clover or of the store')
    }),

    take(queues.events, 100, handleEvent)
  ]

  // However many workers do this, there is one schedule of this queue. A worker that starts does not wait for it.
  await boss.schedule(queues.due, DUE_CRON)
  await boss.send(queues.due, {})

  // First the workers, which finish their jobs. Then pg-boss, and the app: the plugin, and the pool at last.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      stopping.abort()
      await Promise.all(workers)
      await boss.stop()
      await app.close()
    })
  }
  console.log('Working')
}
