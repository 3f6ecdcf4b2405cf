import t from 'tap'
import type { CloverConnection } from '../../src/options/options.js'
import { approve, authorizeRequest, callbackUrl, connect } from '../harness/browser.js'
import { events, highTrust, lowTrust, merchantA, merchantB, startHost } from '../harness/host.js'

/*
 * The callback's use of its code and its merchant.
 */

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

t.test('a reload during the callback shares its exchange, and both requests succeed', async t => {
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

t.test('a second request that shares the exchange cannot name another merchant in its query (security 15)', async t => {
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

t.test('an exchange that fails, fails for all requests that share it', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const callback = approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`))
  clover.fault({ on: 'token', kind: 'status', status: 503 })
  const replies = await Promise.all([merchant.visit(callback, json), merchant.visit(callback, json)])
  t.same(replies.map(({ statusCode }) => statusCode), [503, 503])
  t.equal(clover.count('token'), 1)
})

t.test('an edited merchant_id with another merchant\'s code is refused, and the stored record does not change (security 15)', async t => {
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
  const launch = await merchant.visit('/clover/launch')
  const noCode = await merchant.visit(callbackUrl(launch, { merchant_id: merchantA }), json)
  t.equal(noCode.statusCode, 403)
  t.match(noCode.json(), { code: 'FST_CLOVER_DENIED', message: /Clover sent no authorization code/ })
  t.equal(clover.calls.length, 0)
})

t.test('without merchant_id the merchant of the launch is connected; if the launch named none either, it is a 400', async t => {
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
    t.match([reply.statusCode, reply.json()], [400, { code: 'FST_CLOVER_STATE', message: new RegExp(`\\(${name}\\)`) }], `${name}=${value}`.slice(0, 40))
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
  t.match(reply.json(), { message: /client_id belongs to another app/ })
  t.equal(clover.calls.length, 0)
})

t.test('a returning merchant keeps its pair, and its identity is still verified', async t => {
  const { clover, storage, browser } = await startHost(t)
  await connect(browser(), clover, merchantA)
  const stored = await storage.get(merchantA)
  const calls = clover.calls.length
  t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  t.match(await storage.get(merchantA), { accessToken: stored?.accessToken, refreshToken: stored?.refreshToken, connectionId: stored?.connectionId })
  t.same(clover.calls.slice(calls).map(({ endpoint }) => endpoint), ['token', 'merchant', 'merchant'], 'the visit proves itself before the stored pair is used')
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

t.test('dangerouslyTrustMerchantId connects without a call for the merchant', async t => {
  const { clover, storage, browser } = await startHost(t, {
    simulator: { apps: [{ id: highTrust, permissions: { readMerchant: false } }] }, options: { dangerouslyTrustMerchantId: true }
  })
  t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  t.equal(clover.count('merchant'), 0)
  t.ok(await storage.get(merchantA))
})
