import t from 'tap'
import { isCloverError } from '../../src/errors.js'
import { connect } from '../harness/browser.js'
import { merchantA, startHost } from '../harness/host.js'

const json = { headers: { accept: 'application/json' } }

t.test('for a client that does not accept HTML the error goes to the host\'s error handler', async t => {
  const seen: unknown[] = []
  const { browser, leaks } = await startHost(t, {
    before: app => app.setErrorHandler(async (error, _request, reply) => {
      seen.push(error)
      return reply.code(418).send({ mine: true, odd: { nested: ['shape'] } })
    })
  })
  for (const accept of ['application/json', '*/*', '']) {
    const reply = await browser().visit('/clover/callback?error=access_denied', { headers: { accept } })
    t.equal(reply.statusCode, 418)
    t.same(reply.json(), { mine: true, odd: { nested: ['shape'] } })
    t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  }
  const invalid = await browser().visit('/clover/callback?merchant_id=x', json)
  t.equal(invalid.statusCode, 418)
  t.ok(seen.slice(0, 3).every(error => isCloverError(error, 'FST_CLOVER_DENIED')))
  t.match(seen[3], { code: 'FST_CLOVER_STATE', statusCode: 400 })
  t.same(leaks(JSON.stringify(seen)), [])
})

t.test('without an error handler of the host an error has Fastify\'s form', async t => {
  const { browser } = await startHost(t)
  t.same((await browser().visit('/clover/callback?error=access_denied', json)).json(), {
    statusCode: 403, code: 'FST_CLOVER_DENIED', error: 'Forbidden', message: 'The authorization was not granted: the app was not approved (access_denied). To connect, open the app from Clover again and approve it.'
  })
  t.same((await browser().visit('/clover/launch?merchant_id=x', json)).json(), {
    statusCode: 400, code: 'FST_CLOVER_STATE', error: 'Bad Request', message: 'The link is damaged (merchant_id): open the app from Clover again.'
  })
})

t.test('onError replies for launch and callback, whatever the client accepts', async t => {
  const seen: Array<[string | undefined, string]> = []
  const { clover, browser } = await startHost(t, {
    options: {
      onError: (request, reply, error) => {
        seen.push([isCloverError(error) ? error.code : undefined, request.routeOptions.url ?? ''])
        return reply.code(isCloverError(error) ? error.statusCode : 400).type('text/plain').send('mine')
      }
    }
  })
  const merchant = browser()
  const replies = [
    await merchant.visit('/clover/callback?error=access_denied'),
    await merchant.visit('/clover/callback?error=access_denied', json),
    await merchant.visit('/clover/launch?client_id=other'),
    await merchant.visit('/clover/launch?merchant_id=x')
  ]
  clover.fault({ on: 'token', kind: 'drop-before' })
  replies.push(await connect(merchant, clover, merchantA))
  t.same(replies.map(({ statusCode, body }) => [statusCode, body]), [[403, 'mine'], [403, 'mine'], [400, 'mine'], [400, 'mine'], [503, 'mine']])
  t.same(seen, [['FST_CLOVER_DENIED', '/clover/callback'], ['FST_CLOVER_DENIED', '/clover/callback'], ['FST_CLOVER_STATE', '/clover/launch'],
    ['FST_CLOVER_STATE', '/clover/launch'], ['FST_CLOVER_UNAVAILABLE', '/clover/callback']])
  t.match(replies[0]?.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
})

t.test('the error for a malformed parameter has its name and no pattern, wherever the error goes', async t => {
  const handed: unknown[] = []
  const cases: Array<[string, RegExp]> = [
    ['/clover/launch?merchant_id=short', /\(merchant_id\): open the app from Clover again/],
    ['/clover/launch?merchantId=short', /\(merchantId\)/],
    ['/clover/launch?client_id=a&client_id=b', /\(client_id\)/],
    ['/clover/callback?code=a&code=b', /\(code\)/],
    [`/clover/callback?state=${'x'.repeat(513)}`, /\(state\)/],
    [`/clover/launch?return_to=/${'x'.repeat(256)}`, /return_to must be a path of this app, such as \/orders, of 256 characters at most/],
    ['/clover/launch?return_to=//evil.example', /return_to must be a path of this app, such as \/orders, of 256 characters at most/]
  ]
  const plain = await startHost(t)
  const own = await startHost(t, { options: { onError: (_request, reply, error) => { handed.push(error.code); return reply.send(error.message) } } })
  for (const [address, message] of cases) {
    const page = await plain.browser().visit(address)
    const data = await plain.browser().visit(address, json)
    t.match(page, { statusCode: 400, body: /<code>FST_CLOVER_STATE<\/code>/ }, address)
    t.match(data, { statusCode: 400 })
    t.match(data.json(), { code: 'FST_CLOVER_STATE', message })
    const { body, statusCode } = await own.browser().visit(address)
    t.match([statusCode, body], [400, message])
    for (const text of [page.body, data.body, body]) t.notMatch(text, /Expected|\^\[|querystring|VALIDATION|evil|xxx/)
  }
  t.same(handed, cases.map(() => 'FST_CLOVER_STATE'))
})

t.test('onError may be async and may return the payload, and its own errors go to the host\'s error handler', async t => {
  let mode = 'payload'
  const { browser } = await startHost(t, {
    options: {
      onError: async (_request, _reply, error) => {
        if (mode === 'throw') throw Object.assign(new Error('mine'), { statusCode: 418 })
        if (mode === 'plain') throw new Error('mine')
        if (mode === 'same') throw error
        if (mode === 'nothing') return undefined
        return { mode }
      }
    }
  })
  const visit = () => browser().visit('/clover/callback?error=access_denied')
  t.match([(await visit()).statusCode, (await visit()).json()], [403, { mode: 'payload' }])
  mode = 'throw'
  t.match([(await visit()).statusCode, (await visit()).json()], [418, { message: 'mine' }])
  mode = 'plain'
  t.equal((await visit()).statusCode, 500, 'a mistake of the host is not the merchant\'s')
  mode = 'same'
  t.match([(await visit()).statusCode, (await visit()).json()], [403, { code: 'FST_CLOVER_DENIED' }])
  mode = 'nothing'
  t.equal((await visit()).statusCode, 403, 'nothing is not success')
})

t.test('errors of the host\'s hooks on the routes go to the host\'s error handler', async t => {
  for (const thrown of [Object.assign(new Error('too many'), { statusCode: 429 }), 'a string', null, { any: 'object' }]) {
    const seen: unknown[] = []
    const { browser } = await startHost(t, {
      options: {
        routes: { refresh: false, launch: { onRequest: async () => { throw thrown } }, callback: { preHandler: async () => { throw thrown } } },
        onError: () => { throw new Error('not for onError') }
      },
      before: app => app.setErrorHandler(async (error, _request, reply) => {
        seen.push(error)
        return reply.code(429).send('mine')
      })
    })
    for (const path of ['/clover/launch', '/clover/callback']) {
      const reply = await browser().visit(path)
      t.equal(reply.statusCode, 429, path)
      t.equal(reply.body, 'mine')
    }
    t.ok(seen.every(error => error === thrown || (thrown === null && error instanceof Error)))
  }
})

t.test('the host can set an errorHandler on a route', async t => {
  const { browser } = await startHost(t, { options: { routes: { refresh: false, launch: { errorHandler: async (error, _request, reply) => reply.code(400).send(`own: ${(error as Error).message}`) } } } })
  t.match((await browser().visit('/clover/launch?client_id=x')).body, /^own: client_id belongs to another app/)
})
