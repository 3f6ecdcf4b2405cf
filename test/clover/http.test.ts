import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { CloverClock } from '../../src/clover/clock.js'
import { createCloverClient, type CloverApp } from '../../src/clover/client.js'
import { createCloverHttp } from '../../src/clover/http.js'

const merchantId = 'MERCHANT00001'
const secrets = /app-secret|refresh-1|code-1|verifier-1|access-1/

interface Received { method: string | undefined, url: string | undefined, headers: IncomingMessage['headers'], body: string }

/** A server on localhost in Clover's place; every request that reached it is noted. */
async function cloverWith (t: { teardown: (fn: () => void) => unknown }, answer: RequestListener, options: { app?: Partial<CloverApp>, callTimeout?: number, now?: () => number } = {}) {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      received.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
      answer(request, response)
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clock = new CloverClock(options.now ?? (() => Date.now()))
  const http = createCloverHttp({ fetch: globalThis.fetch, clock, callTimeout: options.callTimeout ?? 5_000 })
  const environment = { name: 'test', authorize: origin, api: origin, legacy: origin }
  const app: CloverApp = { environment, appId: 'APP0000000001', appSecret: 'app-secret', flow: 'v2', ...options.app }
  return { received, clock, client: createCloverClient(app, http), origin, server }
}

const pair = { access_token: 'access-1', access_token_expiration: 1_800_000_000, refresh_token: 'refresh-2', refresh_token_expiration: 1_830_000_000 }
const asPair = { accessToken: 'access-1', accessTokenExpiration: 1_800_000_000, refreshToken: 'refresh-2', refreshTokenExpiration: 1_830_000_000 }

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): RequestListener => (_request, response) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

const exchange = { code: 'code-1', verifier: 'verifier-1', withRefreshToken: true }

t.test('what each call sends is what Clover documents', async t => {
  const { client, received } = await cloverWith(t, json(pair))
  t.same(await client.exchange(exchange), { outcome: 'ok', value: asPair })
  t.same(await client.refresh('refresh-1'), { outcome: 'ok', value: asPair })
  t.same(await client.recover('refresh-1'), { outcome: 'ok', value: asPair })
  t.same(received.map(({ method, url, body }) => [method, url, JSON.parse(body)]), [
    ['POST', '/oauth/v2/token', { client_id: 'APP0000000001', client_secret: 'app-secret', code: 'code-1' }],
    ['POST', '/oauth/v2/refresh', { client_id: 'APP0000000001', refresh_token: 'refresh-1' }],
    ['POST', '/oauth/v2/recovery', { client_id: 'APP0000000001', client_secret: 'app-secret', recovery_token: 'refresh-1' }]
  ])
  for (const { headers } of received) t.match(headers, { 'content-type': 'application/json', accept: 'application/json' })
})

t.test('a low-trust app sends its verifier and no secret', async t => {
  const { client, received } = await cloverWith(t, json(pair), { app: { appSecret: false } })
  await client.exchange(exchange)
  await client.refresh('refresh-1')
  await client.recover('refresh-1')
  t.same(received.map(({ body }) => JSON.parse(body)), [
    { client_id: 'APP0000000001', code: 'code-1', code_verifier: 'verifier-1' },
    { client_id: 'APP0000000001', refresh_token: 'refresh-1' },
    { client_id: 'APP0000000001', client_secret: '', recovery_token: 'refresh-1' }
  ])
})

t.test('a returning visit asks for an access token alone, and takes nothing else', async t => {
  const { client, received } = await cloverWith(t, json(pair))
  t.same(await client.exchange({ ...exchange, withRefreshToken: false }), {
    outcome: 'ok', value: { ...asPair, refreshToken: null, refreshTokenExpiration: null }
  })
  t.equal(received[0]?.url, '/oauth/v2/token?no_refresh_token=true')
  const odd = await cloverWith(t, json({ access_token: 'access-1' }))
  t.match(await odd.client.exchange({ ...exchange, withRefreshToken: false }), { outcome: 'unclear', malformed: true })
})

t.test('v1 asks by URL, and has neither a refresh token nor an expiration', async t => {
  const { client, received } = await cloverWith(t, json({ access_token: 'access-1' }), { app: { flow: 'v1' } })
  t.same(await client.exchange(exchange), {
    outcome: 'ok', value: { accessToken: 'access-1', accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null }
  })
  t.same(received.map(({ method, url, body }) => [method, url, body]), [['GET', '/oauth/token?client_id=APP0000000001&client_secret=app-secret&code=code-1', '']])
  for (const answer of [json({ token: 5 }), json('x', 500), json({}, 401), (_request: unknown, response: { destroy: () => void }) => response.destroy()]) {
    const bad = await cloverWith(t, answer as RequestListener, { app: { flow: 'v1', appSecret: false } })
    t.notMatch(JSON.stringify(await bad.client.exchange(exchange)), /secret|code-1/)
  }
})

