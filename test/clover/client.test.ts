import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { authorizeUrl } from '../../src/clover/authorize.js'
import { unclearError } from '../../src/clover/answer.js'
import { createCloverClient, type CloverApp, type CloverClient } from '../../src/clover/client.js'
import { CloverClock } from '../../src/clover/clock.js'
import { createCloverHttp } from '../../src/clover/http.js'
import { longestGrace } from '../../src/concurrency/deadline.js'
import { VirtualTiming } from '../helpers/timing.js'

/*
 * Clover's endpoints, against a real server whose every answer the test decides.
 */

interface Seen { method: string, url: string, headers: IncomingMessage['headers'], body: string }
type Answer = (response: ServerResponse, seen: Seen) => void

const expiration = 1_900_000_000
const pair = { access_token: 'ACCESS', access_token_expiration: expiration, refresh_token: 'REFRESH', refresh_token_expiration: expiration + 1 }
const ownPair = { accessToken: 'ACCESS', accessTokenExpiration: expiration, refreshToken: 'REFRESH', refreshTokenExpiration: expiration + 1 }
const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Answer => response => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
const text = (body: string, status = 200): Answer => response => { response.writeHead(status, { 'content-type': 'text/html' }).end(body) }

interface Setup { client: CloverClient, seen: Seen[], clock: CloverClock, app: CloverApp, origin: string }

async function clover (t: Test, answer: Answer, options: Partial<CloverApp> & { callTimeout?: number, now?: () => number } = {}): Promise<Setup> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const call = { method: String(request.method), url: String(request.url), headers: request.headers, body }
    seen.push(call)
    answer(response, call)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { callTimeout = 2_000, now = Date.now, ...overrides } = options
  const app: CloverApp = {
    environment: { name: 'test', authorize: origin, api: origin, legacy: origin }, appId: 'APP', appSecret: 'CANARY-secret', flow: 'v2', ...overrides
  }
  const clock = new CloverClock(now)
  return { client: createCloverClient(app, createCloverHttp({ fetch, clock, callTimeout, userAgent: 'shop/1 fastify-clover/0' })), seen, clock, app, origin }
}

const exchange = { code: 'CANARY-code', verifier: 'CANARY-verifier', withRefreshToken: true }
const bodyOf = ([call]: Seen[]): unknown => JSON.parse(call?.body ?? '')

t.test('each call has the form that Clover documents', async t => {
  const high = await clover(t, json(pair))
  t.same(await high.client.exchange(exchange), { outcome: 'ok', value: ownPair })
  t.match(high.seen, [{ method: 'POST', url: '/oauth/v2/token', headers: { 'content-type': 'application/json', accept: 'application/json' } }])
  t.same(bodyOf(high.seen), { client_id: 'APP', client_secret: 'CANARY-secret', code: 'CANARY-code' })

  const low = await clover(t, json(pair), { appSecret: false })
  await low.client.exchange(exchange)
  t.same(bodyOf(low.seen), { client_id: 'APP', code: 'CANARY-code', code_verifier: 'CANARY-verifier' })

  const refresh = await clover(t, json(pair))
  t.same(await refresh.client.refresh('OLD'), { outcome: 'ok', value: ownPair })
  t.match(refresh.seen, [{ method: 'POST', url: '/oauth/v2/refresh' }])
  t.same(bodyOf(refresh.seen), { client_id: 'APP', refresh_token: 'OLD' }, 'the secret is not sent')

  const recover = await clover(t, json(pair))
  t.same(await recover.client.recover('SPENT'), { outcome: 'ok', value: ownPair })
  t.match(recover.seen, [{ method: 'POST', url: '/oauth/v2/recovery' }])
  t.same(bodyOf(recover.seen), { client_id: 'APP', client_secret: 'CANARY-secret', recovery_token: 'SPENT' })

  const returning = await clover(t, json({ access_token: 'ACCESS', access_token_expiration: expiration }))
  t.same(await returning.client.exchange({ ...exchange, withRefreshToken: false }), {
    outcome: 'ok', value: { accessToken: 'ACCESS', accessTokenExpiration: expiration, refreshToken: null, refreshTokenExpiration: null }
  })
  t.match(returning.seen, [{ url: '/oauth/v2/token?no_refresh_token=true' }])

  const merchant = await clover(t, json({ id: 'MERCHANT00001', name: 'x' }))
  t.same(await merchant.client.merchant('MERCHANT00001', 'ACCESS'), { outcome: 'ok', value: 'MERCHANT00001' })
  t.match(merchant.seen, [{ method: 'GET', url: '/v3/merchants/MERCHANT00001', headers: { authorization: 'Bearer ACCESS' }, body: '' }])
})

