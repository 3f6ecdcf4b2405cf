import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import secureSession from '@fastify/secure-session'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { parse as parseNested } from 'node:querystring'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { plugin } from '../../src/plugin.js'
import { approve, authorizeRequest, connect } from '../harness/browser.js'
import { events, lowTrust, merchantA, merchantB, ordinaryOptions, startClover, startHost, type Host, type HostOptions } from '../harness/host.js'
import { Time } from '../harness/time.js'

/** The plugin works in this host as in any other: every route, in success and in failure. */
async function works (t: Test, options: HostOptions, refreshed = 200): Promise<Host> {
  const host = await startHost(t, options)
  const { app, clover, browser } = host
  const prefix = options.prefix ?? ''
  const merchant = browser()
  const launch = await merchant.visit(`${prefix}/clover/launch?merchant_id=${merchantA}&return_to=/orders&unknown=x`)
  const reply = await merchant.visit(approve(clover, launch))
  t.match([reply.statusCode, reply.headers.location], [302, '/orders'], 'connects')
  t.same(await merchant.stateCookies(), [], 'and leaves no cookie')
  const post = (payload: object) => app.inject({ method: 'POST', url: `${prefix}/clover/refresh`, payload })
  const good = await post({ merchant_id: merchantA, unknown: 'x' })
  t.equal(good.statusCode, refreshed, 'refreshes')
  t.equal(clover.count('refresh', { ok: true }), 1)
  const calls = clover.calls.length
  for (const query of [`merchant_id=${merchantA}&merchant_id=${merchantB}`, 'merchant_id=short', `merchant_id[]=${merchantA}`, `merchant_id[x]=${merchantA}`]) {
    const odd = await merchant.visit(`${prefix}/clover/callback?${query}`)
    t.ok([400, 302].includes(odd.statusCode), query)
    if (odd.statusCode === 302) authorizeRequest(await merchant.visit(String(odd.headers.location)))
  }
  t.equal((await merchant.visit(`${prefix}/clover/callback?code=a&code=b`)).statusCode, 400)
  for (const payload of [{}, { merchant_id: [merchantA] }, { merchant_id: 1234567890123 }, { merchant_id: 'short' }]) t.equal((await post(payload)).statusCode, 400, JSON.stringify(payload))
  t.equal((await app.inject({ method: 'POST', url: `${prefix}/clover/refresh`, headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: `merchant_id=${merchantA}` })).statusCode, 415)
  t.equal(clover.calls.length, calls, 'no odd request makes a call to Clover')
  const denied = await merchant.visit(`${prefix}/clover/callback?error=access_denied`)
  t.match([denied.statusCode, denied.headers['content-type']], [403, 'text/html; charset=utf-8'])
  t.match(denied.body, '<h1>The app was not connected</h1>')
  t.equal((await app.inject({ method: 'DELETE', url: `${prefix}/clover/launch` })).statusCode, 405)
  return host
}

t.test('a host with Zod compilers at its root works, and so does the plugin', async t => {
  await works(t, {
    before: async app => {
      app.setValidatorCompiler(validatorCompiler)
      app.setSerializerCompiler(serializerCompiler)
    }
  })
  const { app } = await startHost(t, {
    before: app => { app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler) },
    after: app => {
      app.withTypeProvider<ZodTypeProvider>().get('/own', { schema: { querystring: z.object({ n: z.coerce.number() }), response: { 200: z.object({ n: z.number() }) } } }, async request => ({ n: request.query.n, more: 1 }))
    }
  })
  t.same((await app.inject('/own?n=7')).json(), { n: 7 })
  t.equal((await app.inject('/own?n=x')).statusCode, 400)
})

t.test('a host with @fastify/formbody works', async t => {
  await works(t, { before: app => app.register(formbody) })
})

t.test('a host with odd Ajv options, keywords and formats works', async t => {
  const customOptions: NonNullable<FastifyServerOptions['ajv']>['customOptions'][] = [
    { removeAdditional: 'all', coerceTypes: 'array', useDefaults: true, allErrors: true },
    { strict: true, coerceTypes: false, removeAdditional: false, keywords: [{ keyword: 'mine', validate: () => false }] },
    { strictTypes: true, strictRequired: true, validateSchema: true, addUsedSchema: false }
  ]
  for (const options of customOptions) await works(t, { fastify: { ajv: { customOptions: options ?? {} } } })
})

