import t from 'tap'
import { summarize } from '../../src/tokens/installation.js'
import { within } from '../../src/tokens/within.js'
import { realRuntime } from '../../src/tokens/runtime.js'
import { advance, bench, gate, leap, merchantId, otherMerchantId, patiently, quiet, refused, server, unclear } from './bench.js'

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

t.test('a returning merchant whose pair is proven alive keeps it', async t => {
  const { connections, storage, clover, connect } = bench(t)
  const before = await connect()
  t.same(await connections.connect(merchantId, code('two')), { isNew: false })
  t.same(storage.records.get(merchantId), before)
  t.same(clover.calls, ['merchant', 'exchange', 'merchant'], 'the proof comes before the exchange')
  t.notOk(clover.inner.isLive('two'), 'and no second refresh token is made')
})

t.test('a returning merchant whose pair is in doubt gets a new one', async t => {
  type Bench = ReturnType<typeof bench>
  const doubts: Record<string, (b: Bench) => unknown> = {
    'its access token has ended': () => leap(1801),
    'the app was uninstalled': ({ clover }) => clover.inner.uninstall(),
    'Clover does not answer': ({ clover }) => {
      clover.intercept = (call, run) => call === 'merchant' && clover.calls.length === 1 ? unclear('status 503') : run()
    },
    'Clover names another merchant': ({ clover }) => {
      clover.intercept = (call, run) => call === 'merchant' && clover.calls.length === 1 ? { outcome: 'ok', value: otherMerchantId } : run()
    },
    'it is marked': ({ storage }) => change(storage, { reauthorizationRequired: { since: 1, retryAt: 2 } }),
    'a refresh is under way': ({ storage }) => change(storage, { refreshLease: { by: 'x', until: 1 } }),
    'it has no refresh token': ({ storage }) => change(storage, { refreshToken: null })
  }
  for (const [doubt, make] of Object.entries(doubts)) {
    const b = bench(t)
    const before = await b.connect()
    await make(b)
    t.same(await b.connections.connect(merchantId, code('two')), { isNew: false }, doubt)
    const after = b.storage.records.get(merchantId)
    t.equal(after?.refreshToken, 'two', doubt)
    t.not(after?.connectionId, before.connectionId)
    t.equal(after?.refreshLease, undefined)
    t.equal(after?.reauthorizationRequired, undefined)
    t.equal(after?.spentRefreshToken, undefined)
  }
  function change (storage: Bench['storage'], fields: object) {
    const record = storage.records.get(merchantId)
    if (record) storage.records.set(merchantId, { ...record, ...fields })
  }
})

t.test('where the merchant id is trusted no call proves a pair, so a full one is taken', async t => {
  const { connections, storage, clover, connect } = bench(t, { trustMerchantId: true })
  await connect()
  await connections.connect(merchantId, code('two'))
  t.same(clover.calls, ['exchange'])
  t.equal(storage.records.get(merchantId)?.refreshToken, 'two')
})

t.test('while a pair is held in memory a returning merchant gets a new one, and the held one goes', async t => {
  const { connections, flights, storage, clover, keeper, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await keeper.accessToken(merchantId)
  t.ok(flights.held(merchantId))
  clover.intercept = (_call, run) => { storage.mend(); return run() }
  await connections.connect(merchantId, code('two'))
  t.equal(flights.held(merchantId), undefined)
  t.equal(await keeper.accessToken(merchantId), 'access-two')
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
  const { connections, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  const other = server({ storage, clover })
  const exchanged = gate()
  clover.intercept = async (call, run) => { const answer = run(); if (call === 'exchange') await exchanged.promise; return answer }
  const connecting = connections.connect(merchantId, code('two'))
  await quiet()
  await other.keeper.accessToken(merchantId)
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
  const { connections, storage, connect } = bench(t)
  await connect()
  await leap(1801)
  let puts = 0
  storage.intercept = async (method, run) => { if (method === 'put' && ++puts <= 2) throw new Error('reset'); return run() }
  t.same(await connections.connect(merchantId, code('two')), { isNew: false })
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
  const { connections, storage, connect } = bench(t)
  await connect()
  await leap(1801)
  storage.break('put')
  await t.rejects(connections.connect(merchantId, code('two')), { code: 'FST_CLOVER_STORAGE' })
})

t.test('of two callbacks at once one is stored, and both succeed', async t => {
  const one = bench(t)
  const two = server({ storage: one.storage, clover: one.clover })
  const outcomes = await Promise.all([one.connections.connect(merchantId, code('one')), two.connections.connect(merchantId, code('two'))])
  t.equal(outcomes.filter(({ isNew }) => isNew).length, 1)
  t.ok(one.clover.inner.isLive(one.storage.records.get(merchantId)?.refreshToken))
})

t.test('a disconnect during a callback is not undone', async t => {
  for (const returns of [true, false]) {
    const { connections, storage, clover, connect } = bench(t)
    await connect()
    if (!returns) await leap(1801)
    const exchanged = gate()
    clover.intercept = async (call, run) => { const answer = run(); if (call === 'exchange') await exchanged.promise; return answer }
    const connecting = connections.connect(merchantId, code('two'))
    connecting.catch(() => {})
    await quiet()
    t.equal(await connections.disconnect(merchantId), true)
    exchanged.open()
    await t.rejects(connecting, { code: 'FST_CLOVER_UNAVAILABLE' })
    t.equal(storage.records.size, 0)
  }
})

t.test('disconnecting forgets the merchant everywhere in this process (security 34)', async t => {
  const { connections, keeper, storage, cache, eventsOf, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  t.equal(await connections.disconnect(merchantId), true)
  t.equal(storage.records.size, 0)
  t.equal(cache?.living(merchantId), undefined)
  t.equal(eventsOf('disconnected').length, 1)
  t.equal(await connections.disconnect(merchantId), false)
  t.equal(eventsOf('disconnected').length, 1)
  await t.rejects(connections.disconnect('nobody'), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
})

t.test('a disconnect follows a record that is refreshed meanwhile, and stops before a newer connection', async t => {
  const { connections, storage, clover, connect } = bench(t)
  await connect()
  const other = server({ storage, clover })
  let deletes = 0
  storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) await other.protocol.run(merchantId, { force: true, enough: ({ refreshToken }) => refreshToken?.includes('>') === true })
    return run()
  }
  t.equal(await connections.disconnect(merchantId), true)
  t.equal(deletes, 2)
  await connect()
  await leap(1801)
  deletes = 0
  storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) await other.connections.connect(merchantId, code('newer'))
    return run()
  }
  t.equal(await connections.disconnect(merchantId), false)
  t.equal(storage.records.get(merchantId)?.refreshToken, 'newer')
})