t.test('v1 exchanges by GET, and its token has no expiration', async t => {
  const { client, seen } = await clover(t, json({ access_token: 'LEGACY' }), { flow: 'v1' })
  t.same(await client.exchange(exchange), { outcome: 'ok', value: { accessToken: 'LEGACY', accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null } })
  t.match(seen, [{ method: 'GET', url: '/oauth/token?client_id=APP&client_secret=CANARY-secret&code=CANARY-code' }])
})

t.test('the secret in v1\'s URL is in no reason (security 21)', async t => {
  for (const answer of [json({}), json({}, 500), text('<html>'), ((response: ServerResponse) => response.destroy()) as Answer]) {
    const { client } = await clover(t, answer, { flow: 'v1' })
    t.notMatch(JSON.stringify(await client.exchange(exchange)), 'CANARY')
  }
  const nowhere = await clover(t, json({}), { flow: 'v1', environment: { name: 'test', authorize: 'http://localhost', api: 'http://localhost', legacy: 'http://127.0.0.1:1' } })
  const answer = await nowhere.client.exchange(exchange)
  t.match(answer, { outcome: 'unclear', malformed: false })
  t.notMatch(JSON.stringify(answer), 'CANARY')
})

t.test('400, 401 and 403 say something about the token, and other failures do not', async t => {
  for (const status of [400, 401, 403]) {
    const { client } = await clover(t, json({ message: 'x' }, status))
    const refused = { outcome: 'refused', status, recoveryAvailable: false }
    t.same(await client.exchange(exchange), refused)
    t.same(await client.refresh('OLD'), refused)
    t.same(await client.recover('OLD'), refused)
    t.same(await client.merchant('MERCHANT00001', 'ACCESS'), refused)
  }
  for (const status of [402, 404, 405, 408, 415, 418, 429, 500, 502, 503, 504]) {
    const { client } = await clover(t, json({ message: 'x' }, status))
    const unclear = { outcome: 'unclear', malformed: false, reason: new RegExp(`status ${status}`) }
    t.match(await client.exchange(exchange), unclear)
    t.match(await client.refresh('OLD'), unclear)
    t.match(await client.recover('OLD'), unclear)
  }
  const { client } = await clover(t, json({}, 404))
  t.match(await client.merchant('MERCHANT00001', 'ACCESS'), { outcome: 'refused', status: 404 }, 'but a merchant may be foreign')
})

t.test('the recovery header is noted', async t => {
  const { client } = await clover(t, json({}, 401, { 'x-clover-recovery-available': 'true' }))
  t.match(await client.refresh('OLD'), { outcome: 'refused', recoveryAvailable: true })
})

t.test('retry-after is taken in seconds alone', async t => {
  for (const [header, retryAfter] of [['3', 3], ['0', 0], ['-1', undefined], ['1e9', undefined], ['Wed, 21 Oct 2026 07:28:00 GMT', undefined]] as const) {
    const { client } = await clover(t, json({}, 429, { 'retry-after': header }))
    t.equal((await client.refresh('OLD') as { retryAfter?: number }).retryAfter, retryAfter, header)
  }
})

