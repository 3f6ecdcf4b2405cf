import t from 'tap'
import type { CloverConnection } from '../../src/options.js'
import { approve, authorizeRequest, callbackUrl, connect } from '../helpers/browser.js'
import { cookieSecret, events, highTrust, lowTrust, merchantA, merchantB, ordinaryOptions, startClover, startHost, Time } from '../helpers/host.js'

const json = { headers: { accept: 'application/json' } }

t.test('a callback exchanges the code, stores the tokens and redirects to a clean address (security 16)', async t => {
  const { app, clover, storage, browser } = await startHost(t)
  const merchant = browser()
  const reply = await connect(merchant, clover, merchantA)
  t.equal(reply.statusCode, 302)
  t.equal(reply.headers.location, '/')
  t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  const stored = await storage.get(merchantA)
  t.match(stored, { merchantId: merchantA, appId: highTrust, environment: 'simulator', flow: 'v2' })
  t.equal(await app.clover.accessToken(merchantA), stored?.accessToken)
  t.same(clover.calls.map(({ endpoint, fields }) => [endpoint, ...fields]), [['token', 'client_id', 'client_secret', 'code'], ['merchant']])
})

t.test('the state cookie is gone after the callback (security 5)', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  t.equal((await merchant.stateCookies()).length, 1)
  const reply = await merchant.visit(approve(clover, launch))
  t.match(reply.headers['set-cookie'], /^__Host-clover-[0-9a-f-]{17}=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax$/)
  t.same(await merchant.stateCookies(), [])
})

t.test('the state cookie is gone after a denial and after a failure too (security 5)', async t => {
  const { clover, browser } = await startHost(t)
  for (const query of [{ error: 'access_denied' }, { code: 'never-issued', merchant_id: merchantA }, { merchant_id: merchantA }, { code: 'a-code' }]) {
    const merchant = browser()
    const launch = await merchant.visit('/clover/launch')
    const reply = await merchant.visit(callbackUrl(launch, query))
    t.ok(reply.statusCode >= 400)
    t.same(await merchant.stateCookies(), [], JSON.stringify(query))
  }
  t.equal(clover.count('token'), 1)
})

