import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cloverSimulator, type CloverSimulator, type Endpoint, type Fault, type SimulatorOptions } from '../../src/testing/index.js'

const merchantId = 'FERNFILTER001'
const other = 'LARKSTREET001'
const start = 1_800_000_000_000

async function simulator (t: Test, options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const clover = await cloverSimulator({ now: () => start, ...options })
  t.teardown(() => clover.close())
  return clover
}

const post = (clover: CloverSimulator, path: string, body: unknown, init: RequestInit = {}) =>
  fetch(clover.origin + path, { method: 'POST', headers: { 'content-type': 'application/json', 'user-agent': 'test/1.0' }, body: JSON.stringify(body), ...init })

const refresh = (clover: CloverSimulator, token: string, init?: RequestInit) =>
  post(clover, '/oauth/v2/refresh', { client_id: 'SIMULATORAPP1', refresh_token: token }, init)

const merchant = (clover: CloverSimulator, token: string, id = merchantId, signal?: AbortSignal) =>
  fetch(`${clover.origin}/v3/merchants/${id}`, { headers: { authorization: `Bearer ${token}`, 'user-agent': 'test/1.0' }, ...(signal && { signal }) })

const status = async (answer: Promise<Response>) => {
  const response = await answer
  await response.arrayBuffer()
  return response.status
}

async function until (condition: () => boolean) {
  while (!condition()) await sleep(1)
}

/** Makes calls that stay open until the returned function makes their clients go away. */
async function hold (t: Test, clover: CloverSimulator, on: Endpoint, calls: ((signal: AbortSignal) => Promise<Response>)[], latency: Partial<Fault> = {}) {
  clover.fault({ on, times: calls.length, kind: 'latency', ms: Infinity, ...latency } as Fault)
  const client = new AbortController()
  const arrived = clover.calls.length + calls.length
  const gone = calls.map(call => t.rejects(call(client.signal)))
  await until(() => clover.calls.length === arrived)
  const held = clover.calls.slice(-calls.length)
  return async () => {
    client.abort()
    await Promise.all(gone)
    await until(() => held.every(call => call.status !== undefined) && clover.openCalls === 0)
  }
}

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

