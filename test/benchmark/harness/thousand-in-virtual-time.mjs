/*
 * Workload 5 in a time of its own: four servers in one process, a Clover that takes 50 ms and a store that takes `storeLatency` of it. What
 * comes out is what the rules themselves cost, without the processors of a machine.
 */
import { merchantOf, recordOf, startHost } from './host.mjs'
import { VirtualTime } from './virtual-time.mjs'

const latency = 50

/** Resolves with the calls to Clover, those open at once, the calls to the store, and the time over the least that is possible. */
export async function thousandInVirtualTime ({ servers, maxCalls, merchants: count, storeLatency }) {
  const time = new VirtualTime()
  const records = new Map()
  const store = { get: 0, stored: 0, refused: 0 }
  const clover = { calls: 0, open: 0, maxOpen: 0 }

  async function fetch (_url, { body }) {
    clover.calls++
    clover.open++
    clover.maxOpen = Math.max(clover.maxOpen, clover.open)
    await time.sleep(latency)
    clover.open--
    const now = Math.floor(time.now() / 1000)
    const token = `${JSON.parse(body).refresh_token}+`
    const reply = { access_token: token, access_token_expiration: now + 1800, refresh_token: token, refresh_token_expiration: now + 31_536_000 }
    return new Response(JSON.stringify(reply), { headers: { date: new Date(time.now()).toUTCString() } })
  }

  const storage = () => ({
    async get (merchantId) {
      store.get++
      await time.sleep(storeLatency)
      return structuredClone(records.get(merchantId))
    },
    async put (next, expected) {
      await time.sleep(storeLatency)
      const fits = records.get(next.merchantId)?.revision === expected
      store[fits ? 'stored' : 'refused']++
      if (fits) records.set(next.merchantId, next)
      return fits
    },
    delete: async () => false
  })

  const merchants = Array.from({ length: count }, (_, n) => merchantOf(n))
  for (const merchantId of merchants) records.set(merchantId, recordOf({ merchantId, accessToken: merchantId, refreshToken: merchantId, left: -10 }))
  const environment = { name: 'provider', authorize: 'http://localhost:1', api: 'http://localhost:1', legacy: 'http://localhost:1' }
  const apps = await Promise.all(Array.from({ length: servers }, async () => {
    const app = await startHost({ environment, storage: storage(), maxCalls, maxWait: 600_000, runtime: { fetch, wallClock: time.now, sleep: time.sleep } })
    await app.ready()
    return app
  }))
  const began = time.now()
  await Promise.all(apps.map(async app => {
    const shuffled = merchants.map(merchantId => ({ merchantId, at: Math.random() })).sort((a, b) => a.at - b.at)
    await Promise.all(shuffled.map(({ merchantId }) => app.clover.accessToken(merchantId)))
  }))
  const milliseconds = time.now() - began
  for (const app of apps) await app.close()
  return { calls: clover.calls, maxOpen: clover.maxOpen, ...store, milliseconds, ratio: milliseconds / (count / (servers * maxCalls) * latency) }
}