t.test('a state of browser A with a cookie of browser B makes no call to Clover, and A\'s own callback still works (security 3, security 6)', async t => {
  const { clover, storage, browser, logs } = await startHost(t)
  const [a, b] = [browser(), browser()]
  const launchA = await a.visit(`/clover/launch?merchant_id=${merchantA}`)
  await b.visit(`/clover/launch?merchant_id=${merchantB}`)
  const callback = approve(clover, launchA)
  const before = clover.calls.length
  authorizeRequest(await b.visit(callback))
  t.equal(clover.calls.length, before)
  t.equal(await storage.get(merchantA), undefined)
  t.match(events(logs), [{ event: 'state-refused', reason: /not this browser's/, merchantId: merchantA }])
  t.equal((await a.visit(callback)).headers.location, '/')
})

t.test('A\'s cookie alone, stolen or planted, does not make B\'s state valid (security 6)', async t => {
  const { clover, browser } = await startHost(t)
  const [a, b] = [browser(), browser()]
  await a.visit('/clover/launch')
  const launchB = await b.visit('/clover/launch')
  const [nameA = ''] = await a.stateCookies()
  const [nameB = ''] = await b.stateCookies()
  for (const cookie of [`${nameA}=${a.cookieValues[0]}`, `${nameB}=${a.cookieValues[0]}`, `${nameB}=${a.cookieValues[0]}; ${nameA}=${b.cookieValues[0]}`]) {
    const callback = approve(clover, launchB, { merchantId: merchantA })
    const before = clover.calls.length
    authorizeRequest(await b.visit(callback, { headers: { cookie } }))
    t.equal(clover.calls.length, before)
  }
})

t.test('a state works for ten minutes and not longer (security 7)', async t => {
  const { clover, browser, time } = await startHost(t)
  const merchant = browser()
  const early = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  time.pass(599_000)
  t.equal((await merchant.visit(approve(clover, early))).headers.location, '/')
  const late = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  time.pass(601_000)
  const callback = approve(clover, late)
  const before = clover.calls.length
  authorizeRequest(await merchant.visit(callback))
  t.equal(clover.calls.length, before)
})

t.test('a state from the future is refused as well (security 7)', async t => {
  const { clover, browser, time } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  time.pass(-601_000)
  authorizeRequest(await merchant.visit(approve(clover, launch)))
  t.equal(clover.calls.length, 0)
})

t.test('a state works once: a second use makes no call to Clover, even with the cookie kept (security 5)', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const cookie = await merchant.jar.getCookieString('https://shop.example/')
  const callback = approve(clover, launch)
  t.equal((await merchant.visit(callback)).headers.location, '/')
  const before = clover.calls.length
  authorizeRequest(await merchant.visit(callback))
  authorizeRequest(await merchant.visit(callback, { headers: { cookie } }))
  authorizeRequest(await merchant.visit(approve(clover, launch), { headers: { cookie } }))
  t.equal(clover.calls.length, before)
})

t.test('a state written in other characters is the same state (security 5)', async t => {
  const { clover, browser } = await startHost(t)
  for (let tries = 0, seen = 0; seen < 2 && tries < 100; tries++) {
    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
    const state = authorizeRequest(launch).searchParams.get('state') ?? ''
    const other = state.replaceAll('-', '+').replaceAll('_', '/')
    if (other === state) continue
    seen++
    const cookie = await merchant.jar.getCookieString('https://shop.example/')
    t.equal((await merchant.visit(approve(clover, launch))).headers.location, '/')
    const again = approve(clover, launch, { edit: { state: other } })
    const before = clover.calls.length
    authorizeRequest(await merchant.visit(again, { headers: { cookie } }))
    t.equal(clover.calls.length, before)
  }
})

t.test('a reload while the callback runs shares its flight: one exchange, and both arrive', async t => {
  const connections: CloverConnection[] = []
  const { clover, browser } = await startHost(t, { options: { onConnect: (_request, _reply, connection) => { connections.push(connection) } } })
  const merchant = browser()
  const callback = approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}&return_to=/orders`))
  clover.fault({ on: 'token', kind: 'latency', ms: 80 })
  const replies = await Promise.all([merchant.visit(callback), merchant.visit(callback), merchant.visit(callback)])
  t.same(replies.map(({ headers }) => headers.location), ['/orders', '/orders', '/orders'])
  t.equal(clover.count('token'), 1)
  t.same(connections.map(({ merchantId }) => merchantId), [merchantA, merchantA, merchantA])
})

t.test('a second request that joins the flight cannot become another merchant by its query (security 15)', async t => {
  const connections: string[] = []
  const { clover, storage, browser } = await startHost(t, { options: { onConnect: (_request, _reply, { merchantId }) => { connections.push(merchantId) } } })
  const merchant = browser()
  const callback = approve(clover, await merchant.visit('/clover/launch'), { merchantId: merchantA })
  const edited = new URL(callback)
  edited.searchParams.set('merchant_id', merchantB)
  clover.fault({ on: 'token', kind: 'latency', ms: 80 })
  const [first, second] = await Promise.all([merchant.visit(callback), merchant.visit(edited.href)])
  t.equal(first.statusCode, 302)
  t.equal(second.statusCode, 302)
  t.same(connections, [merchantA, merchantA])
  t.equal(await storage.get(merchantB), undefined)
})

t.test('a failing flight fails for all who share it, with one exchange', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const callback = approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`))
  clover.fault({ on: 'token', kind: 'status', status: 503 })
  const replies = await Promise.all([merchant.visit(callback, json), merchant.visit(callback, json)])
  t.same(replies.map(({ statusCode }) => statusCode), [503, 503])
  t.equal(clover.count('token'), 1)
})

