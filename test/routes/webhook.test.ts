import formbody from '@fastify/formbody'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest, FastifyServerOptions } from 'fastify'
import t from 'tap'
import { connect } from '../harness/browser.js'
import { events, highTrust, lineStream, merchantA, merchantB, startHost } from '../harness/host.js'
import { appEvent, authOf, refuseAll, startWebhookHost } from '../harness/webhook.js'

const code = 'ce7643c1-83ea-4218-abe6-da876c9c7a0a'
const bodyOf = (merchants: object, appId = highTrust) => ({ appId, merchants })
const order = { objectId: 'O:GHIVJT2ABCRSC', type: 'UPDATE', ts: 1 }

t.test('Clover\'s verification gets 200, and its code goes to the hook and to no log', async t => {
  const { clover, told, logs, auth } = await startWebhookHost(t)
  const { status, body } = await clover.verifyWebhook()
  t.equal(status, 200)
  t.same([{ verificationCode: told.codes[0] }], [body])
  t.same(events(logs).filter(({ event }) => event === 'webhook-verification').length, 1)
  t.notMatch(logs.join(''), String(told.codes[0]))
  t.notMatch(logs.join(''), auth)
  t.notMatch(logs.join(''), 'routes.webhook.auth is not set', 'once it is set, nothing is said of it at the start')
})

t.test('without a Clover Auth Code, as with an unset variable, verification works and everything else is a 401 (security 8)', async t => {
  for (const auth of [undefined, '', false, [], [undefined, '']] as const) {
    const { clover, told, logs, post, browser, storage } = await startWebhookHost(t, { webhook: { auth } })
    t.match(logs.join(''), 'routes.webhook.auth is not set: until it is, the webhook route answers only Clover\'s verification, and refuses events')
    t.equal((await clover.verifyWebhook()).status, 200)
    t.equal(told.codes.length, 1)
    await connect(browser(), clover, merchantA)
    t.equal((await clover.sendWebhook({ merchantId: merchantA })).status, 401)
    for (const value of ['', 'undefined', 'false', 'null']) t.equal((await post(bodyOf({ [merchantA]: [order] }), { 'x-clover-auth': value })).status, 401, value)
    t.equal((await post(bodyOf({ [merchantA]: [order] }), {})).status, 401)
    t.ok(await storage.get(merchantA))
    t.same([told.events, told.disconnected], [[], []])
    t.match(events(logs).find(({ event }) => event === 'webhook-refused'), { reason: 'routes.webhook.auth is not set yet' })
  }
})

t.test('without a hook for the code the log says how to receive it, and an error of the hook has no effect', async t => {
  const silent = await startWebhookHost(t, { webhook: { onVerificationCode: undefined } as object })
  t.equal((await silent.clover.verifyWebhook()).status, 200)
  t.match(silent.logs.join(''), 'give routes.webhook.onVerificationCode to receive it')
  const throwing = await startWebhookHost(t, { webhook: { onVerificationCode: () => { throw new Error('mine') } } })
  t.equal((await throwing.clover.verifyWebhook()).status, 200)
  t.match(throwing.logs.join(''), 'fastify-clover: onVerificationCode threw')
})

t.test('a stranger\'s verification only calls the hook, whatever else the request has', async t => {
  const { clover, told, post, browser, storage } = await startWebhookHost(t)
  await connect(browser(), clover, merchantA)
  for (const headers of [{}, { 'x-clover-auth': 'wrong' }]) {
    t.equal((await post({ verificationCode: code, ...bodyOf({ [merchantA]: [appEvent('DELETE', Date.now() + 60_000), order] }) }, headers)).status, 200)
  }
  t.same(told, { events: [], disconnected: [], codes: [code, code] })
  t.ok(await storage.get(merchantA))
  for (const odd of [{ verificationCode: '<script>' }, { verificationCode: 'x\ny' }, { verificationCode: 7 }, { verificationCode: '' }, { verificationCode: 'x'.repeat(129) }, [], null, 7, '"text"', {}]) {
    t.equal((await post(odd, {})).status, 401, JSON.stringify(odd))
  }
  t.equal(told.codes.length, 2)
})