t.test('a disconnect of a connection made before a second leaves a later one, with all that is held for it', async t => {
  const { connections, keeper, storage, clover, flights, eventsOf, connect } = bench(t)
  const { connectedAt } = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await keeper.accessToken(merchantId)
  storage.mend()
  for (const second of [0, connectedAt - 1, connectedAt]) t.equal(await connections.disconnect(merchantId, second), false)
  t.ok(storage.records.get(merchantId))
  t.ok(flights.held(merchantId), 'the only trace of a living token')
  t.equal(await connections.disconnect(merchantId, connectedAt + 1), true)
  t.equal(storage.records.size, 0)
  t.equal(flights.held(merchantId), undefined)
  t.equal(eventsOf('disconnected').length, 1)
  t.equal(await connections.disconnect(merchantId, connectedAt + 1), false)
})

t.test('a merchant who came back and kept the pair is not disconnected by what happened before', async t => {
  const { connections, storage, connect } = bench(t, { notesReturns: true })
  const before = await connect()
  await leap(60)
  await connections.connect(merchantId, code('two'))
  const after = storage.records.get(merchantId)
  t.not(after?.revision, before.revision)
  t.same(after, { ...before, revision: after?.revision, returnedAt: before.connectedAt + 60 }, 'the rest stays')
  t.equal(await connections.disconnect(merchantId, before.connectedAt + 60), false)
  t.equal(await connections.disconnect(merchantId, before.connectedAt + 61), true)
})

t.test('that a merchant came back is noted beside nobody\'s refresh, and at nobody\'s expense', async t => {
  const { connections, storage, clover, connect } = bench(t, { notesReturns: true })
  await connect()
  storage.break('put')
  t.same(await connections.connect(merchantId, code('two')), { isNew: false })
  storage.mend()
  const lease = { by: 'another server', until: 1_900_000_000 }
  clover.intercept = (call, run) => {
    const record = storage.records.get(merchantId)
    if (call === 'exchange' && record) storage.records.set(merchantId, { ...record, refreshLease: lease })
    return run()
  }
  t.same(await connections.connect(merchantId, code('three')), { isNew: false })
  t.match(storage.records.get(merchantId), { refreshLease: lease })
  t.equal(storage.records.get(merchantId)?.returnedAt, undefined)
})

t.test('a merchant who comes back while an uninstall of before is handled stays, with all that is held', async t => {
  const { connections, storage, connect, flights, clover } = bench(t, { notesReturns: true })
  const { connectedAt } = await connect()
  await leap(60)
  const dropped: string[] = []
  const { drop } = flights
  flights.drop = (id, isOver) => { dropped.push(id); drop.call(flights, id, isOver) }
  const other = server({ storage, clover, notesReturns: true })
  let deletes = 0
  storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) await other.connections.connect(merchantId, code('two'))
    return run()
  }
  t.equal(await connections.disconnect(merchantId, connectedAt + 30), false)
  t.equal(deletes, 1)
  t.ok(storage.records.get(merchantId))
  t.same(dropped, [])
})