t.test('a launch for merchant A cannot finish as B (security 6)', async t => {
  const { clover, storage, browser, logs } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const callback = approve(clover, launch, { merchantId: merchantB })
  const before = clover.calls.length
  const reply = await merchant.visit(callback, json)
  t.equal(reply.statusCode, 403)
  t.match(reply.json(), { code: 'FST_CLOVER_MERCHANT_MISMATCH' })
  t.equal(clover.calls.length, before)
  t.equal(await storage.get(merchantB), undefined)
  t.match(events(logs), [{ event: 'state-refused', reason: /another merchant/, merchantId: merchantA }], 'and the log says so (security 37)')
})

t.test('an edited merchant_id with another merchant\'s code is refused, and what was stored is untouched (security 15)', async t => {
  for (const foreignMerchant of [401, 404] as const) {
    const { app, clover, storage, browser, logs } = await startHost(t, { simulator: { unknowns: { foreignMerchant } } })
    await connect(browser(), clover, merchantB)
    const stored = await storage.get(merchantB)
    const evil = browser()
    const launch = await evil.visit('/clover/launch')
    const reply = await evil.visit(approve(clover, launch, { merchantId: merchantA, edit: { merchant_id: merchantB } }), json)
    t.equal(reply.statusCode, 403)
    t.match(reply.json(), { code: foreignMerchant === 404 ? 'FST_CLOVER_MERCHANT_MISMATCH' : 'FST_CLOVER_PERMISSION' })
    t.same(await storage.get(merchantB), stored)
    t.equal(await storage.get(merchantA), undefined)
    t.equal(await app.clover.accessToken(merchantB), stored?.accessToken)
    t.match(events(logs).at(-1), { event: 'merchant-mismatch', merchantId: merchantB }, 'and the log says so (security 37)')
    t.ok(clover.isLive(stored?.refreshToken ?? ''))
  }
})

t.test('a code that nobody asked for is not exchanged; the authorization starts over once, and works (security 3)', async t => {
  const { clover, storage, browser, logs } = await startHost(t)
  const victim = browser()
  const { code } = clover.authorize({ merchantId: merchantB })
  const before = clover.calls.length
  const question = await victim.visit(`/clover/callback?code=${code}&merchant_id=${merchantB}&employee_id=X`)
  t.match(question.headers, { location: /^https:\/\/shop\.example\/clover\/callback\?state=[\w.-]+$/, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  const restart = await victim.visit(String(question.headers.location))
  const { searchParams } = authorizeRequest(restart)
  t.equal(searchParams.get('merchant_id'), merchantB)
  t.match(restart.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  t.equal(clover.calls.length, before)
  t.equal(await storage.get(merchantB), undefined)
  t.match(events(logs), [{ event: 'state-refused', reason: 'no state', merchantId: merchantB }])
  t.equal((await victim.visit(approve(clover, restart))).headers.location, '/')
})

t.test('with cookies blocked the second callback is a 400 that tells to allow them', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  merchant.blocksCookies = true
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const restart = await merchant.visit(approve(clover, launch))
  const reply = await merchant.visit(approve(clover, restart))
  t.equal(reply.statusCode, 400)
  t.match(reply.body, /allow cookies for this site/)
  t.match(reply.body, 'FST_CLOVER_STATE')
  t.match(reply.body, 'href="/clover/launch"')
  t.equal(clover.calls.length, 0)
})

t.test('with the state dropped by Clover the second callback is a 400 that tells to allow cookies', async t => {
  const { clover, browser, time } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const restart = await merchant.visit(approve(clover, launch, { edit: { state: undefined } }))
  authorizeRequest(restart)
  time.pass(5_000)
  const reply = await merchant.visit(approve(clover, restart, { edit: { state: undefined } }), json)
  t.equal(reply.statusCode, 400)
  t.match(reply.json(), { code: 'FST_CLOVER_STATE', message: /allow cookies/ })
  t.equal(clover.calls.length, 0)
  time.pass(61_000)
  // A minute later it is no loop any more.
  authorizeRequest(await merchant.visit(`/clover/callback?code=x&merchant_id=${merchantA}`))
})

t.test('with cookies blocked and the state dropped by Clover as well, it ends before Clover is asked again', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  merchant.blocksCookies = true
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const question = await merchant.visit(approve(clover, launch, { edit: { state: undefined } }))
  t.equal(question.statusCode, 302)
  const reply = await merchant.visit(String(question.headers.location), json)
  t.equal(reply.statusCode, 400)
  t.match(reply.json(), { code: 'FST_CLOVER_STATE', message: /allow cookies/ })
  t.equal(clover.calls.length, 0)
})

t.test('the callback that asks for the cookie drops a code, and its cookie works once (security 3, security 5)', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const { code } = clover.authorize({ merchantId: merchantA })
  const question = await merchant.visit(`/clover/callback?code=${code}&merchant_id=${merchantA}`)
  const before = await merchant.stateCookies()
  const address = `${question.headers.location}&code=${code}&merchant_id=${merchantB}`
  const restart = await merchant.visit(address)
  t.equal(authorizeRequest(restart).searchParams.get('merchant_id'), merchantA, 'whatever the address says meanwhile')
  const after = await merchant.stateCookies()
  t.equal(after.length, 1)
  t.notSame(after, before)
  t.equal((await merchant.visit(address, json)).statusCode, 400)
  t.equal(clover.calls.length, 0)
  t.equal((await merchant.visit(approve(clover, restart))).headers.location, '/')
})

