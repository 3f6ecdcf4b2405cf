import t from 'tap'
import { cloverSimulator, type Endpoint, type Fault, type SimulatorOptions } from '../../src/testing/index.js'
import { until } from '../harness/waiting.js'
import { merchantId, other, start, simulator, post, refresh, merchant, status, hold } from './simulator-faulty-calls.js'

t.test('each endpoint can be made to fail, and fails once', async t => {
  const clover = await simulator(t)
  const query = '?client_id=SIMULATORAPP1&client_secret=x&code=x'
  const calls: Record<Endpoint, () => Promise<Response>> = {
    authorize: () => fetch(`${clover.origin}/oauth/v2/authorize`),
    legacyAuthorize: () => fetch(`${clover.origin}/oauth/authorize`),
    token: () => post(clover, '/oauth/v2/token', { client_id: 'x', code: 'x' }),
    refresh: () => refresh(clover, 'x'),
    recovery: () => post(clover, '/oauth/v2/recovery', { client_id: 'x', client_secret: 'x', recovery_token: 'x' }),
    migrate: () => post(clover, '/oauth/token/migrate_v2', { merchant_uuid: 'x', app_uuid: 'x', auth_token: 'x' }),
    legacyToken: () => fetch(`${clover.origin}/oauth/token${query}`),
    merchant: () => merchant(clover, 'x'),
    rest: () => fetch(`${clover.origin}/v3/merchants/${merchantId}/items`),
    pakms: () => fetch(`${clover.origin}/pakms/apikey`)
  }
  for (const [on, call] of Object.entries(calls) as [Endpoint, () => Promise<Response>][]) {
    const fault = clover.fault({ on, kind: 'status', status: 503 })
    t.equal(await status(call()), 503, on)
    t.not(await status(call()), 503, on)
    t.equal(fault.hits, 1)
    t.equal(clover.count(on), 2)
    t.equal(clover.count(on, { ok: false }), 2)
    t.equal(clover.count(on, { ok: true }), 0)
  }
})

t.test('a status has the given headers and body, and spends no token unless it comes after', async t => {
  const clover = await simulator(t)
  const { refresh_token: token } = clover.connect({ merchantId })
  clover.fault({ on: 'refresh', kind: 'status', status: 429, headers: { 'X-RateLimit-tokenLimit': '16', 'retry-after': '3', date: 'never' }, body: 'slow down' })
  const limited = await refresh(clover, token)
  t.equal(await limited.text(), 'slow down')
  t.same(['x-ratelimit-tokenlimit', 'retry-after', 'date'].map(name => limited.headers.get(name)), ['16', '3', 'never'])
  clover.fault({ on: 'refresh', kind: 'status', status: 500 })
  t.same(await (await refresh(clover, token)).json(), { message: 'Internal Server Error' })
  clover.fault({ on: 'refresh', kind: 'status', status: 599, body: { odd: true } })
  t.same(await (await refresh(clover, token)).json(), { odd: true })
  clover.fault({ on: 'refresh', kind: 'status', status: 520 })
  t.same(await (await refresh(clover, token)).json(), { message: 'Error' })
  t.ok(clover.isLive(token))
  clover.fault({ on: 'refresh', kind: 'status', status: 502, when: 'after' })
  t.equal(await status(refresh(clover, token)), 502)
  t.notOk(clover.isLive(token))
  t.ok(clover.isRecoverable(token))
  t.match(clover.calls.at(-1), { status: 502, handled: 200, fault: 'status', presented: token, merchantId })
})

t.test('an outage can answer 401 to everybody until it is cleared', async t => {
  const clover = await simulator(t)
  const { refresh_token: token } = clover.connect({ merchantId })
  const fault = clover.fault({ on: ['refresh', 'recovery', 'merchant'], times: Infinity, kind: 'status', status: 401, body: { message: 'Invalid refresh token' } })
  for (let i = 0; i < 5; i++) t.equal(await status(refresh(clover, token)), 401)
  t.equal(await status(merchant(clover, 'x')), 401)
  t.equal(fault.hits, 6)
  fault.clear()
  t.equal(await status(refresh(clover, token)), 200)
  clover.fault({ on: 'refresh', times: 3, kind: 'status', status: 500 })
  clover.clearFaults()
  t.equal(await status(refresh(clover, 'x')), 401)
})

