import t from 'tap'
import { startServer, advance, gate, leap, merchantId, otherMerchantId, patiently, quiet, anotherServer, sleep, unclear } from './one-server.js'

t.test('a token that was read once is handed out without the store and without Clover', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  t.equal(await accessTokens.accessToken(merchantId), accessToken)
  t.same(storage.calls, ['get'])
  for (let i = 0; i < 50; i++) t.equal(await accessTokens.accessToken(merchantId), accessToken)
  t.same(storage.calls, ['get'])
  t.same(clover.calls, [])
})

t.test('the store is asked again after the cache\'s time, and by everybody without a cache (security 35)', async t => {
  const { accessTokens, storage, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  await leap(9)
  await accessTokens.accessToken(merchantId)
  t.same(storage.calls, ['get'])
  await leap(1)
  await accessTokens.accessToken(merchantId)
  t.same(storage.calls, ['get', 'get'])
  const bare = anotherServer({ cache: false, storage })
  storage.calls.length = 0
  await bare.accessTokens.accessToken(merchantId)
  await bare.accessTokens.accessToken(merchantId)
  t.same(storage.calls, ['get', 'get'])
})

t.test('a caller with a wish of its own is served from memory too, and one whose token was refused is not', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  for (let i = 0; i < 3; i++) t.equal(await accessTokens.accessToken(merchantId, { minValidity: 300 }), accessToken)
  t.same(storage.calls, ['get'])
  await accessTokens.accessToken(merchantId, { rejected: 'another token' })
  t.same(storage.calls, ['get', 'get'])
  t.same(clover.calls, [])
})

t.test('a hundred callers at once make one read, one refresh, and get the same new token', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  await leap(1800)
  const tokens = await Promise.all(Array.from({ length: 100 }, () => accessTokens.accessToken(merchantId)))
  t.equal(new Set(tokens).size, 1)
  t.not(tokens[0], accessToken)
  t.equal(clover.count('refresh'), 1)
  t.equal(clover.calls.length, 1)
  t.same(storage.calls, ['get', 'get', 'put', 'put'])
  t.equal(storage.records.get(merchantId)?.accessToken, tokens[0])
})

t.test('callers do not wait for a refresh that starts ahead of time', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  await leap(1441)
  t.equal(await accessTokens.accessToken(merchantId), accessToken)
  t.equal(await accessTokens.accessToken(merchantId), accessToken)
  await quiet()
  t.equal(clover.count('refresh'), 1)
  answer.open()
  await quiet()
  t.not(await accessTokens.accessToken(merchantId), accessToken)
  t.equal(clover.count('refresh'), 1)
})

t.test('a token is not refreshed before the last fifth of its life', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  await connect()
  await leap(1439)
  await accessTokens.accessToken(merchantId)
  await quiet()
  t.same(clover.calls, [])
})

t.test('no caller sees the failure of a background refresh while the token is valid', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  clover.intercept = () => unclear('status 503')
  await leap(1500)
  for (let i = 0; i < 20; i++) {
    t.equal(await accessTokens.accessToken(merchantId), accessToken)
    await advance(1000)
  }
  t.ok(clover.count('refresh') < 10, 'and Clover is left in peace in between')
})

t.test('a token with less than minValidity left is refreshed first', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  await leap(1000)
  t.equal(await accessTokens.accessToken(merchantId, { minValidity: 800 }), accessToken)
  t.equal(clover.count('refresh'), 0)
  t.not(await accessTokens.accessToken(merchantId, { minValidity: 801 }), accessToken)
  t.equal(clover.count('refresh'), 1)
})

t.test('minValidity is capped at half of the lifetime, so that a fresh token is not refreshed at every call', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  await leap(899)
  t.equal(await accessTokens.accessToken(merchantId, { minValidity: 86_400 }), accessToken)
  t.same(clover.calls, [])
})

t.test('a rejected token is refreshed once, also if several callers report it', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  t.equal(await accessTokens.accessToken(merchantId), accessToken)
  const tokens = await Promise.all(Array.from({ length: 10 }, () => accessTokens.accessToken(merchantId, { rejected: accessToken })))
  t.equal(new Set(tokens).size, 1)
  t.not(tokens[0], accessToken)
  t.equal(clover.count('refresh'), 1)
  t.equal(await accessTokens.accessToken(merchantId, { rejected: accessToken }), tokens[0], 'and later, too')
  t.equal(clover.count('refresh'), 1)
})

t.test('a caller with a rejected token gets the token that another server stored, without a call', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  await accessTokens.accessToken(merchantId)
  const other = anotherServer({ storage, clover })
  await patiently(other.accessTokens.refresh(merchantId))
  clover.calls.length = 0
  t.equal(await accessTokens.accessToken(merchantId), accessToken, 'the cache does not know yet')
  t.equal(await accessTokens.accessToken(merchantId, { rejected: accessToken }), storage.records.get(merchantId)?.accessToken)
  t.same(clover.calls, [])
})

