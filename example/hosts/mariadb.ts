/*
 * A TypeScript host on MariaDB or MySQL, through @fastify/mysql.
 * Start it with: npx tsx --tsconfig example/tsconfig.json example/hosts/mariadb.ts
 *
 * Without CLOVER_ENVIRONMENT it talks to the simulator that `node example/hosts/simulator.mjs` starts.
 */
import { randomBytes } from 'node:crypto'
import mysql, { type MySQLPromisePool } from '@fastify/mysql'
import secureSession from '@fastify/secure-session'
import Fastify from 'fastify'
import clover, { type EnvironmentName } from 'fastify-clover'
import { mysqlStorage } from 'fastify-clover/storage'

const {
  PORT = '3000',
  BASE_URL = `http://localhost:${PORT}`,
  CLOVER_ENVIRONMENT,
  CLOVER_APP_ID,
  CLOVER_APP_SECRET,
  CLOVER_SIMULATOR = 'http://localhost:3001',
  COOKIE_SECRET = randomBytes(32).toString('hex'), // set these two, or every start ends the visits in progress: openssl rand -base64 32
  SESSION_KEY = randomBytes(32).toString('base64'),
  MARIADB_URL = 'mysql://root@127.0.0.1:3306/test'
} = process.env

declare module 'fastify' {
  interface FastifyInstance { mysql: MySQLPromisePool }
}
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
await app.register(mysql, { promise: true, connectionString: MARIADB_URL })

await app.register(clover, {
  ...settings,
  storage: mysqlStorage(app.mysql), // makes its table at the first use
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
