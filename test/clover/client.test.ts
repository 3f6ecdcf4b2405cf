import { type ServerResponse } from 'node:http'
import t from 'tap'
import { unclearError } from '../../src/clover/answer.js'
import { CloverClock } from '../../src/clover/clock.js'
import { createCloverHttp } from '../../src/clover/http.js'
import { longestGrace } from '../../src/concurrency/deadline.js'
import { VirtualTiming } from '../harness/timing.js'
import { expiration, pair, ownPair, json, text, clover, exchange, bodyOf, type Answer } from './client-server.js'

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

t.test('no reason contains the secret in v1\'s URL (security 21)', async t => {
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
  for (const status of [300, 402, 404, 405, 408, 415, 418, 429, 500, 502, 503, 504]) {
    const { client } = await clover(t, json({ message: 'x' }, status))
    const unclear = { outcome: 'unclear', malformed: false, reason: new RegExp(`status ${status}`) }
    t.match(await client.exchange(exchange), unclear)
    t.match(await client.refresh('OLD'), unclear)
    t.match(await client.recover('OLD'), { ...unclear, limited: status === 429 ? true : undefined })
  }
  const { client } = await clover(t, json({}, 404))
  t.match(await client.merchant('MERCHANT00001', 'ACCESS'), { outcome: 'refused', status: 404 }, 'but a merchant may be foreign')
})

t.test('the recovery header is part of a refusal', async t => {
  const { client } = await clover(t, json({}, 401, { 'x-clover-recovery-available': 'true' }))
  t.match(await client.refresh('OLD'), { outcome: 'refused', recoveryAvailable: true })
})

t.test('retry-after is accepted only in seconds', async t => {
  for (const [header, retryAfter] of [['3', 3], ['0', 0], ['-1', undefined], ['1e9', undefined], ['Wed, 21 Oct 2026 07:28:00 GMT', undefined]] as const) {
    const { client } = await clover(t, json({}, 429, { 'retry-after': header }))
    t.equal((await client.refresh('OLD') as { retryAfter?: number }).retryAfter, retryAfter, header)
  }
})

t.test('a reply without the documented form is unclear and malformed, and its values are not quoted (security 24)', async t => {
  const replies: unknown[] = [
    {}, [], null, 'CANARY', 7,
    { ...pair, access_token: undefined, refresh_token: undefined }, { ...pair, refresh_token: undefined }, { ...pair, refresh_token: null }, { ...pair, refresh_token: '' },
    { ...pair, refresh_token: 'CANARY\n' }, { ...pair, refresh_token: 'CANARY\u0000' }, { ...pair, refresh_token: 'CANARY\ud800' }, { ...pair, refresh_token: 'CANARY CANARY' }, { ...pair, refresh_token: 'CANARY\u00e9' }, { ...pair, refresh_token: 'x'.repeat(16_385) }
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
  for (const reply of [{}, { access_token: 7 }, { access_token: 'A\u0000' }]) {
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

t.test('the refresh token of an odd reply is kept, since the one that was sent is spent', async t => {
  const odd = async (reply: unknown) => await (await clover(t, json(reply))).client.refresh('OLD')
  t.match(await odd({ refresh_token: 'REFRESH' }), { outcome: 'odd', value: { refreshToken: 'REFRESH', refreshTokenExpiration: null } })
  t.notOk('accessToken' in (await odd({ ...pair, access_token: 7 }) as { value: object }).value)
  t.notOk('accessToken' in (await odd({ ...pair, access_token_expiration: -1 }) as { value: object }).value, 'a token of unknown age is not used')
  t.notOk('accessToken' in (await odd({ ...pair, access_token: 'A\u0000' }) as { value: object }).value, 'a JSONB column would refuse it')
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

t.test('a broken connection is an unclear answer with the code of the network error', async t => {
  const { client } = await clover(t, response => { response.destroy() })
  t.match(await client.refresh('OLD'), { outcome: 'unclear', malformed: false, reason: /network error [A-Z_]+/ })
  const broken = createCloverHttp({ fetch: async () => { throw new Error('CANARY') }, clock: new CloverClock(Date.now), callTimeout: 100, userAgent: 'shop/1' })
  t.match(await broken({ endpoint: '/x', url: new URL('http://localhost'), method: 'GET' }), { reason: '/x: network error' })
  const bodiless = createCloverHttp({ fetch: async () => new Response(null, { status: 204 }), clock: new CloverClock(Date.now), callTimeout: 100, userAgent: 'shop/1' })
  t.match(await bodiless({ endpoint: '/x', url: new URL('http://localhost'), method: 'GET' }), { outcome: 'answered', status: 204, body: undefined })
})

t.test('an unclear answer becomes FST_CLOVER_BAD_REPLY or FST_CLOVER_UNAVAILABLE', async t => {
  t.match(unclearError({ outcome: 'unclear', reason: 'x', malformed: true }, 'M'), { code: 'FST_CLOVER_BAD_REPLY', merchantId: 'M' })
  t.match(unclearError({ outcome: 'unclear', reason: 'x', malformed: false, retryAfter: 7 }, 'M'), { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 7, headers: { 'retry-after': '7' } })
  t.match(unclearError({ outcome: 'unclear', reason: 'x', malformed: false }), { retryAfter: 1 })
})
