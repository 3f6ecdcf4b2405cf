import type { LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { approve, authorizeRequest, callbackUrl, isCookieTest, startOver } from '../harness/browser.js'
import { cookieSecret, events, highTrust, lowTrust, merchantA, merchantB, ordinaryOptions, startClover, startHost } from '../harness/host.js'
import { Time } from '../harness/time.js'

/*
 * The state of a callback and its cookie: their owner, their lifetime, and callbacks without them.
 */

const json = { headers: { accept: 'application/json' } }

/** Checks that a callback's code was dropped: the browser is sent to Clover, or to the cookie test. */
function isDropped (reply: LightMyRequestResponse): boolean {
  return isCookieTest(reply) || authorizeRequest(reply).searchParams.has('state')
}

t.test('the callback deletes the state cookie (security 5)', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  t.equal((await merchant.stateCookies()).length, 1)
  const reply = await merchant.visit(approve(clover, launch))
  t.match(reply.headers['set-cookie'], /^__Host-clover-[0-9a-f-]{17}=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax$/)
  t.same(await merchant.stateCookies(), [])
})

t.test('the callback deletes the state cookie after a denial and after a failure too (security 5)', async t => {
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

t.test('a stolen or planted cookie of A does not make B\'s state valid (security 6)', async t => {
  const { clover, browser } = await startHost(t)
  const [a, b] = [browser(), browser()]
  await a.visit('/clover/launch')
  const launchB = await b.visit('/clover/launch')
  const [nameA = ''] = await a.stateCookies()
  const [nameB = ''] = await b.stateCookies()
  for (const cookie of [`${nameA}=${a.cookieValues[0]}`, `${nameB}=${a.cookieValues[0]}`, `${nameB}=${a.cookieValues[0]}; ${nameA}=${b.cookieValues[0]}`]) {
    const callback = approve(clover, launchB, { merchantId: merchantA })
    const before = clover.calls.length
    t.ok(isDropped(await b.visit(callback, { headers: { cookie } })))
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
  authorizeRequest(await startOver(merchant, callback))
  t.equal(clover.calls.length, before)
})

t.test('a state from the future is refused as well (security 7)', async t => {
  const { clover, browser, time } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  time.pass(-601_000)
  authorizeRequest(await startOver(merchant, approve(clover, launch)))
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
  t.ok(isDropped(await merchant.visit(callback)))
  t.ok(isDropped(await merchant.visit(callback, { headers: { cookie } })))
  t.ok(isDropped(await merchant.visit(approve(clover, launch), { headers: { cookie } })))
  t.equal(clover.calls.length, before)
})

t.test('another encoding of the same state is the same state (security 5)', async t => {
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
    t.ok(isDropped(await merchant.visit(again, { headers: { cookie } })))
    t.equal(clover.calls.length, before)
  }
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

t.test('a code that the plugin did not request is not exchanged; a new authorization starts once, and works (security 3)', async t => {
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

t.test('several tabs can finish in any order (security 9)', async t => {
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

t.test('several tabs can finish at once (security 9)', async t => {
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
        t.ok(isDropped(reply))
        t.equal(clover.calls.length, before, `${from} to ${to}`)
      }
    }
  }
})

t.test('a new cookieSecret in front of the old one keeps launches in progress valid, high and low trust', async t => {
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
    t.ok(isDropped(await after.browser().visit(approve(clover, launch), { headers: { cookie } })))
    const young = await restarted.visit(`/clover/launch?merchant_id=${merchantA}`)
    const youngCookie = await restarted.jar.getCookieString('https://shop.example/')
    t.equal((await after.browser().visit(approve(clover, young), { headers: { cookie: youngCookie } })).headers.location, '/', 'the first secret signs')
  }
})
