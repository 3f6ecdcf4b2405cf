import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import pino from 'pino'
import t, { type Test } from 'tap'
import { cookieSecret, lineStream, merchantA, startHost } from '../harness/host.js'
import cookie from '@fastify/cookie'
import { approve, callbackUrl, connect } from '../harness/browser.js'
import { redactingSerializers } from '../../src/routes/redaction.js'

const code = 'canary-code-0123456789'
const query = `?code=${code}&state=canary-state.0.0123456789&merchant_id=${merchantA}`

t.test('other methods are a 405 with Allow, spend no code and do not reach the host\'s 404 handler', async t => {
  let found404 = 0
  const { app, clover, browser } = await startHost(t, {
    before: app => app.setNotFoundHandler(async (request, reply) => { found404++; return reply.code(404).send(`no ${request.url}`) })
  })
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const callback = new URL(approve(clover, launch))
  const replies: Array<[string, object]> = []
  const expected: Array<[string, object]> = []
  for (const [path, allowed] of [['/clover/launch', 'GET'], ['/clover/callback', 'GET'], ['/clover/refresh', 'POST']] as const) {
    for (const slash of ['', '/']) {
      for (const method of app.supportedMethods as Array<'GET'>) {
        if (method === allowed) continue
        const reply = await merchant.visit(`${path}${slash}${callback.search}`, { method })
        const { allow, 'cache-control': cacheControl, 'referrer-policy': referrerPolicy, 'set-cookie': cookies } = reply.headers
        const body: unknown = reply.body === '' ? 'none' : JSON.parse(reply.body)
        replies.push([`${method} ${path}${slash}`, { status: reply.statusCode, allow, cacheControl, referrerPolicy, cookies, body }])
        expected.push([`${method} ${path}${slash}`, {
          status: 405,
          allow: allowed,
          cacheControl: 'no-store',
          referrerPolicy: 'no-referrer',
          cookies: undefined,
          body: reply.body === '' ? 'none' : { statusCode: 405, error: 'Method Not Allowed', message: `This route answers only ${allowed}.` }
        }])
      }
    }
  }
  t.same(replies, expected)
  t.equal(found404, 0)
  t.equal(clover.calls.length, 0)
  t.equal((await merchant.visit(callback.href)).headers.location, '/', 'the code was not spent')
})

t.test('a method that the host adds later is not served either', async t => {
  const { app } = await startHost(t, { before: app => app.addHttpMethod('MKCOL', { hasBody: true }) })
  t.equal((await app.inject({ method: 'MKCOL' as 'GET', url: `/clover/callback${query}` })).statusCode, 405)
})

t.test('a body sent with a wrong method is not parsed', async t => {
  const { app } = await startHost(t)
  for (const contentType of ['application/json', 'application/xml', 'application/x-www-form-urlencoded']) {
    const reply = await app.inject({ method: 'POST', url: `/clover/callback${query}`, headers: { 'content-type': contentType }, payload: '{"broken' })
    t.equal(reply.statusCode, 405)
  }
})

