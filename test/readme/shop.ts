import { createHash, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import secureSession from '@fastify/secure-session'
import { DatabaseSync } from '@photostructure/sqlite' // Node 22.13 and later have the same in node:sqlite
import clover from 'fastify-clover'
import { sqliteStorage } from 'fastify-clover/storage'

declare module '@fastify/secure-session' {
  interface SessionData { merchantId: string }
}

const { OPERATOR_TOKEN, SESSION_KEY } = process.env // openssl rand -base64 32, for each
if (!OPERATOR_TOKEN || !SESSION_KEY) throw new Error('OPERATOR_TOKEN and SESSION_KEY must be set')

const digest = (text = '') => createHash('sha256').update(text).digest()

const app = Fastify({ logger: true })
await app.register(secureSession, { key: Buffer.from(SESSION_KEY, 'base64'), cookie: { path: '/', httpOnly: true, secure: true, sameSite: 'lax' } })

const database = new DatabaseSync('clover.sqlite')
app.addHook('onClose', () => { database.close() })

await app.register(clover, {
  environment: 'north-america',
  appId: process.env.CLOVER_APP_ID,
  appSecret: process.env.CLOVER_APP_SECRET,
  storage: sqliteStorage(database),
  cookieSecret: process.env.COOKIE_SECRET,
  baseUrl: 'https://shop.example',
  routes: {
    refresh: {
      onRequest: async (request, reply) => {
        const isOperator = timingSafeEqual(digest(request.headers.authorization), digest(`Bearer ${OPERATOR_TOKEN}`))
        if (!isOperator) return reply.code(401).send()
      }
    }
  },
  onConnect: (request, _reply, { merchantId }) => {
    request.session.regenerate() // against session fixation
    request.session.set('merchantId', merchantId)
  }
})

app.get('/', (_request, reply) => reply.redirect('/orders')) // where a merchant arrives from Clover's dashboard

app.get('/orders', { preHandler: app.clover.requireMerchant(request => request.session.get('merchantId')) }, async request => {
  const response = await request.clover.fetch(request.cloverMerchantId, '/v3/merchants/{mId}/orders')
  return response.json()
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => app.close())
await app.listen({ port: 3000 })
