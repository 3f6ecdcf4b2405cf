import { inspect } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Clover } from '../src/decorator.js'
import { isCloverError } from '../src/index.js'
import { memoryStorage } from '../src/storage/index.js'
import type { CloverSimulator } from '../src/testing/index.js'
import { connect } from './harness/browser.js'
import { events, lowTrust, merchantA, merchantB, startHost } from './harness/host.js'
import { adoptable } from './harness/pairs.js'

/** Gives a host a merchant that is connected at Clover. */
async function adopt (app: FastifyInstance, clover: CloverSimulator, merchantId: string): Promise<void> {
  const pair = clover.connect({ merchantId })
  await app.clover.adopt(adoptable(merchantId, pair))
}

t.test('request.clover and app.clover are the same object, which cannot be changed', async t => {
  let seen: Clover | undefined
  const { app } = await startHost(t, { after: app => { app.get('/same', async request => { seen = request.clover; return request.clover === app.clover }) } })
  t.equal((await app.inject('/same')).body, 'true')
  t.equal(seen, app.clover)
  t.ok(Object.isFrozen(app.clover))
})

t.test('neither inspect nor JSON shows a secret (security 33)', async t => {
  const { app, clover, browser, storage, leaks } = await startHost(t)
  await connect(browser(), clover, merchantA)
  await app.clover.accessToken(merchantA)
  await app.clover.refresh(merchantA)
  const stored = await storage.get(merchantA)
  const secrets = [stored?.accessToken ?? '', stored?.refreshToken ?? '']
  const shown = [app.clover, await app.clover.installation(merchantA), await app.clover.refresh(merchantA)]
  for await (const summary of app.clover.installations()) shown.push(summary)
  for (const value of shown) {
    t.same(leaks(JSON.stringify(value), secrets), [])
    t.same(leaks(inspect(value, { depth: 9, showHidden: true, getters: true }), secrets), [])
  }
  t.equal(JSON.stringify(app.clover), '{}')
  t.same(leaks(app.printRoutes() + app.printPlugins(), secrets), [])
})