t.test('a rejected token is not handed out again while Clover cannot be reached', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  clover.intercept = () => unclear('status 503')
  await t.rejects(patiently(accessTokens.accessToken(merchantId, { rejected: accessToken })), { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('a signal ends only the wait of its own caller', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  await connect()
  await leap(1800)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const controller = new AbortController()
  const impatient = accessTokens.accessToken(merchantId, { signal: controller.signal })
  const patient = accessTokens.accessToken(merchantId)
  await quiet()
  controller.abort(new Error('enough'))
  await t.rejects(impatient, { message: 'enough' })
  answer.open()
  t.type(await patient, 'string')
  t.equal(clover.count('refresh'), 1)
  await t.rejects(accessTokens.accessToken(otherMerchantId, { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' })
})

t.test('a signal that is aborted during a refresh ends the wait although the token is valid', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  await connect()
  clover.intercept = () => new Promise(() => {})
  const controller = new AbortController()
  await leap(1000)
  const waiting = accessTokens.accessToken(merchantId, { minValidity: 900, signal: controller.signal })
  await quiet()
  controller.abort()
  await t.rejects(waiting, { name: 'AbortError' })
})

t.test('after maxWait a caller gets the token that is still valid, or an error', async t => {
  const { accessTokens, clover, connect } = startServer(t, { maxWait: 2_000 })
  const { accessToken } = await connect()
  clover.intercept = () => new Promise(() => {})
  await leap(1000)
  const waiting = accessTokens.accessToken(merchantId, { minValidity: 900 })
  await advance(1_990)
  t.equal(await Promise.race([waiting, 'still waiting']), 'still waiting')
  await advance(20)
  t.equal(await waiting, accessToken)
  await leap(900)
  const late = accessTokens.accessToken(merchantId)
  const refresh = accessTokens.refresh(merchantId)
  late.catch(() => {})
  refresh.catch(() => {})
  await advance(2_010)
  await t.rejects(late, { code: 'FST_CLOVER_UNAVAILABLE', statusCode: 503, headers: { 'retry-after': '1' }, merchantId })
  await t.rejects(refresh, { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('a merchant who is not connected and an id of the wrong form have errors of their own', async t => {
  const { accessTokens, storage } = startServer(t)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED', statusCode: 409, merchantId })
  await t.rejects(accessTokens.refresh(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal(await accessTokens.installation(merchantId), undefined)
  storage.calls.length = 0
  for (const id of ['', 'merchant00001', `${merchantId}1`, `${merchantId}\n`, '../MERCHANT001']) {
    await t.rejects(accessTokens.accessToken(id), { code: 'FST_CLOVER_INVALID_MERCHANT_ID', statusCode: 400 })
    await t.rejects(accessTokens.refresh(id), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
    await t.rejects(accessTokens.installation(id), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  }
  t.same(storage.calls, [])
})

t.test('after closing no token is handed out, not even one in memory (security 35)', async t => {
  const { accessTokens, cache, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  accessTokens.close()
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_CLOSING', statusCode: 503 })
  t.equal(cache?.living(merchantId), undefined)
  const bare = anotherServer({ cache: false })
  bare.accessTokens.close()
  await t.rejects(bare.accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_CLOSING' })
})

t.test('a merchant whom another server refreshes while it waits in the queue costs no write and no call', async t => {
  const { connect, accessTokens, storage, clover } = startServer(t, { maxCalls: 1, cache: false })
  const other = anotherServer({ storage, clover, cache: false })
  const merchants = ['MERCHANT00001', 'MERCHANT00002', 'MERCHANT00003']
  for (const id of merchants) await connect(id)
  await leap(1801)
  const answer = gate()
  clover.intercept = (_call, run) => answer.promise.then(run)
  const waiting = merchants.map(id => accessTokens.accessToken(id))
  await quiet()
  clover.intercept = (_call, run) => run()
  const token = await patiently(other.accessTokens.accessToken('MERCHANT00003'))
  storage.calls.length = 0
  answer.open()
  t.equal((await patiently(Promise.all(waiting)))[2], token)
  t.equal(clover.count('refresh'), 3)
  t.equal(storage.calls.filter(call => call === 'put').length, 3, 'the pair of the first, and the lease and the pair of the second')
})

t.test('a long wait in the queue does not count as a wait for another server', async t => {
  const { connect, accessTokens, clover } = startServer(t, { maxCalls: 1, cache: false, maxWait: 600_000 })
  const merchants = Array.from({ length: 6 }, (_, i) => `MERCHANT0000${i}`)
  for (const id of merchants) await connect(id)
  await leap(1801)
  clover.intercept = async (_call, run) => {
    await sleep(30_000)
    return run()
  }
  const tokens = await patiently(Promise.all(merchants.map(id => accessTokens.accessToken(id))))
  t.equal(new Set(tokens).size, 6)
})
