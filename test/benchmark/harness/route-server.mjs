/* The server of workload 1, in a process of its own. */
import { memoryStorage } from '../../../dist/storage/index.js'
import { longToken, merchantOf, recordOf, startHost } from './host.mjs'

const merchants = Array.from({ length: 100 }, (_, n) => merchantOf(n))
const storage = memoryStorage()
for (const [n, merchantId] of merchants.entries()) {
  await storage.put(recordOf({ merchantId, accessToken: longToken(n), refreshToken: `refresh-${n}`, left: 86_400 }), undefined)
}
const environment = { name: 'provider', authorize: 'http://localhost:1', api: 'http://localhost:1', legacy: 'http://localhost:1' }
const app = await startHost({ environment, storage })
const constant = longToken(0)
let turn = 0

app.get('/constant', async () => {
  const merchantId = merchants[turn++ % merchants.length]
  return { merchantId, token: constant }
})
app.get('/token', async request => {
  const merchantId = merchants[turn++ % merchants.length]
  return { merchantId, token: await request.clover.accessToken(merchantId) }
})
process.once('disconnect', () => process.exit(0))
process.send({ origin: await app.listen({ host: '127.0.0.1', port: 0 }) })
