import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { plugin } from '../../src/plugin.js'
import { approve, authorizeRequest, connect } from '../harness/browser.js'
import { merchantA, ordinaryOptions, startHost, type HostOptions } from '../harness/host.js'

/** A host that takes the merchant id from the header `x-visitor`, and replies with the merchant id of the request. */
async function startShop (t: Test, { after, ...options }: HostOptions = {}) {
  return await startHost(t, {
    ...options,
    after: async app => {
      const preHandler = app.clover.requireMerchant(request => request.headers['x-visitor'] as string | undefined)
      app.route({ method: ['GET', 'HEAD', 'POST'], url: '/orders', preHandler, handler: request => ({ merchantId: request.cloverMerchantId }) })
      app.get('/', request => request.cloverMerchantId)
      await after?.(app)
    }
  })
}

t.test('a request with a merchant in its session passes, and the handler gets the id', async t => {
  const { app } = await startShop(t)
  for (const method of ['GET', 'POST'] as const) {
    const reply = await app.inject({ method, url: '/orders', headers: { accept: 'text/html', 'x-visitor': merchantA } })
    t.equal(reply.statusCode, 200)
    t.same(reply.json(), { merchantId: merchantA })
  }
})

t.test('the function may be async, and its errors go to the host\'s error handler', async t => {
  const { app } = await startShop(t, {
    after: app => {
      app.get('/slow', { preHandler: app.clover.requireMerchant(async () => merchantA) }, request => request.cloverMerchantId)
      app.get('/broken', { preHandler: app.clover.requireMerchant(async () => { throw Object.assign(new Error('The session store is down.'), { statusCode: 503 }) }) }, () => 'never')
    }
  })
  t.equal((await app.inject('/slow')).body, merchantA)
  t.match((await app.inject({ url: '/broken', headers: { accept: 'text/html' } })).json(), { statusCode: 503, message: 'The session store is down.' })
})

t.test('a browser without a merchant is sent to the launch route, and returns to the requested path', async t => {
  let visitor: string | null = null
  const { clover, browser } = await startShop(t, {
    options: { baseUrl: 'https://shop.example/apps/clover', onConnect: (_request, _reply, { merchantId }) => { visitor = merchantId } },
    after: app => { app.get('/report', { preHandler: app.clover.requireMerchant(() => visitor) }, () => 'your report') }
  })
  const visits = browser()
  const reply = await visits.visit('/report?month=2026-09&all')
  t.equal(reply.statusCode, 302)
  t.equal(reply.headers.location, `https://shop.example/apps/clover/clover/launch?${new URLSearchParams({ return_to: '/report?month=2026-09&all' })}`)
  t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  const launch = await visits.visit(String(reply.headers.location))
  const landed = await visits.visit(approve(clover, launch, { merchantId: merchantA }))
  t.equal(landed.headers.location, '/apps/clover/report?month=2026-09&all')
  t.equal((await visits.visit('/report?month=2026-09&all')).body, 'your report')
})

t.test('HEAD of a browser is redirected as well', async t => {
  const { app } = await startShop(t)
  const reply = await app.inject({ method: 'HEAD', url: '/orders', headers: { accept: 'text/html' } })
  t.equal(reply.statusCode, 302)
  t.equal(reply.headers.location, 'https://shop.example/clover/launch?return_to=%2Forders')
})

t.test('any other request gets a 409 with launchUrl', async t => {
  const errors: unknown[] = []
  const { app } = await startShop(t, { before: app => { app.addHook('onError', async (_request, _reply, error) => { errors.push(error) }) } })
  for (const [method, accept] of [['GET', '*/*'], ['GET', 'application/json'], ['GET', undefined], ['POST', 'text/html']] as const) {
    const reply = await app.inject({ method, url: '/orders', headers: { ...(accept && { accept }) } })
    t.equal(reply.statusCode, 409)
    t.equal(reply.headers.location, undefined)
    t.match(reply.json(), { code: 'FST_CLOVER_NOT_CONNECTED', message: 'The request comes from no connected merchant: send the merchant\'s browser to the launch route first.' })
  }
  t.equal(errors.length, 4)
  for (const error of errors) t.match(error, { code: 'FST_CLOVER_NOT_CONNECTED', launchUrl: 'https://shop.example/clover/launch', merchantId: undefined })
})

t.test('a malformed merchant id does not pass, and is not echoed', async t => {
  const { app, logs } = await startShop(t)
  const wrong = ['', 'canary', `${merchantA}0`, merchantA.toLowerCase(), `${merchantA.slice(0, 12)}\n`, '../../canary/', '<script>canary']
  for (const id of wrong) {
    const page = await app.inject({ url: '/orders', headers: { accept: 'text/html', 'x-visitor': id } })
    t.equal(page.headers.location, 'https://shop.example/clover/launch?return_to=%2Forders', id)
    const other = await app.inject({ url: '/orders', headers: { 'x-visitor': id } })
    t.equal(other.statusCode, 409, id)
    t.notMatch(`${JSON.stringify([page.headers, other.headers])}${page.body}${other.body}`, /canary/)
  }
  t.notMatch(logs.join(''), 'canary')
})