t.test('a reply that does not fit is unclear and malformed, and its values are not repeated (security 24)', async t => {
  const replies: unknown[] = [
    {}, [], null, 'CANARY', 7,
    { ...pair, access_token: undefined, refresh_token: undefined }, { ...pair, refresh_token: undefined }, { ...pair, refresh_token: null }, { ...pair, refresh_token: '' },
    { ...pair, refresh_token: 'CANARY\n' }, { ...pair, refresh_token: 'CANARY CANARY' }, { ...pair, refresh_token: 'CANARY\u00e9' }, { ...pair, refresh_token: 'x'.repeat(16_385) }
  ]
  for (const reply of replies) {
    const { client } = await clover(t, json(reply))
    for (const answer of [await client.exchange(exchange), await client.refresh('OLD'), await client.recover('OLD')]) {
      t.match(answer, { outcome: 'unclear', malformed: true })
      t.notMatch(JSON.stringify(answer), 'CANARY')
    }
  }
  for (const answer of [text('<html>CANARY</html>'), text(''), text('{"access_token": "CANARY'), text('x'.repeat(10_000_000))]) {
    const { client } = await clover(t, answer)
    for (const got of [await client.exchange(exchange), await client.refresh('OLD'), await client.merchant('MERCHANT00001', 'A')]) {
      t.match(got, { outcome: 'unclear', malformed: true })
      t.notMatch(JSON.stringify(got), 'CANARY')
    }
  }
  for (const reply of [{}, { id: 7 }, { id: '' }]) {
    t.match(await (await clover(t, json(reply))).client.merchant('MERCHANT00001', 'A'), { outcome: 'unclear', malformed: true })
  }
  for (const reply of [{}, { access_token: 7 }]) {
    t.match(await (await clover(t, json(reply), { flow: 'v1' })).client.exchange(exchange), { outcome: 'unclear', malformed: true })
  }
  const { client } = await clover(t, json({ access_token: 'A' }))
  t.match(await client.exchange({ ...exchange, withRefreshToken: false }), { outcome: 'unclear', malformed: true })
})

t.test('an absurd expiration is refused in an exchange (security 24)', async t => {
  for (const wrong of [undefined, null, -1, 0, 1800, '1900000000', 1_900_000_000_000, 1e300, {}]) {
    for (const field of ['access_token_expiration', 'refresh_token_expiration']) {
      const { client } = await clover(t, json({ ...pair, [field]: wrong }))
      t.match(await client.exchange(exchange), { outcome: 'unclear', malformed: true }, `${field}: ${JSON.stringify(wrong)}`)
    }
  }
})

t.test('a usable refresh token is kept from an odd reply, since the one sent is spent', async t => {
  const odd = async (reply: unknown) => await (await clover(t, json(reply))).client.refresh('OLD')
  t.match(await odd({ refresh_token: 'REFRESH' }), { outcome: 'odd', value: { refreshToken: 'REFRESH', refreshTokenExpiration: null } })
  t.notOk('accessToken' in (await odd({ ...pair, access_token: 7 }) as { value: object }).value)
  t.notOk('accessToken' in (await odd({ ...pair, access_token_expiration: -1 }) as { value: object }).value, 'a token of unknown age is not used')
  t.match(await odd({ ...pair, refresh_token_expiration: 'x' }), {
    outcome: 'odd', value: { accessToken: 'ACCESS', accessTokenExpiration: expiration, refreshToken: 'REFRESH', refreshTokenExpiration: null }
  })
  t.match(await odd({ ...pair, access_token: undefined }), { value: { refreshTokenExpiration: expiration + 1 } })
})

t.test('redirects are not followed (security 20)', async t => {
  const { client, seen } = await clover(t, (response, { url }) => {
    response.writeHead(302, { location: url.includes('elsewhere') ? '/end' : '/elsewhere' }).end(JSON.stringify(pair))
  })
  t.match(await client.refresh('OLD'), { outcome: 'unclear', malformed: false, reason: /status 302/ })
  t.match(await client.merchant('MERCHANT00001', 'A'), { outcome: 'unclear' })
  t.equal(seen.length, 2)
})

