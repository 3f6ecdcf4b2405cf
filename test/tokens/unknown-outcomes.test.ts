import t, { type Test } from 'tap'
import type { Installation } from '../../src/installation.js'
import { id } from '../jobs/server-jobs.js'
import { advance, startServer, gate, leap, merchantId, patiently, quiet, anotherServer, sleep, type TestStorage } from './one-server.js'

/*
 * Writes whose answer is lost: they may have happened, or may still happen.
 */

const code = (name: string) => ({ code: name, verifier: '' })
const now = () => Date.now() / 1000

/** The fate of a call whose answer is lost: it happened, it never does, or it happens later, when `land` is called. */
type Fate = 'happened' | 'never' | 'later'

/** Loses the answer of the first call to a method, and lets `reads` reads after it fail. */
function lose (storage: TestStorage, lost: 'put' | 'delete', fate: Fate, reads: number): { land: () => Promise<unknown> } {
  const late: Array<() => Promise<unknown>> = []
  let isLost = false
  let failing = reads
  storage.intercept = async (method, run) => {
    if (method === lost && !isLost) {
      isLost = true
      if (fate === 'happened') await run()
      if (fate === 'later') late.push(run)
      throw new Error('connection reset')
    }
    if (method === 'get' && isLost && failing-- > 0) throw new Error('connection refused')
    return run()
  }
  return { land: async () => late[0]?.() }
}