t.test('a fault can be for one merchant, or for one app', async t => {
  const clover = await simulator(t)
  const [mine, theirs] = [clover.connect({ merchantId }), clover.connect({ merchantId: other })]
  clover.fault({ on: 'refresh', merchantId, kind: 'status', status: 500 })
  clover.fault({ on: 'merchant', merchantId: other, kind: 'status', status: 500 })
  t.equal(await status(refresh(clover, theirs.refresh_token)), 200)
  t.equal(await status(refresh(clover, mine.refresh_token)), 500)
  t.equal(await status(merchant(clover, mine.access_token)), 200)
  t.equal(await status(merchant(clover, theirs.access_token, other)), 500)
  clover.fault({ on: 'refresh', appId: 'SIMULATORAPP2', kind: 'status', status: 500 })
  t.equal(await status(refresh(clover, mine.refresh_token)), 200)
  t.equal(await status(post(clover, '/oauth/v2/refresh', { client_id: 'SIMULATORAPP2', refresh_token: 'x' })), 500)
})

t.test('a connection is dropped before the token is spent, after it, or within the answer', async t => {
  const clover = await simulator(t)
  const pair = clover.connect({ merchantId })
  clover.fault({ on: 'refresh', kind: 'drop-before' })
  await t.rejects(refresh(clover, pair.refresh_token))
  t.ok(clover.isLive(pair.refresh_token))
  t.match(clover.calls.at(-1), { status: 0, handled: undefined, fault: 'drop-before' })

  clover.fault({ on: 'refresh', kind: 'drop-after' })
  await t.rejects(refresh(clover, pair.refresh_token))
  t.ok(clover.isRecoverable(pair.refresh_token))
  t.match(clover.calls.at(-1), { status: 0, handled: 200, fault: 'drop-after' })

  const [live = ''] = clover.liveRefreshTokens(merchantId)
  clover.fault({ on: 'refresh', kind: 'drop-during' })
  const broken = await refresh(clover, live)
  t.equal(broken.status, 200)
  t.equal(broken.headers.get('date'), new Date(start).toUTCString())
  await t.rejects(broken.text())
  t.ok(clover.isRecoverable(live))

  t.equal(clover.count('refresh', { merchantId, ok: true }), 2, 'what Clover granted counts, whether or not it arrived')
  t.equal(clover.count('refresh', { merchantId, ok: false }), 1)
  await until(() => clover.openCalls === 0)
})

t.test('a page breaks off too', async t => {
  const clover = await simulator(t)
  clover.fault({ on: 'authorize', kind: 'drop-during' })
  const broken = await fetch(`${clover.origin}/oauth/v2/authorize`)
  t.match(broken.headers.get('content-type'), 'text/html')
  await t.rejects(broken.text())
})

t.test('a malformed reply comes after the token was spent', async t => {
  const clover = await simulator(t)
  const spend = async (fault: Omit<Extract<Fault, { kind: 'reply' }>, 'on' | 'kind'>) => {
    const { refresh_token: token } = clover.connect({ merchantId })
    clover.fault({ on: 'refresh', kind: 'reply', ...fault })
    const response = await refresh(clover, token)
    t.notOk(clover.isLive(token))
    return { response, text: await response.text() }
  }
  t.equal((await spend({ body: '' })).text, '')
  t.same((await spend({ body: { access_token: null, access_token_expiration: -1 } })).text, '{"access_token":null,"access_token_expiration":-1}')
  const page = await spend({ body: '<html>', contentType: 'text/html' })
  t.equal(page.response.headers.get('content-type'), 'text/html')
  t.equal(page.response.status, 200)
  const huge = await spend({ body: Buffer.alloc(10 * 2 ** 20, ' '), status: 201, headers: { 'x-odd': 'yes' } })
  t.equal(huge.text.length, 10 * 2 ** 20)
  t.equal(huge.response.status, 201)
  t.equal(huge.response.headers.get('x-odd'), 'yes')
  const kept = await spend({ body: genuine => ({ ...(genuine as object), access_token: undefined }) })
  const { refresh_token: next, ...rest } = JSON.parse(kept.text) as { refresh_token: string, access_token?: string }
  t.ok(clover.isLive(next), 'the genuine refresh token came along')
  t.notOk(rest.access_token)
})

