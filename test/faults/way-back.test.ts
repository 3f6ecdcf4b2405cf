import t from 'tap'
import { cloverSimulator } from '../../src/testing/index.js'
import { isLong } from '../harness/share.js'
import { until } from '../harness/waiting.js'
import { connectMerchants, findLost, highTrust, planFor } from './merchants.js'
import { findFewStores, openStore } from './stores.js'
import { workerStarter } from './workers.js'

/*
 * How soon another server has a token after a process was killed in the worst moment, in real time: with the default options in the full share, and
 * with a shorter timeout of the store otherwise. test/tokens/killed-server.test.ts holds the bound of fifteen seconds, in virtual time.
 */

const settings = isLong ? {} : { storageTimeout: 1_000 }
/** Milliseconds, less than the lease lasts. The wait itself is 2.4 or 12 seconds; the rest is for a slow machine. */
const longest = 30_000

const stores = await findFewStores(['mariadb'])
const start = await workerStarter(t)
const rescuer = await start()
t.jobs = 4

for (const { kind, skip, make } of stores) {
  t.test(`${kind}: a process is killed between Clover's answer and the write, and another one has a token before the lease ends`, { skip, buffered: true }, async t => {
    const clover = await cloverSimulator()
    t.teardown(() => clover.close())
    const address = make(t)
    const { storage, close } = await openStore(address)
    t.teardown(close)
    const [merchantId = ''] = await connectMerchants(clover, storage, highTrust, 1)
    const plan = planFor(clover, settings)
    const victim = await start()
    await Promise.all([victim.call('serve', 'victim', plan, address), rescuer.call('serve', kind, plan, address)])

    clover.fault({ on: 'refresh', kind: 'latency', ms: Infinity, when: 'after', merchantId })
    victim.call('token', 'victim', merchantId)
    await until('Clover spent the token', () => clover.calls.some(({ handled }) => handled === 200))
    await victim.kill()
    const before = await storage.get(merchantId)
    const end = Number(before?.refreshLease?.until) * 1000
    const began = Date.now()
    const outcome = await rescuer.call('token', kind, merchantId)
    const passed = Date.now() - began

    t.same(outcome, { token: (await storage.get(merchantId))?.accessToken }, 'one call that waits gets it')
    t.ok(passed < longest, `it waited ${passed} ms`)
    t.ok(Date.now() < end, 'the lease would last')
    t.same([clover.count('refresh', { ok: true }), clover.count('recovery', { ok: true })], [1, 1])
    t.same(await findLost(clover, plan, address, [merchantId]), [])
    t.comment(`${kind}: a token ${passed} ms after the kill, where the lease lasted ${end - began} ms more`)
  })
}
