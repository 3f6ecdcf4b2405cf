import t from 'tap'
import type { UnsavedPair } from '../../src/tokens/refresh-types.js'
import { advance, startServer, leap, merchantId, patiently, anotherServer } from './one-server.js'

/*
 * Callers who share a refresh, and pairs that are written late.
 */

t.test('a caller who joins a refresh that does not serve it begins another', async t => {
  const { refreshes, clover, connect } = startServer(t)
  const { accessToken: old } = await connect()
  const [first, second] = await patiently(Promise.all([
    refreshes.refresh(merchantId, { enough: () => true }),
    refreshes.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== old })
  ]))
  t.equal(first.accessToken, old)
  t.not(second.accessToken, old)
  t.equal(clover.count('refresh'), 1)
})

t.test('a caller whose own refresh does not serve it gets its result, and starts no second', async t => {
  const { refreshes, clover, connect } = startServer(t)
  const { accessToken: old } = await connect()
  t.not((await patiently(refreshes.refresh(merchantId, { enough: () => false }))).accessToken, old)
  t.equal(clover.count('refresh'), 1)
})

t.test('operators whom no refresh serves cost three refreshes, however many they are', async t => {
  const { refreshes, clover, connect } = startServer(t)
  await connect()
  const goal = { force: true, enough: () => false }
  const records = await patiently(Promise.all(Array.from({ length: 8 }, () => refreshes.refresh(merchantId, goal))))
  t.equal(clover.count('refresh'), 3)
  t.equal(new Set(records.map(({ accessToken }) => accessToken)).size, 3)
})

/** A pair that Clover gave and that could not be written, which only the test has. */
async function unwritten (t: Parameters<typeof startServer>[0]) {
  const one = startServer(t)
  const { storage, clover, protocol } = one
  const before = await one.connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const { unsaved: held } = await protocol.run(merchantId, { enough: ({ accessToken }) => accessToken !== before.accessToken })
  storage.repair()
  clover.intercept = (_call, run) => run()
  return { ...one, before, held: held as UnsavedPair }
}

t.test('a pair that was written after all, and refreshed by another server since, is not reported as dropped', async t => {
  const { storage, clover, pairs, held, eventsOf } = await unwritten(t)
  storage.records.set(merchantId, held.next)
  const other = anotherServer({ storage, clover })
  const { record } = await patiently(other.protocol.run(merchantId, { enough: ({ accessToken }) => accessToken !== held.next.accessToken }))
  t.same(await pairs.save(held), record)
  t.same(eventsOf('pair-dropped'), [])
})

t.test('a pair that is written late over a record that was changed has the time at which Clover gave it', async t => {
  const { storage, make, pairs, held } = await unwritten(t)
  const { updatedAt } = held.next
  const current = storage.records.get(merchantId)
  if (current === undefined) return t.fail()
  await advance(100_000, 1000)
  storage.records.set(merchantId, make.returned(current, 'a visit', Date.now() / 1000))
  const stored = await pairs.save(held)
  t.match(stored, { accessToken: held.pair.accessToken, updatedAt, visitId: 'a visit' })
})

for (const hasToken of [true, false]) {
  t.test(`an odd reply ${hasToken ? 'with an access token is as old as that token' : 'without an access token leaves the old one its times'}`, async t => {
    const { storage, clover, protocol, connect } = startServer(t)
    const before = await connect()
    await leap(600)
    clover.intercept = (_call, run) => {
      const { value } = run() as { value: { accessToken: string, accessTokenExpiration: number, refreshToken: string } }
      const { refreshToken, ...token } = value
      return { outcome: 'odd', reason: 'odd', value: { ...(hasToken && token), refreshToken } }
    }
    await protocol.run(merchantId, { force: true, enough: ({ refreshToken }) => refreshToken !== before.refreshToken })
    const stored = storage.records.get(merchantId)
    t.not(stored?.refreshToken, before.refreshToken)
    t.equal(stored?.updatedAt, before.updatedAt + (hasToken ? 600 : 0))
  })
}

t.test('a lease whose write fails is tried again from the record, and only a later failure is an error', async t => {
  const { storage, clover, protocol, connect } = startServer(t)
  const before = await connect()
  await leap(1801)
  const enough = ({ accessToken }: { accessToken: string }) => accessToken !== before.accessToken
  let puts = 0
  storage.intercept = async (method, run) => {
    if (method === 'put' && ++puts <= 2) throw new Error('the database is down')
    return run()
  }
  t.ok(enough((await patiently(protocol.run(merchantId, { enough }))).record))
  t.equal(clover.count('refresh'), 1)
})

t.test('a store that accepts no lease is an error after three writes', async t => {
  const { storage, clover, protocol, connect } = startServer(t)
  await connect()
  await leap(1801)
  storage.calls.length = 0
  storage.break('put')
  await t.rejects(patiently(protocol.run(merchantId, { enough: () => false })), { code: 'FST_CLOVER_STORAGE' })
  t.equal(storage.calls.filter(method => method === 'put').length, 3)
  t.equal(clover.count('refresh'), 0)
})

t.test('a lease that is stored although the store failed is not waited for by the server that wrote it', async t => {
  const { storage, clover, protocol, connect } = startServer(t)
  const before = await connect()
  await leap(1801)
  storage.intercept = async (method, run) => {
    const result = await run()
    if (method === 'put') {
      storage.break()
      throw new Error('the connection was lost')
    }
    return result
  }
  const goal = { enough: ({ accessToken }: { accessToken: string }) => accessToken !== before.accessToken }
  await t.rejects(protocol.run(merchantId, goal), { code: 'FST_CLOVER_STORAGE' })
  storage.repair()
  t.ok(storage.records.get(merchantId)?.refreshLease)
  const began = Date.now()
  await patiently(protocol.run(merchantId, goal))
  t.ok(Date.now() - began < 1000, `${Date.now() - began} ms`)
  t.equal(clover.count('refresh'), 1)
})