for (const fate of ['happened', 'never', 'later'] as const) {
  t.test(`a lease whose write fails as the read after it does (it ${fate}): the next attempt continues at once, under it or under another`, async t => {
    const { accessTokens, storage, clover, connect } = startServer(t)
    await connect()
    await leap(1801)
    const { land } = lose(storage, 'put', fate, 1)
    await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_STORAGE' })
    t.equal(clover.count('refresh'), 0, 'Clover is not called under a lease that may not be there')
    await land()
    await advance(1_000)
    const began = Date.now()
    t.type(await patiently(accessTokens.accessToken(merchantId)), 'string')
    t.ok(Date.now() - began < 1_000, `after ${Date.now() - began} ms`)
    t.equal(clover.count('refresh'), 1)
    t.equal(storage.records.get(merchantId)?.refreshLease, undefined)
  })

  t.test(`a disconnect whose answer is lost (it ${fate}) is reported once`, async t => {
    for (const connectedBefore of [undefined, 1_900_000_000]) {
      const { disconnects, accessTokens, storage, eventsOf, connect } = startServer(t)
      await connect()
      await accessTokens.accessToken(merchantId)
      const { land } = lose(storage, 'delete', fate, 0)
      const first = await disconnects.disconnect(merchantId, connectedBefore).catch((error: { code: string }) => error.code)
      t.equal(first, fate === 'happened' ? true : 'FST_CLOVER_STORAGE')
      t.equal(eventsOf('disconnected').length, fate === 'happened' ? 1 : 0)
      await land()
      t.equal(await disconnects.disconnect(merchantId, connectedBefore), fate !== 'happened', 'asked again, as by a webhook that comes again')
      t.equal(storage.records.size, 0)
      t.equal(eventsOf('disconnected').length, 1)
      t.equal(await disconnects.disconnect(merchantId, connectedBefore), false)
      t.equal(eventsOf('disconnected').length, 1)
      await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
    }
  })

  t.test(`a disconnect whose answer is lost, with the read after it (it ${fate}), is reported once`, async t => {
    const { disconnects, storage, eventsOf, connect } = startServer(t)
    await connect()
    const { land } = lose(storage, 'delete', fate, 1)
    await t.rejects(disconnects.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE' })
    t.equal(eventsOf('disconnected').length, 0)
    await land()
    t.equal(await disconnects.disconnect(merchantId), true)
    t.equal(await disconnects.disconnect(merchantId), false)
    t.equal(eventsOf('disconnected').length, 1)
    t.equal(storage.records.size, 0)
  })
}

t.test('a merchant who was still stored after a disconnect of unknown outcome, and whom another server disconnects later, is not reported here', async t => {
  const { disconnects, storage, clover, eventsOf, connect } = startServer(t)
  const { connectedAt } = await connect()
  lose(storage, 'delete', 'never', 1)
  await t.rejects(disconnects.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE' })
  t.equal(await disconnects.disconnect(merchantId, connectedAt), false, 'the merchant is there')
  const other = anotherServer({ storage, clover })
  t.equal(await other.disconnects.disconnect(merchantId), true)
  t.equal(await disconnects.disconnect(merchantId), false)
  t.same(eventsOf('disconnected'), [])
})

t.test('at most a thousand disconnects of unknown outcome are remembered', async t => {
  const { disconnects, storage, eventsOf, connect } = startServer(t)
  for (let i = 0; i <= 1000; i++) {
    await connect(id(i))
    lose(storage, 'delete', 'happened', 1)
    await disconnects.disconnect(id(i)).then(() => t.fail(`the answer of disconnect ${i} was not lost`), () => {})
  }
  t.equal(await disconnects.disconnect(id(1000)), true, 'the last one')
  t.equal(await disconnects.disconnect(id(0)), false, 'more are too many')
  t.equal(eventsOf('disconnected').length, 1)
})

/** A merchant who is disconnected, and comes back while the delete is in progress. */
async function returning (t: Test) {
  const one = startServer(t)
  const record = await one.connect()
  await leap(60)
  const other = anotherServer({ storage: one.storage, clover: one.clover })
  const dropped: string[] = []
  const { drop } = one.refreshes
  one.refreshes.drop = (merchantId, isOver) => { dropped.push(merchantId); drop.call(one.refreshes, merchantId, isOver) }
  return { ...one, other, record, dropped, stored: () => one.storage.records.get(merchantId) as Installation }
}

t.test('a disconnect that takes six seconds in the store does not end a connection that was kept meanwhile', async t => {
  for (const comesBack of [true, false]) {
    const { disconnects, storage, other, record, stored, dropped, eventsOf } = await returning(t)
    storage.intercept = async (method, run) => { if (method === 'delete') await sleep(6_000); return run() }
    const disconnecting = disconnects.disconnect(merchantId).catch((error: { code: string }) => error.code)
    await advance(3_000)
    if (comesBack) t.same(await other.connections.connect(merchantId, code('kept-meanwhile')), { isNew: false })
    await advance(2_500)
    t.equal(await disconnecting, comesBack ? false : 'FST_CLOVER_STORAGE')
    t.same(dropped, [], 'no unsaved pair is dropped')
    await advance(1_000)
    if (comesBack) t.equal(stored().connectionId, record.connectionId)
    else t.equal(storage.records.size, 0)
    storage.repair()
    t.equal(await disconnects.disconnect(merchantId), true, comesBack ? 'one that begins after the visit ends it' : 'it happened after all')
    t.equal(eventsOf('disconnected').length, 1)
    t.equal(storage.records.size, 0)
  }
})

t.test('a disconnect that is overtaken by a visit, before its delete or between two, leaves the merchant', async t => {
  for (const between of [false, true]) {
    const { disconnects, storage, make, other, record, stored, eventsOf } = await returning(t)
    let deletes = 0
    storage.intercept = async (method, run) => {
      if (method === 'delete' && ++deletes === (between ? 2 : 1)) await other.connections.connect(merchantId, code('overtaking'))
      else if (method === 'delete') storage.records.set(merchantId, make.leased(stored(), 'another server', now() + 40))
      return run()
    }
    t.equal(await disconnects.disconnect(merchantId), false)
    t.equal(deletes, between ? 2 : 1)
    t.equal(stored().connectionId, record.connectionId)
    t.same(eventsOf('disconnected'), [])
  }
})

t.test('an uninstall that arrives late does not end a connection that was kept while a refresh was in progress', async t => {
  const { disconnects, accessTokens, storage, clover, record, stored, connections } = await returning(t)
  await leap(1801)
  const left = now()
  await leap(10)
  const answer = gate()
  clover.intercept = async (call, run) => { if (call === 'refresh') await answer.promise; return run() }
  const refreshing = accessTokens.accessToken(merchantId)
  await quiet()
  t.ok(stored().refreshLease)
  const visiting = connections.connect(merchantId, code('late-uninstall'))
  await quiet()
  answer.open()
  t.same(await visiting, { isNew: false })
  await refreshing
  t.equal(stored().returnedAt, record.connectedAt + 60 + 1801 + 10)
  t.equal(await disconnects.disconnect(merchantId, left), false)
  t.ok(stored())
  t.equal(await disconnects.disconnect(merchantId, left + 11), true)
  t.equal(storage.records.size, 0)
})
