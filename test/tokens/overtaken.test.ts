import t from 'tap'
import { advance, bench, gate, leap, merchantId, patiently, quiet, unclear } from './bench.js'

/*
 * Records that others change, and merchants who leave, while something is under way.
 */

t.test('a pair whose write lands while the merchant leaves is not taken back into memory (security 34)', async t => {
  const { keeper, disconnects, cache, eventsOf, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await keeper.accessToken(merchantId)
  const written = gate()
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'put') await written.promise
    return answer
  }
  await advance(3_000)
  t.equal(await disconnects.disconnect(merchantId), true)
  written.open()
  await advance(100)
  t.equal(cache?.living(merchantId), undefined)
  t.equal(eventsOf('pair-written').length, 0)
  t.equal(storage.records.size, 0)
})

t.test('a record that changes while it is about to be marked is looked at again', async t => {
  const { keeper, storage, clover, eventsOf, connect } = bench(t, { trust: 'low' })
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return { outcome: 'refused', status: 401, recoveryAvailable: false }
  }
  t.equal(await keeper.accessToken(merchantId), 'newer')
  t.equal(eventsOf('reauthorization-required').length, 0)
})

t.test('whoever loses the record to another server before a recovery gives way', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return { outcome: 'refused', status: 401, recoveryAvailable: true }
  }
  t.equal(await keeper.accessToken(merchantId), 'newer')
  t.same(clover.calls, ['refresh'])
})

t.test('whoever loses the record to another server before a second try gives way', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return unclear('status 503')
  }
  t.equal(await patiently(keeper.accessToken(merchantId)), 'newer')
  t.same(clover.calls, ['refresh'])
})

t.test('whoever loses the record to another server between two recoveries gives way', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  await connect()
  await patiently(keeper.refresh(merchantId))
  const record = storage.records.get(merchantId)
  if (!record) return t.fail()
  await leap(1801)
  clover.calls.length = 0
  clover.intercept = call => {
    if (call === 'refresh') return { outcome: 'refused', status: 401, recoveryAvailable: true }
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return unclear('status 503')
  }
  t.equal(await patiently(keeper.accessToken(merchantId)), 'newer')
  t.same(clover.calls, ['refresh', 'recover'])
})

t.test('a write that errors and lands is known again', async t => {
  const { keeper, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'put') throw new Error('connection reset')
    return answer
  }
  const token = await keeper.accessToken(merchantId)
  storage.mend()
  await advance(3_000, 50)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
  t.equal(eventsOf('pair-written').length, 1)
  t.equal(clover.count('refresh'), 1)
})

t.test('a record that was read before a disconnect is not kept after it (security 34)', async t => {
  const { keeper, disconnects, cache, storage, connect } = bench(t)
  const record = await connect()
  const held = gate()
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'get' && storage.calls.length === 1) await held.promise
    return answer
  }
  const caller = keeper.accessToken(merchantId)
  await quiet()
  t.equal(await disconnects.disconnect(merchantId), true)
  held.open()
  t.equal(await caller, record.accessToken, 'it began before')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a merchant who leaves while the store is silent does not come back into memory (security 34)', async t => {
  const { keeper, disconnects, cache, storage, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  await leap(11)
  storage.calls.length = 0
  storage.intercept = async (_method, run) => storage.calls.length === 1 ? new Promise(() => {}) : run()
  const caller = keeper.accessToken(merchantId)
  await quiet()
  t.equal(await disconnects.disconnect(merchantId), true)
  caller.catch(() => {})
  await advance(5_010)
  await t.rejects(caller, { code: 'FST_CLOVER_STORAGE' }, 'nor is its token handed out')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a disconnect during a refresh is final (security 34)', async t => {
  const { keeper, disconnects, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const caller = keeper.accessToken(merchantId)
  caller.catch(() => {})
  await quiet()
  t.equal(await disconnects.disconnect(merchantId), true)
  answer.open()
  await t.rejects(patiently(caller), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal(storage.records.size, 0)
  t.equal(eventsOf('pair-dropped').length, 1)
})

t.test('a caller who waits for a silent store is served by what was written meanwhile', async t => {
  const { keeper, reader, storage, connect } = bench(t)
  const record = await connect()
  await keeper.accessToken(merchantId)
  await leap(11)
  storage.intercept = () => new Promise(() => {})
  const waiting = keeper.accessToken(merchantId)
  await quiet()
  reader.keep({ ...record, accessToken: 'newer' })
  await advance(1_010)
  t.equal(await waiting, 'newer')
})