t.test('a status says what it likes and spends nothing, unless it comes after', async t => {
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

t.test('a fault\'s function that throws is a 500, counted once', async t => {
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

t.test('a call whose client has gone is handled all the same', async t => {
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

t.test('faults that make no sense are refused', async t => {
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

t.test('calls are listed with what they presented and sent, and no secret needs to be among it', async t => {
  const clover = await simulator(t)
  const { refresh_token: token } = clover.connect({ merchantId })
  await status(refresh(clover, token))
  await status(refresh(clover, token))
  await status(post(clover, '/oauth/v2/refresh', {}))
  await status(post(clover, '/oauth/v2/refresh', null))
  t.same(clover.calls, [
    { at: start, endpoint: 'refresh', appId: 'SIMULATORAPP1', merchantId, presented: token, fields: ['client_id', 'refresh_token'], handled: 200, status: 200 },
    { at: start, endpoint: 'refresh', appId: 'SIMULATORAPP1', merchantId, presented: token, fields: ['client_id', 'refresh_token'], handled: 401, status: 401 },
    { at: start, endpoint: 'refresh', fields: [], handled: 400, status: 400 },
    { at: start, endpoint: 'refresh', fields: [], handled: 400, status: 400 }
  ])
  t.same([clover.count('refresh'), clover.count('refresh', { merchantId }), clover.count('refresh', { merchantId: other })], [4, 2, 0])
})

t.test('the list of calls is bounded, and the counters go on', async t => {
  const clover = await simulator(t, { callsKept: 5 })
  for (let i = 0; i < 23; i++) await status(refresh(clover, `token ${i}`))
  t.same(clover.calls.map(call => call.presented), [18, 19, 20, 21, 22].map(i => `token ${i}`))
  t.equal(clover.count('refresh', { ok: false }), 23)
  const none = await simulator(t, { callsKept: 0 })
  await status(refresh(none, 'x'))
  t.same(none.calls, [])
  t.equal(none.count('refresh'), 1)
})

t.test('open calls are counted, and a reset in between does not confuse the counters', async t => {
  const clover = await simulator(t)
  const letGo = await hold(t, clover, 'refresh', [1, 2, 3].map(() => signal => refresh(clover, 'x', { signal })))
  t.same([clover.openCalls, clover.maxOpenCalls, clover.calls.length], [3, 3, 3])
  t.same([clover.atOnce('refresh'), clover.atOnce('refresh', { merchantId: 'NOBODY0000001' }), clover.atOnce('rest')], [{ open: 3, most: 3 }, { open: 0, most: 0 }, { open: 0, most: 0 }])
  t.equal(clover.calls[0]?.status, undefined)
  clover.reset()
  t.equal(clover.maxOpenCalls, 3)
  await letGo()
  t.same([clover.openCalls, clover.count('refresh'), clover.count('refresh', { ok: false })], [0, 0, 0])
  await status(merchant(clover, 'x'))
  t.same(clover.atOnce('merchant'), { open: 0, most: 1 })
  clover.reset()
  t.equal(clover.maxOpenCalls, 0)
})

t.test('rate limits: so many requests in a second of the simulator\'s clock, for each token and for each app', async t => {
  const clover = await simulator(t, { rateLimits: true })
  const [a, b, c, d] = [merchantId, other, 'TOMASTACOS001', 'BRANDNEW00001'].map(id => ({ id, token: clover.connect({ merchantId: id }).access_token }))
  const burst = async (who: typeof a, times: number) => {
    const statuses = []
    for (let i = 0; i < times; i++) statuses.push(await status(merchant(clover, who?.token ?? '', who?.id)))
    return statuses.filter(status => status === 200).length
  }
  t.equal(await burst(a, 17), 16)
  const limited = await merchant(clover, a?.token ?? '')
  t.equal(limited.status, 429)
  t.equal(limited.headers.get('x-ratelimit-tokenlimit'), '16')
  t.equal(limited.headers.get('retry-after'), null)
  t.equal(await burst(b, 16), 16)
  t.equal(await burst(c, 16), 16)
  t.equal(await burst(d, 3), 2)
  const crossed = await merchant(clover, d?.token ?? '', d?.id)
  t.equal(crossed.headers.get('x-ratelimit-crosstokenlimit'), '50')
  t.equal(await status(refresh(clover, 'x')), 429, 'unknown: the token endpoints count as well')
  clover.setNow(start + 1000)
  t.equal(await burst(d, 3), 3)
  t.equal(clover.count('merchant', { merchantId: 'BRANDNEW00001', ok: true }), 5)
})

t.test('rate limits: so many at once, with a retry-after', async t => {
  const clover = await simulator(t, {
    rateLimits: { tokenConcurrent: 2, appConcurrent: 3, retryAfter: 7 }, unknowns: { tokenEndpointsLimited: false }
  })
  const [mine, theirs] = [clover.connect({ merchantId }), clover.connect({ merchantId: other })]
  const call = (pair: typeof mine, id: string) => (signal?: AbortSignal) => merchant(clover, pair.access_token, id, signal)
  const letGo = await hold(t, clover, 'merchant', [call(mine, merchantId), call(mine, merchantId)])
  const limited = await call(mine, merchantId)()
  t.equal(limited.status, 429)
  t.equal(limited.headers.get('x-ratelimit-tokenconcurrentlimit'), '2')
  t.equal(limited.headers.get('retry-after'), '7')
  const letLastGo = await hold(t, clover, 'merchant', [call(theirs, other)])
  const crossed = await call(theirs, other)()
  t.equal(crossed.headers.get('x-ratelimit-crosstokenconcurrentlimit'), '3')
  t.equal(await status(refresh(clover, mine.refresh_token)), 200)
  await letGo()
  await letLastGo()
  t.equal(await status(call(mine, merchantId)()), 200)
})

t.test('rate limits: pages and calls of nobody are not limited', async t => {
  const clover = await simulator(t, { rateLimits: { appPerSecond: 1 } })
  for (let i = 0; i < 3; i++) {
    t.equal(await status(fetch(`${clover.origin}/oauth/v2/authorize?client_id=SIMULATORAPP1&redirect_uri=https://a.example/`)), 200)
    t.equal(await status(merchant(clover, 'x')), 401)
  }
  clover.connect({ merchantId })
  t.equal(await status(refresh(clover, 'x')), 401)
  t.equal(await status(refresh(clover, 'x')), 429)
  clover.reset()
  t.equal(await status(refresh(clover, 'x')), 401)
})