t.test('a handler gets the token of a merchant, and new tokens when they are due', async t => {
  const { app, clover, browser, time } = await startHost(t, { after: app => { app.get('/token', async request => request.clover.accessToken(merchantA)) } })
  const missing = await app.inject('/token')
  t.equal(missing.statusCode, 409)
  t.match(missing.json(), { code: 'FST_CLOVER_NOT_CONNECTED' })
  await connect(browser(), clover, merchantA)
  const first = (await app.inject('/token')).body
  t.ok(clover.isLiveAccessToken(first))
  time.pass(31 * 60_000)
  const second = (await app.inject('/token')).body
  t.not(second, first)
  t.ok(clover.isLiveAccessToken(second))
  await t.rejects(app.clover.accessToken('nonsense'), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
})

t.test('installation, installations, adopt and disconnect work through a host', async t => {
  const { app, clover, browser, storage } = await startHost(t)
  t.equal(await app.clover.installation(merchantA), undefined)
  await connect(browser(), clover, merchantA)
  t.match(await app.clover.installation(merchantA), { merchantId: merchantA, appId: 'SIMULATORAPP1', environment: 'simulator', flow: 'v2' })
  const pair = clover.connect({ merchantId: merchantB })
  const tokens = adoptable(merchantB, pair)
  await t.rejects(app.clover.adopt({ ...tokens, merchantId: merchantA.toLowerCase() }), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  await t.rejects(app.clover.adopt({ ...tokens, refreshToken: '' }), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /refreshToken is wrong/ })
  t.equal(await app.clover.adopt(tokens), true)
  t.equal(await app.clover.adopt(tokens), false)
  t.equal(await app.clover.accessToken(merchantB), pair.access_token)
  const listed: string[] = []
  for await (const { merchantId, state } of app.clover.installations()) listed.push(`${merchantId} ${state}`)
  t.same(listed.sort(), [`${merchantA} connected`, `${merchantB} connected`])
  t.equal(await app.clover.disconnect(merchantA), true)
  t.equal(await app.clover.disconnect(merchantA), false)
  t.equal(await storage.get(merchantA), undefined)
  await t.rejects(app.clover.accessToken(merchantA), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a merchant whose tokens Clover refuses is asked to authorize again at launchUrl, and the host is told once', async t => {
  const notices: unknown[] = []
  const { app, clover, browser, time } = await startHost(t, {
    prefix: '/eu',
    options: { baseUrl: 'https://shop.example/apps', onReauthorizationRequired: notice => { notices.push(notice) } },
    after: app => { app.register(async scope => { scope.get('/unused', async () => '') }) }
  })
  t.notOk(app.hasDecorator('clover'))
  await connect(browser(), clover, merchantA, '/eu/clover/launch')
  clover.uninstall(merchantA)
  time.pass(31 * 60_000)
  const refresh = () => app.inject({ method: 'POST', url: '/eu/clover/refresh', payload: { merchant_id: merchantA } })
  const reply = await refresh()
  t.equal(reply.statusCode, 409)
  t.match(reply.json(), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  await refresh()
  t.match(notices, [{ merchantId: merchantA, since: Number }])
  t.equal(notices.length, 1)
})

t.test('the error that asks to authorize again has the launch route\'s address, if there is one', async t => {
  for (const routes of [{ refresh: false, launch: '/open' } as const, false] as const) {
    const { app, clover } = await startHost(t, { options: { routes, baseUrl: 'https://shop.example/apps' } })
    await adopt(app, clover, merchantA)
    clover.uninstall(merchantA)
    const error: unknown = await app.clover.refresh(merchantA).catch((error: unknown) => error)
    t.ok(isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED'))
    t.equal(isCloverError(error) && error.launchUrl, routes ? `https://shop.example/apps/open?merchant_id=${merchantA}` : undefined)
  }
})

t.test('notices that throw or reject are only logged', async t => {
  const { app, clover, browser, logs } = await startHost(t, {
    options: {
      onReauthorizationRequired: () => { throw new Error('mine, thrown') },
      onDisconnect: async () => { throw new Error('mine, rejected') }
    }
  })
  await connect(browser(), clover, merchantA)
  clover.uninstall(merchantA)
  await t.rejects(app.clover.refresh(merchantA), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(await app.clover.disconnect(merchantA), true)
  await new Promise(resolve => setImmediate(resolve))
  for (const text of ['onReauthorizationRequired threw', 'onDisconnect threw', 'mine, thrown', 'mine, rejected']) t.ok(logs.some(line => line.includes(text)), text)
})

t.test('a notice is told of each disconnect, and not awaited', async t => {
  const notices: unknown[] = []
  const { app, clover, browser, logs } = await startHost(t, { options: { onDisconnect: notice => { notices.push(notice); return new Promise(() => {}) } } })
  await connect(browser(), clover, merchantA)
  await app.clover.disconnect(merchantA)
  await app.clover.disconnect(merchantA)
  t.same(notices, [{ merchantId: merchantA }])
  t.match(events(logs).at(-1), { event: 'disconnected', merchantId: merchantA })
})

t.test('a merchant whom Clover had refused, and who authorizes again, is reported once', async t => {
  const notices: Array<{ merchantId: string, since: number, by: string }> = []
  const { app, clover, browser, time } = await startHost(t, { options: { onReconnected: notice => { notices.push(notice) } } })
  await connect(browser(), clover, merchantA)
  clover.uninstall(merchantA)
  await t.rejects(app.clover.refresh(merchantA), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  const since = Math.floor(time.now() / 1000)
  await connect(browser(), clover, merchantA)
  await connect(browser(), clover, merchantA)
  await new Promise(resolve => setImmediate(resolve))
  t.same(notices.map(notice => ({ ...notice, since: Math.abs(notice.since - since) <= 1 })), [{ merchantId: merchantA, since: true, by: 'authorization' }])
})

t.test('closing waits until a refresh in progress is stored', async t => {
  const { app, clover, browser, storage } = await startHost(t)
  await connect(browser(), clover, merchantA)
  const before = await storage.get(merchantA)
  clover.fault({ on: 'refresh', kind: 'latency', ms: 120 })
  const refreshed = app.clover.refresh(merchantA)
  while (clover.count('refresh') === 0) await new Promise(resolve => setTimeout(resolve, 2))
  await app.close()
  const after = await storage.get(merchantA)
  t.not(after?.refreshToken, before?.refreshToken)
  t.ok(clover.isLive(after?.refreshToken ?? ''))
  await refreshed
  for (const call of [async () => app.clover.accessToken(merchantA), async () => app.clover.refresh(merchantA), async () => app.clover.installation(merchantA)]) {
    await t.rejects(async () => { await call() }, { code: 'FST_CLOVER_CLOSING' })
  }
})

const closes = {
  'a store that is registered before the plugin is still open when the last refresh is stored': 'before',
  'even a store that is closed first is still open then, since the plugin does not wait for its turn': 'after'
} as const
for (const [name, when] of Object.entries(closes)) {
  t.test(name, async t => {
    const order: string[] = []
    const storage = memoryStorage()
    const { app, clover } = await startHost(t, {
      options: { storage: { ...storage, put: async (...args) => { order.push('put'); return storage.put(...args) } } },
      [when]: (app: FastifyInstance) => { app.addHook('onClose', async () => { order.push('store closed') }) }
    })
    await adopt(app, clover, merchantA)
    clover.fault({ on: 'refresh', kind: 'latency', ms: 60 })
    app.clover.refresh(merchantA).catch(() => {})
    while (clover.count('refresh') === 0) await new Promise(resolve => setTimeout(resolve, 2))
    await app.close()
    t.same(order, ['put', 'put', 'put', 'store closed'])
  })
}

t.test('routes: false has the decorators and no routes', async t => {
  const { app, clover } = await startHost(t, { options: { routes: false, cookieSecret: undefined, baseUrl: undefined } })
  for (const method of ['GET', 'POST'] as const) {
    for (const path of ['launch', 'callback', 'refresh']) t.equal((await app.inject({ method, url: `/clover/${path}` })).statusCode, 404)
  }
  const pair = clover.connect({ merchantId: merchantA })
  t.equal(await app.clover.adopt(adoptable(merchantA, pair)), true)
  t.equal(await app.clover.accessToken(merchantA), pair.access_token)
})

t.test('options reach what they are for', async t => {
  const { app, clover, browser, time } = await startHost(t, { appId: lowTrust, options: { cache: false, minValidity: 600, refreshAhead: 0, callTimeout: 5_000, maxWait: 5_000, maxCalls: 1 } })
  await connect(browser(), clover, merchantA)
  const token = await app.clover.accessToken(merchantA)
  time.pass(1_100_000)
  t.equal(await app.clover.accessToken(merchantA), token)
  time.pass(200_000)
  t.not(await app.clover.accessToken(merchantA), token, 'a token with less than minValidity left is refreshed')
  await connect(browser(), clover, merchantB)
  clover.fault({ on: 'refresh', kind: 'latency', ms: 30, times: 2 })
  await Promise.all([app.clover.refresh(merchantA), app.clover.refresh(merchantB)])
  t.equal(clover.maxOpenCalls, 1)
})
