import formbody from '@fastify/formbody'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { CloverRefreshRouteOptions } from '../../src/options/options.js'
import { connect } from '../harness/browser.js'
import { merchantA, merchantB, startHost } from '../harness/host.js'

const guarded = (key: 'onRequest' | 'preParsing' | 'preValidation' | 'preHandler'): CloverRefreshRouteOptions => {
  const refuse = async (request: FastifyRequest) => {
    if (request.headers.authorization !== 'Bearer operator') throw Object.assign(new Error('not an operator'), { statusCode: 401 })
  }
  return key === 'preParsing' ? { preParsing: async request => { await refuse(request) } } : { [key]: refuse }
}
const operator = { authorization: 'Bearer operator' }

t.test('an operator gets new expirations, and never a token (security 26)', async t => {
  const { app, clover, storage, browser, time, leaks } = await startHost(t, { options: { routes: { refresh: guarded('onRequest') } } })
  await connect(browser(), clover, merchantA)
  const before = await storage.get(merchantA)
  time.pass(60_000)
  const reply = await app.inject({ method: 'POST', url: '/clover/refresh', headers: operator, payload: { merchant_id: merchantA } })
  t.equal(reply.statusCode, 200)
  const after = await storage.get(merchantA)
  t.not(after?.accessToken, before?.accessToken)
  t.same(reply.json(), { merchant_id: merchantA, access_token_expiration: after?.accessTokenExpiration, refresh_token_expiration: after?.refreshTokenExpiration })
  t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'content-type': 'application/json; charset=utf-8' })
  t.same(leaks(reply.body + JSON.stringify(reply.headers)), [])
  t.equal(clover.count('refresh'), 1)
})

t.test('strangers are refused by every kind of guard, and before the body is read if the guard is onRequest (security 26)', async t => {
  for (const [key, wrongBody] of [['onRequest', 401], ['preParsing', 401], ['preValidation', 401], ['preHandler', 400]] as const) {
    const { app, clover, browser } = await startHost(t, { options: { routes: { refresh: guarded(key) } } })
    await connect(browser(), clover, merchantA)
    const calls = clover.calls.length
    const post = async (payload: object, headers = {}) => (await app.inject({ method: 'POST', url: '/clover/refresh', payload, headers })).statusCode
    t.equal(await post({ merchant_id: merchantA }), 401, key)
    t.equal(await post({ merchant_id: 'x' }), wrongBody, key)
    t.equal((await app.inject({ method: 'POST', url: '/clover/refresh/', payload: { merchant_id: merchantA } })).statusCode, 401, `${key}, with a slash`)
    t.equal(clover.calls.length, calls)
    t.equal(await post({ merchant_id: merchantA }, operator), 200)
  }
})

t.test('hooks of the scope guard a route that inherits', async t => {
  const { app } = await startHost(t, {
    options: { routes: { refresh: { guard: 'inherited' } } },
    before: app => app.addHook('onRequest', async request => {
      if (request.headers.authorization !== operator.authorization) throw Object.assign(new Error('not an operator'), { statusCode: 401 })
    })
  })
  const payload = { merchant_id: merchantA }
  t.equal((await app.inject({ method: 'POST', url: '/clover/refresh', payload })).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/clover/refresh', payload, headers: operator })).statusCode, 409)
})

t.test('only JSON is accepted, even if the host parses forms (security 26)', async t => {
  const { app, clover, browser } = await startHost(t, {
    before: async app => {
      await app.register(formbody)
      app.addContentTypeParser('application/xml', (_request, _payload, done) => done(null, { merchant_id: merchantA }))
      app.addContentTypeParser('*', (_request, _payload, done) => done(null, { merchant_id: merchantA }))
    },
    after: app => { app.post('/own', async request => request.body) }
  })
  await connect(browser(), clover, merchantA)
  const calls = clover.calls.length
  const form = `merchant_id=${merchantA}`
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x', 'application/xml', 'application/json5', 'text/json']) {
    const reply = await app.inject({ method: 'POST', url: '/clover/refresh', headers: { 'content-type': type }, payload: form })
    t.equal(reply.statusCode, 415, type)
  }
  t.equal(clover.calls.length, calls)
  t.same((await app.inject({ method: 'POST', url: '/own', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: form })).json(), { merchant_id: merchantA }, 'the host\'s own routes parse as before')
  const reply = await app.inject({ method: 'POST', url: '/clover/refresh', headers: { 'content-type': 'application/json; charset=utf-8' }, payload: JSON.stringify({ merchant_id: merchantA }) })
  t.equal(reply.statusCode, 200)
})

