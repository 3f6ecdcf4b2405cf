import t, { type Test } from 'tap'
import type { Installation } from '../../src/installation.js'
import { jobsOf } from '../jobs/server-jobs.js'
import { advance, startServer, gate, leap, merchantId, patiently, quiet, refused, anotherServer, unclear, type ServerOptions } from './one-server.js'

/*
 * Pairs that a recovery could still end, since Clover may handle it late (rule 18): they are refreshed once more after fifteen minutes.
 */

const now = () => Date.now() / 1000

/** A merchant whose access token has expired. */
async function stale (t: Test, options?: ServerOptions) {
  const one = startServer(t, options)
  const start = await one.connect()
  await leap(1801)
  const stored = () => one.storage.records.get(merchantId) as Installation
  const set = (change: Partial<Installation>) => { one.storage.records.set(merchantId, { ...stored(), ...change, revision: 'e'.repeat(32) }) }
  return { ...one, start, stored, set }
}
type Stale = Awaited<ReturnType<typeof stale>>

/** How a pair becomes doubtful: each way ends with a stored pair. */
const ways: Record<string, (all: Stale) => Promise<void>> = {
  'it came by recovery': async ({ accessTokens, clover, start }) => {
    clover.inner.refresh(start.refreshToken ?? '') // another server's, which has died
    await accessTokens.accessToken(merchantId)
  },
  'another server left a lease': async ({ accessTokens, set }) => {
    set({ refreshLease: { by: 'another server', until: now() - 1 } })
    await accessTokens.accessToken(merchantId)
  },
  'this server left a lease, since Clover did not answer': async ({ accessTokens, clover }) => {
    clover.intercept = () => unclear('no answer')
    await patiently(accessTokens.accessToken(merchantId)).catch(() => {})
    clover.intercept = (_call, run) => run()
    await advance(2_000)
    await accessTokens.accessToken(merchantId)
  },
  'Clover had refused the merchant': async ({ accessTokens, set }) => {
    set({ reauthorizationRequired: { since: now() - 60, retryAt: now() - 1 } })
    await accessTokens.accessToken(merchantId)
  },
  'another server has written a lease meanwhile': async ({ accessTokens, clover, storage, set }) => {
    clover.intercept = (_call, run) => { storage.break('put'); return run() }
    await accessTokens.accessToken(merchantId)
    set({ refreshLease: { by: 'another server', until: now() + 40 } })
    storage.repair()
    await advance(3_000)
  },
  'another server has marked the merchant meanwhile': async ({ accessTokens, clover, storage, set }) => {
    clover.intercept = (_call, run) => { storage.break('put'); return run() }
    await accessTokens.accessToken(merchantId)
    set({ reauthorizationRequired: { since: now(), retryAt: now() + 60 } })
    storage.repair()
    await advance(3_000)
  }
}

for (const [why, way] of Object.entries(ways)) {
  t.test(`a pair is doubtful if ${why}: it is due in fifteen minutes, and refreshed once more`, async t => {
    const all = await stale(t)
    const { accessTokens, clover, stored, eventsOf } = all
    await way(all)
    const { confirmAt, dueAt, updatedAt, refreshLease, reauthorizationRequired, accessToken } = stored()
    t.ok([900, 901].includes(Number(confirmAt) - updatedAt), 'both are whole seconds')
    t.equal(dueAt, confirmAt)
    t.same([refreshLease, reauthorizationRequired], [undefined, undefined])
    t.ok(clover.inner.isLive(stored().refreshToken))

    clover.intercept = (_call, run) => run()
    clover.calls.length = 0
    await leap(Number(confirmAt) - now() - 1)
    t.equal(await accessTokens.accessToken(merchantId), accessToken)
    await quiet()
    t.same(clover.calls, [], 'not before')
    await leap(1)
    t.equal(await accessTokens.accessToken(merchantId), accessToken, 'nobody waits for it')
    await quiet()
    t.same(clover.calls, ['refresh'], 'an ordinary refresh')
    t.equal(stored().confirmAt, undefined, 'the new pair is not doubtful')
    t.equal(stored().dueAt, stored().refreshTokenExpiration)
    t.not(await accessTokens.accessToken(merchantId), accessToken)
    await leap(900)
    await accessTokens.accessToken(merchantId)
    await quiet()
    t.equal(clover.count('refresh'), 1)
    t.same(eventsOf('refresh-failed').length, why.startsWith('this server') ? 1 : 0)
  })

  t.test(`in low trust, where nothing is recovered, no pair is doubtful, although ${why}`, async t => {
    const all = await stale(t, { trust: 'low' })
    await way(all).catch(() => {})
    t.equal(all.stored().confirmAt, undefined)
    t.not(all.stored().dueAt, Math.ceil(all.stored().updatedAt + 900))
  })
}