t.test('a reply without end is cut off (security 24)', async t => {
  const { client } = await clover(t, response => {
    const more = () => { while (response.write('x'.repeat(65_536))); }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.on('drain', more)
    more()
  })
  t.match(await client.refresh('OLD'), { outcome: 'unclear', malformed: true, reason: /a reply of more than 262144 bytes/ })
})

t.test('each call has a deadline, the body included (security 25)', async t => {
  const silent = await clover(t, () => {}, { callTimeout: 30 })
  t.match(await silent.client.refresh('OLD'), { outcome: 'unclear', malformed: false, reason: /no answer within 30 ms/ })
  const halting = await clover(t, response => { response.writeHead(200, { 'content-type': 'application/json' }).write('{') }, { callTimeout: 30 })
  t.match(await halting.client.refresh('OLD'), { outcome: 'unclear', malformed: false, reason: /no answer within 30 ms/ })
})

t.test('an answer that is there when a deadline fires late is taken, and one that never comes is given up after a short grace', async t => {
  for (const isAnswered of [true, false]) {
    const timing = new VirtualTiming()
    let answer: (response: Response) => void = () => {}
    const fetch: typeof globalThis.fetch = (_url, init) => new Promise((resolve, reject) => {
      answer = resolve
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
    })
    const http = createCloverHttp({ fetch, clock: new CloverClock(Date.now), callTimeout: 1_000, userAgent: 'shop/1', timing })
    const call = http({ endpoint: '/x', url: new URL('http://localhost'), method: 'POST', body: {} })
    timing.stall(60_000)
    timing.pass(longestGrace - 1)
    if (isAnswered) answer(new Response('{}'))
    else timing.pass(1)
    t.match(await call, isAnswered ? { outcome: 'answered', status: 200 } : { outcome: 'unclear', reason: '/x: no answer within 1000 ms' })
    t.equal(timing.size, 0)
  }
})

t.test('a connection that breaks is unclear, with its code', async t => {
  const { client } = await clover(t, response => { response.destroy() })
  t.match(await client.refresh('OLD'), { outcome: 'unclear', malformed: false, reason: /network error [A-Z_]+/ })
  const broken = createCloverHttp({ fetch: async () => { throw new Error('CANARY') }, clock: new CloverClock(Date.now), callTimeout: 100, userAgent: 'shop/1' })
  t.match(await broken({ endpoint: '/x', url: new URL('http://localhost'), method: 'GET' }), { reason: '/x: network error' })
  const bodiless = createCloverHttp({ fetch: async () => new Response(null, { status: 204 }), clock: new CloverClock(Date.now), callTimeout: 100, userAgent: 'shop/1' })
  t.match(await bodiless({ endpoint: '/x', url: new URL('http://localhost'), method: 'GET' }), { outcome: 'answered', status: 204, body: undefined })
})

t.test('what callers see of an unclear answer', async t => {
  t.match(unclearError({ outcome: 'unclear', reason: 'x', malformed: true }, 'M'), { code: 'FST_CLOVER_BAD_REPLY', merchantId: 'M' })
  t.match(unclearError({ outcome: 'unclear', reason: 'x', malformed: false, retryAfter: 7 }, 'M'), { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 7, headers: { 'retry-after': '7' } })
  t.match(unclearError({ outcome: 'unclear', reason: 'x', malformed: false }), { retryAfter: 1 })
})

