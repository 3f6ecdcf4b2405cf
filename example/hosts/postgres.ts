/*
 * A TypeScript host with @fastify/postgres. Start it with: npx tsx --tsconfig example/tsconfig.json example/hosts/postgres.ts
 *
 * Without CLOVER_ENVIRONMENT it talks to the simulator that `node example/hosts/simulator.mjs` starts.
 */
import { randomBytes } from 'node:crypto'
import postgres from '@fastify/postgres'
import secureSession from '@fastify/secure-session'
import Fastify from 'fastify'
import clover, { type EnvironmentName } from 'fastify-clover'
import { postgresStorage } from 'fastify-clover/storage'

const {
  PORT = '3000',
  BASE_URL = `http://localhost:${PORT}`,
  CLOVER_ENVIRONMENT,
  CLOVER_APP_ID,
  CLOVER_APP_SECRET,
  CLOVER_SIMULATOR = 'http://localhost:3001',
  COOKIE_SECRET = randomBytes(32).toString('hex'), // set these two, or every start ends the visits in progress: openssl rand -base64 32
  SESSION_KEY = randomBytes(32).toString('base64'),
  PG_URL = 'postgres://postgres@127.0.0.1:5432/test'
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

const app = Fastify({ logger: { level: 'warn' } })
await app.register(secureSession, { key: Buffer.from(SESSION_KEY, 'base64'), cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: BASE_URL.startsWith('https:') } })

// Before the plugin: Fastify closes in reverse order, and a refresh that is in progress then is still to be written.
await app.register(postgres, { connectionString: PG_URL })
app.pg.pool.on('error', error => { console.error(error) }) // without a listener, an idle connection that breaks would end the process

await app.register(clover, {
  ...settings,
  storage: postgresStorage(app.pg),
  cookieSecret: COOKIE_SECRET,
  baseUrl: BASE_URL,
  routes: { refresh: false },
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
