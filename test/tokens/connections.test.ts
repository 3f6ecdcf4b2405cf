import t from 'tap'
import { summarize } from '../../src/tokens/installation.js'
import { within } from '../../src/tokens/within.js'
import { realRuntime } from '../../src/tokens/runtime.js'
import { advance, bench, BenchClover, gate, leap, merchantId, otherMerchantId, patiently, quiet, refused, server, unclear } from './bench.js'

/*
 * Merchants who connect, and those who connect again.
 */

const code = (name: string) => ({ code: name, verifier: '' })

t.test('a merchant who connects is stored, and said to be new once', async t => {
  const { connections, storage, clover, keeper, eventsOf } = bench(t)
  t.same(await connections.connect(merchantId, code('one')), { isNew: true })
  const record = storage.records.get(merchantId)
  t.match(record, { merchantId, flow: 'v2', environment: 'sandbox', refreshToken: 'one', accessToken: 'access-one', dueAt: record?.refreshTokenExpiration })
  t.same(clover.calls, ['exchange', 'merchant'])
  t.match(eventsOf('connected'), [{ isNew: true }])
  t.equal(await keeper.accessToken(merchantId), 'access-one')
})

t.test('a returning merchant keeps a pair whose access token works, and the visit proves itself first (security 39)', async t => {
  const { connections, storage, clover, connect } = bench(t)
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
    const { connections, clover, connect, eventsOf } = bench(t)
    if (isConnected) await connect()
    clover.intercept = () => refused
    await t.rejects(connections.connect(merchantId, code('made-up')), { code: 'FST_CLOVER_DENIED' })
    t.same(clover.calls, ['exchange'])
    t.match(eventsOf('exchange-refused'), [{ merchantId, status: 401 }])
  }
})

t.test('nothing is stored unless Clover says that the token is this merchant\'s', async t => {
  const cases = [
    [{ outcome: 'ok', value: otherMerchantId }, 'FST_CLOVER_MERCHANT_MISMATCH'],
    [{ ...refused, status: 404 }, 'FST_CLOVER_MERCHANT_MISMATCH'],
    [refused, 'FST_CLOVER_PERMISSION'],
    [unclear('status 503'), 'FST_CLOVER_UNAVAILABLE'],
    [unclear('odd', { malformed: true }), 'FST_CLOVER_BAD_REPLY']
  ] as const
  for (const [answer, expected] of cases) {
    const { connections, storage, clover, eventsOf } = bench(t)
    clover.intercept = (call, run) => call === 'merchant' ? answer : run()
    await t.rejects(connections.connect(merchantId, code('one')), { code: expected, merchantId })
    t.equal(storage.records.size, 0)
    t.equal(eventsOf('merchant-mismatch').length, answer.outcome === 'unclear' ? 0 : 1)
    t.equal(eventsOf('connected').length, 0)
  }
})

t.test('a code that Clover refuses is a denial; one without an answer is not', async t => {
  const { connections, clover, storage } = bench(t)
  clover.intercept = () => refused
  await t.rejects(connections.connect(merchantId, code('one')), { code: 'FST_CLOVER_DENIED', statusCode: 403 })
  clover.intercept = () => unclear('status 503')
  await t.rejects(connections.connect(merchantId, code('one')), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(storage.records.size, 0)
})

t.test('a store that cannot be read is noticed before the code is spent', async t => {
  const { connections, clover, storage } = bench(t)
  storage.break()
  await t.rejects(connections.connect(merchantId, code('one')), { code: 'FST_CLOVER_STORAGE' })
  t.same(clover.calls, [])
})

t.test('a new pair is not lost to a refresh that changed the record meanwhile', async t => {
  const { connections, storage, clover, mark } = bench(t)
  await mark()
  const other = server({ storage, clover })
  const exchanged = gate()
  clover.intercept = async (call, run) => { const answer = run(); if (call === 'exchange') await exchanged.promise; return answer }
  const connecting = connections.connect(merchantId, code('two'), true)
  await quiet()
  await other.keeper.refresh(merchantId)
  exchanged.open()
  t.same(await connecting, { isNew: false })
  t.equal(storage.records.get(merchantId)?.refreshToken, 'two')
})

t.test('a callback whose write errors knows its own write again, and tries it again where it was not done', async t => {
  for (const isDone of [true, false]) {
    const { connections, storage } = bench(t)
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
      t.equal(outcome, 'FST_CLOVER_UNAVAILABLE', 'a new record that may still land is not written twice')
    }
  }
  const { connections, storage, mark } = bench(t)
  await mark()
  let puts = 0
  storage.intercept = async (method, run) => { if (method === 'put' && ++puts <= 2) throw new Error('reset'); return run() }
  t.same(await connections.connect(merchantId, code('two'), true), { isNew: false })
  t.equal(storage.records.get(merchantId)?.refreshToken, 'two')
})

