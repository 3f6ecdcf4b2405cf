import formbody from '@fastify/formbody'
import type { FastifyRequest, LightMyRequestResponse } from 'fastify'
import { createHash } from 'node:crypto'
import t from 'tap'
import type { CloverOptions } from '../../src/options/options.js'
import { approve, authorizeRequest, callbackUrl, startOver, type Browser } from '../harness/browser.js'
import { events, highTrust, lineStream, lowTrust, merchantA, merchantB, startHost, type Host, type HostOptions } from '../harness/host.js'

const implicit: Partial<CloverOptions> = { flow: 'v1', dangerouslyUseImplicitFlow: true }
const json = { accept: 'application/json' }

/** The headers of a browser that posts the form of a page without referrer. */
const fromOwnPage = { origin: 'null', 'sec-fetch-site': 'same-origin' }

function start (t: Parameters<typeof startHost>[0], { options = {}, ...rest }: HostOptions = {}): Promise<Host> {
  return startHost(t, { ...rest, options: clover => ({ ...implicit, ...(typeof options === 'function' ? options(clover) : options) }) })
}

/** Posts the page's form with the state of a launch. */
function post (browser: Browser, launch: LightMyRequestResponse, fields: Record<string, string>, headers: Record<string, string | undefined> = {}): Promise<LightMyRequestResponse> {
  const { searchParams } = authorizeRequest(launch)
  return browser.visit(String(searchParams.get('redirect_uri')), {
    method: 'POST',
    headers: Object.fromEntries(Object.entries({ 'content-type': 'application/x-www-form-urlencoded', ...fromOwnPage, ...headers }).filter(([, value]) => value !== undefined)),
    payload: new URLSearchParams({ state: String(searchParams.get('state')), ...fields }).toString()
  })
}

const launched = async (browser: Browser, merchantId = merchantA) => await browser.visit(`/clover/launch?merchant_id=${merchantId}&return_to=/orders`)

t.test('a launch requests a token from v1\'s authorize page, without secret and PKCE', async t => {
  for (const [appId, appSecret] of [[highTrust, 'any'], [lowTrust, false]] as const) {
    const { browser } = await start(t, { appId, options: { appSecret } })
    const url = authorizeRequest(await launched(browser()))
    t.equal(url.pathname, '/oauth/authorize')
    t.same([...url.searchParams.keys()], ['client_id', 'response_type', 'redirect_uri', 'state', 'merchant_id'])
    t.equal(url.searchParams.get('response_type'), 'token')
  }
})