t.test('time is Clover\'s, from the Date header of its latest answer', async t => {
  const minutes = 60_000
  for (const wrong of [-10 * minutes, 0, 10 * minutes]) {
    const { client, clock } = await clover(t, json({}, 500), { now: () => Date.now() + wrong })
    t.ok(Math.abs(clock.now() - (Date.now() + wrong) / 1000) < 0.5, 'before the first answer there is the local clock alone')
    await client.refresh('OLD')
    t.ok(Math.abs(clock.now() - Date.now() / 1000) < 2, `a clock that is ${wrong / minutes} minutes wrong`)
  }
})

t.test('a Date header that cannot be right changes nothing, and one answer alone does not move the clock far', async t => {
  const at = (seconds: number) => new Date(seconds * 1000).toUTCString()
  const clock = new CloverClock(() => 1_000_000)
  const wrong = [null, '', 'yesterday-ish', '0', '1', '2026', at(0), at(946_684_799), 'Sat, 13 Sep 275760 00:00:00 GMT', new Date(1_800_000_000_000).toISOString(), 'Xyz, 99 Abc 2026 00:00:00 GMT']
  for (const date of wrong) {
    clock.observe(date)
    t.equal(clock.now(), 1000, String(date))
  }
  clock.observe(at(1_800_000_000))
  t.equal(clock.now(), 1_800_000_000.5, 'the first is believed')
  for (const date of wrong) clock.observe(date)
  clock.observe(at(1_800_000_300))
  t.equal(clock.now(), 1_800_000_300.5, 'a little is believed')
  clock.observe(at(1_700_000_000))
  clock.observe(at(1_900_000_000))
  t.equal(clock.now(), 1_800_000_300.5, 'two that say different things are not')
  clock.observe(at(1_800_000_301))
  clock.observe(at(1_900_000_000))
  t.equal(clock.now(), 1_800_000_301.5, 'nor two with a right one in between')
  clock.observe(at(1_900_000_001))
  t.equal(clock.now(), 1_900_000_001.5, 'two that say the same are: the local clock was set')
})

t.test('a clock that is set back makes no dead token live, nor does a machine that slept', async t => {
  let [wall, elapsed] = [5_000_000, 100]
  const clock = new CloverClock(() => wall, () => elapsed)
  for (const isObserved of [false, true]) {
    if (isObserved) clock.observe(new Date(7_000_000).toUTCString())
    const before = clock.now()
    elapsed += 10_000
    wall += 10_000 - 3_600_000
    t.equal(clock.now(), before + 10, 'set back by an hour')
    wall += 3_600_000
    t.equal(clock.now(), before + 10, 'and set right')
    wall += 60_000
    t.equal(clock.now(), before + 70, 'asleep for a minute')
    elapsed += 60_000
  }
})

t.test('the authorize page\'s address', async t => {
  const { app } = await clover(t, json({}))
  const authorization = { redirectUri: 'https://shop.example/cb', state: 's.0.x', verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' }
  const environment = { name: 'x', authorize: 'https://authorize.example', api: 'https://api.example', legacy: 'https://legacy.example' }
  const params = (app: CloverApp, merchantId?: string) => {
    const url = new URL(authorizeUrl(app, { ...authorization, ...(merchantId !== undefined && { merchantId }) }))
    return { at: url.origin + url.pathname, ...Object.fromEntries(url.searchParams) }
  }
  const common = { client_id: 'APP', redirect_uri: 'https://shop.example/cb', state: 's.0.x' }
  t.same(params({ ...app, environment }), { at: 'https://authorize.example/oauth/v2/authorize', ...common })
  t.same(params({ ...app, environment }, 'MERCHANT00001'), { at: 'https://authorize.example/oauth/v2/authorize', ...common, merchant_id: 'MERCHANT00001' })
  t.same(params({ ...app, environment, appSecret: false }), {
    at: 'https://authorize.example/oauth/v2/authorize',
    ...common,
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', // RFC 7636, appendix B
    code_challenge_method: 'S256'
  })
  t.same(params({ ...app, environment, flow: 'v1' }), { at: 'https://legacy.example/oauth/authorize', ...common, response_type: 'code' })
})