t.test('a value of another type does not pass', async t => {
  const given: unknown[] = [undefined, null, false, 0, 7, {}, [merchantA]]
  const { app } = await startShop(t, {
    after: app => {
      given.forEach((value, index) => { app.get(`/${index}`, { preHandler: app.clover.requireMerchant(() => value as string) }, () => 'never') })
    }
  })
  for (const index of given.keys()) t.equal((await app.inject(`/${index}`)).statusCode, 409)
})

t.test('return_to is a path that the launch route accepts, or is left out', async t => {
  const { app } = await startHost(t, { after: app => { app.get('/*', { preHandler: app.clover.requireMerchant(() => undefined) }, () => 'never') } })
  const port = Number(new URL(await app.listen({ port: 0 })).port)
  /** Requests a path unchanged; other clients would normalize some of them. */
  const location = async (path: string) => {
    const [response] = await once(get({ port, path, headers: { accept: 'text/html' } }), 'response') as [IncomingMessage]
    response.resume()
    return response.headers.location
  }
  const launch = 'https://shop.example/clover/launch'
  for (const url of ['/orders', '/orders?a=1&b=%26', '/a%20b', `/${'x'.repeat(255)}`]) {
    const redirect = new URL(String(await location(url)))
    t.equal(redirect.searchParams.get('return_to'), url)
    t.equal(authorizeRequest(await app.inject({ url: redirect.pathname + redirect.search, headers: { accept: 'text/html' } })).pathname, '/oauth/v2/authorize', 'the launch takes it')
  }
  for (const url of [`/${'x'.repeat(256)}`, '//evil.example', '/%2fevil.example', '/%5cevil.example', '/.//evil.example', '/%0d%0aevil']) {
    t.equal(await location(url), launch, url)
  }
})

t.test('in a scope with a prefix the redirect goes to that scope\'s launch route', async t => {
  const { clover } = await startHost(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async scope => {
    await scope.register(plugin, { ...ordinaryOptions(clover), routes: { launch: '/open', refresh: false } })
    scope.get('/orders', { preHandler: scope.clover.requireMerchant(() => null) }, () => 'never')
  }, { prefix: '/eu' })
  t.equal((await app.inject({ url: '/eu/orders', headers: { accept: 'text/html' } })).headers.location, 'https://shop.example/eu/open?return_to=%2Feu%2Forders')
})

t.test('as a hook of the whole app it does not affect the plugin\'s own routes', async t => {
  let visitor: string | undefined
  const { app, clover, browser } = await startHost(t, {
    options: { routes: { webhook: { auth: 'a'.repeat(16) }, refresh: { guard: 'inherited' } }, onConnect: (_request, _reply, { merchantId }) => { visitor = merchantId } },
    after: app => {
      app.addHook('preHandler', app.clover.requireMerchant(() => visitor))
      app.get('/orders', request => request.cloverMerchantId)
    }
  })
  t.equal((await app.inject('/orders')).statusCode, 409)
  t.equal((await app.inject({ method: 'POST', url: '/clover/webhook', payload: { appId: 'SIMULATORAPP1', merchants: {} }, headers: { 'x-clover-auth': 'a'.repeat(16) } })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })).statusCode, 409, 'not the refresh route, which the hook may guard')
  t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  t.equal((await app.inject('/orders')).body, merchantA)
})

t.test('a merchant of the session who is no longer stored is not connected for the handler', async t => {
  const { app, clover, browser } = await startShop(t, {
    after: app => { app.get('/token', { preHandler: app.clover.requireMerchant(() => merchantA) }, async request => (await app.clover.accessToken(request.cloverMerchantId)).length) }
  })
  await connect(browser(), clover, merchantA)
  t.equal((await app.inject('/token')).statusCode, 200)
  await app.clover.disconnect(merchantA)
  t.match((await app.inject('/token')).json(), { statusCode: 409, code: 'FST_CLOVER_NOT_CONNECTED', message: `Merchant ${merchantA} is not connected: send the merchant's browser to the launch route first.` })
})

t.test('without the hook there is no id, and the error names the missing hook', async t => {
  const { app } = await startShop(t)
  const reply = await app.inject({ url: '/', headers: { 'x-visitor': merchantA } })
  t.equal(reply.statusCode, 500)
  t.match(reply.json(), { code: 'FST_CLOVER_INVALID_OPTIONS', message: 'request.cloverMerchantId is only there after requireMerchant: give the route preHandler: app.clover.requireMerchant(...).' })
})

t.test('requireMerchant refuses anything but a function, and needs the launch route', async t => {
  const { app } = await startHost(t, { options: { routes: { launch: false, refresh: false } } })
  t.throws(() => app.clover.requireMerchant(() => undefined), {
    code: 'FST_CLOVER_INVALID_OPTIONS', message: 'requireMerchant sends merchants to the launch route, which is off here: do not set routes.launch to false.'
  })
  const { app: worker } = await startHost(t, { options: { routes: false } })
  t.throws(() => worker.clover.requireMerchant(() => undefined), { code: 'FST_CLOVER_INVALID_OPTIONS' })
  const { app: other } = await startHost(t)
  for (const value of [undefined, merchantA, {}]) {
    t.throws(() => other.clover.requireMerchant(value as never), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /takes a function that gives the merchant id of a request/ })
  }
})
