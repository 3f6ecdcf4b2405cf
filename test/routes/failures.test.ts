import t from 'tap'
import { isCloverError } from '../../src/errors.js'
import type { Fault, FaultKind } from '../../src/testing/index.js'
import { approve, callbackUrl, connect, startOver } from '../helpers/browser.js'
import { highTrust, merchantA, merchantB, startHost } from '../helpers/host.js'

const json = { headers: { accept: 'application/json' } }

t.test('without the Read merchant permission the error names it, and nothing is stored', async t => {
  const { clover, storage, browser } = await startHost(t, { simulator: { apps: [{ id: highTrust, permissions: { readMerchant: false } }] } })
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const reply = await merchant.visit(approve(clover, launch), json)
  t.equal(reply.statusCode, 403)
  t.match(reply.json(), { code: 'FST_CLOVER_PERMISSION', message: /enable the Read merchant permission for the app in Clover's developer dashboard/ })
  t.equal(await storage.get(merchantA), undefined)
})

t.test('whatever Clover answers to an exchange or a merchant check, the error is typed and nothing is stored (security 24)', async t => {
  const { clover, storage, browser, leaks } = await startHost(t)
  const reply = (body: string | ((genuine: unknown) => object | string), more: { contentType?: string } = {}): FaultKind => ({ kind: 'reply', body, ...more })
  const edited = (changes: object) => reply(genuine => ({ ...genuine as object, ...changes }))
  type Case = [string, FaultKind, number, string]
  const both: Case[] = [
    ['500', { kind: 'status', status: 500 }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['429', { kind: 'status', status: 429, headers: { 'retry-after': '17' } }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['302', { kind: 'status', status: 302, headers: { location: 'https://evil.example' } }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['dropped before', { kind: 'drop-before' }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['dropped during', { kind: 'drop-during' }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['dropped after', { kind: 'drop-after' }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['HTML', reply('<html>canary</html>', { contentType: 'text/html' }), 502, 'FST_CLOVER_BAD_REPLY'],
    ['an empty body', reply(''), 502, 'FST_CLOVER_BAD_REPLY'],
    ['null', reply('null'), 502, 'FST_CLOVER_BAD_REPLY'],
    ['an array', reply('[]'), 502, 'FST_CLOVER_BAD_REPLY'],
    ['10 MB', reply(genuine => JSON.stringify(genuine) + ' '.repeat(10 * 1024 * 1024)), 502, 'FST_CLOVER_BAD_REPLY']
  ]
  const token: Case[] = [
    ['400', { kind: 'status', status: 400 }, 403, 'FST_CLOVER_DENIED'],
    ['401', { kind: 'status', status: 401 }, 403, 'FST_CLOVER_DENIED'],
    ['404', { kind: 'status', status: 404 }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ...['access_token', 'refresh_token', 'access_token_expiration', 'refresh_token_expiration'].flatMap(field =>
      [undefined, null, '', true, {}, -1, 'canary\nnewline', 'x'.repeat(20_000), 1e300].filter(value => !(value === 'x'.repeat(20_000) && field.endsWith('expiration')))
        .map((value): Case => [`${field}: ${String(value).slice(0, 20)}`, edited({ [field]: value }), 502, 'FST_CLOVER_BAD_REPLY']))
  ]
  const merchant: Case[] = [
    ['401', { kind: 'status', status: 401 }, 403, 'FST_CLOVER_PERMISSION'],
    ['403', { kind: 'status', status: 403 }, 403, 'FST_CLOVER_PERMISSION'],
    ['404', { kind: 'status', status: 404 }, 403, 'FST_CLOVER_MERCHANT_MISMATCH'],
    ['another merchant', edited({ id: merchantB }), 403, 'FST_CLOVER_MERCHANT_MISMATCH'],
    ['no id', edited({ id: undefined }), 502, 'FST_CLOVER_BAD_REPLY'],
    ['an odd id', edited({ id: { toString: 'x' } }), 502, 'FST_CLOVER_BAD_REPLY']
  ]
  for (const [on, cases] of [['token', [...both, ...token]], ['merchant', [...both, ...merchant]]] as const) {
    for (const [name, fault, statusCode, code] of cases) {
      clover.clearFaults()
      const target: Fault = { on, ...fault }
      clover.fault(target)
      const browserOfMerchant = browser()
      const launch = await browserOfMerchant.visit(`/clover/launch?merchant_id=${merchantA}`)
      const { headers, ...answer } = await browserOfMerchant.visit(approve(clover, launch), json)
      t.match([answer.statusCode, answer.json()], [statusCode, { statusCode, code }], `${on}: ${name}`)
      if (name === '429') t.equal(headers['retry-after'], '17')
      t.match(headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
      t.same(leaks(answer.body, ['canary']), [])
      t.equal(await storage.get(merchantA), undefined)
    }
  }
})

t.test('a call that Clover does not answer ends in time (security 25)', async t => {
  const { clover, storage, browser } = await startHost(t, { options: { callTimeout: 80 } })
  for (const on of ['token', 'merchant'] as const) {
    clover.fault({ on, kind: 'latency', ms: Infinity })
    const reply = await connect(browser(), clover, merchantA)
    t.equal(reply.statusCode, 503)
    t.match(reply.body, 'no answer within 80 ms')
  }
  t.equal(await storage.get(merchantA), undefined)
})

t.test('a store that fails is a 503, and the merchant can begin again (security 36)', async t => {
  let fails = true
  const { clover, browser } = await startHost(t, {
    options: {
      storage: {
        get: async () => { if (fails) throw new Error('the database is down'); return undefined },
        put: async () => !fails,
        delete: async () => false
      }
    }
  })
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const reply = await merchant.visit(approve(clover, launch), json)
  t.equal(reply.statusCode, 503)
  t.match(reply.json(), { code: 'FST_CLOVER_STORAGE' })
  t.equal(clover.calls.length, 0, 'found out before the code was spent')
  fails = false
  t.equal((await connect(merchant, clover, merchantA)).headers.location, '/')
})

t.test('a browser gets a page: short, escaped, framed by nobody, kept by nobody (security 16)', async t => {
  const { browser, logs } = await startHost(t, { options: { baseUrl: 'https://shop.example/app', routes: { refresh: false, launch: '/open' } } })
  const merchant = browser()
  const launch = await merchant.visit('/open')
  for (const [query, statusCode, title, code] of [
    [{ error: 'access_denied' }, 403, 'The app was not connected', 'FST_CLOVER_DENIED'],
    [{ merchant_id: '"><script>alert(1)</script>' }, 400, 'The app could not be opened', 'FST_CLOVER_STATE'],
    [{ client_id: '<b>other</b>' }, 400, 'The app could not be opened', 'FST_CLOVER_STATE']
  ] as const) {
    const url = callbackUrl(launch, query)
    const reply = await merchant.visit(url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
    t.equal(reply.statusCode, statusCode)
    t.match(reply.headers, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'content-security-policy': /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/
    })
    t.match(reply.body, `<h1>${title}</h1>`)
    t.match(reply.body, `<code>${code}</code>`)
    t.match(reply.body, '<a href="/app/open" target="_top" rel="noreferrer">Try again</a>')
    t.notMatch(reply.body, /<script|<b>|src=|url\(|@import|https?:/, 'loads and runs nothing')
    t.equal(new URL(url).searchParams.has('state'), true)
  }
  t.ok(logs.some(line => line.includes('FST_CLOVER_DENIED')), 'the log has the error')
})

t.test('a page of a server\'s failure says so, with retry-after, and without a launch route has no link', async t => {
  const { clover, browser } = await startHost(t, { options: { routes: { launch: false, refresh: false } } })
  const merchant = browser()
  const question = await merchant.visit(`/clover/callback?merchant_id=${merchantA}`)
  const restart = await merchant.visit(String(question.headers.location)) // it keeps cookies
  clover.fault({ on: 'token', kind: 'status', status: 503, headers: { 'retry-after': '4' } })
  const reply = await merchant.visit(approve(clover, restart))
  t.equal(reply.statusCode, 503)
  t.equal(reply.headers['retry-after'], '4')
  t.match(reply.body, '<h1>That did not work just now</h1>')
  t.notMatch(reply.body, '<a ')
})

t.test('a client that wants no HTML gets what the host\'s error handler makes of the error', async t => {
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
    statusCode: 400, code: 'FST_CLOVER_STATE', error: 'Bad Request', message: 'The link that led here is damaged (merchant_id): open the app from Clover again.'
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

t.test('a parameter of a wrong form is a sentence for a merchant, with its name and without a pattern, wherever the error goes', async t => {
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

t.test('onError may be async, may return what to send, and its own errors are the host\'s', async t => {
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

t.test('errors of the host\'s own hooks on the routes are the host\'s', async t => {
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

t.test('a route\'s own errorHandler is the host\'s choice', async t => {
  const { browser } = await startHost(t, { options: { routes: { refresh: false, launch: { errorHandler: async (error, _request, reply) => reply.code(400).send(`own: ${(error as Error).message}`) } } } })
  t.match((await browser().visit('/clover/launch?client_id=x')).body, /^own: client_id is another app's/)
})

t.test('a callback that failed can be begun again from its page', async t => {
  const { clover, storage, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  clover.fault({ on: 'token', kind: 'status', status: 500 })
  const callback = approve(clover, launch)
  const failed = await merchant.visit(callback)
  t.equal(failed.statusCode, 503)
  const reload = await startOver(merchant, callback)
  t.equal((await merchant.visit(approve(clover, reload))).headers.location, '/')
  t.ok(await storage.get(merchantA))
})

t.test('a code that Clover refuses is 403 and says what to check, in the log without it (security 37)', async t => {
  const { clover, browser, logs } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const reply = await merchant.visit(callbackUrl(launch, { code: 'never-issued-by-clover', merchant_id: merchantA }))
  t.equal(reply.statusCode, 403)
  t.match(reply.body, /check the App ID and the App Secret/)
  t.equal(clover.count('token', { ok: false }), 1)
  t.ok(logs.some(line => line.includes('FST_CLOVER_DENIED') && line.includes(merchantA)))
})
