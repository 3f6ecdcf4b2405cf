import Fastify from 'fastify'
import clover from 'fastify-clover'
import * as adapters from 'fastify-clover/storage'
import { report } from './report.mjs'

const [kind, address, table, merchantId, appId] = process.argv.slice(2)
const { open } = await import(`./${kind}.mjs`)
const { client } = open(address, table)

const app = Fastify()
await app.register(clover, {
  environment: 'sandbox',
  appId,
  appSecret: 'a secret',
  storage: adapters[`${kind}Storage`](client, { table }),
  cookieSecret: 'x'.repeat(32),
  baseUrl: 'https://shop.example',
  routes: { refresh: false }
})
app.get('/token', request => request.clover.accessToken(merchantId))
await app.ready()
report(await app.clover.accessToken(merchantId))
