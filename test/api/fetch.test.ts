import { setImmediate, setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { CloverApi } from '../../src/api/clover-api.js'
import { CloverClock } from '../../src/clover/clock.js'
import { longestGrace } from '../../src/concurrency/deadline.js'
import { FairQueue } from '../../src/concurrency/fair-queue.js'
import { realRuntime } from '../../src/runtime.js'
import { merchantA, merchantB } from '../harness/host.js'
import { VirtualTiming } from '../harness/timing.js'
import { apiHost, orders, ownServer } from './api-host.js'

t.test('a path, a path with {mId}, and a URL of Clover are called with the merchant\'s token', async t => {
  const { app, clover, connect } = await apiHost(t)
  const token = await connect()
  const paths = [`/v3/merchants/${merchantA}/orders?limit=1`, `${orders}?limit=1`, `${clover.origin}/v3/merchants/${merchantA}/orders?limit=1`, `${clover.origin}${orders}?limit=1`,
    new URL(`/v3/merchants/${merchantA}/orders?limit=1`, clover.origin)]
  for (const path of paths) {
    const response = await app.clover.fetch(merchantA, path)
    t.ok(response instanceof Response)
    t.equal(response.status, 200)
    t.match(await response.json(), { elements: [{ id: 'ORDER00000001' }] }, String(path))
  }
  const calls = clover.calls.filter(({ endpoint }) => endpoint === 'rest')
  t.equal(calls.length, paths.length)
  for (const call of calls) t.match(call, { presented: token, merchantId: merchantA, fields: ['limit'] })
})

t.test('the caller sets method, headers and body; the authorization header is always the merchant\'s', async t => {
  const { app, clover, connect } = await apiHost(t)
  const token = await connect()
  const created = await app.clover.fetch(merchantA, orders, {
    method: 'post', headers: { 'content-type': 'application/json', AUTHORIZATION: 'Bearer other' }, body: JSON.stringify({ total: 77 })
  })
  t.match(await created.json(), { total: 77, id: String })
  t.match(clover.calls.at(-1), { presented: token, fields: ['total'] })
  const server = await ownServer(t)
  const { app: other, connect: connectOther } = await apiHost(t, { options: clover => ({ environment: { ...clover.environment, ecommerce: server.origin } }) })
  const otherToken = await connectOther()
  await other.clover.fetch(merchantA, `${server.origin}/v1/charges`, { headers: new Headers({ 'x-own': 'yes', authorization: 'x' }) })
  t.match(server.requests, [{ url: '/v1/charges', headers: { 'x-own': 'yes', authorization: `Bearer ${otherToken}` } }], 'the ecommerce origin is Clover\'s too')
})

t.test('fetch resolves with any status', async t => {
  const { app, clover, connect } = await apiHost(t)
  await connect()
  const missing = await app.clover.fetch(merchantA, '/v3/nothing')
  t.equal(missing.status, 404)
  t.same(await missing.json(), { message: 'Not Found' })
  for (const status of [400, 403, 415]) {
    clover.fault({ on: 'rest', kind: 'status', status })
    t.equal((await app.clover.fetch(merchantA, orders)).status, status)
  }
})

t.test('a URL of another host is refused before a token is read (security 22)', async t => {
  const evil = await ownServer(t)
  const { app, clover, connect } = await apiHost(t)
  const { host, port } = new URL(clover.origin)
  const foreign = [
    evil.origin, `${evil.origin}/v3`, '//evil.example/v3', '/\\evil.example/v3', '\\\\evil.example', '/\t/evil.example', '/\n\\evil.example', 'https:evil.example', 'https:/v3', 'http:/v3', 'orders', '', ' ', '.', '?limit=1', 'v3/merchants',
    `https://${host}/v3`, `http://user@${host}/v3`, `http://user:secret@${host}/v3`, `http://:secret@${host}/v3`, `http://localhost:${Number(port) + 1}/v3`, 'http://localhost/v3', `http://127.0.0.1:${port}/v3`,
    `http://localhost:${port}.evil.example/v3`, `http://localhost:${port}@evil.example/v3`, `http://evil.example#${clover.origin}/`, `http://evil.example\\@${host}/`, `blob:${clover.origin}/v3`, `ftp://${host}/v3`, `ws://${host}/v3`,
    'file:///etc/passwd', 'data:text/plain,x', 'javascript:alert(1)', 'http://[::1]/v3', 'http://{mId}/v3', new URL(evil.origin), undefined, null, 7, {}
  ]
  const isForeign = { code: 'FST_CLOVER_FOREIGN_URL', statusCode: 500, merchantId: merchantA }
  /** How the calls with each of the URLs end. */
  const outcomes = (call: (path: string) => Promise<unknown>) => Promise.all(foreign.map(async path => {
    const error = await call(path as string).catch((error: unknown) => error) as Partial<typeof isForeign>
    return [inspect(path), { code: error.code, statusCode: error.statusCode, merchantId: error.merchantId }]
  }))
  const allForeign = foreign.map(path => [inspect(path), isForeign])
  // The merchant is not connected: had a token been looked for, that would be the error.
  t.same(await outcomes(path => app.clover.fetch(merchantA, path)), allForeign)
  t.same(await outcomes(path => app.clover.paginate(merchantA, path).next()), allForeign)
  const request: unknown = new Request(evil.origin)
  await t.rejects(app.clover.fetch(merchantA, request as string), { code: 'FST_CLOVER_INVALID_OPTIONS' }, 'a Request is no path, whatever its URL')
  await connect()
  t.same(await outcomes(path => app.clover.fetch(merchantA, path)), allForeign)
  t.equal(evil.requests.length, 0)
  t.equal(clover.count('rest'), 0)
  const secret = await app.clover.fetch(merchantA, 'http://evil.example/?canary').catch((error: Error) => error)
  t.notMatch(inspect(secret), 'canary', 'the address is not told')
})

t.test('a redirect is returned and not followed, and no other host gets the token (security 22)', async t => {
  const evil = await ownServer(t)
  const { app, clover, connect } = await apiHost(t)
  await connect()
  for (const status of [301, 302, 303, 307, 308]) {
    for (const location of [`${evil.origin}/steal`, '/v3/elsewhere']) {
      clover.fault({ on: 'rest', kind: 'status', status, headers: { location } })
      const calls = clover.calls.length
      const response = await app.clover.fetch(merchantA, orders, { redirect: 'follow' } as object)
      t.equal(response.status, status)
      t.equal(response.headers.get('location'), location)
      t.equal(clover.calls.length, calls + 1, 'not followed at Clover\'s either')
    }
  }
  clover.fault({ on: 'rest', kind: 'status', status: 302, headers: { location: evil.origin } })
  await t.rejects(app.clover.paginate(merchantA, orders).next(), { code: 'FST_CLOVER_BAD_REPLY' })
  clover.fault({ on: 'pakms', kind: 'status', status: 302, headers: { location: evil.origin } })
  await t.rejects(app.clover.ecommercePublicKey(merchantA), { code: 'FST_CLOVER_BAD_REPLY' })
  t.equal(evil.requests.length, 0)
})

t.test('a merchant without a token is a typed error, and Clover is not called', async t => {
  const { app, clover } = await apiHost(t)
  await t.rejects(app.clover.fetch(merchantA, orders), { code: 'FST_CLOVER_NOT_CONNECTED', launchUrl: `https://shop.example/clover/launch?merchant_id=${merchantA}` })
  await t.rejects(app.clover.fetch('short', orders), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  await t.rejects(app.clover.fetch('../../x/{mId}', orders), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  t.equal(clover.calls.length, 0)
})

t.test('an expired token is refreshed before the call', async t => {
  const { app, clover, connect, time } = await apiHost(t)
  const token = await connect()
  time.pass(1_800_000)
  t.equal((await app.clover.fetch(merchantA, orders)).status, 200)
  t.equal(clover.count('refresh'), 1)
  t.not(clover.calls.at(-1)?.presented, token)
})

t.test('the caller\'s signal ends it with its reason: at once, during the call, and while the body is read', async t => {
  const { app, clover, connect } = await apiHost(t)
  await connect()
  const reason = new Error('enough')
  await t.rejects(app.clover.fetch(merchantA, orders, { signal: AbortSignal.abort(reason) }), reason)
  t.equal(clover.count('rest'), 0)
  const during = new AbortController()
  clover.fault({ on: 'rest', kind: 'latency', ms: Infinity })
  const call = app.clover.fetch(merchantA, orders, { signal: during.signal })
  while (clover.count('rest') === 0) await setTimeout(5)
  during.abort(reason)
  await t.rejects(call, reason)
  t.equal(clover.count('rest'), 1, 'and it is not tried again')
  const body = new AbortController()
  clover.fault({ on: 'rest', kind: 'reply', body: Buffer.alloc(5_000_000) })
  const response = await app.clover.fetch(merchantA, orders, { signal: body.signal })
  body.abort(reason)
  await t.rejects(response.text()) // as fetch says it: some versions of Node give the reason
  t.equal((await app.clover.fetch(merchantA, orders, { signal: null })).status, 200)
})

t.test('each attempt has a deadline for the headers; the body may take longer', async t => {
  let finish: () => void = () => {}
  const server = await ownServer(t, (_request, response) => {
    response.write('slow ')
    finish = () => { response.end('body') }
  })
  const { app, clover, connect } = await apiHost(t, { options: clover => ({ callTimeout: 150, environment: { ...clover.environment, ecommerce: server.origin } }) })
  await connect()
  const response = await app.clover.fetch(merchantA, `${server.origin}/slow`)
  await setTimeout(250)
  finish()
  t.equal(await response.text(), 'slow body')

  clover.fault({ on: 'rest', kind: 'latency', ms: Infinity })
  t.equal((await app.clover.fetch(merchantA, orders)).status, 200, 'another try')
  t.equal(clover.count('rest'), 2)
  clover.fault({ on: 'rest', kind: 'latency', ms: Infinity, times: 3 })
  await t.rejects(app.clover.fetch(merchantA, `${orders}?canary`), {
    code: 'FST_CLOVER_UNAVAILABLE', statusCode: 503, retryAfter: 1, merchantId: merchantA, message: /GET \/v3\/merchants\/MERCHANT0000A\/orders: no answer within 150 ms\)/
  })
})

t.test('a process that was stopped does not send a call again if the answer has arrived', async t => {
  const timing = new VirtualTiming()
  const answers: Array<(response: Response) => void> = []
  const fetch: typeof globalThis.fetch = () => new Promise(resolve => { answers.push(resolve) })
  const { wallClock, monotonic, sleep, jitter } = realRuntime
  const api = new CloverApi({ fetch, clock: new CloverClock(wallClock), monotonic, sleep, jitter, fairQueue: new FairQueue({ each: 1, total: 1 }), callTimeout: 1_000, userAgent: 'shop/1', timing })
  const call = api.send({ merchantId: merchantA, url: new URL('http://localhost'), init: {}, accessToken: 'x', giveUpAt: Infinity, isBuffered: false })
  await setImmediate()
  timing.stall(60_000)
  timing.pass(longestGrace - 1)
  answers[0]?.(new Response('answer'))
  t.equal(await (await call).text(), 'answer')
  t.equal(answers.length, 1)
  t.equal(timing.size, 0)
})

t.test('a wrong argument rejects with fetch\'s own error', async t => {
  const { app, clover, connect } = await apiHost(t)
  await connect()
  await t.rejects(app.clover.fetch(merchantA, orders, { method: 'GET', body: 'x' }), TypeError)
  await t.rejects(app.clover.fetch(merchantA, orders, { method: 'TRACE' }), TypeError)
  await t.rejects(app.clover.fetch(merchantA, orders, { headers: { 'no header': 'x' } }), TypeError)
  t.equal(clover.count('rest'), 0)
})

t.test('a stored token that is invalid in a header is an error that does not quote it (security 33)', async t => {
  const { app, clover, storage, connect } = await apiHost(t, { options: { cache: false } })
  await connect()
  const record = await storage.get(merchantA)
  for (const accessToken of ['canary-to\nken', 'canary-\u2028token']) {
    if (record) await storage.put({ ...record, accessToken }, record.revision)
    const error: unknown = await app.clover.fetch(merchantA, orders).catch((error: unknown) => error)
    t.match(error, { code: 'FST_CLOVER_UNREADABLE', merchantId: merchantA })
    t.notMatch(inspect(error, { showHidden: true, depth: 9 }), /canary/)
  }
  t.equal(clover.count('rest'), 0)
})

t.test('Clover\'s time is read from its answers', async t => {
  const { app, clover, connect, time } = await apiHost(t)
  const token = await connect()
  t.equal(await app.clover.accessToken(merchantA), token)
  const later = () => time.now() + 7_200_000
  clover.setNow(later)
  clover.fault({ on: 'rest', kind: 'reply', body: {}, headers: { date: new Date(later()).toUTCString() }, times: 2 })
  for (let i = 0; i < 2; i++) await app.clover.fetch(merchantA, orders) // one answer alone is not believed
  t.not(await app.clover.accessToken(merchantA), token, 'two hours later the token is dead')
})

t.test('a closed server starts no call, and lets calls in progress finish', async t => {
  let finish: () => void = () => {}
  const server = await ownServer(t, (_request, response) => { finish = () => { response.end('done') } })
  const { app, connect, clover } = await apiHost(t, { options: clover => ({ environment: { ...clover.environment, ecommerce: server.origin } }) })
  await connect()
  await connect(merchantB)
  const underWay = app.clover.fetch(merchantA, `${server.origin}/slow`)
  while (server.requests.length === 0) await setTimeout(5)
  await app.close()
  await t.rejects(app.clover.fetch(merchantB, orders), { code: 'FST_CLOVER_CLOSING', statusCode: 503 })
  await t.rejects(app.clover.paginate(merchantB, orders).next(), { code: 'FST_CLOVER_CLOSING' })
  await t.rejects(app.clover.ecommercePublicKey(merchantB), { code: 'FST_CLOVER_CLOSING' })
  t.equal(clover.count('rest'), 0)
  finish()
  t.equal(await (await underWay).text(), 'done')
})
