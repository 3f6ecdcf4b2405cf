import t from 'tap'
import type { Installation } from '../../src/installation.js'
import { advance, leap, merchantId, patiently, refused, startServer } from './one-server.js'

/*
 * Single steps of the rules for a refresh: the wait for another server, what is presented to Clover, and a pair that is written late over a record that has
 * changed.
 */

const seconds = () => Date.now() / 1000
const byAnother = (until = seconds() + 20): NonNullable<Installation['refreshLease']> => ({ by: 'another', until })

t.test('the lease of another server is looked at after a pause, which grows', async t => {
  const { refreshes, storage, connect } = startServer(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, refreshLease: byAnother() })
  storage.calls.length = 0
  const refresh = refreshes.refresh(merchantId, { enough: () => false }).catch(() => {})
  await advance(5, 1)
  t.same(storage.calls, ['get'], 'not at once')
  await advance(1_000, 1)
  const reads = storage.calls.length
  t.ok(reads > 5 && reads < 20, `${reads} reads in a second`)
  await patiently(refresh)
})

t.test('a v1 token is not presented to Clover', async t => {
  const { refreshes, clover, storage, connect } = startServer(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, flow: 'v1', refreshToken: null, refreshTokenExpiration: null })
  for (const force of [false, true]) await t.rejects(refreshes.refresh(merchantId, { enough: () => false, force }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.same(clover.calls, [])
})

t.test('what is recovered is the token that was refused, and the one that was spent for it if there is one', async t => {
  const { refreshes, clover, storage, connect } = startServer(t)
  const { refreshToken } = await connect()
  const presented: string[] = []
  clover.intercept = (call, _run, token) => { presented.push(`${call} ${token}`); return refused }
  await t.rejects(patiently(refreshes.refresh(merchantId, { enough: () => false })), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.same(presented, [`refresh ${refreshToken}`, `recover ${refreshToken}`])
  const marked = storage.records.get(merchantId) as Installation
  storage.records.set(merchantId, { ...marked, spentRefreshToken: 'spent' })
  presented.length = 0
  await t.rejects(patiently(refreshes.refresh(merchantId, { enough: () => false, force: true })), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.same(presented, [`refresh ${refreshToken}`, `recover ${refreshToken}`, 'recover spent'])
})

/** Holds a pair of a refresh, or of a recovery, whose write failed; then the record is what `change` makes of it, and the store works again. */
async function writeLate (t: Parameters<typeof startServer>[0], { recovered = false, trust = 'high' as 'high' | 'low' }, change: (record: Installation, held: Installation) => Partial<Installation>) {
  const server = startServer(t, { trust })
  const { refreshes, clover, storage, connect } = server
  const before = await connect()
  await leap(1801)
  clover.intercept = (call, run) => {
    if (recovered && call === 'refresh') return { ...refused, recoveryAvailable: true }
    if (recovered && call === 'recover') clover.inner.refresh(before.refreshToken ?? '')
    const answer = run()
    storage.break('put')
    return answer
  }
  await patiently(refreshes.refresh(merchantId, { enough: record => record.accessToken !== before.accessToken }))
  const held = refreshes.unsaved(merchantId) as Installation
  if (held === undefined) throw new Error('nothing is held')
  const record = { ...before, ...change(before, held), revision: 'e'.repeat(32) } as Installation
  storage.records.set(merchantId, record)
  storage.repair()
  await advance(3_000, 100)
  const stored = storage.records.get(merchantId) as Installation
  return { ...server, held, stored, isWritten: stored.refreshToken === held.refreshToken }
}

t.test('a pair that is written late over an untouched record is doubtful only if another server may have recovered the same token', async t => {
  const cases: Array<[Partial<Installation>, boolean]> = [
    [{}, false],
    [{ ecommercePublicKey: 'key' }, false],
    [{ refreshLease: byAnother(1_900_000_000) }, true],
    [{ reauthorizationRequired: { since: 1, retryAt: 2 } }, true]
  ]
  for (const [change, isDoubtful] of cases) {
    const { stored, isWritten } = await writeLate(t, {}, () => change)
    t.ok(isWritten, JSON.stringify(change))
    t.equal(stored.confirmAt !== undefined, isDoubtful, JSON.stringify(change))
    t.equal(stored.ecommercePublicKey, change.ecommercePublicKey)
  }
  const own = await writeLate(t, {}, () => ({}))
  t.equal(own.stored.confirmAt, undefined)
  const low = await writeLate(t, { trust: 'low' }, () => ({ refreshLease: byAnother(1_900_000_000) }))
  t.ok(low.isWritten)
  t.equal(low.stored.confirmAt, undefined, 'without recovery nothing can come late')
})

t.test('a recovered pair is written over one that came from a refresh with the same token, and over no other', async t => {
  const newer = { accessToken: 'newer', refreshToken: 'newer refresh', accessTokenExpiration: 1_900_000_000 }
  const cases: Array<[{ recovered: boolean }, (presented: string) => Partial<Installation>, boolean]> = [
    [{ recovered: true }, presented => ({ ...newer, spentRefreshToken: presented }), true],
    [{ recovered: true }, presented => ({ ...newer, spentRefreshToken: presented, recovered: true }), false],
    [{ recovered: true }, () => ({ ...newer, spentRefreshToken: 'other' }), false],
    [{ recovered: false }, presented => ({ ...newer, spentRefreshToken: presented }), false]
  ]
  for (const [how, change, isWritten] of cases) {
    const late = await writeLate(t, how, ({ refreshToken }) => change(refreshToken ?? ''))
    t.equal(late.isWritten, isWritten, `${JSON.stringify(how)} ${String(change)}`)
    t.equal(late.eventsOf('pair-dropped').length, isWritten ? 0 : 1)
    t.equal(late.eventsOf('pair-written').length, isWritten ? 1 : 0)
  }
})

t.test('a pair that is held is reported as refreshed at once, and ends a mark once', async t => {
  const { eventsOf, stored } = await writeLate(t, {}, () => ({ reauthorizationRequired: { since: 5, retryAt: 6 } }))
  t.equal(eventsOf('refreshed').length, 1)
  t.equal(eventsOf('pair-held').length, 1)
  t.match(eventsOf('reconnected'), [{ since: 5, by: 'refresh' }])
  t.equal(stored.reauthorizationRequired, undefined)
})

t.test('a record that was disconnected meanwhile is not written again', async t => {
  const server = startServer(t)
  const { refreshes, clover, storage, connect, eventsOf } = server
  await connect()
  clover.intercept = (_call, run) => { const answer = run(); storage.break('put'); return answer }
  await patiently(refreshes.refresh(merchantId, { enough: record => record.recovered === true }).catch(() => {}))
  storage.records.delete(merchantId)
  storage.repair()
  await advance(3_000, 100)
  t.equal(storage.records.size, 0)
  t.equal(eventsOf('pair-dropped').length, 1)
})

t.test('a lease of which half has passed once it is written is written again before the call', async t => {
  const { refreshes, clover, storage, connect } = startServer(t)
  const before = await connect()
  let puts = 0
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'put' && ++puts === 1) await leap(25)
    return answer
  }
  let putsAtCall = 0
  clover.intercept = (_call, run) => { putsAtCall = puts; return run() }
  await patiently(refreshes.refresh(merchantId, { enough: record => record.accessToken !== before.accessToken }))
  t.equal(putsAtCall, 2)
  t.equal(clover.count('refresh'), 1)
})
