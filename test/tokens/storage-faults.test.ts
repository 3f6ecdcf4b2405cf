import t from 'tap'
import { advance, startServer, gate, leap, merchantId, patiently, quiet } from './one-server.js'

/*
 * A store that is down, slow or silent.
 */

t.test('a valid token is served from memory while the store is down, however long (security 36)', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  await accessTokens.accessToken(merchantId)
  storage.break()
  for (let second = 0; second < 1700; second += 50) {
    t.equal(await accessTokens.accessToken(merchantId), accessToken)
    await leap(50)
  }
  t.same(clover.calls, [])
  await leap(101)
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_STORAGE', statusCode: 503, merchantId })
  storage.repair()
  await leap(10)
  t.not(await patiently(accessTokens.accessToken(merchantId)), accessToken)
})

t.test('a caller with a cached token waits a second for a slow store, and not every caller reads it', async t => {
  const { accessTokens, storage, connect } = startServer(t)
  const { accessToken } = await connect()
  await accessTokens.accessToken(merchantId)
  await leap(11)
  storage.calls.length = 0
  storage.intercept = () => new Promise(() => {})
  const waiting = accessTokens.accessToken(merchantId)
  await advance(990)
  t.equal(await Promise.race([waiting, 'waiting']), 'waiting')
  await advance(20)
  t.equal(await waiting, accessToken)
  for (let i = 0; i < 10; i++) t.equal(await accessTokens.accessToken(merchantId), accessToken)
  t.same(storage.calls, ['get'])
})

t.test('without a cached token a store that does not answer is an error after its timeout (security 36)', async t => {
  const { accessTokens, storage } = startServer(t)
  storage.intercept = () => new Promise(() => {})
  const waiting = accessTokens.accessToken(merchantId)
  waiting.catch(() => {})
  await advance(5_010)
  await t.rejects(waiting, { code: 'FST_CLOVER_STORAGE', cause: { message: /no answer within 5000 ms/ } })
})

t.test('each of many calls without an answer ends after its own timeout', async t => {
  const { storage, store } = startServer(t)
  const answered = gate()
  storage.intercept = (_method, run) => storage.calls.length === 2 ? answered.promise.then(run) : new Promise(() => {})
  const ended: string[] = []
  const call = (name: string) => { store.get(merchantId).then(() => ended.push(name), () => ended.push(`${name} is late`)) }
  call('first')
  await advance(1_000)
  call('second')
  await advance(1_000)
  call('third')
  await advance(2_700)
  answered.open()
  await quiet()
  t.same(ended, ['second'])
  await advance(300)
  t.same(ended, ['second', 'first is late'])
  await advance(1_700)
  t.same(ended, ['second', 'first is late'])
  await advance(300)
  t.same(ended, ['second', 'first is late', 'third is late'])
})

t.test('a failing store is not called during a backoff, which is seconds at most', async t => {
  const { accessTokens, refreshes, storage, connect } = startServer(t, { cache: false })
  await connect()
  await leap(1801)
  storage.break('put')
  for (let i = 0; i < 10; i++) {
    await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_STORAGE' })
    const puts = storage.calls.filter(call => call === 'put').length
    await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_STORAGE' })
    t.equal(storage.calls.filter(call => call === 'put').length, puts)
    await leap(5)
    t.notOk(refreshes.isBusyOrBackingOff(merchantId))
  }
})

t.test('a store that refuses every write ends in an error', async t => {
  const { accessTokens, connections, disconnects, storage, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => {
    storage.intercept = async (method, run) => method === 'get' ? run() : false
    return run()
  }
  await accessTokens.accessToken(merchantId)
  await t.rejects(disconnects.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { message: /refuses to delete/ } })
  clover.intercept = (_call, run) => run()
  await t.rejects(connections.connect(merchantId, { code: 'anew', verifier: '' }), { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('the cache entry of a merchant whom the store no longer has is removed at the next read', async t => {
  const { accessTokens, storage, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  storage.records.clear()
  await leap(11)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a cache entry whose token expires meanwhile is removed', async t => {
  const { accessTokens, cache, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  t.ok(cache?.living(merchantId))
  await leap(1801)
  t.equal(cache?.living(merchantId), undefined)
})

t.test('a first visit whose write fails rejects with the error of the store, and writes nothing twice', async t => {
  const { connections, storage } = startServer(t)
  storage.break('put')
  await t.rejects(connections.connect(merchantId, { code: 'code-first', verifier: '' }), { code: 'FST_CLOVER_STORAGE', message: /failed in put/, cause: { message: 'the database is down' } })
  t.equal(storage.calls.filter(method => method === 'put').length, 1, 'a disconnect may have come between')
  storage.repair()
  t.same(await connections.connect(merchantId, { code: 'code-second', verifier: '' }), { isNew: true })
})
