/*
 * A CommonJS host, with SQLite. Start it with: node example/hosts/commonjs.cjs
 *
 * Without CLOVER_ENVIRONMENT it talks to the simulator that `node example/hosts/simulator.mjs` starts.
 */
const { randomBytes } = require('node:crypto')
const secureSession = require('@fastify/secure-session')
const Fastify = require('fastify')
const clover = require('fastify-clover')
const { sqliteStorage } = require('fastify-clover/storage')

// Node has SQLite from 22.13 on; @photostructure/sqlite is the same for Node 20.
const { DatabaseSync } = process.getBuiltinModule('node:sqlite') ?? require('@photostructure/sqlite')

const {
  PORT = '3000',
  BASE_URL = `http://localhost:${PORT}`,
  CLOVER_ENVIRONMENT,
  CLOVER_APP_ID,
  CLOVER_APP_SECRET,
  CLOVER_SIMULATOR = 'http://localhost:3001',
  COOKIE_SECRET = randomBytes(32).toString('hex'), // set these two, or every start ends the visits in progress: openssl rand -base64 32
  SESSION_KEY = randomBytes(32).toString('base64'),
  DATABASE = 'clover.sqlite'
} = process.env

const settings = CLOVER_ENVIRONMENT
  ? { environment: CLOVER_ENVIRONMENT, appId: CLOVER_APP_ID, appSecret: CLOVER_APP_SECRET }
  : {
      environment: { name: 'simulator', authorize: CLOVER_SIMULATOR, api: CLOVER_SIMULATOR, legacy: CLOVER_SIMULATOR },
      appId: 'SIMULATORAPP1',
      appSecret: 'simulator-secret'
    }

async function main () {
  const app = Fastify({ logger: { level: 'warn' } })
  app.register(secureSession, { key: Buffer.from(SESSION_KEY, 'base64'), cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: BASE_URL.startsWith('https:') } })

  // Before the plugin: Fastify closes in reverse order, and a refresh that is in progress then is still to be written.
  const database = new DatabaseSync(DATABASE)
  app.addHook('onClose', async () => { database.close() })

  await app.register(clover, {
    ...settings,
    storage: sqliteStorage(database),
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

  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => app.close())
  await app.listen({ port: Number(PORT) })
  console.log(`Open ${BASE_URL}/orders`)
}

main()
