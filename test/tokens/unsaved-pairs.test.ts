import t from 'tap'
import { advance, startServer, leap, merchantId, patiently } from './one-server.js'

/*
 * A pair that Clover gave and that the store has not taken yet.
 */

t.test('a pair that the store does not accept serves from memory, and is written as soon as the store works', async t => {
  const { accessTokens, refreshes, storage, clover, eventsOf, connect } = startServer(t, { trust: 'low' })
  const before = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const token = await accessTokens.accessToken(merchantId)
  t.not(token, before.accessToken)
  t.equal(eventsOf('pair-held').length, 1)
  await advance(10_000, 100)
  t.equal(await accessTokens.accessToken(merchantId), token)
  t.equal((await accessTokens.installation(merchantId))?.updatedAt, refreshes.unsaved(merchantId)?.updatedAt)
  t.equal(storage.records.get(merchantId)?.accessToken, before.accessToken)
  storage.repair()
  await advance(2_100, 100)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
  t.equal(eventsOf('pair-written').length, 1)
  t.equal(refreshes.unsaved(merchantId), undefined)
  t.equal(await accessTokens.accessToken(merchantId), token)
  t.equal(clover.count('refresh'), 1)
})

t.test('an unsaved pair is written before the next refresh, and its rejected token is not handed out meanwhile', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const token = await accessTokens.accessToken(merchantId)
  t.equal((await accessTokens.refresh(merchantId).catch((error: { code: string }) => error.code)), 'FST_CLOVER_STORAGE')
  await t.rejects(patiently(accessTokens.accessToken(merchantId, { rejected: token })), { code: 'FST_CLOVER_STORAGE' })
  t.equal(clover.count('refresh'), 1)
  clover.intercept = (_call, run) => run()
  storage.repair()
  await leap(10)
  const next = await patiently(accessTokens.accessToken(merchantId, { rejected: token }))
  t.not(next, token)
  t.equal(clover.count('refresh'), 2)
})

t.test('a caller whom the unsaved pair serves gets it while the store still fails', async t => {
  const { refreshes, storage, clover, connect } = startServer(t)
  const { accessToken: old } = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const record = await refreshes.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== old })
  t.equal((await refreshes.refresh(merchantId, { enough: () => true })).accessToken, record.accessToken)
})

t.test('an unsaved pair is dropped for a newer one', async t => {
  const { accessTokens, refreshes, storage, clover, eventsOf, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await accessTokens.accessToken(merchantId)
  clover.intercept = (_call, run) => run()
  const held = refreshes.unsaved(merchantId)
  const record = storage.records.get(merchantId)
  if (!record) return t.fail()
  storage.records.set(merchantId, { ...record, refreshToken: 'newer', accessToken: 'newer-access', accessTokenExpiration: 1_900_000_000, revision: 'f'.repeat(32) })
  storage.repair()
  await advance(3_000, 50)
  t.ok(held)
  t.equal(refreshes.unsaved(merchantId), undefined)
  t.equal(eventsOf('pair-dropped').length, 1)
  t.equal(await accessTokens.accessToken(merchantId), 'newer-access')
})

t.test('a disconnect drops an unsaved pair, and a disconnect that fails keeps it', async t => {
  const { accessTokens, disconnects, refreshes, storage, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const token = await accessTokens.accessToken(merchantId)
  storage.intercept = async (method, run) => { if (method !== 'get') throw new Error('down'); return run() }
  await t.rejects(disconnects.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE' })
  t.equal(await accessTokens.accessToken(merchantId), token)
  storage.break('put')
  t.equal(await disconnects.disconnect(merchantId), true)
  t.equal(refreshes.unsaved(merchantId), undefined)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
  storage.repair()
  await advance(3_000, 50)
  t.equal(storage.records.size, 0)
})

t.test('while a pair is unsaved, no older token is served from the cache', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  const { accessToken: old } = await connect()
  t.equal(await accessTokens.accessToken(merchantId), old)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const fresh = await accessTokens.accessToken(merchantId, { rejected: old })
  t.not(fresh, old)
  t.equal(await accessTokens.accessToken(merchantId), fresh)
})

t.test('while a pair is held, its token is served without the store', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t, { cache: false })
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const token = await accessTokens.accessToken(merchantId)
  storage.calls.length = 0
  t.equal(await accessTokens.accessToken(merchantId), token)
  t.equal((await accessTokens.record(merchantId)).accessToken, token)
  t.ok(await accessTokens.installation(merchantId))
  t.equal(await accessTokens.afterRefusal(merchantId, token), undefined, 'it came from a refresh a moment ago')
  t.same(storage.calls, [])
})
