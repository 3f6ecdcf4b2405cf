import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { CloverStorage } from '../../src/storage/contract.js'
import { cloverSimulator, type CloverSimulator } from '../../src/testing/index.js'
import { events } from '../harness/host.js'
import { gate } from '../tokens/one-server.js'
import { connectMerchants, findLost, highTrust, planFor } from './merchants.js'
import { share } from '../harness/share.js'
import { until } from '../harness/waiting.js'
import { startServer, type ServerPlan } from './server.js'
import { findFewStores, openStore, type StoreAddress } from './stores.js'
import { workerStarter } from './workers.js'

const merchantCount = share(6, 20)
/** Milliseconds between Clover's spending of a token and its answer: the server is told to close in between. */
const answerTime = 300

const stores = await findFewStores()
const startWorker = await workerStarter(t)

for (const { kind, skip, make } of stores) {
  for (const order of ['before', 'after'] as const) {
    await t.test(`${kind}: refreshes in progress are stored before close() resolves, where the host closes its store in an onClose registered ${order} the plugin`, { skip }, async t => {
      const { clover, plan, address, storage, merchants } = await setUp(t, make(t))
      const own = await openStore(address)
      t.teardown(own.close)
      let storeIsClosed = false
      const closesStore = (app: FastifyInstance) => {
        app.addHook('onClose', async () => {
          storeIsClosed = true
          await own.close()
        })
      }
      const app = await startServer(plan, own.storage, { [order]: closesStore })
      const asked = Promise.all(merchants.map(merchantId => app.clover.accessToken(merchantId)))
      await allSpent(clover, merchants)
      await app.close()
      t.ok(storeIsClosed)
      await isStored(t, clover, storage, merchants)
      t.same(await asked, (await Promise.all(merchants.map(merchantId => storage.get(merchantId)))).map(record => record?.accessToken), 'those who asked get the tokens')
      t.same(await findLost(clover, plan, address, merchants), [])
    })
  }

  await t.test(`${kind}: refreshes that nobody waits for are stored before close() resolves too`, { skip }, async t => {
    // Alive for 100 of 1900 seconds: served at once, and refreshed in the background.
    const { clover, plan, address, storage, merchants } = await setUp(t, make(t), { expires: 100 })
    const own = await openStore(address)
    t.teardown(own.close)
    const app = await startServer(plan, own.storage, { before: app => { app.addHook('onClose', own.close) } })
    await Promise.all(merchants.map(merchantId => app.clover.accessToken(merchantId)))
    await allSpent(clover, merchants)
    await app.close()
    await isStored(t, clover, storage, merchants)
  })

  await t.test(`${kind}: a process that closes on SIGTERM stores what is in progress before it ends`, { skip }, async t => {
    const { clover, plan, address, storage, merchants } = await setUp(t, make(t))
    const worker = await startWorker()
    await worker.call('serve', 'terminated', plan, address)
    for (const merchantId of merchants) worker.call('token', 'terminated', merchantId)
    await allSpent(clover, merchants)
    worker.signal('SIGTERM')
    t.equal(await worker.gone, 0, 'it ends of itself')
    await isStored(t, clover, storage, merchants)
    t.same(await findLost(clover, plan, address, merchants), [])
  })
}

const [sqlite] = stores

for (const pluginTimeout of [0, 1_000]) {
  t.test(`a process that closes on SIGTERM waits for a write that takes longer than a second, with a pluginTimeout of ${pluginTimeout}`, async t => {
    if (sqlite === undefined) return
    const { clover, plan, address, storage, merchants: [merchantId = ''] } = await setUp(t, sqlite.make(t))
    const worker = await startWorker()
    await worker.call('serve', 'slow', { ...plan, pluginTimeout }, address)
    const parked = worker.call('park', 'slow', merchantId, { put: 2, when: 'before' })
    worker.call('token', 'slow', merchantId)
    await parked
    worker.signal('SIGTERM')
    await setTimeout(1_500)
    worker.call('release', 'slow')
    t.equal(await worker.gone, 0, 'it ends of itself')
    await isStored(t, clover, storage, [merchantId])
  })
}

