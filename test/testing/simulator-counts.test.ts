import t from 'tap'
import { type Endpoint } from '../../src/testing/index.js'
import { merchantId, other, start, simulator, post, refresh, merchant, status, hold } from './simulator-faulty-calls.js'

t.test('calls are listed with their credential and the names of their fields', async t => {
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

t.test('rate limits: a number of requests in a second of the simulator\'s clock, for each token and for each app', async t => {
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

t.test('rate limits: a number of concurrent requests, with a retry-after', async t => {
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

t.test('rate limits: pages and calls without an app are not limited', async t => {
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

t.test('count and atOnce refuse an unknown endpoint, with which a test for no calls would pass', async t => {
  const clover = await simulator(t)
  t.throws(() => clover.count('refesh' as Endpoint), { code: 'FST_CLOVER_SIMULATOR_MISUSE', message: /^count: Expected one of authorize, token, refresh/ })
  t.throws(() => clover.atOnce('refesh' as Endpoint), { code: 'FST_CLOVER_SIMULATOR_MISUSE', message: /^atOnce: Expected one of/ })
  t.equal(clover.count('refresh'), 0)
})