t.test('a path with one slash at its end works too', async t => {
  for (const fastify of [{}, { ignoreTrailingSlash: true }, { routerOptions: { ignoreTrailingSlash: true } }] satisfies FastifyServerOptions[]) {
    const { app, clover, browser } = await startHost(t, { fastify })
    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch/?merchant_id=${merchantA}`)
    const callback = new URL(approve(clover, launch))
    callback.pathname += '/'
    t.equal((await merchant.visit(callback.href)).headers.location, '/')
    t.equal((await app.inject({ method: 'POST', url: '/clover/refresh/', payload: { merchant_id: merchantA } })).statusCode, 200)
    t.equal((await app.inject({ method: 'HEAD', url: '/clover/callback/' })).statusCode, 405)
  }
})

/** Requests of all kinds, each with secrets in it. */
async function visitEverything (t: Test, fastify: FastifyServerOptions, logs: string[], prepare?: (app: FastifyInstance) => void): Promise<void> {
  const { app, clover, storage, browser, leaks, logs: own } = await startHost(t, { fastify, ...(prepare && { before: prepare }) })
  const merchant = browser()
  const headers = { cookie: '__Host-clover-canary=canary-cookie-value', authorization: 'Bearer canary-authorization', referer: `https://x.example/${query}` }
  for (const method of app.supportedMethods as Array<'GET'>) {
    for (const path of ['/clover/launch', '/clover/callback', '/clover/refresh']) {
      for (const slash of ['', '/']) {
        for (const accept of ['text/html', 'application/json']) await app.inject({ method, url: `${path}${slash}${query}`, headers: { ...headers, accept } })
      }
    }
  }
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}&code=${code}&return_to=/x`)
  await merchant.visit(callbackUrl(launch, { error: 'access_denied', error_description: 'canary-description', code }))
  await merchant.visit(callbackUrl(await merchant.visit('/clover/launch'), { code, merchant_id: merchantA }))
  await merchant.visit(callbackUrl(await merchant.visit('/clover/launch'), { code: `${code}${'x'.repeat(2048)}`, merchant_id: merchantA }))
  for (const on of ['token', 'merchant', 'refresh'] as const) {
    clover.fault({ on, kind: 'status', status: 500 })
    await connect(merchant, clover, merchantA)
    await app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })
  }
  clover.fault({ on: 'token', kind: 'reply', body: { access_token: 'canary-token\n', refresh_token: 'canary-refresh-token' } })
  await connect(merchant, clover, 'MERCHANT0000C')
  await app.inject({ method: 'POST', url: '/clover/refresh', payload: '{"merchant_id":"canary-broken', headers: { 'content-type': 'application/json' } })
  const text = [...own, ...logs].join('')
  t.ok(await storage.get(merchantA))
  const canaries = [code, 'canary-state', 'canary-cookie-value', 'canary-authorization', 'canary-description', 'canary-token', 'canary-refresh-token', 'canary-broken']
  t.same(leaks(text, canaries), [], 'no secret is in the log')
  t.ok(text.length > 0)
}

t.test('the log at level trace holds no code, state, token, cookie or secret (security 33)', async t => {
  await visitEverything(t, {}, [])
})

t.test('the host\'s own serializers decide what is logged, and get no secret (security 33)', async t => {
  const logs: string[] = []
  const fastify: FastifyServerOptions = {
    logger: {
      level: 'trace',
      stream: lineStream(logs),
      serializers: {
        req: (request: FastifyRequest) => ({
          mine: 'request',
          url: request.url,
          originalUrl: request.originalUrl,
          query: request.query,
          body: request.body,
          headers: request.headers,
          cookies: (request as FastifyRequest & { cookies?: unknown }).cookies,
          rawUrl: request.raw.url,
          rawHeaders: request.raw.rawHeaders,
          headersOfRaw: request.raw.headers,
          distinct: request.raw.headersDistinct,
          ip: request.ip,
          id: request.id,
          route: request.routeOptions.url,
          accepts: request.is404,
          encrypted: request.raw.socket?.remoteAddress
        }),
        res: shown => {
          const reply = shown as FastifyReply
          return {
            mine: 'reply',
            statusCode: reply.statusCode,
            headers: reply.getHeaders(),
            location: reply.getHeader('Location'),
            cookie: reply.getHeader('set-cookie'),
            type: reply.getHeader('content-type'),
            rawHeaders: reply.raw.getHeaders(),
            rawLocation: reply.raw.getHeader('location'),
            written: Reflect.get(reply.raw, '_header'),
            sent: reply.raw.headersSent,
            has: [reply.hasHeader('location'), reply.raw.hasHeader('location')],
            request: reply.request.url,
            cookies: (reply.request as FastifyRequest & { cookies?: unknown }).cookies,
            rawRequest: reply.raw.req?.url,
            took: reply.elapsedTime
          }
        }
      }
    }
  }
  await visitEverything(t, fastify, logs, app => { app.register(cookie) })
  const lines = logs.map(line => JSON.parse(line) as { req?: Record<string, unknown>, res?: Record<string, unknown> })
  const requests = lines.flatMap(({ req }) => req ? [req] : [])
  t.ok(requests.every(({ mine }) => mine === 'request'))
  t.match(requests[0], { url: '/clover/launch?[redacted]', originalUrl: '/clover/launch?[redacted]', rawUrl: '/clover/launch?[redacted]', route: '/clover/launch', headers: { cookie: '[redacted]', accept: 'text/html' } })
  const replies = lines.flatMap(({ res }) => res ? [res] : [])
  t.ok(replies.every(({ mine }) => mine === 'reply'))
  t.match(replies[0], { statusCode: 302, headers: { location: '[redacted]', 'set-cookie': '[redacted]', 'cache-control': 'no-store' } })
})

t.test('no secret is logged with pino\'s standard serializers, a loggerInstance, or requests that the host logs itself (security 33)', async t => {
  const logs: string[] = []
  const loggerInstance = pino({ level: 'trace', serializers: { req: pino.stdSerializers.req, res: pino.stdSerializers.res } }, lineStream(logs))
  await visitEverything(t, { loggerInstance }, logs)
  t.ok(logs.some(line => line.includes('"url":"/clover/callback?[redacted]"')))
  t.ok(logs.some(line => line.includes('"set-cookie":"[redacted]"')))

  await visitEverything(t, { disableRequestLogging: true }, [], app => {
    app.addHook('onRequest', async request => { request.log.info({ req: request }, 'request') })
    app.addHook('onRequest', async request => { request.log.info({ req: request.raw }, 'raw request') })
    app.addHook('onResponse', async (request, reply) => { request.log.info({ req: request.raw, res: reply.raw }, 'raw') })
    app.addHook('onResponse', async (request, reply) => { request.log.info({ req: request, res: reply }, 'both') })
    app.addHook('onError', async (request, reply, error) => { request.log.info({ req: request, res: reply, err: error }, 'failed') })
    app.addHook('onRequest', async request => { request.log.info({ req: { url: 'the host\'s own' }, res: 'as it is' }, 'other') })
  })
  const raw: string[] = []
  const std = pino({ level: 'trace', serializers: { req: pino.stdSerializers.req, res: pino.stdSerializers.res } }, lineStream(raw))
  await visitEverything(t, { loggerInstance: std, disableRequestLogging: true }, raw, app => {
    app.addHook('onResponse', async (request, reply) => { request.log.info({ req: request.raw, res: reply.raw }, 'raw') })
  })
  t.ok(raw.some(line => line.includes('"url":"/clover/callback?[redacted]"') && line.includes('"location":"[redacted]"')))
})

t.test('no secret is logged if a semicolon starts the query (security 33)', async t => {
  const { app, leaks, logs } = await startHost(t, { fastify: { routerOptions: { useSemicolonDelimiter: true } } as FastifyServerOptions })
  await app.inject(`/clover/callback;code=${code}&merchant_id=${merchantA}`)
  t.same(leaks(logs.join(''), [code]).filter(secret => secret === code), [])
})

t.test('no secret is logged if the host sends a reply twice, a warning in which Fastify quotes the URL (security 33)', async t => {
  const late = (_request: FastifyRequest, reply: FastifyReply) => {
    setTimeout(() => reply.send('late'), 5)
    return undefined
  }
  const { app, clover, browser, logs, leaks } = await startHost(t, {
    options: { onConnect: late, onError: (request, reply) => { late(request, reply); return reply.send('early') } },
    before: app => app.addHook('onRequest', async request => { t.equal(request.originalUrl, request.url, 'a hook still sees all of the address') })
  })
  await connect(browser(), clover, merchantA)
  await app.inject(`/clover/callback${query}&error=access_denied`)
  await app.inject(`/clover/callback${query}&merchant_id=x`)
  await app.inject(`/clover/launch?code=${code}&client_id=x`)
  while (logs.filter(line => line.includes('ALREADY_SENT')).length < 4) await new Promise(resolve => setTimeout(resolve, 5))
  t.same(leaks(logs.join(''), [code]), [])
})

t.test('no secret is logged over a real connection (security 33)', async t => {
  const { url, logs } = await startHost(t, {
    listens: '127.0.0.1',
    before: app => { app.addHook('onResponse', async (request, reply) => { request.log.info({ req: request.raw, res: reply.raw }, 'raw') }) }
  })
  for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
    const reply = await fetch(`${url}/clover/callback${query}`, { method, redirect: 'manual', headers: { cookie: 'a=canary-cookie-value' } })
    t.equal(reply.status, method === 'GET' ? 302 : 405)
    await reply.text()
  }
  const text = logs.join('')
  for (const secret of [code, 'canary-state', 'canary-cookie-value', cookieSecret, '__Host-clover']) t.notMatch(text, secret)
  t.match(text, '/clover/callback?[redacted]')
  t.match(text, /"remotePort":\d+/)
})

t.test('a host without a logger, or with one that is not pino, works', async t => {
  const noop = () => {}
  const silent = { info: noop, error: noop, debug: noop, fatal: noop, warn: noop, trace: noop, silent: noop, level: 'info', child: () => silent }
  for (const fastify of [{ logger: false }, { loggerInstance: silent }] satisfies FastifyServerOptions[]) {
    const { clover, browser } = await startHost(t, { fastify })
    t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  }
})

t.test('no secret is logged by a logger other than pino that uses the given serializers (security 33)', async t => {
  const logs: string[] = []
  type Serializers = Record<string, ((value: unknown) => unknown) | undefined>
  const make = (serializers: Serializers): FastifyBaseLogger => {
    const write = (details: object) => {
      if (typeof details === 'object') logs.push(JSON.stringify(Object.fromEntries(Object.entries(details).map(([key, value]) => [key, serializers[key] ? serializers[key](value) : String(value)]))))
    }
    const logger = { info: write, error: write, debug: write, fatal: write, warn: write, trace: write, silent: write, level: 'trace' }
    return { ...logger, child: (_bindings, options) => make({ ...serializers, ...options?.serializers }) } as FastifyBaseLogger
  }
  await visitEverything(t, { loggerInstance: make({}) }, logs)
  t.ok(logs.some(line => line.includes('"url":"/clover/callback?[redacted]"')))
  t.ok(logs.some(line => line.includes('{"statusCode":302}')))
})

t.test('the serializers accept an incomplete request, and do not change other values', async t => {
  const { req, res } = redactingSerializers({} as FastifyBaseLogger)
  const mark = Symbol('mark')
  t.same(req?.({ headers: { cookie: 'a=b' }, method: 'GET', url: undefined }), { method: 'GET', url: '', host: undefined, remoteAddress: undefined, remotePort: undefined })
  t.same(res?.({ statusCode: 200, getHeaders: () => ({}), getHeader: () => undefined }), { statusCode: 200 })
  for (const value of [undefined, null, 7, 'text', {}, { url: '/x' }]) {
    t.equal(req?.(value), value)
    t.equal(res?.(value), value)
  }
  const own = { [Symbol.for('pino.serializers')]: { req: (request: { [mark]: unknown }) => request[mark], res: (reply: { req: unknown, [mark]: unknown }) => [reply.req, reply[mark]] } }
  const composed = redactingSerializers(own as unknown as FastifyBaseLogger)
  t.equal(composed.req?.({ headers: {}, url: '/x', [mark]: 'seen' }), 'seen')
  const looking = redactingSerializers({ [Symbol.for('pino.serializers')]: { req: (request: object) => [mark in request, 'body' in request, 'headers' in request, Object.keys(request)] } } as unknown as FastifyBaseLogger)
  t.same(looking.req?.({ headers: { cookie: 'a=b' }, url: '/x?code=1', body: 'secret', [mark]: 'seen' }), [true, true, true, ['url', 'originalUrl', 'headers', 'rawHeaders', 'headersDistinct']], 'what is there is known, and what is copied is without secrets')
  t.same(composed.res?.({ getHeaders: () => ({}), getHeader: () => undefined, [mark]: 'seen' }), [undefined, 'seen'])
})
