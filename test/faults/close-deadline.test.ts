import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { memoryStorage, type CloverStorage } from '../../src/storage/index.js'
import { events, highTrust, merchantA, merchantB } from '../harness/host.js'
import { mockTimers } from '../harness/mock-timers.js'
import { fakeFetch, genuineReply, ownerOf } from '../security/fake-clover.js'
import { advance, patiently, sleep } from '../tokens/one-server.js'
import { startServer } from './server.js'

/*
 * app.close() while the store fails or is slow, with Fastify's own timers in a time that the tests move. Fastify gives each preClose hook
 * `pluginTimeout` milliseconds.
 */

/** Milliseconds that a server with default options waits at most: a call to Clover, and a write before and after it. */
const closeTimeout = 20_000

const limits = [{ name: 'off', pluginTimeout: 0 }, { name: '1 s', pluginTimeout: 1_000 }, { name: 'the default' }]

for (const { name, ...limit } of limits) {
  t.test(`pluginTimeout ${name}: close() resolves where the store fails to the end, and a pair is tried to be written until the deadline`, async t => {
    const { app, store, logs } = await start(t, limit)
    store.refuses = merchantA
    await app.clover.refresh(merchantA)
    t.equal(count(logs, 'pair-held'), 1)
    const began = Date.now()
    await patiently(app.close())
    const took = Date.now() - began
    t.ok(took >= closeTimeout && took < closeTimeout + 1_000, `${took} ms`)
    t.ok(store.lastTry > began + closeTimeout - 3_000, 'a pause between two tries is two seconds at most')
    t.equal(count(logs, 'pair-abandoned'), 1)
  })

  for (const order of ['before', 'after'] as const) {
    t.test(`pluginTimeout ${name}: a pair is written as soon as the store is back, where the host closes it in an onClose registered ${order} the plugin`, async t => {
      const { app, store, logs } = await start(t, limit, { [order]: (app: FastifyInstance) => { app.addHook('onClose', async () => { store.isClosed = true }) } })
      store.refuses = merchantA
      await app.clover.refresh(merchantA)
      const began = Date.now()
      const closed = app.close()
      await advance(17_000, 100)
      t.notOk(store.isClosed)
      store.refuses = undefined
      await patiently(closed)
      const took = Date.now() - began
      t.ok(took < closeTimeout, `${took} ms`)
      t.ok(store.isClosed)
      t.equal(count(logs, 'pair-written'), 1)
      t.equal(count(logs, 'pair-abandoned'), 0)
    })
  }
}

t.test('a server in which nothing is in progress closes at once', async t => {
  const { app } = await start(t, { pluginTimeout: 1_000 })
  const began = Date.now()
  await app.close()
  t.equal(Date.now(), began)
})

t.test('while a server closes, a refresh begins only if Clover\'s answer can still be written', async t => {
  const { app, store, calls } = await start(t)
  store.refuses = merchantA
  await app.clover.refresh(merchantA) // the pair that keeps the server from closing
  calls.length = 0
  const closed = app.close()
  await advance(4_900)
  await app.clover.refresh(merchantB)
  t.same(calls, [merchantB], '15 seconds are left: a call and a write')
  await advance(200)
  await t.rejects(app.clover.refresh(merchantB), { code: 'FST_CLOVER_CLOSING' })
  t.same(calls, [merchantB])
  await patiently(closed)
})

t.test('a lease that was written too late for a call to Clover is taken back', async t => {
  const { app, store, calls } = await start(t)
  store.refuses = merchantA
  await app.clover.refresh(merchantA)
  const before = await store.inner.get(merchantB)
  calls.length = 0
  store.writeTime = 4_700
  const closed = app.close()
  await advance(1_500)
  const refused = t.rejects(app.clover.refresh(merchantB), { code: 'FST_CLOVER_CLOSING' })
  await advance(4_800)
  t.ok((await store.inner.get(merchantB))?.refreshLease)
  await patiently(Promise.all([refused, closed]))
  t.same(calls, [])
  const after = await store.inner.get(merchantB)
  t.same({ ...after, revision: '' }, { ...before, revision: '' })
  t.not(after?.revision, before?.revision, 'a write that comes late must not find the revision that it expects')
})

interface FailingStore extends CloverStorage {
  inner: CloverStorage
  /** The merchant whose pairs it refuses, though it takes leases. */
  refuses: string | undefined
  isClosed: boolean
  /** Milliseconds that a write takes. */
  writeTime: number
  /** When the last pair came: Unix milliseconds. */
  lastTry: number
}

function failingStore (): FailingStore {
  const inner = memoryStorage()
  const store: FailingStore = {
    inner,
    refuses: undefined,
    isClosed: false,
    writeTime: 0,
    lastTry: 0,
    get: merchantId => inner.get(merchantId),
    delete: (merchantId, expected) => inner.delete(merchantId, expected),
    async put (next, expected) {
      if (store.isClosed) throw new Error('the store is closed')
      if (!next.refreshLease) store.lastTry = Date.now()
      if (next.merchantId === store.refuses && !next.refreshLease) throw new Error('the disk is full')
      if (store.writeTime > 0) await sleep(store.writeTime)
      return inner.put(next, expected)
    }
  }
  return store
}

/** A server with two merchants, in a time that stands still until it is moved. `calls`: whose tokens Clover was asked for. */
async function start (t: Test, limit: { pluginTimeout?: number } = {}, hooks: Parameters<typeof startServer>[2] = {}) {
  mockTimers(t, 1_800_000_000_000)
  const now = () => Date.now()
  const calls: string[] = []
  const fetch = fakeFetch(call => {
    const body = genuineReply(call, now(), merchantA)
    if (call.path === '/oauth/v2/refresh') calls.push(ownerOf(String(body.refresh_token)))
    return Response.json(body)
  })
  const store = failingStore()
  const logs: string[] = []
  const environment = { name: 'fake', authorize: 'https://a.example', api: 'https://b.example', legacy: 'https://c.example' }
  const app = await startServer({ environment, appId: highTrust, appSecret: 'secret', ...limit }, store, { logs, runtime: { wallClock: now, monotonic: now, fetch, sleep }, ...hooks })
  t.teardown(() => app.close())
  for (const merchantId of [merchantA, merchantB]) {
    const pair = genuineReply({ path: '/oauth/v2/token', body: {}, token: '' }, now(), merchantId)
    await app.clover.adopt({ merchantId, accessToken: String(pair.access_token), accessTokenExpiration: Number(pair.access_token_expiration), refreshToken: String(pair.refresh_token), refreshTokenExpiration: Number(pair.refresh_token_expiration) })
  }
  return { app, store, logs, calls }
}

const count = (logs: string[], type: string) => events(logs).filter(({ event }) => event === type).length