t.test('a token\'s merchant is the one that Clover names', async t => {
  const { client, received } = await cloverWith(t, json({ id: merchantId, name: 'Shop' }))
  t.same(await client.merchant(merchantId, 'access-1'), { outcome: 'ok', value: merchantId })
  t.match(received[0], { method: 'GET', url: `/v3/merchants/${merchantId}`, headers: { authorization: 'Bearer access-1' } })
  await client.merchant('../oauth', 'access-1')
  t.equal(received[1]?.url, '/v3/merchants/..%2Foauth')
  const odd = await cloverWith(t, json({ id: 5 }))
  t.match(await odd.client.merchant(merchantId, 'access-1'), { outcome: 'unclear', malformed: true, reason: /merchants\/\{mId\}: \/id/ })
  const gone = await cloverWith(t, json({}, 404))
  t.match(await gone.client.merchant(merchantId, 'access-1'), { outcome: 'refused', status: 404 })
})

t.test('400, 401 and 403 say something about the token; other statuses do not', async t => {
  for (const status of [400, 401, 403]) {
    const { client } = await cloverWith(t, json({ message: 'Invalid refresh token' }, status))
    t.same(await client.refresh('refresh-1'), { outcome: 'refused', status, recoveryAvailable: false })
    t.same(await client.exchange(exchange), { outcome: 'refused', status, recoveryAvailable: false })
  }
  for (const status of [301, 302, 307, 404, 408, 415, 418, 429, 500, 502, 503, 504]) {
    const { client } = await cloverWith(t, json({}, status))
    t.same(await client.refresh('refresh-1'), { outcome: 'unclear', reason: `/oauth/v2/refresh: status ${status}`, malformed: false })
    t.match(await client.exchange(exchange), { outcome: 'unclear', malformed: false })
  }
})

t.test('the header that recovery is possible is passed on', async t => {
  const { client } = await cloverWith(t, json({}, 401, { 'x-clover-recovery-available': 'true' }))
  t.match(await client.refresh('refresh-1'), { outcome: 'refused', recoveryAvailable: true })
})

t.test('retry-after is seconds, or it is not understood', async t => {
  for (const [value, seconds] of [['7', 7], ['0', 0], ['Wed, 21 Oct 2026 07:28:00 GMT', undefined], ['-1', undefined], ['1e3', undefined], ['9999999', undefined]] as const) {
    const { client } = await cloverWith(t, json({}, 429, { 'retry-after': value }))
    const answer = await client.refresh('refresh-1')
    t.equal(answer.outcome === 'unclear' && answer.retryAfter, seconds)
  }
})

t.test('a redirect is not followed: nothing is sent elsewhere', async t => {
  const elsewhere = await cloverWith(t, json(pair))
  for (const status of [301, 302, 303, 307, 308]) {
    const { client } = await cloverWith(t, json('', status, { location: `${elsewhere.origin}/oauth/v2/refresh` }))
    t.match(await client.refresh('refresh-1'), { outcome: 'unclear', malformed: false })
  }
  t.same(elsewhere.received, [])
})

t.test('a reply that is no JSON, or not of the documented form, is malformed, and not quoted', async t => {
  const bodies: unknown[] = [
    '', '<html>down for maintenance access-1</html>', 'null', '[]', '"access-1"', '{"access_token":"access-1"',
    { ...pair, access_token: undefined, refresh_token: undefined },
    { access_token: 'access-1', refresh_token: 'a\nb' },
    { ...pair, refresh_token: 'a\nb' }, { ...pair, refresh_token: '' }, { ...pair, refresh_token: 'x'.repeat(20_000) },
    { ...pair, refresh_token: null }, { ...pair, refresh_token: 5 }
  ]
  for (const body of bodies) {
    const { client } = await cloverWith(t, json(body))
    const answer = await client.refresh('refresh-1')
    t.match(answer, { outcome: 'unclear', malformed: true, reason: /^\/oauth\/v2\/refresh: / })
    t.notMatch(JSON.stringify(answer), secrets)
    t.match(await client.exchange(exchange), { outcome: 'unclear', malformed: true })
  }
})

