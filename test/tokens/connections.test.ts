import t from 'tap'
import { summarize } from '../../src/installation.js'
import { within } from '../../src/concurrency/within.js'
import { realRuntime } from '../../src/runtime.js'
import { advance, startServer, TestClover, gate, leap, merchantId, otherMerchantId, patiently, quiet, refused, anotherServer, unclear } from './one-server.js'

/*
 * First authorizations, and visits of connected merchants.
 */

const code = (name: string) => ({ code: name, verifier: '' })

t.test('a merchant who connects is stored, and reported as new once', async t => {
  const { connections, storage, clover, accessTokens, eventsOf } = startServer(t)
  t.same(await connections.connect(merchantId, code('one')), { isNew: true })
  const record = storage.records.get(merchantId)
  t.match(record, { merchantId, flow: 'v2', environment: 'sandbox', refreshToken: 'one', accessToken: 'access-one', dueAt: record?.refreshTokenExpiration })
  t.same(clover.calls, ['exchange', 'merchant'])
  t.match(eventsOf('connected'), [{ isNew: true }])
  t.equal(await accessTokens.accessToken(merchantId), 'access-one')
})

t.test('a returning merchant keeps a pair whose access token works, and the visit proves itself first (security 39)', async t => {
  const { connections, storage, clover, connect } = startServer(t)
  const before = await connect()
  t.same(await connections.connect(merchantId, code('two')), { isNew: false })
  const after = storage.records.get(merchantId)
  t.match(after, { visitId: /^[0-9a-f]{32}$/, returnedAt: before.connectedAt })
  t.same({ ...after, revision: '', visitId: '', returnedAt: 0 }, { ...before, revision: '', visitId: '', returnedAt: 0 }, 'the rest stays')
  t.same(clover.calls, ['exchange', 'merchant', 'merchant'], 'the stored token is used after the proof')
  t.notOk(clover.inner.isLive('two'), 'no second refresh token is made')
})

t.test('a made-up code causes one call, whether the merchant is connected or not (security 39)', async t => {
  for (const isConnected of [true, false]) {
    const { connections, clover, connect, eventsOf } = startServer(t)
    if (isConnected) await connect()
    clover.intercept = () => refused
    await t.rejects(connections.connect(merchantId, code('made-up')), { code: 'FST_CLOVER_DENIED' })
    t.same(clover.calls, ['exchange'])
    t.match(eventsOf('exchange-refused'), [{ merchantId, status: 401 }])
  }
})

t.test('nothing is stored unless Clover confirms that the token belongs to the merchant', async t => {
  const cases = [
    [{ outcome: 'ok', value: otherMerchantId }, 'FST_CLOVER_MERCHANT_MISMATCH'],
    [{ ...refused, status: 404 }, 'FST_CLOVER_MERCHANT_MISMATCH'],
    [refused, 'FST_CLOVER_PERMISSION'],
    [unclear('status 503'), 'FST_CLOVER_UNAVAILABLE'],
    [unclear('odd', { malformed: true }), 'FST_CLOVER_BAD_REPLY']
  ] as const
  for (const [answer, expected] of cases) {
    const { connections, storage, clover, eventsOf } = startServer(t)
    clover.intercept = (call, run) => call === 'merchant' ? answer : run()
    await t.rejects(connections.connect(merchantId, code('one')), { code: expected, merchantId })
    t.equal(storage.records.size, 0)
    t.equal(eventsOf('merchant-mismatch').length, answer.outcome === 'unclear' ? 0 : 1)
    t.equal(eventsOf('connected').length, 0)
  }
})

