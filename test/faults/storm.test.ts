import t from 'tap'
import { cloverSimulator } from '../../src/testing/index.js'
import { share } from '../harness/share.js'
import { connectMerchants, highTrust, planFor } from './merchants.js'
import { findStores, openStore } from './stores.js'
import { workerStarter } from './workers.js'

const processes = 4
const callers = share(10, 25)
const merchantCount = share(40, 100)

const start = await workerStarter(t)
const workers = await Promise.all(Array.from({ length: processes }, start))

for (const { kind, skip, make } of await findStores(['mariadb'])) {
  await t.test(`${kind}: ${processes} processes with ${callers} callers each need ${merchantCount} stale merchants, and Clover gets exactly one refresh of each`, { skip }, async t => {
    // A refresh kills the access token before it, so that only a token of the one last refresh counts as live.
    const clover = await cloverSimulator({ latency: () => 5 * Math.random(), unknowns: { accessTokenDiesAtRefresh: true } })
    t.teardown(() => clover.close())
    const address = make(t)
    const { storage, close } = await openStore(address)
    t.teardown(close)
    const merchants = await connectMerchants(clover, storage, highTrust, merchantCount)
    // However slow the machine is, the store is in time: how long a caller waits is not the point here.
    const plan = planFor(clover, { storageTimeout: 60_000 })
    await Promise.all(workers.map(worker => worker.call('serve', kind, plan, address)))

    const began = Date.now()
    const results = await Promise.all(workers.map(worker => worker.call('storm', kind, merchants, callers)))
    t.comment(`${kind}: ${results.reduce((sum, { calls }) => sum + calls, 0)} calls in ${Date.now() - began} ms, ${clover.count('refresh')} refreshes`)

    t.equal(clover.count('refresh'), merchantCount, 'one refresh of each')
    t.equal(clover.count('refresh', { ok: true }), merchantCount, 'none refused')
    t.equal(clover.count('recovery'), 0)
    t.same(results.map(({ calls, errors }) => ({ calls, errors })), results.map(() => ({ calls: callers * merchantCount, errors: [] })), 'every caller got a token')
    for (const merchantId of merchants) {
      const tokens = new Set(results.flatMap(result => result.tokens[merchantId] ?? []))
      const stored = await storage.get(merchantId)
      const right = tokens.size === 1 && tokens.has(stored?.accessToken ?? '') && clover.isLiveAccessToken(stored?.accessToken ?? '') &&
        clover.isLive(stored?.refreshToken ?? '') && stored?.refreshLease === undefined
      if (!right) t.fail(`merchant ${merchantId}: ${tokens.size} tokens, of which one must be live and stored`)
    }
  })
}