t.test('an error of a fault\'s function is a 500, counted once', async t => {
  const clover = await simulator(t)
  clover.fault({ on: 'refresh', kind: 'reply', body: () => { throw new Error('of the test\'s own') } })
  t.equal(await status(refresh(clover, 'x')), 500)
  t.equal(clover.count('refresh'), 1)
  t.equal(clover.calls.at(-1)?.status, 500)
  await until(() => clover.openCalls === 0)
})

t.test('latencies add up and go with another fault', async t => {
  const clover = await simulator(t)
  const { refresh_token: token } = clover.connect({ merchantId })
  clover.fault({ on: 'refresh', kind: 'latency', ms: 8 })
  clover.fault({ on: 'refresh', kind: 'latency', ms: 8, when: 'after' })
  clover.fault({ on: 'refresh', kind: 'status', status: 500, when: 'after' })
  clover.fault({ on: 'refresh', kind: 'status', status: 501 })
  const before = performance.now()
  t.equal(await status(refresh(clover, token)), 500)
  t.ok(performance.now() - before >= 14)
  t.equal(await status(refresh(clover, 'x')), 501, 'of two answers the later waits for the next call')
})

t.test('a call whose client has disconnected is still handled', async t => {
  const clover = await simulator(t)
  const { refresh_token: token } = clover.connect({ merchantId })
  const letGo = await hold(t, clover, 'refresh', [signal => refresh(clover, token, { signal })], { ms: 20 })
  await letGo()
  await until(() => !clover.isLive(token))
  t.equal(clover.count('refresh', { merchantId, ok: true }), 1)
})

t.test('an infinite latency lasts until the client has gone, before or after the token is spent', async t => {
  const clover = await simulator(t)
  const { refresh_token: token } = clover.connect({ merchantId })
  const spend = (signal: AbortSignal) => refresh(clover, token, { signal })
  await (await hold(t, clover, 'refresh', [spend]))()
  t.equal(clover.calls.at(-1)?.status, 0)
  t.ok(clover.isLive(token))
  await (await hold(t, clover, 'refresh', [spend], { when: 'after' }))()
  t.equal(clover.calls.at(-1)?.status, 0)
  t.notOk(clover.isLive(token))
})

t.test('closing ends calls that wait, and they are not handled', async t => {
  const clover = await cloverSimulator()
  const { refresh_token: token } = clover.connect({ merchantId })
  const calls = []
  for (const ms of [60_000, Infinity]) {
    clover.fault({ on: 'refresh', kind: 'latency', ms })
    calls.push(t.rejects(refresh(clover, token)))
    await until(() => clover.openCalls === calls.length)
  }
  await clover.close()
  await Promise.all(calls)
  t.ok(clover.isLive(token))
})

t.test('the general latency is a number or depends on the endpoint', async t => {
  const took = async (latency: NonNullable<SimulatorOptions['latency']>) => {
    const clover = await simulator(t, { latency })
    await status(merchant(clover, 'x'))
    const before = performance.now()
    await status(refresh(clover, 'x'))
    return performance.now() - before
  }
  t.ok(await took(12) >= 11)
  t.ok(await took(endpoint => endpoint === 'refresh' ? 12 : 0) >= 11)
})

t.test('invalid faults are refused', async t => {
  const clover = await simulator(t)
  const refused: [unknown, RegExp][] = [
    [{ on: 'nowhere', kind: 'drop-before' }, /fault\.on/],
    [{ on: [], kind: 'drop-before' }, /fault\.on/],
    [{ on: 'refresh', kind: 'nonsense' }, /fault\.kind/],
    [{ on: 'refresh' }, /fault\.kind/],
    [{ on: 'refresh', kind: 'drop-before', times: 0 }, /fault\.times/],
    [{ on: 'refresh', kind: 'latency' }, /fault\.ms/],
    [{ on: 'refresh', kind: 'latency', ms: -1 }, /fault\.ms/],
    [{ on: 'refresh', kind: 'latency', ms: 1, when: 'never' }, /fault\.when/],
    [{ on: 'refresh', kind: 'status' }, /fault\.status/],
    [{ on: 'refresh', kind: 'status', status: 99 }, /fault\.status/],
    [{ on: 'refresh', kind: 'reply' }, /fault\.body/]
  ]
  for (const [fault, message] of refused) t.throws(() => clover.fault(fault as Fault), { code: 'FST_CLOVER_SIMULATOR_MISUSE', message })
})