t.test('a denial makes no call to Clover and echoes nothing (security 13)', async t => {
  const { clover, browser } = await startHost(t)
  const html = '<img src=x onerror=alert(1)>'
  const cases: Array<[Record<string, string>, RegExp]> = [
    [{ error: 'access_denied' }, /not approved \(access_denied\)/],
    [{ error: 'access_denied', error_description: html }, /not approved \(access_denied\)/],
    [{ error: html, error_description: html }, /the app was not approved\./],
    [{ error: 'x'.repeat(512) }, /the app was not approved\./],
    [{ error: 'access_denied', code: 'a-code-as-well', merchant_id: merchantA }, /not approved \(access_denied\)/],
    [{ error: '' }, /the app was not approved\./]
  ]
  for (const [query, text] of cases) {
    for (const own of [true, false]) {
      for (const accept of ['text/html,*/*', 'application/json']) {
        const merchant = browser()
        const launch = await merchant.visit('/clover/launch')
        const reply = await merchant.visit(callbackUrl(launch, { ...query, ...(!own && { state: 'not-a-state' }) }), { headers: { accept } })
        t.equal(reply.statusCode, 403)
        t.match(reply.body, text)
        t.match(reply.body, 'FST_CLOVER_DENIED')
        t.notMatch(reply.body, /<img|onerror|xxxxx|a-code-as-well/)
      }
    }
  }
  t.equal(clover.calls.length, 0)
})

t.test('a denial without any parameter, or without a code, is answered without a call to Clover', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  authorizeRequest(await merchant.visit('/clover/callback'))
  const reply = await merchant.visit('/clover/callback', json)
  t.equal(reply.statusCode, 400)
  const launch = await merchant.visit('/clover/launch')
  const noCode = await merchant.visit(callbackUrl(launch, { merchant_id: merchantA }), json)
  t.equal(noCode.statusCode, 403)
  t.match(noCode.json(), { code: 'FST_CLOVER_DENIED', message: /Clover sent no authorization code/ })
  t.equal(clover.calls.length, 0)
})

