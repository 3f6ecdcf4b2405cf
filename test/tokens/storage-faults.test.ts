import t from 'tap'
import { advance, bench, gate, leap, merchantId, patiently, quiet } from './bench.js'

/*
 * A store that is down, slow or silent.
 */

t.test('a living token is served from memory while the store is down, however long (security 36)', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const { accessToken } = await connect()
  await keeper.accessToken(merchantId)
  storage.break()
  for (let second = 0; second < 1700; second += 50) {
    t.equal(await keeper.accessToken(merchantId), accessToken)
    await leap(50)
  }
  t.same(clover.calls, [])
  await leap(101)
  await t.rejects(patiently(keeper.accessToken(merchantId)), { code: 'FST_CLOVER_STORAGE', statusCode: 503, merchantId })
  storage.mend()
  await leap(10)
  t.not(await patiently(keeper.accessToken(merchantId)), accessToken)
})

t.test('a slow store is waited for a second while a token is at hand, and not asked by every caller', async t => {
  const { keeper, storage, connect } = bench(t)
  const { accessToken } = await connect()
  await keeper.accessToken(merchantId)
  await leap(11)
  storage.calls.length = 0
  storage.intercept = () => new Promise(() => {})
  const waiting = keeper.accessToken(merchantId)
  await advance(990)
  t.equal(await Promise.race([waiting, 'waiting']), 'waiting')
  await advance(20)
  t.equal(await waiting, accessToken)
  for (let i = 0; i < 10; i++) t.equal(await keeper.accessToken(merchantId), accessToken)
  t.same(storage.calls, ['get'])
})

t.test('without a token at hand a silent store is an error in time (security 36)', async t => {
  const { keeper, storage } = bench(t)
  storage.intercept = () => new Promise(() => {})
  const waiting = keeper.accessToken(merchantId)
  waiting.catch(() => {})
  await advance(5_010)
  await t.rejects(waiting, { code: 'FST_CLOVER_STORAGE', cause: { message: /no answer within 5000 ms/ } })
})

t.test('of many silent calls each ends in its own time, and those that are answered do not hold up the rest', async t => {
  const { storage, store } = bench(t)
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

t.test('a failing store is left alone for a moment, and for seconds at most', async t => {
  const { keeper, flights, storage, connect } = bench(t, { cache: false })
  await connect()
  await leap(1801)
  storage.break('put')
  for (let i = 0; i < 10; i++) {
    await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_STORAGE' })
    const puts = storage.calls.filter(call => call === 'put').length
    await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_STORAGE' })
    t.equal(storage.calls.filter(call => call === 'put').length, puts)
    await leap(5)
    t.notOk(flights.isOccupied(merchantId))
  }
})

t.test('a store that refuses every write does not keep anybody busy for ever', async t => {
  const { keeper, connections, disconnects, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => {
    storage.intercept = async (method, run) => method === 'get' ? run() : false
    return run()
  }
  await keeper.accessToken(merchantId)
  await t.rejects(disconnects.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { message: /refuses to delete/ } })
  clover.intercept = (_call, run) => run()
  await t.rejects(connections.connect(merchantId, { code: 'anew', verifier: '' }), { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('the cache of a store that no longer has the merchant is emptied at the next look', async t => {
  const { keeper, storage, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  storage.records.clear()
  await leap(11)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a living entry of the cache that has died is let go', async t => {
  const { keeper, cache, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  t.ok(cache?.living(merchantId))
  await leap(1801)
  t.equal(cache?.living(merchantId), undefined)
})
