import t from 'tap'
import { advance, startServer, gate, leap, merchantId, patiently, quiet, unclear } from './one-server.js'

/*
 * Records that others change, and merchants who leave, while a refresh or a read is in progress.
 */

t.test('a pair whose write ends while the merchant leaves does not get into memory (security 34)', async t => {
  const { accessTokens, disconnects, cache, eventsOf, storage, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await accessTokens.accessToken(merchantId)
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

t.test('a record that changes right before it is marked is read again', async t => {
  const { accessTokens, storage, clover, eventsOf, connect } = startServer(t, { trust: 'low' })
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return { outcome: 'refused', status: 401, recoveryAvailable: false }
  }
  t.equal(await accessTokens.accessToken(merchantId), 'newer')
  t.equal(eventsOf('reauthorization-required').length, 0)
})

t.test('a refresh whose record another server changes before the recovery sends no recovery', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return { outcome: 'refused', status: 401, recoveryAvailable: true }
  }
  t.equal(await accessTokens.accessToken(merchantId), 'newer')
  t.same(clover.calls, ['refresh'])
})

t.test('a refresh whose record another server changes before a retry does not retry', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return unclear('status 503')
  }
  t.equal(await patiently(accessTokens.accessToken(merchantId)), 'newer')
  t.same(clover.calls, ['refresh'])
})

t.test('a refresh whose record another server changes between two recoveries sends no second one', async t => {
  const { accessTokens, storage, clover, connect } = startServer(t)
  await connect()
  await patiently(accessTokens.refresh(merchantId))
  const record = storage.records.get(merchantId)
  if (!record) return t.fail()
  await leap(1801)
  clover.calls.length = 0
  clover.intercept = call => {
    if (call === 'refresh') return { outcome: 'refused', status: 401, recoveryAvailable: true }
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return unclear('status 503')
  }
  t.equal(await patiently(accessTokens.accessToken(merchantId)), 'newer')
  t.same(clover.calls, ['refresh', 'recover'])
})

t.test('a write that fails but was done is recognized', async t => {
  const { accessTokens, storage, clover, eventsOf, connect } = startServer(t)
  await connect()
  await leap(1801)
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'put') throw new Error('connection reset')
    return answer
  }
  const token = await accessTokens.accessToken(merchantId)
  storage.repair()
  await advance(3_000, 50)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
  t.equal(eventsOf('pair-written').length, 1)
  t.equal(clover.count('refresh'), 1)
})

t.test('a record that was read before a disconnect is not kept after it (security 34)', async t => {
  const { accessTokens, disconnects, cache, storage, connect } = startServer(t)
  const record = await connect()
  const held = gate()
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'get' && storage.calls.length === 1) await held.promise
    return answer
  }
  const caller = accessTokens.accessToken(merchantId)
  await quiet()
  t.equal(await disconnects.disconnect(merchantId), true)
  held.open()
  t.equal(await caller, record.accessToken, 'it began before')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a merchant who leaves while the store does not answer gets no entry in memory (security 34)', async t => {
  const { accessTokens, disconnects, cache, storage, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  await leap(11)
  storage.calls.length = 0
  storage.intercept = async (_method, run) => storage.calls.length === 1 ? new Promise(() => {}) : run()
  const caller = accessTokens.accessToken(merchantId)
  await quiet()
  t.equal(await disconnects.disconnect(merchantId), true)
  caller.catch(() => {})
  await advance(5_010)
  await t.rejects(caller, { code: 'FST_CLOVER_STORAGE' }, 'nor is its token handed out')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a disconnect during a refresh is final (security 34)', async t => {
  const { accessTokens, disconnects, storage, clover, eventsOf, connect } = startServer(t)
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const caller = accessTokens.accessToken(merchantId)
  caller.catch(() => {})
  await quiet()
  t.equal(await disconnects.disconnect(merchantId), true)
  answer.open()
  await t.rejects(patiently(caller), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal(storage.records.size, 0)
  t.equal(eventsOf('pair-dropped').length, 1)
})

t.test('a caller who waits for a slow store gets the record that was written meanwhile', async t => {
  const { accessTokens, reader, storage, connect } = startServer(t)
  const record = await connect()
  await accessTokens.accessToken(merchantId)
  await leap(11)
  storage.intercept = () => new Promise(() => {})
  const waiting = accessTokens.accessToken(merchantId)
  await quiet()
  reader.keep({ ...record, accessToken: 'newer' })
  await advance(1_010)
  t.equal(await waiting, 'newer')
})
