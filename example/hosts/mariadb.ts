/*
 * A TypeScript host over a database without a ready adapter: MariaDB, with mysql2 and the adapter in ../adapters/mariadb.ts.
 * Start it with: npx tsx --tsconfig example/tsconfig.json example/hosts/mariadb.ts
 *
 * Without CLOVER_ENVIRONMENT it talks to the simulator that `node example/hosts/simulator.mjs` starts.
 */
import { randomBytes } from 'node:crypto'
import secureSession from '@fastify/secure-session'
import Fastify from 'fastify'
import clover, { environments, type EnvironmentName } from 'fastify-clover'
import mysql from 'mysql2/promise'
import { mariadbStorage } from '../adapters/mariadb.js'

const {
  PORT = '3000',
  BASE_URL = `http://localhost:${PORT}`,
  CLOVER_ENVIRONMENT,
  CLOVER_APP_ID,
  CLOVER_APP_SECRET,
  CLOVER_SIMULATOR = 'http://localhost:3001',
  COOKIE_SECRET = randomBytes(32).toString('hex'), // set these two, or every start ends the visits under way: openssl rand -base64 32
  SESSION_KEY = randomBytes(32).toString('base64'),
  MARIADB_URL = 'mysql://root@127.0.0.1:3306/test'
} = process.env

declare module '@fastify/secure-session' {
  interface SessionData { merchantId: string }
}

const settings = CLOVER_ENVIRONMENT
  ? { environment: environments[CLOVER_ENVIRONMENT as EnvironmentName], appId: CLOVER_APP_ID, appSecret: CLOVER_APP_SECRET }
  : {
      environment: { name: 'simulator', authorize: CLOVER_SIMULATOR, api: CLOVER_SIMULATOR, legacy: CLOVER_SIMULATOR },
      appId: 'SIMULATORAPP1',
      appSecret: 'simulator-secret'
    }

const app = Fastify()
await app.register(secureSession, { key: Buffer.from(SESSION_KEY, 'base64'), cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: BASE_URL.startsWith('https:') } })

// Before the plugin: Fastify closes in reverse order, and a refresh that is under way then is still to be written.
const pool = mysql.createPool(MARIADB_URL)
app.addHook('onClose', () => pool.end())
await pool.query(`create table if not exists clover_installations (
  merchant_id char(13) character set ascii collate ascii_bin primary key,
  revision char(32) character set ascii collate ascii_bin not null,
  due_at double, document longtext character set utf8mb4 not null, key (due_at)
)`)

await app.register(clover, {
  ...settings,
  storage: mariadbStorage(pool),
  cookieSecret: COOKIE_SECRET,
  baseUrl: BASE_URL,
  routes: { refresh: false },
  onConnect: (request, _reply, { merchantId }) => {
    request.session.set('merchantId', merchantId)
    return '/orders'
  }
})

app.get('/orders', async (request, reply) => {
  const merchantId = request.session.get('merchantId')
  if (merchantId === undefined) return reply.redirect('/clover/launch')
  const response = await request.clover.fetch(merchantId, '/v3/merchants/{mId}/orders') // {mId}: the merchant
  return response.json()
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => app.close())
await app.listen({ port: Number(PORT) })
console.log(`Open ${BASE_URL}/orders`)