t.test('a new merchant whose record comes and goes while the callback writes is stored all the same', async t => {
  const { connections, storage, connect } = bench(t)
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

t.test('a callback whose writes all fail says so in the end', async t => {
  const { connections, storage, mark } = bench(t)
  await mark()
  storage.break('put')
  await t.rejects(connections.connect(merchantId, code('two'), true), { code: 'FST_CLOVER_STORAGE' })
})

t.test('of two callbacks at once one is stored, and both succeed', async t => {
  const one = bench(t)
  const two = server({ storage: one.storage, clover: one.clover })
  const outcomes = await Promise.all([one.connections.connect(merchantId, code('one')), two.connections.connect(merchantId, code('two'))])
  t.equal(outcomes.filter(visit => visit !== 'again' && visit.isNew).length, 1)
  t.ok(one.clover.inner.isLive(one.storage.records.get(merchantId)?.refreshToken))
})

t.test('a caller whose refresh was overtaken by a new authorization gets the new token', async t => {
  for (const fails of [true, false]) {
    // Without a refresh token that nobody asked for, a new authorization waits for the refresh.
    const { connections, keeper, clover, connect } = bench(t, { clover: new BenchClover({ alwaysGivesRefreshToken: true }) })
    await connect()
    await leap(1801)
    const answer = gate()
    clover.intercept = async (call, run) => {
      if (call !== 'refresh') return run()
      await answer.promise
      return fails ? unclear('odd', { malformed: true }) : run()
    }
    const caller = keeper.accessToken(merchantId)
    await quiet()
    await connections.connect(merchantId, code('anew'))
    answer.open()
    t.equal(await patiently(caller), 'access-anew')
  }
})

t.test('a summary holds no secret', async t => {
  const { connect } = bench(t)
  const record = { ...await connect(), spentRefreshToken: 'secret-1', ecommercePublicKey: 'secret-2', reauthorizationRequired: { since: 1, retryAt: 2 } }
  const text = JSON.stringify(summarize(record))
  for (const secret of [record.accessToken, `"${record.refreshToken}"`, 'secret-1', record.revision, record.connectionId]) t.notOk(text.includes(secret))
  t.match(summarize(record), { reauthorizationRequired: { since: 1, retryAt: 2 } })
})

t.test('waiting ends with what is waited for, with the time, or with the signal', async t => {
  bench(t)
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

t.test('the real runtime sleeps, wakes at a signal, and makes ids of the form that the store wants', async t => {
  const controller = new AbortController()
  const sleeping = realRuntime.sleep(60_000, controller.signal)
  controller.abort()
  await sleeping
  await realRuntime.sleep(1)
  t.match(realRuntime.random(16), /^[0-9a-f]{32}$/)
  t.not(realRuntime.random(16), realRuntime.random(16))
  t.ok(realRuntime.jitter() >= 0 && realRuntime.jitter() < 1)
  t.ok(Math.abs(realRuntime.now() - Date.now()) < 1000)
  const { fetch } = globalThis
  t.teardown(() => { globalThis.fetch = fetch })
  globalThis.fetch = async () => new Response('a host\'s mock')
  t.equal(await (await realRuntime.fetch('http://localhost')).text(), 'a host\'s mock')
})
