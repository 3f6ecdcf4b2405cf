import t from 'tap'
import { advance, bench, gate, leap, merchantId, quiet } from './bench.js'

/*
 * What is under way when a server closes.
 */

t.test('draining waits until what is under way has landed', async t => {
  const { keeper, flights, storage, clover, connect } = bench(t)
  t.equal(await flights.drain(1000), true, 'at once where nothing is')
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; storage.break(); return run() }
  const caller = keeper.accessToken(merchantId)
  await quiet()
  const drained = flights.drain(10_000)
  await advance(100)
  t.equal(await Promise.race([drained, 'draining']), 'draining')
  answer.open()
  const token = await caller
  await advance(500)
  t.equal(await Promise.race([drained, 'draining']), 'draining', 'a held pair is waited for, too')
  storage.mend()
  await advance(2_000)
  t.equal(await drained, true)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
})

t.test('draining tries at once what would wait', async t => {
  const { keeper, flights, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await keeper.accessToken(merchantId)
  await advance(10_000, 100)
  storage.mend()
  t.equal(await flights.drain(0).then(() => flights.held(merchantId)), undefined)
})

t.test('draining ends at its deadline, and what is lost is said', async t => {
  const { keeper, flights, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await keeper.accessToken(merchantId)
  const drained = flights.drain(1_000)
  await advance(1_050)
  t.equal(await drained, false)
  flights.close()
  t.equal(eventsOf('pair-abandoned').length, 1)
  storage.calls.length = 0
  await advance(5_000, 50)
  t.same(storage.calls, [])
})

t.test('after closing nothing is started; a pair that comes then, and cannot be written, is said to be lost', async t => {
  const { keeper, flights, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; storage.break(); return run() }
  const caller = keeper.accessToken(merchantId)
  await quiet()
  flights.close()
  await t.rejects(flights.refresh('MERCHANT00009', { enough: () => true }), { code: 'FST_CLOVER_CLOSING' })
  answer.open()
  t.type(await caller, 'string')
  t.equal(eventsOf('pair-abandoned').length, 1)
  storage.mend()
  await advance(5_000, 50)
  t.equal(storage.records.get(merchantId)?.refreshToken?.includes('>'), false)
})

t.test('a reading that ends after the close brings no token back (security 35)', async t => {
  const { keeper, storage, cache, connect } = bench(t)
  await connect()
  const answer = gate()
  storage.intercept = async (_method, run) => { await answer.promise; return run() }
  const reading = keeper.accessToken(merchantId)
  await quiet()
  keeper.close()
  answer.open()
  t.type(await reading, 'string')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_CLOSING' })
})