t.test('the callback serves one page to everybody: only its own script runs, it loads nothing, and it may post only to this site (security 16)', async t => {
  const { app, browser, clover } = await start(t)
  const merchant = browser()
  const launch = await launched(merchant)
  const page = await merchant.visit(callbackUrl(launch, { merchant_id: merchantA, client_id: highTrust }))
  t.equal(page.statusCode, 200)
  const [, script = ''] = /<script>([^]*)<\/script>/.exec(page.body) ?? []
  const hash = createHash('sha256').update(script).digest('base64')
  t.match(page.headers, {
    'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff'
  })
  t.match(String(page.headers['content-security-policy']).replace(/style-src 'sha256-[^']+'/, 'style'),
    new RegExp(`^default-src 'none'; style; base-uri 'none'; script-src 'sha256-${hash.replaceAll(/[+/]/g, '\\$&')}'; form-action 'self'; frame-ancestors 'none'$`))
  t.match(page.body, /<noscript><p>[^<]*needs JavaScript[^<]*<\/p><\/noscript>/)
  t.notMatch(page.body, /src=|url\(|@import|https?:|href/, 'nothing is loaded')
  for (const query of ['', '?state=<script>', `?access_token=stolen&merchant_id=${merchantB}`, '?error_description=x']) {
    t.equal((await app.inject(`/clover/callback${query}`)).body, page.body, 'nothing of the address is in it')
  }
  t.equal(clover.calls.length, 0)
  t.equal(page.headers['set-cookie'], undefined, 'the state is still to be used')
})

t.test('a token that the page posts connects the merchant, as a callback does; the redirect is 303 (security 17)', async t => {
  const connections: unknown[] = []
  const { app, browser, clover, storage, logs } = await start(t, { options: { onConnect: (_request, _reply, connection) => { connections.push(connection) } } })
  const merchant = browser()
  const token = clover.legacyToken({ merchantId: merchantA })
  const reply = await post(merchant, await launched(merchant), { access_token: token, merchant_id: merchantA, employee_id: 'EMPLOYEE00001', client_id: highTrust })
  t.match([reply.statusCode, reply.headers.location], [303, '/orders'])
  t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  t.same(await merchant.stateCookies(), [], 'the state is used (security 5)')
  t.match(await storage.get(merchantA), { flow: 'v1', accessToken: token, accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null, dueAt: null })
  t.equal(await app.clover.accessToken(merchantA), token)
  t.same(clover.calls.map(({ endpoint }) => endpoint), ['merchant'], 'verified, and nothing exchanged')

  const again = clover.legacyToken({ merchantId: merchantA })
  await post(merchant, await launched(merchant), { access_token: again })
  t.equal(await app.clover.accessToken(merchantA), again, 'the merchant of the launch, where Clover names none')
  t.same(connections, [
    { merchantId: merchantA, employeeId: 'EMPLOYEE00001', isNew: true }, { merchantId: merchantA, employeeId: undefined, isNew: false }
  ])
  t.match(events(logs), [{ event: 'connected', isNew: true }, { event: 'connected', isNew: false }])
})

t.test('if the launch named no merchant, the one that Clover names is connected; if Clover names none either, it is an error', async t => {
  const { browser, clover, storage } = await start(t)
  const merchant = browser()
  const token = clover.legacyToken({ merchantId: merchantB })
  t.equal((await post(merchant, await merchant.visit('/clover/launch'), { access_token: token, merchant_id: merchantB })).headers.location, '/')
  t.ok(await storage.get(merchantB))
  const nameless = await post(merchant, await merchant.visit('/clover/launch'), { access_token: token }, json)
  t.match([nameless.statusCode, nameless.json()], [400, { code: 'FST_CLOVER_STATE', message: /^merchant_id is missing/ }])
})

t.test('a token of another merchant is never stored (security 15)', async t => {
  for (const foreignMerchant of [401, 404] as const) {
    const { browser, clover, storage, logs, leaks } = await start(t, { simulator: { unknowns: { foreignMerchant } } })
    const merchant = browser()
    await post(merchant, await launched(merchant, merchantB), { access_token: clover.legacyToken({ merchantId: merchantB }) })
    const before = await storage.get(merchantB)
    const own = clover.legacyToken({ merchantId: merchantA })
    const stolen = clover.legacyToken({ merchantId: merchantB })
    const code = foreignMerchant === 404 ? 'FST_CLOVER_MERCHANT_MISMATCH' : 'FST_CLOVER_PERMISSION'
    for (const [launchFor, fields, expected] of [
      ['', { access_token: own, merchant_id: merchantB }, code],
      [merchantB, { access_token: own }, code],
      [merchantB, { access_token: own, merchant_id: merchantA }, 'FST_CLOVER_MERCHANT_MISMATCH'],
      [merchantA, { access_token: stolen }, code],
      [merchantA, { access_token: 'no-token-of-clover-0123456789' }, 'FST_CLOVER_PERMISSION']
    ] as const) {
      const launch = await merchant.visit(launchFor === '' ? '/clover/launch' : `/clover/launch?merchant_id=${launchFor}`)
      const reply = await post(merchant, launch, fields, json)
      t.match([reply.statusCode, reply.json()], [403, { code: expected }], `launch for ${launchFor}, ${expected}`)
      t.same(leaks(reply.body, [own, stolen]), [])
    }
    t.equal(await storage.get(merchantA), undefined)
    t.same(await storage.get(merchantB), before)
    t.ok(events(logs).some(({ event }) => event === 'merchant-mismatch'))
    t.same(leaks(logs.join(''), [own, stolen, 'no-token-of-clover']), [], 'a token that was refused is in no log either (security 33)')
  }
})

t.test('a token without a valid state of this browser makes no call to Clover (security 3, 5, 6, 7)', async t => {
  const { browser, clover, storage, time, logs } = await start(t)
  const token = clover.legacyToken({ merchantId: merchantA })
  const [mine, other] = [browser(), browser()]
  const launch = await launched(mine)
  const stranger = await launched(other)
  const refused = async (from: Browser, of: LightMyRequestResponse, fields: Record<string, string> = {}) => {
    const calls = clover.calls.length
    const reply = await post(from, of, { access_token: token, ...fields }, json)
    t.match([reply.statusCode, reply.json()], [400, { code: 'FST_CLOVER_STATE', message: /open the app from Clover again/ }])
    t.equal(clover.calls.length, calls)
  }
  await refused(mine, stranger)
  await refused(other, launch)
  await refused(mine, launch, { state: 'forged' })
  t.equal((await mine.visit('/clover/callback', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', ...fromOwnPage }, payload: `access_token=${token}` })).statusCode, 400, 'no state')
  t.equal(await storage.get(merchantA), undefined)

  const cookies = await mine.jar.getCookieString('https://shop.example/')
  t.equal((await post(mine, launch, { access_token: token })).statusCode, 303)
  const replay = await post(browser(), launch, { access_token: token }, { ...json, cookie: cookies })
  t.match([replay.statusCode, replay.json()], [400, { code: 'FST_CLOVER_STATE' }], 'a replay, cookie and all')
  t.equal(clover.calls.length, 1)
  const late = await launched(mine)
  time.pass(601_000)
  await refused(mine, late)
  t.ok(events(logs).filter(({ event }) => event === 'state-refused').length >= 6, 'each is logged (security 37)')
})

t.test('a form that is sent twice at once shares one exchange', async t => {
  const { browser, clover } = await start(t)
  const merchant = browser()
  const launch = await launched(merchant)
  clover.fault({ on: 'merchant', kind: 'latency', ms: 50 })
  const send = () => post(merchant, launch, { access_token: clover.legacyToken({ merchantId: merchantA }) })
  t.same((await Promise.all([send(), send()])).map(({ statusCode }) => statusCode), [303, 303])
  t.equal(clover.calls.length, 1)
})

t.test('a post from another site is refused before its state or token is used', async t => {
  const { browser, clover, storage } = await start(t)
  const merchant = browser()
  const launch = await launched(merchant)
  const token = clover.legacyToken({ merchantId: merchantA })
  const foreign: Array<Record<string, string | undefined>> = [
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, { origin: 'null', 'sec-fetch-site': 'cross-site' },
    { origin: 'https://other.shop.example', 'sec-fetch-site': 'same-site' }, { origin: 'null', 'sec-fetch-site': 'same-site' },
    { origin: 'https://shop.example', 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
    { origin: 'null', 'sec-fetch-site': 'none' }, { origin: 'https://evil.example', 'sec-fetch-site': undefined }, { origin: 'http://shop.example', 'sec-fetch-site': undefined },
    { origin: 'null', 'sec-fetch-site': undefined }, { origin: undefined, 'sec-fetch-site': undefined }
  ]
  for (const headers of foreign) {
    const reply = await post(merchant, launch, { access_token: token }, { ...headers, ...json })
    t.match([reply.statusCode, reply.json()], [400, { code: 'FST_CLOVER_STATE', message: /did not come from a page of this site/ }], JSON.stringify(headers))
    t.equal(reply.headers['set-cookie'], undefined)
  }
  t.equal(clover.calls.length, 0)
  t.equal(await storage.get(merchantA), undefined)
  const own: typeof foreign = [{}, { origin: 'https://shop.example' }, { origin: undefined }, { origin: 'https://shop.example', 'sec-fetch-site': undefined }]
  for (const headers of own) {
    const reply = await post(merchant, await launched(merchant), { access_token: token }, headers)
    t.equal(reply.statusCode, 303, JSON.stringify(headers))
  }
})

t.test('a denial in the query or in the fragment, with or without a state, and a missing token are errors with a reason', async t => {
  const { browser, clover } = await start(t)
  const merchant = browser()
  const replies = [
    await merchant.visit(callbackUrl(await launched(merchant), { error: 'access_denied' })),
    await post(merchant, await launched(merchant), { error: 'access_denied' }),
    await post(merchant, await launched(merchant), { error: 'access_denied', state: 'lost' })
  ]
  for (const { statusCode, body } of replies) {
    t.equal(statusCode, 403)
    t.match(body, '<h1>The app was not connected</h1>')
    t.match(body, 'access_denied')
  }
  const nothing = await post(merchant, await launched(merchant), { merchant_id: merchantA })
  t.match([nothing.statusCode, nothing.body], [403, /Clover sent no token\. Open the app from Clover again/])
  t.equal(clover.calls.length, 0)
})

t.test('repeated, malformed and oversized fields, and other media types, are refused without an echo (security 14)', async t => {
  const { browser, clover } = await start(t)
  const merchant = browser()
  const launch = await launched(merchant)
  const send = (payload: string, contentType = 'application/x-www-form-urlencoded') =>
    merchant.visit('/clover/callback', { method: 'POST', payload, headers: { 'content-type': contentType, ...fromOwnPage } })
  const state = String(authorizeRequest(launch).searchParams.get('state'))
  for (const payload of [`state=${state}&access_token=canary-a&access_token=canary-b`, `state=${state}&state=${state}&access_token=canary`, `state=${state}&access_token=canary%0Atoken`,
    `state=${state}&access_token=canary${'x'.repeat(16_400)}`, `state=${state}&access_token=`, `state=${state}&access_token=canary&merchant_id=canary`,
    `state=${state}&access_token=canary&client_id=canary`, `state=${state}&access_token=canary&error=${'x'.repeat(513)}`]) {
    const reply = await send(payload)
    t.equal(reply.statusCode, 400, payload.slice(0, 120))
    t.match(reply.body, '<code>FST_CLOVER_STATE</code>')
    t.notMatch(reply.body, /canary|Expected|\^\[/)
  }
  const ofAnotherForm = { body: /<p>The form does not come from this site&#39;s page: open the app from Clover again\.<\/p>.*FST_CLOVER_STATE/ }
  t.match(await send(`state=${state}&access_token=canary${'x'.repeat(70_000)}`), { ...ofAnotherForm, statusCode: 413 })
  for (const contentType of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
    t.match(await send(JSON.stringify({ state, access_token: 'canary' }), contentType), { ...ofAnotherForm, statusCode: 415 }, contentType)
  }
  t.equal(clover.calls.length, 0)
})

t.test('a code instead of a token is exchanged if the state is this browser\'s, and dropped if not (security 3)', async t => {
  const { browser, clover } = await start(t)
  const merchant = browser()
  t.equal((await merchant.visit(approve(clover, await launched(merchant)))).headers.location, '/orders')
  t.equal(clover.count('legacyToken', { ok: true }), 1)
  authorizeRequest(await startOver(browser(), `/clover/callback?code=stranger&merchant_id=${merchantA}`))
  t.equal(clover.count('legacyToken'), 1)
})

t.test('the other methods stay 405, and without the option POST does too', async t => {
  const { app } = await start(t)
  for (const url of ['/clover/callback', '/clover/callback/']) {
    for (const method of ['HEAD', 'PUT', 'OPTIONS', 'DELETE'] as const) {
      const reply = await app.inject({ method, url })
      t.match([reply.statusCode, reply.headers.allow], [405, 'GET, POST'], `${method} ${url}`)
    }
    t.equal((await app.inject({ method: 'POST', url, headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'a=b' })).statusCode, 400)
  }
  const refresh = await app.inject({ method: 'POST', url: '/clover/refresh', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: `merchant_id=${merchantA}` })
  t.equal(refresh.statusCode, 415, 'the refresh route takes no form for it (security 26)')
  for (const options of [{}, { flow: 'v1' }, { flow: 'v1', dangerouslyUseImplicitFlow: false }] satisfies Array<Partial<CloverOptions>>) {
    const { app, browser } = await startHost(t, { options })
    const reply = await app.inject({ method: 'POST', url: '/clover/callback', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'a=b' })
    t.match([reply.statusCode, reply.headers.allow], [405, 'GET'])
    authorizeRequest(await startOver(browser(), `/clover/callback?access_token=stolen&merchant_id=${merchantA}`))
  }
})

t.test('works below a prefix, with hooks on the route, and beside a host\'s own form parser', async t => {
  const seen: string[] = []
  const { browser, clover } = await start(t, {
    prefix: '/eu',
    before: app => app.register(formbody),
    options: { routes: { refresh: false, callback: { path: '/back', preHandler: async request => { seen.push(request.method) } } } }
  })
  const merchant = browser()
  const launch = await merchant.visit(`/eu/clover/launch?merchant_id=${merchantA}`)
  t.equal((await merchant.visit(callbackUrl(launch, {}))).statusCode, 200)
  t.equal((await post(merchant, launch, { access_token: clover.legacyToken({ merchantId: merchantA }) })).headers.location, '/')
  t.same(seen, ['GET', 'POST'])
})

t.test('the token is in no log, with a host that logs bodies, nor in a reply or an error when Clover fails (security 33)', async t => {
  const logs: string[] = []
  const { browser, clover, leaks } = await start(t, {
    fastify: { logger: { level: 'trace', stream: lineStream(logs), serializers: { req: (request: FastifyRequest) => ({ url: request.url, body: request.body, raw: request.raw.url }) } } },
    before: app => {
      app.addHook('onResponse', async request => { request.log.info({ req: request }, 'done') })
      app.addHook('onError', async (request, _reply, error) => { request.log.info({ req: request, err: error }, 'failed') })
    }
  })
  const merchant = browser()
  const token = clover.legacyToken({ merchantId: merchantA })
  const bodies: string[] = []
  for (const kind of ['status', 'drop-after', undefined] as const) {
    if (kind !== undefined) clover.fault({ on: 'merchant', ...(kind === 'status' ? { kind, status: 500 } : { kind }) })
    for (const headers of [json, {}]) bodies.push((await post(merchant, await launched(merchant), { access_token: token }, headers)).body)
  }
  bodies.push((await post(merchant, await launched(merchant), { access_token: token, client_id: 'other' })).body)
  t.ok(logs.some(line => line.includes('/clover/callback')))
  t.same(leaks(logs.join('') + bodies.join(''), [token]), [])
})

t.test('a warning in the log says that the implicit flow is on', async t => {
  const { logs } = await start(t)
  t.ok(logs.some(line => line.includes('"level":40') && line.includes('dangerouslyUseImplicitFlow is on')))
  t.notOk((await startHost(t, { options: { flow: 'v1' } })).logs.some(line => line.includes('dangerously')))
})
