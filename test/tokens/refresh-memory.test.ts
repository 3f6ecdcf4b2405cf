import t from 'tap'
import type { Installation } from '../../src/installation.js'
import { advance, gate, leap, merchantId, otherMerchantId, patiently, startServer, unclear } from './one-server.js'

/*
 * What a process remembers of a merchant's refreshes: the one in progress, the last failure, and the pair that is not stored.
 */

const anyNew = { enough: () => false }

t.test('after a merchant connected again, an earlier refresh is not joined, and its end does not end the new one', async t => {
  const { refreshes, clover, storage, connect } = startServer(t)
  const before = await connect()
  const answers = [gate(), gate()]
  let refreshed = 0
  clover.intercept = async (call, run) => {
    if (call === 'refresh') await answers[refreshed++]?.promise
    return run()
  }
  const first = refreshes.refresh(merchantId, { enough: record => record.accessToken !== before.accessToken }).catch(() => 'outdated')
  await advance(50)
  t.equal(refreshed, 1)

  storage.records.delete(merchantId)
  const again = await connect()
  refreshes.drop(merchantId, record => record.connectionId === before.connectionId)
  const goal = { enough: (record: Installation) => record.accessToken !== again.accessToken }
  const second = refreshes.refresh(merchantId, goal)
  await advance(50)
  t.equal(refreshed, 2, 'it begins at once')
  answers[0]?.open()
  await advance(50)
  const third = refreshes.refresh(merchantId, goal)
  await advance(50)
  t.equal(refreshed, 2, 'a later caller joins the new one')
  answers[1]?.open()
  const [record, joined] = await patiently(Promise.all([second, third, first]))
  t.same(record, joined)
  t.equal(record.connectionId, again.connectionId)
  t.not(record.accessToken, again.accessToken)
})

t.test('after a failure Clover is not called for a moment, unless the merchant connected again', async t => {
  const { refreshes, clover, connect } = startServer(t)
  await connect()
  clover.intercept = () => unclear('status 503')
  await t.rejects(patiently(refreshes.refresh(merchantId, anyNew)), { code: 'FST_CLOVER_UNAVAILABLE' })
  await leap(0.5)
  const calls = clover.calls.length
  await t.rejects(patiently(refreshes.refresh(merchantId, anyNew)), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(clover.calls.length, calls)
  refreshes.drop(merchantId, () => true)
  t.notOk(refreshes.isBusyOrBackingOff(merchantId))
  await leap(60)
  clover.intercept = (_call, run) => run()
  t.ok(await patiently(refreshes.refresh(merchantId, anyNew)))
})

t.test('a success ends the memory of failures: the wait after the next one is short again', async t => {
  const { refreshes, clover, connect } = startServer(t)
  await connect()
  const fail = async () => {
    clover.intercept = () => unclear('malformed', { malformed: true })
    await t.rejects(patiently(refreshes.refresh(merchantId, anyNew)), { code: 'FST_CLOVER_BAD_REPLY' })
    clover.intercept = (_call, run) => run()
  }
  for (let i = 0; i < 3; i++) {
    await fail()
    await leap(60)
  }
  t.ok(await patiently(refreshes.refresh(merchantId, { enough: record => record.updatedAt > Date.now() / 1000 - 5 })))
  await fail()
  t.ok(refreshes.isBusyOrBackingOff(merchantId))
  await advance(1_000)
  t.notOk(refreshes.isBusyOrBackingOff(merchantId), 'a second at most')
})

t.test('only failures of Clover and of the store are waited for', async t => {
  const { refreshes, connect } = startServer(t)
  await t.rejects(refreshes.refresh(merchantId, anyNew), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.notOk(refreshes.isBusyOrBackingOff(merchantId))
  await connect()
  t.ok(await patiently(refreshes.refresh(merchantId, { enough: () => true })))
})

t.test('a pair that is not stored is dropped only if it is outdated', async t => {
  const { refreshes, accessTokens, clover, storage, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const token = await accessTokens.accessToken(merchantId)
  refreshes.drop(merchantId, () => false)
  t.equal(refreshes.unsaved(merchantId)?.accessToken, token)
  refreshes.drop(otherMerchantId, () => true)
  t.equal(refreshes.unsaved(merchantId)?.accessToken, token)
  refreshes.drop(merchantId, () => true)
  t.equal(refreshes.unsaved(merchantId), undefined)
})

t.test('a pair that is written late is in memory then, and one that the store does not need is not', async t => {
  const { refreshes, accessTokens, clover, storage, eventsOf, connect } = startServer(t)
  const record = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const token = await accessTokens.accessToken(merchantId)
  storage.repair()
  await advance(3_000, 100)
  t.equal(eventsOf('pair-written').length, 1)
  storage.calls.length = 0
  t.equal(await accessTokens.accessToken(merchantId), token)
  t.same(storage.calls, [], 'without a read')

  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await accessTokens.accessToken(merchantId)
  storage.records.set(merchantId, { ...record, connectionId: 'another', accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
  storage.repair()
  await advance(3_000, 100)
  t.equal(refreshes.unsaved(merchantId), undefined)
  t.equal(eventsOf('pair-dropped').length, 1)
  t.equal(eventsOf('pair-written').length, 1)
})

t.test('when the process ends, each pair that is not stored is named, and kept no longer', async t => {
  const { refreshes, accessTokens, clover, storage, eventsOf, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await accessTokens.accessToken(merchantId)
  t.equal(await patiently(refreshes.drain(1_000)), false)
  refreshes.close()
  t.match(eventsOf('pair-abandoned'), [{ merchantId }])
  t.equal(refreshes.unsaved(merchantId), undefined)
  storage.repair()
  storage.calls.length = 0
  await advance(10_000, 100)
  t.same(storage.calls, [])
  t.equal(await patiently(refreshes.drain(1_000)), true)
})