t.test('a host with a query parser of its own works', async t => {
  const nested = (text: string): Record<string, unknown> => {
    const query: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(parseNested(text))) {
      const [, outer = '', inner] = /^([^[]+)\[(.*)\]$/.exec(name) ?? []
      if (inner === undefined) query[name] = value
      else query[outer] = inner === '' ? [value].flat() : { [inner]: value }
    }
    return query
  }
  const guessing = (text: string): Record<string, unknown> => {
    const one = (value: string) => /^\d+$/.test(value) ? Number(value) : value === 'true' ? true : value
    return Object.fromEntries(Object.entries(parseNested(text)).map(([name, value = '']) => [name, Array.isArray(value) ? value.map(one) : one(value)]))
  }
  for (const querystringParser of [nested, guessing]) {
    const { browser, clover, storage } = await works(t, { fastify: { routerOptions: { querystringParser } } })
    const calls = clover.calls.length
    for (const query of ['merchant_id[x]=1', 'state[x]=y', 'code[]=a', 'error[x]=y', 'return_to[]=/x', 'client_id[a]=b']) {
      const path = query.startsWith('return') ? 'launch' : 'callback'
      // To a parser that knows no brackets they are other fields, which are ignored.
      const reply = await browser().visit(`/clover/${path}?code=x&${query}`)
      t.equal(reply.statusCode, querystringParser === nested ? 400 : 302, query)
    }
    t.equal(clover.calls.length, calls)
    const merchant = browser()
    // An id or a code of digits alone may come as a number.
    const launch = await merchant.visit('/clover/launch?merchant_id=1234567890123')
    t.equal((await merchant.visit(approve(clover, launch))).headers.location, '/')
    t.ok(await storage.get('1234567890123'))
  }
})

t.test('the host\'s own @fastify/cookie, before or after, with a domain of its own, is left alone', async t => {
  const parseOptions = { domain: 'shop.example', path: '/elsewhere' }
  const own = (app: FastifyInstance) => { app.get('/own', async (request, reply) => { reply.setCookie('own', 'x'); return request.cookies }) }
  for (const when of ['before', 'after'] as const) {
    const { app, browser } = await works(t, {
      [when]: (app: FastifyInstance) => app.register(cookie, { secret: 'host-cookie-secret-0123456789abcdef', parseOptions }),
      ...(when === 'before' && { after: own })
    })
    const merchant = browser()
    const [line] = [(await merchant.visit('/clover/launch')).headers['set-cookie'] ?? []].flat()
    t.match(line, /^__Host-clover-.*; Path=\/;/)
    t.notMatch(line, /domain/i)
    if (when === 'before') t.match([(await app.inject('/own')).headers['set-cookie']].flat()[0], 'Domain=shop.example')
  }
})

t.test('a session that onConnect writes goes out with the plugin\'s cookies', async t => {
  const options: HostOptions = {
    before: app => app.register(secureSession, { key: Buffer.alloc(32, 7), cookieName: 'session', cookie: { path: '/' } }),
    options: {
      onConnect: (request, _reply, { merchantId }) => {
        const { session } = request as FastifyRequest & { session: { set (name: string, value: string): void } }
        session.set('merchantId', merchantId)
      }
    },
    after: app => { app.get('/who', async request => (request as FastifyRequest & { session: { get (name: string): unknown } }).session.get('merchantId')) }
  }
  const { browser, clover } = await works(t, options)
  const merchant = browser()
  const reply = await connect(merchant, clover, merchantA)
  t.match([reply.headers['set-cookie']].flat().map(line => line?.split('=')[0]), [/^__Host-clover-/, 'session'])
  t.equal((await merchant.visit('/who')).body, merchantA)
  t.same(await merchant.stateCookies(), [])
})

t.test('a scope with a prefix works', async t => {
  const { app } = await works(t, { prefix: '/apps/clover' })
  t.equal((await app.inject('/clover/launch')).statusCode, 404)
})

t.test('a host with serializers, error handlers, formatters and a 404 of its own works', async t => {
  await works(t, {
    before: app => {
      app.setSerializerCompiler(() => () => { throw new Error('not for the plugin') })
      app.setValidatorCompiler(() => () => { throw new Error('not for the plugin') })
      app.setSchemaErrorFormatter(() => { throw new Error('not for the plugin') })
      app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => reply.code(error.statusCode ?? 500).send({ mine: [error.message] }))
      app.setNotFoundHandler(async (_request, reply) => reply.code(404).send('mine'))
    }
  })
  const { app } = await works(t, { before: app => app.setReplySerializer(payload => JSON.stringify({ envelope: payload })) })
  t.match((await app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })).json(), { merchant_id: merchantA }, 'the reply keeps the form of its schema')
})

