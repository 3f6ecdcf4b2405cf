import t from 'tap'
import { advance, bench, leap, merchantId, patiently } from './bench.js'

/*
 * A pair that Clover gave and that the store has not taken yet.
 */

t.test('a pair that the store does not take serves from memory, and is written as soon as the store does', async t => {
  const { keeper, flights, storage, clover, eventsOf, connect } = bench(t, { trust: 'low' })
  const before = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const token = await keeper.accessToken(merchantId)
  t.not(token, before.accessToken)
  t.equal(eventsOf('pair-held').length, 1)
  await advance(10_000, 100)
  t.equal(await keeper.accessToken(merchantId), token)
  t.equal((await keeper.installation(merchantId))?.updatedAt, flights.held(merchantId)?.updatedAt)
  t.equal(storage.records.get(merchantId)?.accessToken, before.accessToken)
  storage.mend()
  await advance(2_100, 100)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
  t.equal(eventsOf('pair-written').length, 1)
  t.equal(flights.held(merchantId), undefined)
  t.equal(await keeper.accessToken(merchantId), token)
  t.equal(clover.count('refresh'), 1)
})

t.test('a pair in hand is written before the next refresh, and while it cannot be, its token is no answer to its own rejection', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const token = await keeper.accessToken(merchantId)
  t.equal((await keeper.refresh(merchantId).catch((error: { code: string }) => error.code)), 'FST_CLOVER_STORAGE')
  await t.rejects(patiently(keeper.accessToken(merchantId, { rejected: token })), { code: 'FST_CLOVER_STORAGE' })
  t.equal(clover.count('refresh'), 1)
  clover.intercept = (_call, run) => run()
  storage.mend()
  await leap(10)
  const next = await patiently(keeper.accessToken(merchantId, { rejected: token }))
  t.not(next, token)
  t.equal(clover.count('refresh'), 2)
})

t.test('whoever asks for what the pair in hand is good for gets it while the store still fails', async t => {
  const { flights, storage, clover, connect } = bench(t)
  const { accessToken: old } = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const record = await flights.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== old })
  t.equal((await flights.refresh(merchantId, { enough: () => true })).accessToken, record.accessToken)
})

t.test('a held pair gives way to a newer one', async t => {
  const { keeper, flights, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await keeper.accessToken(merchantId)
  clover.intercept = (_call, run) => run()
  const held = flights.held(merchantId)
  const record = storage.records.get(merchantId)
  if (!record) return t.fail()
  storage.records.set(merchantId, { ...record, refreshToken: 'newer', accessToken: 'newer-access', accessTokenExpiration: 1_900_000_000, revision: 'f'.repeat(32) })
  storage.mend()
  await advance(3_000, 50)
  t.ok(held)
  t.equal(flights.held(merchantId), undefined)
  t.equal(eventsOf('pair-dropped').length, 1)
  t.equal(await keeper.accessToken(merchantId), 'newer-access')
})

t.test('a held pair is dropped with the merchant, and a disconnect that fails leaves it', async t => {
  const { keeper, disconnects, flights, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const token = await keeper.accessToken(merchantId)
  storage.intercept = async (method, run) => { if (method !== 'get') throw new Error('down'); return run() }
  await t.rejects(disconnects.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE' })
  t.equal(await keeper.accessToken(merchantId), token)
  storage.break('put')
  t.equal(await disconnects.disconnect(merchantId), true)
  t.equal(flights.held(merchantId), undefined)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
  storage.mend()
  await advance(3_000, 50)
  t.equal(storage.records.size, 0)
})

t.test('while a pair is held, no older token is served from the cache', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const { accessToken: old } = await connect()
  t.equal(await keeper.accessToken(merchantId), old)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const fresh = await keeper.accessToken(merchantId, { rejected: old })
  t.not(fresh, old)
  t.equal(await keeper.accessToken(merchantId), fresh)
})
