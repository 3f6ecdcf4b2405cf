/*
 * Workload 6: what a full cache takes, in a process of its own with --expose-gc. The store is made of texts, so that each reading makes a new record, as
 * that of a database does.
 */
import { longToken, merchantOf, recordOf, startHost } from './host.mjs'

const count = Number(process.argv[2])
const texts = Array.from({ length: count }, (_, n) => JSON.stringify(recordOf({
  merchantId: merchantOf(n), accessToken: longToken(n), refreshToken: longToken(n + count), left: 86_400
})))
const read = n => JSON.parse(texts[n])
const storage = {
  get: async merchantId => read(parseInt(merchantId.slice(1), 36)),
  put: async () => false,
  delete: async () => false
}
const environment = { name: 'provider', authorize: 'http://localhost:1', api: 'http://localhost:1', legacy: 'http://localhost:1' }
const app = await startHost({ environment, storage, cache: { max: count, ttl: 300_000 } })
await app.ready()

/** Bytes of the heap that something alive takes. */
async function bytesOf (make) {
  const before = heap()
  const kept = await make()
  const bytes = heap() - before
  if (kept === undefined) throw new Error('nothing was made')
  return bytes
}

function heap () {
  for (let i = 0; i < 3; i++) global.gc()
  return process.memoryUsage().heapUsed
}

process.send({ ready: {} })
process.on('message', async ({ id }) => {
  // What is compiled and made once counts for neither: nor how V8 keeps a text after it was parsed for the first time.
  await app.clover.accessToken(merchantOf(0))
  const all = () => Array.from({ length: count }, (_, n) => read(n))
  await bytesOf(all)
  const records = await bytesOf(all)
  const cache = await bytesOf(async () => {
    for (let n = 0; n < count; n++) await app.clover.accessToken(merchantOf(n))
    return app
  })
  process.send({ id, value: { records: records / count, cache: cache / count } })
})
process.once('disconnect', () => process.exit(0))
