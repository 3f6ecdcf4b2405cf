/* A server of workload 5, in a process of its own: with the plugin, or the same calls to the store and to the provider by hand. */
import { once } from 'node:events'
import { recordOf, startHost } from './host.mjs'
import { openStore } from './stores.mjs'

const [{ environment, address, maxCalls }] = await once(process, 'message')
const store = await openStore(address)
const app = await startHost({ environment, storage: store.storage, maxCalls })
await app.ready()

/** What the plugin is asked for: a token of every merchant, in an order of this process. */
async function tokens ({ merchants }) {
  const shuffled = merchants.map(merchantId => ({ merchantId, at: Math.random() })).sort((a, b) => a.at - b.at)
  const outcomes = await Promise.allSettled(shuffled.map(({ merchantId }) => app.clover.accessToken(merchantId)))
  return outcomes.flatMap(({ reason }) => reason === undefined ? [] : [`${reason.code}: ${reason.cause?.message ?? reason.message}`])
}

/**
 * The same work without any rules: who refreshes which merchant is settled before. Every process reads every merchant, refreshes its share
 * (a reading, a write, the call, a write; `maxCalls` at once), and reads those of the others once more.
 */
async function bare ({ merchants, share, shares }) {
  const mine = merchants.filter((_merchantId, i) => i % shares === share)
  const others = merchants.filter((_merchantId, i) => i % shares !== share)
  const { storage } = store
  const work = async () => {
    for (let merchantId; (merchantId = mine.pop()) !== undefined;) {
      const record = await storage.get(merchantId)
      const leased = { ...record, refreshLease: { by: record.revision, until: 0 }, revision: another(record.revision) }
      await storage.put(leased, record.revision)
      const reply = await fetch(new URL('/oauth/v2/refresh', environment.api), {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ client_id: record.appId, refresh_token: record.refreshToken })
      })
      const pair = await reply.json()
      await storage.put({ ...recordOf({ merchantId, accessToken: pair.access_token, refreshToken: pair.refresh_token }), revision: another(leased.revision) }, leased.revision)
      await Promise.all(others.splice(-shares + 1).map(merchantId => storage.get(merchantId)))
    }
  }
  await Promise.all([...merchants.map(merchantId => storage.get(merchantId)), ...Array.from({ length: maxCalls }, work)])
  return []
}

const another = revision => (BigInt(`0x${revision}`) + 1n).toString(16).padStart(32, '0')

process.on('message', async ({ way, ...task }) => {
  const began = process.cpuUsage()
  const errors = await (way === 'bare' ? bare : tokens)(task)
  const { user, system } = process.cpuUsage(began)
  process.send({ errors, processor: (user + system) / 1000 })
})
process.once('disconnect', async () => {
  await app.close()
  await store.close()
  process.exit(0)
})
process.send('ready')