t.test('a code that Clover refuses is FST_CLOVER_DENIED; a code without an answer is not', async t => {
  const { connections, clover, storage } = startServer(t)
  clover.intercept = () => refused
  await t.rejects(connections.connect(merchantId, code('one')), { code: 'FST_CLOVER_DENIED', statusCode: 403 })
  clover.intercept = () => unclear('status 503')
  await t.rejects(connections.connect(merchantId, code('one')), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(storage.records.size, 0)
})

t.test('a store that cannot be read is an error before the code is spent', async t => {
  const { connections, clover, storage } = startServer(t)
  storage.break()
  await t.rejects(connections.connect(merchantId, code('one')), { code: 'FST_CLOVER_STORAGE' })
  t.same(clover.calls, [])
})

t.test('a new pair is not lost to a refresh that changed the record meanwhile', async t => {
  const { connections, storage, clover, mark } = startServer(t)
  await mark()
  const other = anotherServer({ storage, clover })
  const exchanged = gate()
  clover.intercept = async (call, run) => { const answer = run(); if (call === 'exchange') await exchanged.promise; return answer }
  const connecting = connections.connect(merchantId, code('two'), true)
  await quiet()
  await other.accessTokens.refresh(merchantId)
  exchanged.open()
  t.same(await connecting, { isNew: false })
  t.equal(storage.records.get(merchantId)?.refreshToken, 'two')
})

t.test('a callback whose write fails recognizes its own record, and repeats the write if it was not done', async t => {
  for (const isDone of [true, false]) {
    const { connections, storage } = startServer(t)
    let puts = 0
    storage.intercept = async (method, run) => {
      if (method !== 'put' || ++puts > 1) return run()
      if (isDone) await run()
      throw new Error('connection reset')
    }
    const outcome = await connections.connect(merchantId, code('one')).catch((error: { code: string }) => error.code)
    if (isDone) {
      t.same(outcome, { isNew: true })
      t.equal(storage.records.get(merchantId)?.refreshToken, 'one')
    } else {
      t.equal(outcome, 'FST_CLOVER_STORAGE', 'a new record that may still land is not written twice')
    }
  }
  const { connections, storage, mark } = startServer(t)
  await mark()
  let puts = 0
  storage.intercept = async (method, run) => { if (method === 'put' && ++puts <= 2) throw new Error('reset'); return run() }
  t.same(await connections.connect(merchantId, code('two'), true), { isNew: false })
  t.equal(storage.records.get(merchantId)?.refreshToken, 'two')
})

t.test('a new merchant is stored although its record appears and disappears while the callback writes', async t => {
  const { connections, storage, connect } = startServer(t)
  const other = await connect()
  storage.records.clear()
  let puts = 0
  storage.intercept = async (method, run) => {
    if (method === 'put' && ++puts === 1) storage.records.set(merchantId, other)
    const answer = await run()
    if (puts === 1) storage.records.clear()
    return answer
  }
  t.same(await connections.connect(merchantId, code('two')), { isNew: true })
  t.equal(storage.records.get(merchantId)?.refreshToken, 'two')
})

t.test('a callback whose writes all fail ends with an error', async t => {
  const { connections, storage, mark } = startServer(t)
  await mark()
  storage.break('put')
  await t.rejects(connections.connect(merchantId, code('two'), true), { code: 'FST_CLOVER_STORAGE' })
})

t.test('of two callbacks at once one is stored, and both succeed', async t => {
  const one = startServer(t)
  const two = anotherServer({ storage: one.storage, clover: one.clover })
  const outcomes = await Promise.all([one.connections.connect(merchantId, code('one')), two.connections.connect(merchantId, code('two'))])
  t.equal(outcomes.filter(visit => visit !== 'needs-full-round' && visit.isNew).length, 1)
  t.ok(one.clover.inner.isLive(one.storage.records.get(merchantId)?.refreshToken))
})

t.test('a caller whose refresh was overtaken by a new authorization gets the new token', async t => {
  for (const fails of [true, false]) {
    // Without a refresh token that nobody asked for, a new authorization waits for the refresh.
    const { connections, accessTokens, clover, connect } = startServer(t, { clover: new TestClover({ alwaysGivesRefreshToken: true }) })
    await connect()
    await leap(1801)
    const answer = gate()
    clover.intercept = async (call, run) => {
      if (call !== 'refresh') return run()
      await answer.promise
      return fails ? unclear('odd', { malformed: true }) : run()
    }
    const caller = accessTokens.accessToken(merchantId)
    await quiet()
    await connections.connect(merchantId, code('anew'))
    answer.open()
    t.equal(await patiently(caller), 'access-anew')
  }
})

t.test('a summary holds no secret', async t => {
  const { connect } = startServer(t)
  const record = { ...await connect(), spentRefreshToken: 'secret-1', ecommercePublicKey: 'secret-2', reauthorizationRequired: { since: 1, retryAt: 2 } }
  const text = JSON.stringify(summarize(record))
  for (const secret of [record.accessToken, `"${record.refreshToken}"`, 'secret-1', record.revision, record.connectionId]) t.notOk(text.includes(secret))
  t.match(summarize(record), { reauthorizationRequired: { since: 1, retryAt: 2 } })
})

t.test('a wait ends with its promise, with its timeout, or with its signal', async t => {
  startServer(t)
  const late = () => new Error('late')
  t.equal(await within(Promise.resolve(1), 100, late), 1)
  const slow = within(new Promise(() => {}), 100, late)
  slow.catch(() => {})
  await advance(110)
  await t.rejects(slow, { message: 'late' })
  const controller = new AbortController()
  const cut = within(new Promise(() => {}), 100, late, controller.signal)
  controller.abort(new Error('cut'))
  await t.rejects(cut, { message: 'cut' })
  await t.rejects(within(Promise.reject(new Error('nobody is told')), 100, late, AbortSignal.abort(new Error('before'))), { message: 'before' })
})

t.test('the real runtime sleeps, wakes at a signal, and makes ids in the form of a revision', async t => {
  const controller = new AbortController()
  const sleeping = realRuntime.sleep(60_000, controller.signal)
  controller.abort()
  await sleeping
  await realRuntime.sleep(1)
  t.match(realRuntime.random(16), /^[0-9a-f]{32}$/)
  t.not(realRuntime.random(16), realRuntime.random(16))
  t.ok(realRuntime.jitter() >= 0 && realRuntime.jitter() < 1)
  t.ok(Math.abs(realRuntime.wallClock() - Date.now()) < 1000)
  const { fetch } = globalThis
  t.teardown(() => { globalThis.fetch = fetch })
  globalThis.fetch = async () => new Response('a host\'s mock')
  t.equal(await (await realRuntime.fetch('http://localhost')).text(), 'a host\'s mock')
})

t.test('a write of unknown outcome is not repeated over a marked record of another connection: it may have come first', async t => {
  for (const fails of [true, false]) {
    const one = startServer(t)
    const { placements, storage, mark } = one
    const other = await mark()
    storage.records.clear()
    const pair = { accessToken: 'new', accessTokenExpiration: other.updatedAt + 1800, refreshToken: 'new', refreshTokenExpiration: null }
    const placement = placements.prepare(merchantId, pair, undefined)
    let puts = 0
    storage.intercept = async (method, run) => {
      if (method !== 'put' || ++puts > 1) return run()
      storage.records.set(merchantId, other)
      if (fails) throw new Error('the connection was lost')
      return run()
    }
    t.equal(await placements.place(placement), !fails)
    t.equal(storage.records.get(merchantId)?.connectionId === other.connectionId, fails)
  }
})

t.test('a visit asks Clover with a pair that is not stored yet: it is newer than the stored one', async t => {
  const { connections, accessTokens, refreshes, storage, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const token = await accessTokens.accessToken(merchantId)
  t.ok(refreshes.unsaved(merchantId))
  const asked: string[] = []
  clover.intercept = (call, run, token) => { if (call === 'merchant') asked.push(token); return run() }
  storage.repair()
  t.same(await connections.connect(merchantId, { code: 'two', verifier: '' }), { isNew: false })
  t.equal(asked.at(-1), token)
  t.equal(asked.length, 2, 'the visit\'s own, and the held one')
})
