import t from 'tap'
import type { CloverConnection, CloverOptions } from '../../src/options/options.js'
import { approve, connect } from '../harness/browser.js'
import { merchantA, startHost } from '../harness/host.js'

type OnConnect = NonNullable<CloverOptions['onConnect']>

t.test('onConnect gets the merchant, whether it is new, and the employee that the browser named', async t => {
  const seen: CloverConnection[] = []
  const { clover, browser } = await startHost(t, { options: { onConnect: (request, _reply, connection) => { seen.push(connection); request.log.info('connected') } } })
  for (const employeeId of ['EMPLOYEE00001', 'EMPLOYEE00002']) {
    const merchant = browser()
    await merchant.visit(approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`), { employeeId }))
  }
  const merchant = browser()
  await merchant.visit(approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`), { edit: { employee_id: undefined } }))
  t.same(seen, [
    { merchantId: merchantA, employeeId: 'EMPLOYEE00001', isNew: true },
    { merchantId: merchantA, employeeId: 'EMPLOYEE00002', isNew: false },
    { merchantId: merchantA, employeeId: undefined, isNew: false }
  ])
})

t.test('onConnect may return a path, or nothing for the default', async t => {
  const cases: Array<[OnConnect, string]> = [
    [() => '/home', '/home'],
    [async () => '/home?a=b#c', '/home?a=b#c'],
    [() => '/ä', '/%C3%A4'],
    [() => undefined, '/orders'],
    [async () => {}, '/orders'],
    [() => null, '/orders']
  ]
  for (const [onConnect, location] of cases) {
    const { clover, browser } = await startHost(t, { options: { onConnect } })
    const reply = await connect(browser(), clover, merchantA, '/clover/launch?return_to=/orders')
    t.equal(reply.statusCode, 302)
    t.equal(reply.headers.location, location, String(onConnect))
  }
})

t.test('onConnect may send a reply in every way that Fastify has', async t => {
  const replies: OnConnect[] = [
    (_request, reply) => reply.code(201).send('mine'),
    (_request, reply) => { reply.code(201).send('mine') },
    async (_request, reply) => reply.code(201).send('mine'),
    async (_request, reply) => { await reply.code(201).send('mine') },
    (_request, reply) => { setTimeout(() => reply.code(201).send('mine'), 5); return reply },
    async (_request, reply) => { setTimeout(() => reply.code(201).send('mine'), 5); return reply },
    (_request, reply) => { reply.hijack(); reply.raw.writeHead(201).end('mine') }
  ]
  for (const onConnect of replies) {
    const { clover, browser, logs } = await startHost(t, { options: { onConnect } })
    const reply = await connect(browser(), clover, merchantA)
    t.equal(reply.statusCode, 201, String(onConnect))
    t.equal(reply.body, 'mine')
    t.notOk(logs.some(line => line.includes('ALREADY_SENT')))
  }
})

t.test('onConnect may redirect with a status of its own', async t => {
  const { clover, browser } = await startHost(t, { options: { onConnect: (_request, reply) => reply.redirect('https://elsewhere.example/', 303) } })
  const reply = await connect(browser(), clover, merchantA)
  t.equal(reply.statusCode, 303)
  t.equal(reply.headers.location, 'https://elsewhere.example/')
  t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
})

t.test('if onConnect throws, the error goes to the host\'s error handler and the merchant stays connected', async t => {
  const seen: unknown[] = []
  const wrong: unknown[] = [new Error('mine'), Object.assign(new Error('mine'), { statusCode: 418 }), 'a string', { any: 'object' }, undefined]
  for (const thrown of wrong) {
    const { app, clover, browser } = await startHost(t, {
      options: { onConnect: async () => { throw thrown }, onError: () => { throw new Error('not for onError') } },
      before: app => app.setErrorHandler(async (error, _request, reply) => { seen.push(error); return reply.code(418).send('mine') })
    })
    const reply = await connect(browser(), clover, merchantA)
    t.equal(reply.statusCode, 418)
    t.equal(reply.body, 'mine')
    t.ok(await app.clover.accessToken(merchantA))
    if (thrown !== undefined) t.equal(seen.at(-1), thrown)
  }
})

t.test('an error of the plugin that onConnect throws goes to the host\'s error handler too', async t => {
  const { clover, browser } = await startHost(t, {
    options: { onConnect: async request => request.clover.accessToken('MERCHANT0000Z'), onError: () => { throw new Error('not for onError') } }
  })
  const reply = await connect(browser(), clover, merchantA)
  t.equal(reply.statusCode, 409)
  t.match(reply.json(), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('an onConnect that returns anything but a path of the app is an error for the host\'s error handler, and causes no redirect (security 2)', async t => {
  for (const returned of ['//evil.example', 'https://evil.example', 'orders', '', '/\\evil.example', 7, true, { url: '/' }, `/${'x'.repeat(256)}`]) {
    const { app, clover, browser } = await startHost(t, { options: { onConnect: () => returned, onError: () => { throw new Error('not for onError') } } })
    const reply = await connect(browser(), clover, merchantA)
    t.equal(reply.statusCode, 500, String(returned))
    t.match(reply.json(), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /^onConnect must return a path of this app/ })
    t.equal(reply.headers.location, undefined)
    t.ok(await app.clover.accessToken(merchantA))
  }
})

t.test('onConnect is awaited, and finds the merchant connected', async t => {
  const { clover, browser } = await startHost(t, {
    options: {
      onConnect: async (request, reply, { merchantId }) => {
        await new Promise(resolve => setTimeout(resolve, 20))
        const token = await request.clover.accessToken(merchantId)
        reply.header('x-seen', token.length)
        return '/done'
      }
    }
  })
  const reply = await connect(browser(), clover, merchantA)
  t.equal(reply.headers.location, '/done')
  t.ok(Number(reply.headers['x-seen']) > 0)
})
