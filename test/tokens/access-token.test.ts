import t from 'tap'
import { bench, advance, gate, leap, merchantId, otherMerchantId, patiently, quiet, refused, server, sleep, unclear } from './bench.js'

t.test('a token that was read once is handed out without the store and without Clover', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const { accessToken } = await connect()
  t.equal(await keeper.accessToken(merchantId), accessToken)
  t.same(storage.calls, ['get'])
  for (let i = 0; i < 50; i++) t.equal(await keeper.accessToken(merchantId), accessToken)
  t.same(storage.calls, ['get'])
  t.same(clover.calls, [])
})

t.test('the store is asked again after the cache\'s time, and by everybody without a cache (security 35)', async t => {
  const { keeper, storage, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  await leap(9)
  await keeper.accessToken(merchantId)
  t.same(storage.calls, ['get'])
  await leap(1)
  await keeper.accessToken(merchantId)
  t.same(storage.calls, ['get', 'get'])
  const bare = server({ cache: false, storage })
  storage.calls.length = 0
  await bare.keeper.accessToken(merchantId)
  await bare.keeper.accessToken(merchantId)
  t.same(storage.calls, ['get', 'get'])
})

t.test('a hundred callers at once make one read, one refresh, and get the same new token', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const { accessToken } = await connect()
  await leap(1800)
  const tokens = await Promise.all(Array.from({ length: 100 }, () => keeper.accessToken(merchantId)))
  t.equal(new Set(tokens).size, 1)
  t.not(tokens[0], accessToken)
  t.equal(clover.count('refresh'), 1)
  t.equal(clover.calls.length, 1)
  t.same(storage.calls, ['get', 'get', 'put', 'put'])
  t.equal(storage.records.get(merchantId)?.accessToken, tokens[0])
})

t.test('a refresh that starts ahead of time holds up nobody', async t => {
  const { keeper, clover, connect } = bench(t)
  const { accessToken } = await connect()
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  await leap(1441)
  t.equal(await keeper.accessToken(merchantId), accessToken)
  t.equal(await keeper.accessToken(merchantId), accessToken)
  await quiet()
  t.equal(clover.count('refresh'), 1)
  answer.open()
  await quiet()
  t.not(await keeper.accessToken(merchantId), accessToken)
  t.equal(clover.count('refresh'), 1)
})

t.test('before the last fifth of its life a token is not refreshed', async t => {
  const { keeper, clover, connect } = bench(t)
  await connect()
  await leap(1439)
  await keeper.accessToken(merchantId)
  await quiet()
  t.same(clover.calls, [])
})

t.test('a background refresh that fails is not met by anybody while the token lives', async t => {
  const { keeper, clover, connect } = bench(t)
  const { accessToken } = await connect()
  clover.intercept = () => unclear('status 503')
  await leap(1500)
  for (let i = 0; i < 20; i++) {
    t.equal(await keeper.accessToken(merchantId), accessToken)
    await advance(1000)
  }
  t.ok(clover.count('refresh') < 10, 'and Clover is left in peace in between')
})

t.test('a token that lives shorter than minValidity is refreshed first', async t => {
  const { keeper, clover, connect } = bench(t)
  const { accessToken } = await connect()
  await leap(1000)
  t.equal(await keeper.accessToken(merchantId, { minValidity: 800 }), accessToken)
  t.equal(clover.count('refresh'), 0)
  t.not(await keeper.accessToken(merchantId, { minValidity: 801 }), accessToken)
  t.equal(clover.count('refresh'), 1)
})

t.test('minValidity is capped at half of the lifetime, so that a fresh token is not refreshed at every call', async t => {
  const { keeper, clover, connect } = bench(t)
  const { accessToken } = await connect()
  await leap(899)
  t.equal(await keeper.accessToken(merchantId, { minValidity: 100_000 }), accessToken)
  t.same(clover.calls, [])
})

