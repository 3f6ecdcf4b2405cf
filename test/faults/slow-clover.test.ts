import { once } from 'node:events'
import t, { type Test } from 'tap'
import { cloverSimulator, type CloverSimulator } from '../../src/testing/index.js'
import type { Gate } from './gated-storage.js'
import { connectMerchants, findLost, highTrust, planFor } from './merchants.js'
import { until } from '../harness/waiting.js'
import { startServer, type ServerOptions, type ServerPlan } from './server.js'
import { findFewStores, openStore, type StoreAddress } from './stores.js'
import { workerStarter } from './workers.js'

/** Milliseconds: what is frozen, or held, has not given up before. */
const patient = { callTimeout: 120_000, storageTimeout: 60_000 }
/** Milliseconds that pass meanwhile, without anybody waiting for them. */
const pastEveryLease = 600_000

const stores = await findFewStores()
const startWorker = await workerStarter(t)
t.jobs = 6

for (const { kind, skip, make } of stores) {
  t.test(`${kind}: Clover answers a refresh after the lease, and the late writer does not overwrite the recovery that took its place`, { skip, buffered: true }, async t => {
    const { clover, merchantId, late, other, pass, answer, stored, lost } = await setUp(t, make(t), 'answer')
    const asked = late.clover.accessToken(merchantId)
    await until('Clover spent the token', () => clover.calls.some(({ handled }) => handled === 200))
    pass()
    const token = await other.clover.accessToken(merchantId)
    const before = await stored()

    answer()
    t.equal(await asked, token, 'the late server hands out the token of the recovery')
    t.same(await stored(), before, 'the record is what the recovery made it')
    t.equal(clover.count('refresh', { ok: true }), 1)
    t.equal(clover.count('recovery'), 1)
    t.ok(clover.isLiveAccessToken(token))
    t.ok(clover.isLive(before?.refreshToken ?? ''), 'the stored refresh token is the live one')
    t.same(await lost(), [], 'the merchant is still connected')
  })

  t.test(`${kind}: Clover handles a refresh after the lease, and the refused server does not recover over the pair that took its place`, { skip, buffered: true }, async t => {
    const { clover, merchantId, late, other, pass, answer, isHeld, stored, lost } = await setUp(t, make(t), 'request')
    const asked = late.clover.accessToken(merchantId)
    await until('the call is on its way', isHeld)
    pass()
    const token = await other.clover.accessToken(merchantId)
    const before = await stored()

    answer()
    t.equal(await asked, token, 'the late server hands out the token of the other refresh')
    t.same(await stored(), before, 'the record is what the other refresh made it')
    t.equal(clover.count('refresh', { ok: true }), 1)
    t.equal(clover.count('recovery'), 0, 'a recovery would have killed the pair')
    t.ok(clover.isLiveAccessToken(token))
    t.ok(clover.isLive(before?.refreshToken ?? ''), 'the stored refresh token is the live one')
    t.same(await lost(), [], 'the merchant is still connected')
  })

  t.test(`${kind}: a process that is frozen past its lease overwrites nothing when it thaws`, { skip, buffered: true }, t => thaw(t, make(t)))
}

/** Two servers on one store and one clock. The first one's call to Clover, or Clover's answer to it, is held until `answer()`. */
async function setUp (t: Test, address: StoreAddress, held: 'request' | 'answer') {
  let ahead = 0
  const wallClock = () => Date.now() + ahead
  const clover = await cloverSimulator({ now: wallClock })
  t.teardown(() => clover.close())
  const { storage, close } = await openStore(address)
  t.teardown(close)
  const [merchantId = ''] = await connectMerchants(clover, storage, highTrust, 1)
  const plan = planFor(clover)
  const hold = new AbortController()
  const answered = once(hold.signal, 'abort')
  let isHeld = false
  const slow: typeof fetch = async (url, init) => {
    isHeld = true
    if (held === 'request') await answered
    const response = await fetch(url, { ...init, signal: null })
    await answered
    return response
  }
  const late = await openServer(t, address, { ...plan, ...patient }, { runtime: { wallClock, fetch: slow } })
  const other = await openServer(t, address, plan, { runtime: { wallClock } })
  return {
    clover,
    merchantId,
    late,
    other,
    pass: () => { ahead = pastEveryLease },
    answer: () => { hold.abort() },
    isHeld: () => isHeld,
    stored: () => storage.get(merchantId),
    lost: () => findLost(clover, { ...plan, clockAhead: ahead }, address, [merchantId])
  }
}

async function openServer (t: Test, address: StoreAddress, plan: ServerPlan, options: ServerOptions = {}) {
  const { storage, close } = await openStore(address)
  const app = await startServer(plan, storage, { ...options, before: app => { app.addHook('onClose', close) } })
  t.teardown(() => app.close())
  return app
}

async function thaw (t: Test, address: StoreAddress): Promise<void> {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const { storage, close } = await openStore(address)
  t.teardown(close)
  const merchants = await connectMerchants(clover, storage, highTrust, 4)
  const frozen = await startWorker()
  await frozen.call('serve', 'frozen', planFor(clover, patient), address)
  const [onTheWay = '', ...parked] = merchants
  const gates: Gate[] = [{ put: 1, when: 'before' }, { put: 1, when: 'after' }, { put: 2, when: 'before' }]
  const reached = parked.map((merchantId, index) => frozen.call('park', 'frozen', merchantId, gates[index] ?? { put: 1, when: 'before' }))
  // This one's answer arrives while nobody can read it.
  clover.fault({ on: 'refresh', kind: 'latency', ms: 3_000, when: 'after', merchantId: onTheWay })
  const asked = Promise.all(merchants.map(merchantId => frozen.call('token', 'frozen', merchantId)))
  await Promise.all(reached)
  await until('Clover spent the token', () => clover.count('refresh', { merchantId: onTheWay }) === 1 && spent(clover, onTheWay))
  frozen.signal('SIGSTOP')

  clover.setNow(() => Date.now() + pastEveryLease)
  const plan = planFor(clover, { clockAhead: pastEveryLease })
  const other = await openServer(t, address, plan)
  const tokens = await Promise.all(merchants.map(merchantId => other.clover.accessToken(merchantId)))
  await until('the answer is on its way', () => clover.calls.find(({ merchantId }) => merchantId === onTheWay)?.status === 200)
  const before = await Promise.all(merchants.map(merchantId => storage.get(merchantId)))

  frozen.signal('SIGCONT')
  await frozen.call('release', 'frozen')
  t.same(await asked, tokens.map(token => ({ token })), 'it hands out the tokens that took the place of its own')
  t.same(await Promise.all(merchants.map(merchantId => storage.get(merchantId))), before, 'the records are what the other process made them')
  t.ok(before.every(record => clover.isLive(record?.refreshToken ?? '') && clover.isLiveAccessToken(record?.accessToken ?? '')), 'they are live')
  t.equal(clover.count('refresh', { ok: true }), merchants.length, 'one refresh of each')
  t.equal(clover.count('recovery', { ok: true }), 2, 'and a recovery where its answer had not been stored')
  await frozen.kill()
  t.same(await findLost(clover, plan, address, merchants), [])
}

const spent = (clover: CloverSimulator, id: string) => clover.calls.some(({ merchantId, handled }) => merchantId === id && handled === 200)