t.test('a body is 1 KiB at most, whatever the host allows elsewhere', async t => {
  for (const bodyLimit of [10, 100_000_000]) {
    const { app } = await startHost(t, { fastify: { bodyLimit } })
    const body = (length: number) => JSON.stringify({ merchant_id: merchantA, filler: '' }).replace('""', `"${'x'.repeat(length)}"`)
    const empty = body(0).length
    const post = async (payload: string) => (await app.inject({ method: 'POST', url: '/clover/refresh', headers: { 'content-type': 'application/json' }, payload })).statusCode
    t.equal(await post(body(1024 - empty)), 409)
    t.equal(await post(body(1025 - empty)), 413)
    t.equal(await post('x'.repeat(1_000_000)), 413)
  }
})

t.test('a wrong body is 400 and makes no call to Clover (security 14)', async t => {
  const { app, clover, browser } = await startHost(t)
  await connect(browser(), clover, merchantA)
  const calls = clover.calls.length
  const wrong = ['', 'null', '[]', '7', '"x"', '{}', '{', `["${merchantA}"]`, '{"merchant_id":null}', '{"merchant_id":7}', `{"merchant_id":["${merchantA}"]}`, '{"merchant_id":"short"}', `{"merchant_id":"${merchantA}\\n"}`,
    `{"merchantId":"${merchantA}"}`, `{"merchant_id":"${merchantA}","__proto__":{"x":1}}`, `{"__proto__":{"merchant_id":"${merchantA}"}}`, `{"merchant_id":"${merchantA}","constructor":{"prototype":{"x":1}}}`]
  for (const payload of wrong) {
    const reply = await app.inject({ method: 'POST', url: '/clover/refresh', headers: { 'content-type': 'application/json' }, payload })
    t.equal(reply.statusCode, 400, payload)
  }
  t.equal((await app.inject({ method: 'POST', url: '/clover/refresh' })).statusCode, 400, 'no body at all')
  t.equal(clover.calls.length, calls)
})

t.test('the reply of a refresh, and an error, keep their form if the host has its own reply serializer', async t => {
  const serialized: unknown[] = []
  const { app, clover, browser } = await startHost(t, {
    before: app => app.setReplySerializer(payload => { serialized.push(payload); return '"the host\'s own"' }),
    after: app => { app.get('/own', async () => ({ any: 'payload' })) }
  })
  await connect(browser(), clover, merchantA)
  const post = (merchantId: string) => app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantId } })
  t.match((await post(merchantA)).json(), { merchant_id: merchantA, access_token_expiration: Number })
  t.match((await post(merchantB)).json(), { statusCode: 409, code: 'FST_CLOVER_NOT_CONNECTED' })
  t.match((await browser().visit('/clover/launch?client_id=other', { headers: { accept: 'application/json' } })).json(), { code: 'FST_CLOVER_STATE' })
  t.same(serialized, [])
  t.equal((await app.inject('/own')).body, '"the host\'s own"')
})

t.test('an error of a refresh is typed and goes to the host\'s error handler', async t => {
  const { app, clover, browser, storage } = await startHost(t, { runtime: { sleep: async () => {} } })
  const post = (merchantId: string) => app.inject({ method: 'POST', url: '/clover/refresh', headers: { accept: 'text/html' }, payload: { merchant_id: merchantId } })
  const unknown = await post(merchantA)
  t.equal(unknown.statusCode, 409)
  t.match(unknown.json(), { code: 'FST_CLOVER_NOT_CONNECTED', message: /MERCHANT0000A is not connected/ })
  await connect(browser(), clover, merchantA)
  const stored = await storage.get(merchantA)
  clover.fault({ on: 'refresh', kind: 'status', status: 429, headers: { 'retry-after': '9' }, times: Infinity })
  const down = await post(merchantA)
  t.equal(down.statusCode, 503)
  t.equal(down.headers['retry-after'], '9')
  t.match(down.json(), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal((await storage.get(merchantA))?.accessToken, stored?.accessToken)
})

t.test('a refresh of a v1 token is refused, since there is no refresh token', async t => {
  const { app, clover, browser } = await startHost(t, { options: { flow: 'v1' } })
  await connect(browser(), clover, merchantA)
  const reply = await app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })
  t.equal(reply.statusCode, 409)
  t.match(reply.json(), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
})