t.test('a rejected token is refreshed once, whoever else is told the same', async t => {
  const { keeper, clover, connect } = bench(t)
  const { accessToken } = await connect()
  t.equal(await keeper.accessToken(merchantId), accessToken)
  const tokens = await Promise.all(Array.from({ length: 10 }, () => keeper.accessToken(merchantId, { rejected: accessToken })))
  t.equal(new Set(tokens).size, 1)
  t.not(tokens[0], accessToken)
  t.equal(clover.count('refresh'), 1)
  t.equal(await keeper.accessToken(merchantId, { rejected: accessToken }), tokens[0], 'and later, too')
  t.equal(clover.count('refresh'), 1)
})

t.test('instead of a rejected token another server\'s is returned, without a call', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const { accessToken } = await connect()
  await keeper.accessToken(merchantId)
  const other = server({ storage, clover })
  await patiently(other.keeper.refresh(merchantId))
  clover.calls.length = 0
  t.equal(await keeper.accessToken(merchantId), accessToken, 'the cache does not know yet')
  t.equal(await keeper.accessToken(merchantId, { rejected: accessToken }), storage.records.get(merchantId)?.accessToken)
  t.same(clover.calls, [])
})

t.test('while Clover refuses a rejected token and cannot be reached, it is not handed out again', async t => {
  const { keeper, clover, connect } = bench(t)
  const { accessToken } = await connect()
  clover.intercept = () => unclear('status 503')
  await t.rejects(patiently(keeper.accessToken(merchantId, { rejected: accessToken })), { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('a signal ends the waiting of its caller alone', async t => {
  const { keeper, clover, connect } = bench(t)
  await connect()
  await leap(1800)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const controller = new AbortController()
  const impatient = keeper.accessToken(merchantId, { signal: controller.signal })
  const patient = keeper.accessToken(merchantId)
  await quiet()
  controller.abort(new Error('enough'))
  await t.rejects(impatient, { message: 'enough' })
  answer.open()
  t.type(await patient, 'string')
  t.equal(clover.count('refresh'), 1)
  await t.rejects(keeper.accessToken(otherMerchantId, { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' })
})

t.test('a signal that is aborted during the refresh of a living token is heard', async t => {
  const { keeper, clover, connect } = bench(t)
  await connect()
  clover.intercept = () => new Promise(() => {})
  const controller = new AbortController()
  await leap(1000)
  const waiting = keeper.accessToken(merchantId, { minValidity: 900, signal: controller.signal })
  await quiet()
  controller.abort()
  await t.rejects(waiting, { name: 'AbortError' })
})

t.test('nobody waits longer than maxWait; a living token is handed out then', async t => {
  const { keeper, clover, connect } = bench(t, { maxWait: 2_000 })
  const { accessToken } = await connect()
  clover.intercept = () => new Promise(() => {})
  await leap(1000)
  const waiting = keeper.accessToken(merchantId, { minValidity: 900 })
  await advance(1_990)
  t.equal(await Promise.race([waiting, 'still waiting']), 'still waiting')
  await advance(20)
  t.equal(await waiting, accessToken)
  await leap(900)
  const late = keeper.accessToken(merchantId)
  const refresh = keeper.refresh(merchantId)
  late.catch(() => {})
  refresh.catch(() => {})
  await advance(2_010)
  await t.rejects(late, { code: 'FST_CLOVER_UNAVAILABLE', statusCode: 503, headers: { 'retry-after': '1' }, merchantId })
  await t.rejects(refresh, { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('merchants that are not connected, and ids that are none, are errors of their own', async t => {
  const { keeper, storage } = bench(t)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED', statusCode: 409, merchantId })
  await t.rejects(keeper.refresh(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal(await keeper.installation(merchantId), undefined)
  storage.calls.length = 0
  for (const id of ['', 'merchant00001', `${merchantId}1`, `${merchantId}\n`, '../MERCHANT001']) {
    await t.rejects(keeper.accessToken(id), { code: 'FST_CLOVER_INVALID_MERCHANT_ID', statusCode: 400 })
    await t.rejects(keeper.refresh(id), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
    await t.rejects(keeper.installation(id), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  }
  t.same(storage.calls, [])
})

t.test('after closing no token is handed out, not even one in memory (security 35)', async t => {
  const { keeper, cache, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  keeper.close()
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_CLOSING', statusCode: 503 })
  t.equal(cache?.living(merchantId), undefined)
  const bare = server({ cache: false })
  bare.keeper.close()
  await t.rejects(bare.keeper.accessToken(merchantId), { code: 'FST_CLOVER_CLOSING' })
})

t.test('refresh() makes a new token whatever the age of the old one, and tells no secret', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  const before = await connect()
  const summary = await keeper.refresh(merchantId)
  const after = storage.records.get(merchantId)
  t.not(after?.accessToken, before.accessToken)
  t.equal(summary.merchantId, merchantId)
  t.notMatch(JSON.stringify(summary), /access-|code-/)
  t.equal(clover.count('refresh'), 1)
  const [one, two] = await Promise.all([keeper.refresh(merchantId), keeper.refresh(merchantId)])
  t.same(one, two)
  t.equal(clover.count('refresh'), 2, 'two operators at once are served by one refresh')
})

t.test('refresh() that meets another caller\'s failed flight tries for itself', async t => {
  const { keeper, flights, clover, connect } = bench(t, { maxWait: 60_000 })
  await connect()
  await leap(1800)
  const answer = gate()
  clover.intercept = async (_call, run) => {
    if (clover.calls.length > 1) return run()
    await answer.promise
    return unclear('odd', { malformed: true })
  }
  const caller = keeper.accessToken(merchantId)
  caller.catch(() => {})
  await quiet()
  const operator = keeper.refresh(merchantId)
  await quiet()
  answer.open()
  await t.rejects(caller, { code: 'FST_CLOVER_BAD_REPLY', statusCode: 502, merchantId })
  t.ok(flights.isOccupied(merchantId))
  t.equal((await patiently(operator)).merchantId, merchantId)
})

t.test('installations() lists every merchant, page by page, without secrets', async t => {
  const { keeper, storage, connect } = bench(t)
  for (let i = 0; i < 250; i++) await connect(`MERCHANT${String(i).padStart(5, '0')}`)
  const ids = []
  for await (const summary of keeper.installations()) {
    ids.push(summary.merchantId)
    if (ids.length === 1) t.notOk('accessToken' in summary)
  }
  t.equal(new Set(ids).size, 250)
  t.same(storage.calls, ['list', 'list', 'list'])
})

t.test('installation() tells of a mark', async t => {
  const { keeper, clover, connect } = bench(t, { launchUrl: id => `https://shop.example/clover/launch?merchant_id=${id}` })
  await connect()
  await leap(1800)
  clover.intercept = () => refused
  await t.rejects(keeper.accessToken(merchantId), {
    code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED', launchUrl: `https://shop.example/clover/launch?merchant_id=${merchantId}`
  })
  t.match(await keeper.installation(merchantId), { reauthorizationRequired: { since: Number } })
})

t.test('whoever is refreshed by another server while it stands in line costs no write and no call', async t => {
  const { connect, keeper, storage, clover } = bench(t, { maxCalls: 1, cache: false })
  const other = server({ storage, clover, cache: false })
  const merchants = ['MERCHANT00001', 'MERCHANT00002', 'MERCHANT00003']
  for (const id of merchants) await connect(id)
  await leap(1801)
  const answer = gate()
  clover.intercept = (_call, run) => answer.promise.then(run)
  const waiting = merchants.map(id => keeper.accessToken(id))
  await quiet()
  clover.intercept = (_call, run) => run()
  const token = await patiently(other.keeper.accessToken('MERCHANT00003'))
  storage.calls.length = 0
  answer.open()
  t.equal((await patiently(Promise.all(waiting)))[2], token)
  t.equal(clover.count('refresh'), 3)
  t.equal(storage.calls.filter(call => call === 'put').length, 3, 'the pair of the first, and the intent and the pair of the second')
})

t.test('a long line is not taken for another server that does not end', async t => {
  const { connect, keeper, clover } = bench(t, { maxCalls: 1, cache: false, maxWait: 600_000 })
  const merchants = Array.from({ length: 6 }, (_, i) => `MERCHANT0000${i}`)
  for (const id of merchants) await connect(id)
  await leap(1801)
  clover.intercept = async (_call, run) => {
    await sleep(30_000)
    return run()
  }
  const tokens = await patiently(Promise.all(merchants.map(id => keeper.accessToken(id))))
  t.equal(new Set(tokens).size, 6)
})