t.test('an ordinary refresh gives no doubtful pair, also if others changed the record meanwhile', async t => {
  const { accessTokens, connections, clover, stored } = await stale(t)
  await accessTokens.accessToken(merchantId)
  t.equal(stored().confirmAt, undefined)
  await leap(1801)
  const answer = gate()
  clover.intercept = async (call, run) => {
    if (call === 'refresh') await answer.promise
    return run()
  }
  const waiting = accessTokens.accessToken(merchantId)
  await quiet()
  const visiting = connections.connect(merchantId, { code: 'doubtful-visit', verifier: '' })
  await quiet()
  answer.open()
  await Promise.all([waiting, visiting])
  t.ok(stored().returnedAt)
  t.equal(stored().confirmAt, undefined)
})

t.test('a pair that is written over the one that its recovery ended is doubtful', async t => {
  const { accessTokens, clover, stored, set, start } = await stale(t)
  const base = start.refreshToken ?? ''
  // Clover has answered another server's refresh, whose pair is not stored yet when this server recovers it.
  const answer = clover.inner.refresh(base)
  if (answer.outcome !== 'ok') throw new Error('refused')
  clover.intercept = (call, run) => {
    const recovered = run()
    if (call === 'recover') set({ ...answer.value, spentRefreshToken: base, refreshLease: undefined as never })
    return recovered
  }
  await accessTokens.accessToken(merchantId)
  t.not(stored().refreshToken, answer.value.refreshToken)
  t.ok(clover.inner.isLive(stored().refreshToken))
  t.equal(stored().confirmAt, Math.ceil(stored().updatedAt + 900))
})

t.test('a cached record is refreshed when its pair must be confirmed', async t => {
  const all = await stale(t)
  const { accessTokens, clover, stored, cache } = all
  await ways['it came by recovery']?.(all)
  await leap(Number(stored().confirmAt) - now() - 5)
  await accessTokens.accessToken(merchantId)
  t.ok(cache?.recent(merchantId), 'read five seconds before')
  clover.calls.length = 0
  await leap(6)
  t.ok(cache?.recent(merchantId), 'and not too old to be used')
  await accessTokens.accessToken(merchantId)
  await quiet()
  t.same(clover.calls, ['refresh'])
})

t.test('keep-alive confirms the pair of a merchant whom nobody asks for', async t => {
  const all = await stale(t)
  const { clover, stored } = all
  await ways['it came by recovery']?.(all)
  const { keepAlive } = jobsOf(all)
  clover.calls.length = 0
  t.match(await patiently(keepAlive.run()), { due: 0, refreshed: 0 })
  await leap(900)
  t.match(await patiently(keepAlive.run()), { due: 1, refreshed: 1 })
  t.same(clover.calls, ['refresh'])
  t.equal(stored().confirmAt, undefined)
  t.match(await patiently(keepAlive.run()), { due: 0 })
})

t.test('a recovery that Clover handles late does not lose the merchant', async t => {
  const all = await stale(t)
  const { accessTokens, clover, stored, start } = all
  const base = start.refreshToken ?? ''
  let late: (() => void) | undefined
  clover.intercept = (call, _run, token) => {
    if (call === 'refresh') return refused // an hour in which Clover refuses everybody
    if (call === 'recover') late = () => { clover.inner.recover(token) }
    return unclear('no answer', { malformed: true })
  }
  await patiently(accessTokens.accessToken(merchantId)).catch(() => {})
  clover.intercept = (_call, run) => run()
  await advance(2_000)
  await accessTokens.accessToken(merchantId)
  const { refreshToken, confirmAt } = stored()
  t.equal(refreshToken, `${base}>`, 'the refresh works now')
  late?.()
  t.notOk(clover.inner.isLive(refreshToken), 'and the late recovery has ended what it gave')
  t.equal(stored().dueAt, confirmAt)
  const other = anotherServer({ storage: all.storage, clover })
  for (let pass = 1; pass <= 2; pass++) {
    await leap(901)
    t.match(await patiently(jobsOf(other).keepAlive.run()), { due: 1, refreshed: 1 }, `pass ${pass}`)
    t.ok(clover.inner.isLive(stored().refreshToken))
  }
  t.equal(stored().confirmAt, undefined)
})