t.test('a host with hooks on routes and requests works', async t => {
  const routes: string[] = []
  await works(t, {
    before: app => {
      app.addHook('onRoute', route => {
        routes.push(`${[route.method].flat().join()} ${route.url}`)
        route.config = { ...route.config }
      })
      app.addHook('onSend', async (_request, reply, payload) => { reply.header('x-mine', '1'); return payload })
      app.addHook('preHandler', async () => {})
      app.addHook('onRequest', async (_request, reply) => { reply.header('content-security-policy', "default-src 'self'") })
      app.addHook('preSerialization', async (_request, _reply, payload) => payload)
    }
  })
  for (const route of ['GET /clover/launch', 'GET /clover/callback', 'POST /clover/refresh']) t.ok(routes.includes(route), route)
  t.notOk(routes.some(route => /^HEAD \/clover\/(?:launch|callback)/.test(route)), 'no HEAD route would spend a code')
})

t.test('a host whose router ignores case or doubled slashes works', async t => {
  const { app } = await works(t, { fastify: { routerOptions: { caseSensitive: false } } })
  t.equal((await app.inject(`/CLOVER/Launch?merchant_id=${merchantA}`)).statusCode, 302)
  t.equal((await app.inject({ method: 'HEAD', url: '/Clover/CALLBACK?code=x' })).statusCode, 405)
  await works(t, { fastify: { routerOptions: { ignoreDuplicateSlashes: true } } })
  await works(t, { fastify: { exposeHeadRoutes: true } })
  await works(t, { fastify: { exposeHeadRoutes: false, return503OnClosing: false, requestTimeout: 5_000, trustProxy: true, rewriteUrl: request => request.url ?? '' } })
})

t.test('two apps in two scopes have each their own merchants', async t => {
  const time = new Time()
  const clover = await startClover(t, time)
  const eu = ordinaryOptions(clover, lowTrust)
  const { app, browser } = await startHost(t, {
    simulator: clover,
    prefix: '/us',
    before: app => {
      app.register(async scope => {
        await scope.register(plugin, eu)
        scope.get('/token', async request => request.clover.accessToken(merchantA))
      }, { prefix: '/eu' })
    }
  })
  const merchant = browser()
  t.equal((await connect(merchant, clover, merchantA, '/us/clover/launch')).headers.location, '/')
  t.equal((await app.inject('/eu/token')).statusCode, 409)
  t.equal((await connect(merchant, clover, merchantA, '/eu/clover/launch')).headers.location, '/')
  t.equal((await app.inject('/eu/token')).statusCode, 200)
  t.equal((await eu.storage.get(merchantA))?.appId, lowTrust)
  t.equal(clover.liveRefreshTokens(merchantA, lowTrust).length, 1)
})

t.test('a launch in each of two scopes keeps its own cookies', async t => {
  const time = new Time()
  const clover = await startClover(t, time)
  const { browser } = await startHost(t, { simulator: clover, prefix: '/us', before: app => { app.register(async scope => { await scope.register(plugin, ordinaryOptions(clover, lowTrust)) }, { prefix: '/eu' }) } })
  const merchant = browser()
  const launches = []
  for (let tab = 0; tab < 5; tab++) for (const scope of ['/us', '/eu']) launches.push(await merchant.visit(`${scope}/clover/launch?merchant_id=${merchantA}`))
  t.equal((await merchant.stateCookies()).length, 10)
  for (const launch of launches) t.equal((await merchant.visit(approve(clover, launch))).headers.location, '/')
})

t.test('route options of the host pass: hooks, constraints, config, tags', async t => {
  const seen: string[] = []
  const { app, browser, clover } = await startHost(t, {
    options: {
      routes: {
        launch: { preHandler: async () => { seen.push('launch') }, config: { mine: 1 } as object },
        callback: { path: '/done', onResponse: async () => { seen.push('callback') }, constraints: { host: 'shop.example' } },
        refresh: { preHandler: [async () => { seen.push('one') }, async () => { seen.push('two') }] }
      }
    }
  })
  t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  await app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })
  t.same(seen, ['launch', 'callback', 'one', 'two'])
  t.equal((await app.inject({ method: 'POST', url: '/done', headers: { host: 'shop.example' } })).statusCode, 405)
  for (const method of ['GET', 'POST'] as const) t.equal((await app.inject({ method, url: '/done', headers: { host: 'other.example' } })).statusCode, 404, 'another host is not the plugin\'s')
})

t.test('a rate limit of the host on a route is the host\'s, and nothing is spent', async t => {
  const { browser, clover, logs } = await startHost(t, {
    options: { routes: { refresh: false, callback: { onRequest: async (_request, reply) => reply.code(429).send({ slow: 'down' }) } } }
  })
  const reply = await connect(browser(), clover, merchantA)
  t.match([reply.statusCode, reply.json()], [429, { slow: 'down' }])
  t.equal(clover.calls.length, 0)
  t.same(events(logs), [])
})