t.test('a refresh is stored that a request starts while the server closes, though nobody waits for it', async t => {
  if (sqlite === undefined) return
  const { clover, plan, address, storage, merchants } = await setUp(t, sqlite.make(t), { expires: 100 })
  const own = await openStore(address)
  t.teardown(own.close)
  const [asked, drained, goOn] = [gate(), gate(), gate()]
  const app = await startServer(plan, own.storage, {
    before: app => { app.addHook('onClose', own.close) },
    after: app => {
      app.addHook('preClose', async () => { drained.open() })
      app.get('/', async () => {
        asked.open()
        await goOn.promise
        return await Promise.all(merchants.map(merchantId => app.clover.accessToken(merchantId)))
      })
    }
  })
  const reply = fetch(await app.listen({ port: 0 }))
  await asked.promise
  const closed = app.close()
  await drained.promise
  goOn.open()
  t.equal((await reply).status, 200)
  await closed
  await isStored(t, clover, storage, merchants)
})

t.test('close() waits for a store that is away for a moment', async t => {
  if (sqlite === undefined) return
  const { clover, plan, address, storage, merchants } = await setUp(t, sqlite.make(t))
  const { app, logs, pairsFail } = await startFailing(t, plan, address)
  pairsFail(true)
  await Promise.all(merchants.map(merchantId => app.clover.accessToken(merchantId)))
  t.equal(count(logs, 'pair-held'), merchants.length, 'the pairs are held')
  const closed = app.close()
  await setTimeout(500)
  pairsFail(false)
  await closed
  t.equal(count(logs, 'pair-written'), merchants.length)
  await isStored(t, clover, storage, merchants)
})

t.test('close() ends in time where the store stays away, says whose pairs go down, and the next server recovers them', async t => {
  if (sqlite === undefined) return
  const { clover, plan, address, merchants } = await setUp(t, sqlite.make(t))
  const { app, logs, pairsFail } = await startFailing(t, { ...plan, callTimeout: 1_000, storageTimeout: 100 }, address)
  pairsFail(true)
  await Promise.all(merchants.map(merchantId => app.clover.accessToken(merchantId)))
  const began = Date.now()
  await app.close()
  t.comment(`closed after ${Date.now() - began} ms`)
  t.ok(Date.now() - began < 20_000)
  t.equal(count(logs, 'pair-abandoned'), merchants.length)
  t.same(await findLost(clover, plan, address, merchants), [], 'nobody is lost')
  t.equal(clover.count('recovery', { ok: true }), merchants.length)
})

async function setUp (t: Test, address: StoreAddress, age = {}) {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const { storage, close } = await openStore(address)
  t.teardown(close)
  const merchants = await connectMerchants(clover, storage, highTrust, merchantCount, age)
  clover.fault({ on: 'refresh', kind: 'latency', ms: answerTime, when: 'after', times: merchantCount })
  return { clover, plan: planFor(clover, { maxCalls: merchantCount }), address, storage, merchants }
}

/** A server whose store takes no pairs while it is told so, although it takes intents. */
async function startFailing (t: Test, plan: ServerPlan, address: StoreAddress) {
  const { storage, close } = await openStore(address)
  let fails = false
  const failing: CloverStorage = {
    get: merchantId => storage.get(merchantId),
    delete: (merchantId, expected) => storage.delete(merchantId, expected),
    put: (next, expected) => fails && !next.refreshLease ? Promise.reject(new Error('the disk is full')) : storage.put(next, expected)
  }
  const logs: string[] = []
  const app = await startServer(plan, failing, { logs, before: app => { app.addHook('onClose', close) } })
  t.teardown(() => app.close())
  return { app, logs, pairsFail (does: boolean) { fails = does } }
}

async function allSpent (clover: CloverSimulator, merchants: readonly string[]): Promise<void> {
  await until('Clover spent every token', () => clover.calls.filter(({ handled }) => handled === 200).length === merchants.length)
}

async function isStored (t: Test, clover: CloverSimulator, storage: CloverStorage, merchants: readonly string[]): Promise<void> {
  const records = await Promise.all(merchants.map(merchantId => storage.get(merchantId)))
  t.ok(records.every(record => record && !record.refreshLease && clover.isLive(record.refreshToken ?? '')), 'the stored refresh tokens are the live ones')
  t.ok(records.every(record => record && clover.isLiveAccessToken(record.accessToken)), 'and so are the access tokens')
  t.equal(clover.count('refresh'), merchants.length, 'one refresh of each')
  t.equal(clover.count('recovery'), 0)
}

const count = (logs: string[], type: string) => events(logs).filter(({ event }) => event === type).length
