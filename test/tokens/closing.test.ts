import t from 'tap'
import { Shutdown } from '../../src/shutdown.js'
import { advance, startServer, gate, leap, merchantId, patiently, quiet, sleep, unclear } from './one-server.js'

/*
 * Refreshes and pairs while a server closes.
 */

t.test('draining waits for refreshes in progress and for unsaved pairs', async t => {
  const { accessTokens, refreshes, storage, clover, connect } = startServer(t)
  t.equal(await refreshes.drain(1000), true, 'at once where nothing is')
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; storage.break(); return run() }
  const caller = accessTokens.accessToken(merchantId)
  await quiet()
  const drained = refreshes.drain(10_000)
  await advance(100)
  t.equal(await Promise.race([drained, 'draining']), 'draining')
  answer.open()
  const token = await caller
  await advance(500)
  t.equal(await Promise.race([drained, 'draining']), 'draining', 'an unsaved pair is waited for, too')
  storage.repair()
  await advance(2_000)
  t.equal(await drained, true)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
})

t.test('draining writes an unsaved pair at once instead of after its pause', async t => {
  const { accessTokens, refreshes, storage, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await accessTokens.accessToken(merchantId)
  await advance(10_000, 100)
  storage.repair()
  t.equal(await refreshes.drain(0).then(() => refreshes.unsaved(merchantId)), undefined)
})

t.test('draining ends at its deadline, and the lost pairs are reported', async t => {
  const { accessTokens, refreshes, storage, clover, eventsOf, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await accessTokens.accessToken(merchantId)
  const drained = refreshes.drain(1_000)
  await advance(1_050)
  t.equal(await drained, false)
  refreshes.close()
  t.equal(eventsOf('pair-abandoned').length, 1)
  storage.calls.length = 0
  await advance(5_000, 50)
  t.same(storage.calls, [])
})

t.test('after closing no refresh starts, and a pair that arrives then and cannot be written is reported as lost', async t => {
  const { accessTokens, refreshes, storage, clover, eventsOf, connect } = startServer(t)
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; storage.break(); return run() }
  const caller = accessTokens.accessToken(merchantId)
  await quiet()
  refreshes.close()
  await t.rejects(refreshes.refresh('MERCHANT00009', { enough: () => true }), { code: 'FST_CLOVER_CLOSING' })
  answer.open()
  t.type(await caller, 'string')
  t.equal(eventsOf('pair-abandoned').length, 1)
  storage.repair()
  await advance(5_000, 50)
  t.equal(storage.records.get(merchantId)?.refreshToken?.includes('>'), false)
})

t.test('a read that ends after the close puts no token into memory (security 35)', async t => {
  const { accessTokens, storage, cache, connect } = startServer(t)
  await connect()
  const answer = gate()
  storage.intercept = async (_method, run) => { await answer.promise; return run() }
  const reading = accessTokens.accessToken(merchantId)
  await quiet()
  accessTokens.close()
  answer.open()
  t.type(await reading, 'string')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_CLOSING' })
})

/** Milliseconds of a call, of a write, and of a whole shutdown. */
const limits = { call: 10_000, write: 5_000, close: 20_000 }

t.test('no pair of a low-trust merchant is abandoned while the store and Clover answer within their timeouts', async t => {
  const cases = [3_000, 3_900, 4_700].flatMap(write => [100, 9_900].flatMap(answer => [-4_000, -100, 0, 200, 300, 1_900, 4_900, 5_100].map(after => ({ write, answer, after }))))
  const outcomes = { refreshed: 0, refused: 0 }
  for (const { write, answer, after } of cases) {
    const name = `writes of ${write} ms, answers of ${answer} ms, asked ${after} ms after the close began`
    const shutdown = new Shutdown({ monotonic: () => Date.now() }, limits.close)
    const { accessTokens, refreshes, storage, clover, eventsOf, connect } = startServer(t, { trust: 'low', isClosing: () => shutdown.timeLeft() < limits.call + limits.write })
    const before = await connect()
    await leap(1801)
    storage.intercept = async (method, run) => { if (method === 'put') await sleep(write); return run() }
    clover.intercept = async (_call, run) => { const pair = run(); await sleep(answer); return pair }
    if (after > 0) await shutdown.drain([refreshes])
    await advance(Math.max(0, after), 100)
    const caller = accessTokens.accessToken(merchantId).then(token => ({ token }), (error: { code: string }) => error)
    await advance(Math.max(0, -after), 100)
    await patiently(shutdown.drain([refreshes]))
    refreshes.close()
    const stored = storage.records.get(merchantId)
    const came = await Promise.race([caller, 'nothing'])
    if (clover.count('refresh') === 0) {
      outcomes.refused++
      t.match(came, { code: 'FST_CLOVER_CLOSING' }, name)
      t.same({ ...stored, revision: '' }, { ...before, revision: '' }, `${name}: the record is as it was, without a lease`)
    } else {
      outcomes.refreshed++
      t.match(came, { token: stored?.accessToken }, name)
      t.not(stored?.refreshToken, before.refreshToken, `${name}: the new pair is stored`)
      t.notOk(stored?.refreshLease)
    }
    t.same(eventsOf('pair-abandoned'), [], name)
  }
  t.ok(outcomes.refreshed > 10 && outcomes.refused > 10, JSON.stringify(outcomes))
})

/** A server that has no time left from when its nth put is written. */
function closingAt (t: Parameters<typeof startServer>[0], nth: number) {
  let puts = 0
  const one = startServer(t, { trust: 'low', isClosing: () => puts >= nth })
  const start = async () => {
    const record = await one.connect()
    await leap(1801)
    puts = 0
    one.storage.intercept = async (method, run) => { if (method === 'put') puts++; return run() }
    return record
  }
  return { ...one, start }
}

t.test('the lease that another server left is restored when a later lease is removed', async t => {
  const { accessTokens, storage, clover, start } = closingAt(t, 1)
  const before = await start()
  const refreshLease = { by: 'another server', until: Date.now() / 1000 - 1 }
  storage.records.set(merchantId, { ...before, refreshLease, dueAt: refreshLease.until })
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_CLOSING' })
  t.equal(clover.count('refresh'), 0)
  t.match(storage.records.get(merchantId), { refreshLease, dueAt: refreshLease.until, refreshToken: before.refreshToken })
})

t.test('a lease under which Clover was called stays: the refresh may have happened', async t => {
  const { accessTokens, storage, clover, start } = closingAt(t, 2)
  await start()
  let first: unknown
  clover.intercept = () => { first = storage.records.get(merchantId)?.refreshLease; return unclear('no answer') }
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_CLOSING' })
  t.equal(clover.count('refresh'), 1)
  t.ok(first)
  t.same(storage.records.get(merchantId)?.refreshLease, first)
})

t.test('a lease that cannot be removed expires by itself', async t => {
  const { accessTokens, storage, clover, start } = closingAt(t, 1)
  await start()
  let puts = 0
  const { intercept } = storage
  storage.intercept = async (method, run) => {
    if (method === 'put' && ++puts > 1) throw new Error('the database is down')
    return intercept(method, run)
  }
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_CLOSING' })
  t.equal(clover.count('refresh'), 0)
  t.ok(storage.records.get(merchantId)?.refreshLease)
})

t.test('a call whose token was refused gets the one that another server stored, also while the plugin closes', async t => {
  const { accessTokens, storage, connect } = startServer(t)
  const record = await connect()
  const hold = gate()
  storage.intercept = async (_method, run) => { await hold.promise; return await run() }
  const another = accessTokens.afterRefusal(merchantId, record.accessToken)
  storage.records.set(merchantId, { ...record, accessToken: 'another' })
  accessTokens.close()
  hold.open()
  t.equal(await another, 'another')
})
