import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { cloverSimulator } from '../../src/testing/index.js'
import { connectMerchants, findLost, highTrust, planFor } from './merchants.js'
import { leaseOf } from './server.js'
import { findStores, openStore } from './stores.js'
import { workerStarter } from './workers.js'
import { numberOf, share } from '../harness/share.js'

/** How many processes are killed. */
const kills = numberOf('FASTIFY_CLOVER_KILLS', share(4, 30))
/**
 * `once`: a recovery whose answer is lost in a second kill loses its merchant, which is the known limit; the lost are then counted, and
 * nothing is claimed of them.
 */
const recovery = process.env.FASTIFY_CLOVER_RECOVERY === 'once' ? 'once' : 'reusable'
const slots = share(2, 4)
/** Callers of each store in each process: so few that they wait for Clover most of the time, where a kill is worth the most. */
const callers = 2
const merchantsInStore = share(20, 100)

t.setTimeout(120_000 + kills * 3_000)

t.test(`${kills} processes are killed at random moments while they refresh, and no merchant is lost`, async t => {
  const clover = await cloverSimulator({ latency: () => 20 * Math.random(), unknowns: { recovery } })
  t.teardown(() => clover.close())
  // Time between Clover's spending of a token and its answer, in which many of the kills fall.
  clover.fault({ on: ['refresh', 'recovery'], kind: 'latency', ms: 40, when: 'after', times: Infinity })
  const plan = planFor(clover, { callTimeout: 400, storageTimeout: 400 })
  const found = (await findStores(['mariadb'])).filter(({ kind, skip }) => {
    if (skip) t.comment(`not on ${kind}: ${skip}`)
    return !skip
  })
  const stores = await Promise.all(found.map(async ({ kind, make }) => {
    const address = make(t)
    const { storage, close } = await openStore(address)
    t.teardown(close)
    return { kind, address, merchants: await connectMerchants(clover, storage, highTrust, merchantsInStore) }
  }))

  const start = await workerStarter(t)
  async function startLoaded () {
    const worker = await start()
    await Promise.all(stores.map(({ kind, address }) => worker.call('serve', kind, plan, address)))
    // A process that is killed before its first refresh, as a slow machine's would be, proves nothing.
    await Promise.all(stores.map(({ kind, merchants }) => worker.call('load', kind, merchants, callers)))
    return worker
  }

  const began = Date.now()
  const survivor = await startLoaded()
  let left = kills
  await Promise.all(Array.from({ length: slots }, async () => {
    while (left-- > 0) {
      const victim = await startLoaded()
      await setTimeout(300 * Math.random())
      await victim.kill()
    }
  }))
  const tally = await survivor.call('unload')
  await survivor.kill()
  const granted = (endpoint: 'refresh' | 'recovery') => clover.count(endpoint, { ok: true })
  t.comment(`${kills} kills in ${Date.now() - began} ms: ${granted('refresh')} refreshes, ${granted('recovery')} recoveries, leases of ${leaseOf(plan)} ms`)
  t.comment(`callers of a process that was not killed got: ${JSON.stringify(tally)}`)

  const lost = (await Promise.all(stores.map(({ address, merchants }) => findLost(clover, planFor(clover), address, merchants)))).flat()
  const all = stores.length * merchantsInStore
  if (recovery === 'once') {
    t.comment(`recovery works once: ${lost.length} of ${all} merchants lost, in ${granted('recovery')} recoveries`)
    t.pass('counted')
    return
  }
  t.same(lost.slice(0, 10), [], `none of ${all} merchants is lost`)
  t.ok(granted('recovery') > kills / 10, 'the kills did fall between Clover\'s answers and the writes')
  const { token, FST_CLOVER_UNAVAILABLE: unavailable, FST_CLOVER_STORAGE: storage, ...others } = tally
  t.same(others, {}, 'and no caller is told anything but to try again')
  t.ok(token, 'while the others went on')
})