t.test('only a request with the right X-Clover-Auth has an effect; a refusal is logged without the value (security 8)', async t => {
  const canary = 'canary-0307e264-b33a-4913-88aa-37b10014a0b8'
  const { clover, told, logs, post, browser, storage, auth } = await startWebhookHost(t)
  await connect(browser(), clover, merchantA)
  const body = bodyOf({ [merchantA]: [appEvent('DELETE', Date.now() + 60_000), order] })
  const wrong = [canary, '', auth.slice(0, -1), `${auth}0`, auth.toUpperCase(), `${auth}, ${auth}`, `${canary}, ${auth}`, `Bearer ${auth}`]
  for (const value of wrong) {
    const reply = await post(body, { 'x-clover-auth': value })
    t.equal(reply.status, 401, value)
    t.match(JSON.parse(reply.body), { statusCode: 401, code: 'FST_CLOVER_WEBHOOK', message: /X-Clover-Auth is missing or wrong/ })
  }
  t.equal((await post(body, {})).status, 401)
  t.ok(await storage.get(merchantA))
  t.same([told.events, told.disconnected], [[], []])
  const reasons = events(logs).filter(({ event }) => event === 'webhook-refused').map(({ reason }) => reason)
  t.same(reasons, [...wrong.map(() => 'its X-Clover-Auth is not that of routes.webhook.auth'), 'it has no X-Clover-Auth'])
  for (const secret of [canary, auth]) t.notMatch(logs.join(''), secret)
  const taken = await post(body)
  t.match([taken.status, taken.body, taken.headers.get('cache-control')], [200, '', 'no-store'], 'the right one is taken')
  t.same([told.events.length, told.disconnected.length], [1, 1])
})

t.test('a repeated header is refused, even if both are right (security 8)', async t => {
  const { url, told, auth } = await startWebhookHost(t)
  for (const values of [[auth, auth], ['wrong', auth], [auth, 'wrong']]) {
    const request = httpRequest(url, { method: 'POST' })
    request.setHeader('x-clover-auth', values)
    request.setHeader('content-type', 'application/json')
    request.end(JSON.stringify(bodyOf({ [merchantA]: [order] })))
    const [reply] = await once(request, 'response') as [IncomingMessage]
    t.equal(reply.statusCode, 401)
    reply.resume()
  }
  t.same(told.events, [])
})

t.test('several values are accepted during a rotation of the Clover Auth Code', async t => {
  const next = '0307e264-b33a-4913-88aa-37b10014a0b8'
  const { post, auth } = await startWebhookHost(t, { webhook: clover => ({ auth: [undefined, next, authOf(clover), ''] }) })
  for (const value of [next, auth]) t.equal((await post(bodyOf({}), { 'x-clover-auth': value })).status, 200)
  for (const value of ['', 'undefined', `${next}${auth}`]) t.equal((await post(bodyOf({}), { 'x-clover-auth': value })).status, 401)
})

t.test('the log holds no X-Clover-Auth, whatever the host logs of a request (security 33)', async t => {
  const logs: string[] = []
  const serializers = { req: (request: FastifyRequest) => ({ headers: request.headers, raw: request.raw.headers, rawHeaders: request.raw.rawHeaders, distinct: request.raw.headersDistinct, body: request.body }) }
  const fastify: FastifyServerOptions = { logger: { level: 'trace', stream: lineStream(logs), serializers } }
  const { post, url, auth } = await startWebhookHost(t, {
    fastify,
    before: app => {
      app.addHook('onResponse', async (request, reply) => { request.log.info({ req: request, res: reply }, 'both') })
      app.addHook('onError', async (request, _reply, error) => { request.log.info({ req: request.raw, err: error }, 'failed') })
    }
  })
  const canary = 'canary-0307e264-b33a-4913-88aa-37b10014a0b8'
  for (const value of [auth, canary]) {
    for (const body of [bodyOf({ [merchantA]: [order] }), bodyOf({}, 'OTHERAPP00000'), '{broken', { verificationCode: `canary-${code}` }]) await post(body, { 'x-clover-auth': value })
    for (const method of ['GET', 'PUT']) await (await fetch(url, { method, headers: { 'x-clover-auth': value } })).text()
    await (await fetch(`${url}/`, { method: 'POST', body: 'a=b', headers: { 'x-clover-auth': value, 'content-type': 'application/x-www-form-urlencoded' } })).text()
  }
  t.match(logs.join(''), '"x-clover-auth":"[redacted]"')
  for (const secret of [auth, canary, 'canary']) t.notMatch(logs.join(''), secret)
})