t.test('a record that does not open is not disconnected by time, since its own is not known', async t => {
  const { connections, storage, connect } = bench(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, sealed: { key: 'x' } } as typeof record)
  await t.rejects(connections.disconnect(merchantId, record.connectedAt + 1000), { code: 'FST_CLOVER_SEALED' })
  t.equal(storage.records.size, 1)
  t.equal(await connections.disconnect(merchantId), true)
})

t.test('a caller whose refresh was overtaken by a new authorization gets the new token', async t => {
  for (const fails of [true, false]) {
    const { connections, keeper, clover, connect } = bench(t)
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

const adopted = { accessToken: 'theirs-access', accessTokenExpiration: 1_800_001_000, refreshToken: 'theirs', refreshTokenExpiration: 1_830_000_000 }

t.test('a pair of another integration is taken over for its merchant', async t => {
  const { connections, clover, storage, keeper, eventsOf } = bench(t)
  clover.intercept = (call, run) => call === 'merchant' ? { outcome: 'ok', value: merchantId } : run()
  t.equal(await connections.adopt({ merchantId, ...adopted }), true)
  t.match(storage.records.get(merchantId), adopted)
  t.equal(await keeper.accessToken(merchantId), 'theirs-access')
  t.equal(eventsOf('connected').length, 1)
  t.equal(await connections.adopt({ merchantId, ...adopted, refreshToken: 'another' }), false, 'who is connected is left alone')
  t.equal(storage.records.get(merchantId)?.refreshToken, 'theirs')
})

t.test('a callback takes the place of a faster one whose pair Clover has refused meanwhile', async t => {
  const { connections, storage, clover, make, clock } = bench(t)
  const other = server({ storage, clover })
  clover.intercept = async (call, run) => {
    if (call !== 'exchange') return run()
    clover.intercept = (_call, run) => run()
    await other.connections.connect(merchantId, code('faster'))
    const record = storage.records.get(merchantId)
    if (record) storage.records.set(merchantId, make.marked(record, clock.now()))
    return run()
  }
  await connections.connect(merchantId, code('slower'))
  const stored = storage.records.get(merchantId)
  t.equal(stored?.reauthorizationRequired, undefined)
  t.ok(clover.inner.isLive(stored?.refreshToken))
})

t.test('an adoption says that it took nothing if the merchant authorized meanwhile', async t => {
  const one = bench(t)
  const other = server({ storage: one.storage, clover: one.clover })
  const asked = gate()
  const hold = gate()
  one.clover.intercept = async () => {
    asked.open()
    await hold.promise
    return { outcome: 'ok', value: merchantId }
  }
  const adopting = one.connections.adopt({ merchantId, ...adopted })
  await asked.promise
  one.clover.intercept = (_call, run) => run()
  await patiently(other.connections.connect(merchantId, { code: 'faster', verifier: '' }))
  hold.open()
  t.equal(await adopting, false)
  t.not(one.storage.records.get(merchantId)?.refreshToken, adopted.refreshToken)
  t.same(one.eventsOf('connected'), [])
})

t.test('a marked merchant\'s pair is replaced by an adopted one', async t => {
  const { connections, clover, storage, connect } = bench(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, reauthorizationRequired: { since: 1, retryAt: 2 } })
  clover.intercept = () => ({ outcome: 'ok', value: merchantId })
  t.equal(await connections.adopt({ merchantId, ...adopted }), true)
  t.match(storage.records.get(merchantId), adopted)
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
})

t.test('an adopted token of another merchant is refused; one that has ended proves nothing and is taken', async t => {
  const { connections, clover, storage } = bench(t)
  clover.intercept = () => ({ outcome: 'ok', value: otherMerchantId })
  await t.rejects(connections.adopt({ merchantId, ...adopted }), { code: 'FST_CLOVER_MERCHANT_MISMATCH' })
  t.equal(storage.records.size, 0)
  t.equal(await connections.adopt({ merchantId, ...adopted, accessTokenExpiration: 1_700_000_000 }), true)
  t.equal(storage.records.get(merchantId)?.refreshToken, 'theirs')
})

t.test('what cannot be adopted is named, never quoted', async t => {
  const { connections, storage } = bench(t)
  await t.rejects(connections.adopt({ merchantId: 'x', ...adopted }), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  for (const [field, value] of [['accessToken', 'has a\nnewline'], ['refreshToken', ''], ['accessTokenExpiration', 1_800_000_000_000]] as const) {
    const error = await connections.adopt({ merchantId, ...adopted, [field]: value }).catch((error: unknown) => error) as Error & { code: string }
    t.equal(error.code, 'FST_CLOVER_INVALID_OPTIONS')
    t.match(error.message, field)
    t.notMatch(error.message, /newline|theirs|1800000000000/)
  }
  t.equal(storage.records.size, 0)
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
