import t from 'tap'
import { advance, gate, leap, merchantId, startServer } from './one-server.js'

/*
 * Reads that are slow, that fail, or that find nothing, and what they leave in memory.
 */

t.test('a record that is gone is gone from memory too, so that it does not serve when the store fails', async t => {
  const { accessTokens, storage, cache, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  t.ok(cache?.living(merchantId))
  storage.records.delete(merchantId)
  await leap(11)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal(cache?.living(merchantId), undefined)
  storage.break()
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_STORAGE' })
})

t.test('a read that began before a write does not replace the newer record in memory', async t => {
  const { storage, cache, reader, connect } = startServer(t)
  const record = await connect()
  const answer = gate()
  storage.intercept = async (_method, run) => { const found = await run(); await answer.promise; return found }
  const slow = reader.readStored(merchantId)
  const newer = { ...record, accessToken: 'newer', revision: 'e'.repeat(32) }
  reader.keep(newer)
  answer.open()
  t.equal((await slow)?.accessToken, record.accessToken, 'its callers get what they read')
  t.equal(cache?.living(merchantId)?.accessToken, 'newer')
})

t.test('while the store is slow, what another caller wrote meanwhile is served, and kept as it is', async t => {
  const { storage, cache, reader, connect } = startServer(t)
  const record = await connect()
  await reader.read(merchantId)
  await leap(11)
  storage.intercept = () => new Promise(() => {})
  const read = reader.read(merchantId)
  await advance(500)
  const newer = { ...record, accessToken: 'newer', revision: 'e'.repeat(32) }
  cache?.set(newer)
  await advance(600)
  t.equal((await read)?.accessToken, 'newer')
  await advance(5_000)
  t.equal(cache?.recent(merchantId)?.accessToken, 'newer', 'for its own time, and not for a second')
})
