import t from 'tap'
import { memoryStorage } from '../../src/storage/index.js'
import { connect } from '../harness/browser.js'
import { merchantA } from '../harness/host.js'
import { apiHost, orders, type ApiHost } from './api-host.js'

const withoutOrders = { apps: [{ id: 'SIMULATORAPP1', permissions: { readOrders: false, writeOrders: false } }] }
const items = '/v3/merchants/{mId}/items'

/** Ends the token at Clover without the plugin's knowledge. */
const kill = ({ clover }: ApiHost) => clover.fault({ on: 'rest', kind: 'status', status: 401 })

t.test('after 401 the call is repeated once, with another token', async t => {
  for (const init of [{}, { method: 'POST', body: '{"total":1}', headers: { 'content-type': 'application/json' } }]) {
    const host = await apiHost(t)
    const token = await host.connect()
    kill(host)
    const response = await host.app.clover.fetch(merchantA, orders, init)
    t.equal(response.status, 200)
    t.equal(host.clover.count('refresh'), 1)
    const presented = host.clover.calls.filter(({ endpoint }) => endpoint === 'rest').map(call => call.presented)
    t.same(presented, [token, (await host.storage.get(merchantA))?.accessToken])
    t.not(presented[1], token)
  }
})

t.test('a missing permission costs at most one refresh in five minutes', async t => {
  const host = await apiHost(t, { simulator: withoutOrders })
  await host.connect()
  const together = await Promise.all(Array.from({ length: 50 }, () => host.app.clover.fetch(merchantA, orders)))
  t.ok(together.every(({ status }) => status === 401))
  t.same(await together[0]?.json(), { message: '401 Unauthorized' }, 'Clover\'s own answer, whose body is there')
  for (let i = 0; i < 50; i++) t.equal((await host.app.clover.fetch(merchantA, orders)).status, 401)
  t.equal(host.clover.count('refresh'), 1)
  t.equal((await host.app.clover.fetch(merchantA, items)).status, 200)
  host.time.pass(299_000)
  await host.app.clover.fetch(merchantA, orders)
  t.equal(host.clover.count('refresh'), 1)
  host.time.pass(2_000)
  await host.app.clover.fetch(merchantA, orders)
  await host.app.clover.fetch(merchantA, orders)
  t.equal(host.clover.count('refresh'), 2)
})

t.test('a missing permission costs ten servers one refresh together', async t => {
  const host = await apiHost(t, { simulator: withoutOrders })
  await host.connect()
  const { storage } = host
  const shared = { get: storage.get, put: storage.put, delete: storage.delete }
  const others = await Promise.all(Array.from({ length: 9 }, () => apiHost(t, { simulator: host.clover, options: { storage: { ...shared } }, runtime: { wallClock: host.time.now } })))
  for (const { app } of [host, ...others]) await app.clover.accessToken(merchantA) // each has the same token in memory
  for (let round = 0; round < 3; round++) {
    for (const { app } of [host, ...others]) t.equal((await app.clover.fetch(merchantA, orders)).status, 401)
  }
  t.equal(host.clover.count('refresh'), 1)
})

t.test('a token that another server has stored in the meantime is always used without a refresh', async t => {
  const storage = memoryStorage()
  const host = await apiHost(t, { options: { storage, cache: { ttl: 86_400_000 } } })
  await host.connect()
  const other = await apiHost(t, { simulator: host.clover, options: { storage: { get: storage.get, put: storage.put, delete: storage.delete } }, runtime: { wallClock: host.time.now } })
  for (let round = 1; round <= 3; round++) {
    await host.app.clover.accessToken(merchantA)
    await other.app.clover.refresh(merchantA)
    kill(host)
    t.equal((await host.app.clover.fetch(merchantA, orders)).status, 200)
    t.equal(host.clover.count('refresh'), round, 'the other server\'s alone')
  }
})

t.test('a dead merchant is a typed error', async t => {
  const host = await apiHost(t)
  await host.connect()
  host.clover.uninstall(merchantA)
  await t.rejects(host.app.clover.fetch(merchantA, orders), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED', launchUrl: /launch/ })
  await t.rejects(host.app.clover.fetch(merchantA, orders), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(host.clover.count('refresh'), 1)
})

t.test('a merchant who was disconnected during the call is not connected', async t => {
  const host = await apiHost(t)
  await host.connect()
  host.clover.fault({ on: 'rest', kind: 'reply', status: 401, body: {} })
  await host.app.clover.accessToken(merchantA)
  await host.storage.delete(merchantA) // by another server: this one has the token in memory
  await t.rejects(host.app.clover.fetch(merchantA, orders), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a refresh that fails is a typed error, and a later call tries again', async t => {
  const host = await apiHost(t)
  await host.connect()
  kill(host)
  host.clover.fault({ on: 'refresh', kind: 'status', status: 503, times: 3 })
  await t.rejects(host.app.clover.fetch(merchantA, orders), { code: 'FST_CLOVER_UNAVAILABLE' })
  host.time.pass(60_000)
  kill(host)
  t.equal((await host.app.clover.fetch(merchantA, orders)).status, 200)
})

t.test('a body that can be read once is not sent again, but the next call has a good token', async t => {
  const host = await apiHost(t)
  await host.connect()
  kill(host)
  const stream = () => ({ method: 'POST', duplex: 'half' as const, headers: { 'content-type': 'application/json' }, body: new Blob(['{"total":1}']).stream() as ReadableStream })
  t.equal((await host.app.clover.fetch(merchantA, orders, stream())).status, 401)
  t.equal(host.clover.count('rest'), 1)
  t.equal(host.clover.count('refresh'), 1)
  t.equal((await host.app.clover.fetch(merchantA, orders, stream())).status, 200)
})

t.test('a v1 token that Clover accepts elsewhere is checked once in five minutes', async t => {
  const host = await apiHost(t, { simulator: withoutOrders, options: { flow: 'v1' } })
  const { browser, clover, app, time } = host
  await connect(browser(), clover, merchantA)
  const before = clover.count('merchant')
  for (let i = 0; i < 10; i++) t.equal((await app.clover.fetch(merchantA, orders)).status, 401)
  t.equal(clover.count('merchant'), before + 1)
  time.pass(301_000)
  await app.clover.fetch(merchantA, orders)
  t.equal(clover.count('merchant'), before + 2)
  clover.uninstall(merchantA)
  time.pass(301_000)
  await t.rejects(app.clover.fetch(merchantA, orders), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
})

t.test('the caller\'s signal ends the wait for another token', async t => {
  const host = await apiHost(t, { options: { callTimeout: 500 } })
  await host.connect()
  const caller = new AbortController()
  kill(host)
  host.clover.fault({ on: 'refresh', kind: 'latency', ms: Infinity, times: Infinity })
  const call = host.app.clover.fetch(merchantA, orders, { signal: caller.signal })
  while (host.clover.count('refresh') === 0) await new Promise(resolve => setImmediate(resolve))
  caller.abort(new Error('enough'))
  await t.rejects(call, { message: 'enough' })
})