t.test('without merchant_id the merchant is the launch\'s; without that either it is a 400', async t => {
  const { clover, storage, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  t.equal((await merchant.visit(approve(clover, launch, { edit: { merchant_id: undefined } }))).headers.location, '/')
  t.ok(await storage.get(merchantA))
  const nobody = await merchant.visit('/clover/launch')
  const before = clover.calls.length
  const reply = await merchant.visit(approve(clover, nobody, { merchantId: merchantB, edit: { merchant_id: undefined } }), json)
  t.equal(reply.statusCode, 400)
  t.match(reply.json(), { code: 'FST_CLOVER_STATE', message: /merchant_id is missing/ })
  t.equal(clover.calls.length, before)
})

t.test('repeated, malformed and oversized parameters are 400 and make no call to Clover (security 14)', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const good = new URL(approve(clover, launch))
  const odd = [`merchant_id=${merchantA}`, `merchant_id=${merchantB}`, 'code=other', `state=${encodeURIComponent(good.searchParams.get('state') ?? '')}`, 'client_id=SIMULATORAPP1', 'employee_id=x', 'error=a&error=b']
  for (const extra of odd) t.equal((await merchant.visit(`${good.href}&${extra}`)).statusCode, 400, extra)
  const edits: Record<string, string> = { merchant_id: 'lower-case-id', code: 'x'.repeat(2049), state: 'x'.repeat(513), client_id: 'x'.repeat(65), employee_id: 'x'.repeat(65), error: 'x'.repeat(513), error_description: 'x'.repeat(2049) }
  for (const [name, value] of [...Object.entries(edits), ['code', ''], ['state', ''], ['merchant_id', '']] as Array<[string, string]>) {
    const url = new URL(good)
    url.searchParams.set(name, value)
    const reply = await merchant.visit(url.href, json)
    t.match([reply.statusCode, reply.json()], [400, { code: 'FST_ERR_VALIDATION', message: new RegExp(`querystring/${name}:`) }], `${name}=${value}`.slice(0, 40))
  }
  t.equal(clover.calls.length, 0)
  t.equal((await merchant.visit(`${good.href}&scope=x&scope=y&session[]=1&__proto__=x`)).headers.location, '/', 'unknown fields are ignored')
})

t.test('a callback of another app is refused before anything else', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const reply = await merchant.visit(approve(clover, launch, { edit: { client_id: lowTrust } }), json)
  t.equal(reply.statusCode, 400)
  t.match(reply.json(), { message: /client_id is another app's/ })
  t.equal(clover.calls.length, 0)
})

t.test('several tabs finish in any order, all of them (security 9)', async t => {
  const { clover, browser } = await startHost(t)
  for (const order of [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]]) {
    const merchant = browser()
    const launches = []
    for (let tab = 0; tab < 5; tab++) launches.push(await merchant.visit(`/clover/launch?merchant_id=${merchantA}&return_to=/tab${tab}`))
    for (const tab of order) {
      const launch = launches[tab]
      if (launch === undefined) throw new Error('no such tab')
      t.equal((await merchant.visit(approve(clover, launch))).headers.location, `/tab${tab}`)
    }
    t.same(await merchant.stateCookies(), [])
  }
})

t.test('several tabs finish at once, all of them (security 9)', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const launches = []
  for (let tab = 0; tab < 5; tab++) launches.push(await merchant.visit(`/clover/launch?merchant_id=${merchantA}&return_to=/tab${tab}`))
  const replies = await Promise.all(launches.map(launch => merchant.visit(approve(clover, launch))))
  t.same(replies.map(({ headers }) => headers.location), ['/tab0', '/tab1', '/tab2', '/tab3', '/tab4'])
})