t.test('a body may have 1 MiB from Clover, and only the size of a verification from a stranger', async t => {
  const { app, url, told, post, auth, logs } = await startWebhookHost(t)
  const many = (count: number) => bodyOf({ [merchantA]: Array.from({ length: count }, (_value, index) => ({ ...order, ts: index })) })
  t.equal((await post(many(5000))).status, 200)
  t.equal(told.events.length, 5000)
  t.equal((await post(many(30_000))).status, 413)
  t.equal(told.events.length, 5000)
  t.equal((await post(many(20), {})).status, 401)
  t.equal((await post({ verificationCode: code, more: 'x'.repeat(2000) }, {})).status, 401)
  const refresh = { method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA, more: 'x'.repeat(2000) } } as const
  t.equal((await app.inject(refresh)).statusCode, 413, 'the refresh route keeps its own')

  // Also as chunks without a content-length.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const chunked = async (headers: Record<string, string>, chunks: string[]) => {
    const request = httpRequest(url, { method: 'POST', agent, headers: { 'content-type': 'application/json', ...headers } })
    for (const chunk of chunks) request.write(chunk)
    request.end()
    const [reply] = await once(request, 'response') as [IncomingMessage]
    reply.resume()
    await once(reply, 'end')
    return reply.statusCode
  }
  t.equal(await chunked({}, ['{"verification', `Code":"${code}"}`]), 200)
  t.same(told.codes, [code])
  const large = Array.from({ length: 50 }, () => 'x'.repeat(20_000))
  t.equal(await chunked({}, ['{"verificationCode":"', ...large, '"}']), 401)
  t.equal(await chunked({ 'content-type': 'text/plain' }, large), 415)
  t.equal(await chunked({}, [`{"verificationCode":"${code}"}`]), 200, 'and the next one is answered')
  t.equal(await chunked({ 'x-clover-auth': auth }, Array.from({ length: 30 }, () => ' '.repeat(50_000))), 413)

  const broken = httpRequest(url, { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': '100' } })
  broken.on('error', () => {})
  broken.write('{')
  await sleep(20)
  broken.destroy()
  while (!logs.some(line => line.includes('"msg":"aborted"'))) await sleep(5)
  t.pass('the request of a stranger who hangs up is over')
})

t.test('a hook of the host may read the body too', async t => {
  let seen = 0
  const { post, told } = await startWebhookHost(t, {
    before: app => app.addHook('preParsing', async (_request, _reply, payload) => { payload.on('data', (chunk: Buffer) => { seen += chunk.length }) })
  })
  t.equal((await post({ verificationCode: code }, {})).status, 200)
  t.same(told.codes, [code])
  t.equal((await post(bodyOf({ [merchantA]: Array(50).fill(order) }), {})).status, 401)
  t.equal((await post('x'.repeat(5000), { 'content-type': 'text/plain' })).status, 415)
  t.equal((await post(bodyOf({ [merchantA]: [order] }))).status, 200)
  t.ok(seen > 5000)
})

t.test('only JSON is accepted, even if the host parses forms', async t => {
  const { post, told, auth } = await startWebhookHost(t, { before: app => app.register(formbody) })
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x']) {
    for (const headers of [{}, { 'x-clover-auth': auth }]) t.equal((await post(`verificationCode=${code}`, { 'content-type': type, ...headers })).status, 415, type)
  }
  t.equal((await post('{broken')).status, 400)
  t.equal((await post('')).status, 400)
  t.same(told.codes, [])
})

t.test('other methods are 405, and a slash at the end works too', async t => {
  const { app, url, auth } = await startWebhookHost(t)
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'] as const) {
    const reply = await app.inject({ method, url: '/clover/webhook' })
    t.match([reply.statusCode, reply.headers.allow], [405, 'POST'], method)
  }
  const headers = { 'x-clover-auth': auth, 'content-type': 'application/json' }
  t.equal((await fetch(`${url}/`, { method: 'POST', headers, body: JSON.stringify(bodyOf({})) })).status, 200)
})

t.test('the host\'s own hooks on the route run besides the guard', async t => {
  const ran: string[] = []
  const note = (name: string) => async () => { ran.push(name) }
  const webhook = { preParsing: async () => { ran.push('preParsing') }, preValidation: [note('preValidation'), note('again')], onRequest: note('onRequest') }
  const { post } = await startWebhookHost(t, { webhook })
  t.equal((await post(bodyOf({}))).status, 200)
  t.same(ran, ['onRequest', 'preParsing', 'preValidation', 'again'])
  ran.length = 0
  t.equal((await post(bodyOf({}), {})).status, 401)
  t.same(ran, ['onRequest', 'preParsing'])
  t.equal((await (await startWebhookHost(t, { webhook: { onRequest: refuseAll } })).post(bodyOf({}))).status, 403)
})

t.test('the route is off by default, and with routes: false; without the other routes it needs neither cookieSecret nor baseUrl', async t => {
  const refresh = { onRequest: async () => {} }
  for (const routes of [undefined, false] as const) {
    for (const webhook of [undefined, false] as const) {
      const { app } = await startHost(t, { options: { routes: routes ?? { refresh, webhook } } })
      t.equal((await app.inject({ method: 'POST', url: '/clover/webhook', payload: { verificationCode: code } })).statusCode, 404)
    }
  }
  const { app } = await startHost(t, {
    options: { cookieSecret: undefined, baseUrl: undefined, routes: { launch: false, callback: false, refresh: false, webhook: { auth: undefined, path: '/hook' } } }
  })
  t.equal((await app.inject({ method: 'POST', url: '/hook', payload: { verificationCode: code } })).statusCode, 200)
})

t.test('each of two scopes accepts its own app\'s webhooks', async t => {
  const { post, told } = await startWebhookHost(t, { prefix: '/us' })
  t.equal((await post(bodyOf({ [merchantB]: [order] }))).status, 200)
  t.equal(told.events.length, 1)
})