t.test('of a refresh reply that does not fit, a usable refresh token is kept, with what else is usable', async t => {
  const cases: [Record<string, unknown>, Record<string, unknown>][] = [
    [{ access_token: undefined }, { refreshTokenExpiration: 1_830_000_000 }],
    [{ access_token: 'a\nb' }, { refreshTokenExpiration: 1_830_000_000 }],
    [{ access_token_expiration: undefined }, { refreshTokenExpiration: 1_830_000_000 }],
    [{ access_token_expiration: null }, { refreshTokenExpiration: 1_830_000_000 }],
    [{ access_token_expiration: -5 }, { refreshTokenExpiration: 1_830_000_000 }],
    [{ access_token_expiration: 1_800_000_000_000 }, { refreshTokenExpiration: 1_830_000_000 }],
    [{ access_token_expiration: '1800000000' }, { refreshTokenExpiration: 1_830_000_000 }],
    [{ refresh_token_expiration: undefined }, { accessToken: 'access-1', accessTokenExpiration: 1_800_000_000, refreshTokenExpiration: null }],
    [{ refresh_token_expiration: 1_830_000_000_000 }, { accessToken: 'access-1', accessTokenExpiration: 1_800_000_000, refreshTokenExpiration: null }]
  ]
  for (const [change, kept] of cases) {
    const { client } = await cloverWith(t, json({ ...pair, ...change }))
    const answer = await client.refresh('refresh-1')
    t.match(answer, { outcome: 'odd', reason: String })
    t.same(answer.outcome === 'odd' && answer.value, { refreshToken: 'refresh-2', ...kept })
    t.match(await client.exchange(exchange), { outcome: 'unclear', malformed: true }, 'an exchange takes the whole or nothing')
  }
})

t.test('a reply without end is cut off', async t => {
  const { client } = await cloverWith(t, (_request, response) => {
    response.writeHead(200)
    const more = () => { while (!response.destroyed && response.write('x'.repeat(65_536))) { /* until it is full */ } }
    response.on('drain', more)
    more()
  })
  t.match(await client.refresh('refresh-1'), { outcome: 'unclear', malformed: true, reason: /more than 262144 bytes/ })
  const angry = await cloverWith(t, json('x'.repeat(300_000), 500))
  t.match(await angry.client.refresh('refresh-1'), { outcome: 'unclear', malformed: false })
})

t.test('a call ends at its deadline, whether the head or the body does not come', async t => {
  const silent = await cloverWith(t, () => {}, { callTimeout: 50 })
  t.same(await silent.client.refresh('refresh-1'), { outcome: 'unclear', reason: '/oauth/v2/refresh: no answer within 50 ms', malformed: false })
  const slow = await cloverWith(t, (_request, response) => { response.writeHead(200); response.write('{') }, { callTimeout: 50 })
  t.same(await slow.client.refresh('refresh-1'), { outcome: 'unclear', reason: '/oauth/v2/refresh: no answer within 50 ms', malformed: false })
})

t.test('a connection that breaks, or cannot be made, is unclear, and named by its code alone', async t => {
  const broken = await cloverWith(t, request => request.socket.destroy())
  t.match(await broken.client.refresh('refresh-1'), { outcome: 'unclear', reason: /^\/oauth\/v2\/refresh: network error( \w+)?$/ })
  const cut = await cloverWith(t, (request, response) => { response.writeHead(200, { 'content-length': '100' }); response.write('{"a"'); setImmediate(() => request.socket.destroy()) })
  t.match(await cut.client.refresh('refresh-1'), { outcome: 'unclear', malformed: false })
  const gone = await cloverWith(t, json(pair))
  await new Promise(resolve => { gone.server.close(resolve) })
  t.same(await gone.client.refresh('refresh-1'), { outcome: 'unclear', reason: '/oauth/v2/refresh: network error ECONNREFUSED', malformed: false })
})

t.test('whatever fetch throws, no message quotes it', async t => {
  for (const thrown of [new Error('https://clover/?client_secret=app-secret'), 'app-secret', Object.assign(new Error('app-secret'), { code: 5 })]) {
    const http = createCloverHttp({ fetch: async () => { throw thrown }, clock: new CloverClock(() => 0), callTimeout: 50 })
    t.same(await http({ endpoint: '/oauth/token', url: new URL('http://localhost/?client_secret=app-secret'), method: 'GET' }), {
      outcome: 'unclear', reason: '/oauth/token: network error', malformed: false
    })
  }
})

t.test('a reply without body is read as such', async t => {
  const http = createCloverHttp({ fetch: async () => new Response(null, { status: 204 }), clock: new CloverClock(() => 0), callTimeout: 50 })
  t.match(await http({ endpoint: '/x', url: new URL('http://localhost/'), method: 'GET' }), { outcome: 'answered', status: 204, body: undefined })
})

t.test('time is Clover\'s from its first answer on, refusals included', async t => {
  const now = Date.parse('2026-11-22T10:00:00Z')
  for (const [date, expected] of [['Sun, 22 Nov 2026 10:10:00 GMT', 600.5], ['Sun, 22 Nov 2026 09:50:00 GMT', -599.5], ['yesterday', 0]] as const) {
    const { client, clock } = await cloverWith(t, json({}, 401, { date }), { now: () => now })
    t.equal(clock.now(), now / 1000)
    await client.refresh('refresh-1')
    t.equal(clock.now(), now / 1000 + expected)
  }
  const { client, clock } = await cloverWith(t, (_request, response) => { response.sendDate = false; response.end('{}') }, { now: () => now })
  await client.refresh('refresh-1')
  t.equal(clock.now(), now / 1000)
})
