import t from 'tap'
import { cloverSimulator } from '../../src/testing/index.js'
import { share } from '../harness/share.js'
import { connectMerchants, findLost, highTrust, planFor } from './merchants.js'
import { findFewStores, openStore } from './stores.js'
import { workerStarter } from './workers.js'

const processes = 4
const counts = share({ legacy: 16, connected: 8 }, { legacy: 30, connected: 12 })
const callers = share(1, 2)

const start = await workerStarter(t)
const workers = await Promise.all(Array.from({ length: processes }, start))

for (const { kind, skip, make } of await findFewStores()) {
  t.test(`${kind}: ${processes} processes move the same merchants at once, beside web traffic for them and for others`, { skip, timeout: 180_000 }, async t => {
    const clover = await cloverSimulator({ latency: 10 })
    t.teardown(() => clover.close())
    const address = make(t)
    const plan = planFor(clover)
    const { storage, close } = await openStore(address)
    t.teardown(close)
    const connected = await connectMerchants(clover, storage, highTrust, counts.connected)
    const legacy = clover.addMerchants(counts.legacy).map(merchantId => ({ merchantId, legacyToken: clover.legacyToken({ merchantId, appId: highTrust }) }))
    const moving = legacy.map(({ merchantId }) => merchantId)
    await Promise.all(workers.map(worker => worker.call('serve', kind, plan, address)))
    await Promise.all(workers.map(worker => worker.call('load', kind, [...connected, ...moving], callers)))
    const outcomes = await Promise.all(workers.map(worker => worker.call('migrate', kind, legacy, { rate: 200, concurrency: 4 })))
    const traffic = await Promise.all(workers.map(worker => worker.call('unload')))

    const total: Record<string, number> = {}
    for (const [outcome, count] of outcomes.flatMap(each => Object.entries(each))) total[outcome] = (total[outcome] ?? 0) + count
    t.equal(total.migrated, counts.legacy, 'each is moved once')
    t.equal(Object.values(total).reduce((sum, count) => sum + count), processes * counts.legacy)
    t.same(Object.keys(total).filter(outcome => !['migrated', 'already-connected'].includes(outcome)), [], JSON.stringify(total))
    const codes = new Set(traffic.flatMap(each => Object.keys(each)))
    t.same([...codes].filter(code => !['token', 'FST_CLOVER_NOT_CONNECTED', 'FST_CLOVER_UNAVAILABLE'].includes(code)), [], JSON.stringify(traffic))
    t.same(await findLost(clover, plan, address, [...connected, ...moving]), [])
  })
}