t.test('with two apps or regions on one server a callback of one is refused by the other, even with the same cookieSecret (security 12)', async t => {
  const time = new Time()
  const clover = await startClover(t, time)
  const regions = {
    '/same-app-elsewhere': { ...ordinaryOptions(clover), environment: { ...clover.environment, name: 'elsewhere' } },
    '/other-app': ordinaryOptions(clover, lowTrust)
  }
  const { plugin } = await import('../../src/plugin.js')
  const { app, browser } = await startHost(t, {
    simulator: clover,
    prefix: '/one',
    before: app => {
      for (const [prefix, options] of Object.entries(regions)) app.register(async scope => { await scope.register(plugin, { ...options, cookieSecret }) }, { prefix })
    }
  })
  t.notOk(app.hasDecorator('clover'), 'each scope has its own')
  const prefixes = ['/one', ...Object.keys(regions)]
  for (const from of prefixes) {
    for (const to of prefixes) {
      const merchant = browser()
      const launch = await merchant.visit(`${from}/clover/launch?merchant_id=${merchantA}`)
      const callback = new URL(approve(clover, launch, { edit: { client_id: undefined } }))
      callback.pathname = `${to}/clover/callback`
      const before = clover.calls.length
      const reply = await merchant.visit(callback.href)
      if (from === to) t.equal(reply.headers.location, '/', `${from} to itself`)
      else {
        authorizeRequest(reply)
        t.equal(clover.calls.length, before, `${from} to ${to}`)
      }
    }
  }
})

t.test('a new cookieSecret in front of the old one keeps launches that are under way, high and low trust', async t => {
  const other = 'canary-new-secret-0123456789abcdefgh'
  for (const appId of [highTrust, lowTrust]) {
    const time = new Time()
    const clover = await startClover(t, time)
    const before = await startHost(t, { simulator: clover, appId })
    const rotated = await startHost(t, { simulator: clover, appId, options: { cookieSecret: [other, cookieSecret] } })
    const after = await startHost(t, { simulator: clover, appId, options: { cookieSecret: other } })
    const merchant = before.browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
    const restarted = rotated.browser()
    const cookie = await merchant.jar.getCookieString('https://shop.example/')
    t.equal((await restarted.visit(approve(clover, launch), { headers: { cookie } })).headers.location, '/', `${appId} with both`)
    authorizeRequest(await after.browser().visit(approve(clover, launch), { headers: { cookie } }))
    const young = await restarted.visit(`/clover/launch?merchant_id=${merchantA}`)
    const youngCookie = await restarted.jar.getCookieString('https://shop.example/')
    t.equal((await after.browser().visit(approve(clover, young), { headers: { cookie: youngCookie } })).headers.location, '/', 'the first secret signs')
  }
})

t.test('a returning merchant keeps its pair, and its identity is still verified', async t => {
  const { clover, storage, browser } = await startHost(t)
  await connect(browser(), clover, merchantA)
  const stored = await storage.get(merchantA)
  const calls = clover.calls.length
  t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  t.same(await storage.get(merchantA), stored)
  t.same(clover.calls.slice(calls).map(({ endpoint }) => endpoint), ['merchant', 'token', 'merchant'])
  t.same(clover.liveRefreshTokens(merchantA), [stored?.refreshToken], 'the returning visit made no refresh token')
})

t.test('after an uninstall and a reinstall the merchant gets a new pair', async t => {
  const { app, clover, storage, browser } = await startHost(t)
  await connect(browser(), clover, merchantA)
  const before = await storage.get(merchantA)
  clover.uninstall(merchantA)
  const reply = await connect(browser(), clover, merchantA)
  t.equal(reply.headers.location, '/')
  const after = await storage.get(merchantA)
  t.not(after?.refreshToken, before?.refreshToken)
  t.ok(clover.isLive(after?.refreshToken ?? ''))
  t.equal(await app.clover.accessToken(merchantA), after?.accessToken)
})

t.test('dangerouslyTrustMerchantId connects without asking for the merchant', async t => {
  const { clover, storage, browser } = await startHost(t, {
    simulator: { apps: [{ id: highTrust, permissions: { readMerchant: false } }] }, options: { dangerouslyTrustMerchantId: true }
  })
  t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  t.equal(clover.count('merchant'), 0)
  t.ok(await storage.get(merchantA))
})
