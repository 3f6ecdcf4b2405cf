import Fastify from 'fastify'
import clover from 'fastify-clover'
import { memoryStorage } from 'fastify-clover/storage'
import { cloverSimulator } from 'fastify-clover/testing'

const simulator = await cloverSimulator()
const [{ id: appId, secret: appSecret }] = simulator.apps

const app = Fastify({ logger: { level: 'warn' } })
let merchantId // a real app keeps this in the visitor's session

await app.register(clover, {
  environment: simulator.environment, // 'sandbox', 'north-america', 'europe' or 'latin-america'
  appId,
  appSecret,
  storage: memoryStorage(),
  cookieSecret: 'at least thirty-two characters of secret',
  baseUrl: 'http://localhost:3000',
  routes: { refresh: false },
  onConnect: (request, reply, connection) => {
    merchantId = connection.merchantId
  }
})

app.get('/orders', { preHandler: app.clover.requireMerchant(() => merchantId) }, async request => {
  const response = await request.clover.fetch(request.cloverMerchantId, '/v3/merchants/{mId}/orders') // {mId}: the merchant
  return response.json()
})

await app.listen({ port: 3000 })
console.log('Open http://localhost:3000/orders')
