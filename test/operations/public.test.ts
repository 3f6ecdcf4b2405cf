import Fastify from 'fastify'
import t, { type Test } from 'tap'
import type { CloverRoutes } from '../../src/options/options.js'
import { freePort } from '../harness/ports.js'
import { events, highTrust, lowTrust } from '../harness/host.js'
import { complaints, startDoctorHost, type DoctorHostOptions } from './doctor-host.js'
import type { Manners, Passed } from './reverse-proxy.js'

const publicChecks = ['public-address', 'launch', 'launch-cookie', 'launch-cache', 'callback', 'refresh-guard', 'webhook']

/** A host behind a proxy whose manners change: what is found about the public addresses with each of them. */
async function startBehind (t: Test, options: DoctorHostOptions = {}) {
  const host = await startDoctorHost(t, { proxy: {}, ...options })
  const { tls = false } = host.proxy.manners
  const behind = async (manners: Omit<Manners, 'tls'>) => {
    host.proxy.manners = { ...manners, tls }
    const findings = await host.diagnose()
    return { findings, wrong: complaints(findings) }
  }
  return { ...host, behind }
}

/** What is found about the public addresses behind a proxy with these manners. */
async function behind (t: Test, proxy: Manners, options: DoctorHostOptions = {}) {
  const host = await startBehind(t, { proxy, ...options })
  return { ...host, ...await host.behind(proxy) }
}

/** An answer with one header changed; `undefined` removes it. */
const withHeader = (name: string, change: (value: string) => string | undefined) => (passed: Passed): Passed => {
  const { [name]: value, ...headers } = passed.headers
  if (value === undefined) return passed
  const lines = [value].flat().map(line => change(String(line))).filter(line => line !== undefined)
  return { ...passed, headers: { ...headers, ...(lines.length > 0 && { [name]: lines }) } }
}

t.test('a proxy that leaves everything as it is: with a path that it strips, one that it keeps, and both', async t => {
  for (const [path, prefix, manners] of [
    ['', undefined, {}],
    ['/shop', undefined, { path: (url: string) => url.replace(/^\/shop/, '') }],
    ['', '/eu', {}],
    ['/shop', '/eu', { tls: true, path: (url: string) => url.replace(/^\/shop/, '') }]
  ] as const) {
    const { findings, wrong } = await behind(t, manners, { path, ...(prefix && { prefix }) })
    t.same(wrong, [], `${path} ${prefix}`)
    for (const check of publicChecks) t.equal(findings[check]?.status, 'ok', check)
  }
})

t.test('every kind of app is launched as it should be', async t => {
  for (const options of [{ appId: lowTrust }, { options: { flow: 'v1' } }, { options: { flow: 'v1', dangerouslyUseImplicitFlow: true } }] as DoctorHostOptions[]) {
    const { findings } = await behind(t, {}, options)
    for (const check of publicChecks) t.equal(findings[check]?.status, 'ok', `${check}: ${findings[check]?.message}`)
  }
})

t.test('the probes cost nothing: Clover is not called, nothing is stored, nobody is told', async t => {
  const told: unknown[] = []
  const { wrong, clover, storage, proxy, logs } = await behind(t, {}, { options: { onEvent: event => { told.push(event) }, onDisconnect: notice => { told.push(notice) }, onConnect: () => { told.push('connected') } } })
  t.same(wrong, [])
  t.same(told, [])
  t.equal(clover.calls.filter(({ endpoint }) => endpoint !== 'authorize').length, 0)
  t.same(await storage.list?.({ limit: 10 }), { items: [] })
  t.same(proxy.requests.map(line => line.replace(/\?.*/, '')), [
    'GET /clover/launch', 'GET /clover/launch', 'GET /clover/launch', 'GET /clover/callback', 'POST /clover/refresh', 'POST /clover/webhook'
  ])
  t.same([...new Set(events(logs).map(({ event }) => event))].sort(), ['state-refused', 'webhook-refused'])
})

t.test('a proxy that keeps a prefix which baseUrl says it strips, or strips one that the app has, leads nowhere', async t => {
  const kept = await behind(t, {}, { path: '/shop' })
  t.match(kept.findings, { launch: { status: 'error', message: /status 404/, fix: /prefix/ }, callback: { status: 'error', message: /status 404/, fix: /prefix/ }, webhook: { status: 'error', message: /status 404/ }, 'launch-cookie': { status: 'not-checked' }, 'launch-cache': { status: 'not-checked' } })
  t.equal(kept.findings['refresh-guard']?.status, 'not-checked', 'a guard may be there or not')
  const stripped = await behind(t, { path: url => url.replace(/^\/eu/, '') }, { prefix: '/eu' })
  t.match(stripped.findings, { launch: { status: 'error', message: /status 404/ }, callback: { status: 'error' }, webhook: { status: 'error' } })
  const doubled = await behind(t, { path: url => url.replace(/^\/clover/, '//clover') })
  t.match(doubled.findings, { launch: { status: 'error', message: /status 404/ } })
})

t.test('servers that run with another baseUrl, app, environment or trust than this process are found', async t => {
  const other = async (running: DoctorHostOptions) => {
    const deployed = await startDoctorHost(t, { proxy: {}, ...running })
    const { diagnose, proxy } = await startDoctorHost(t, { proxy: {}, listens: false })
    proxy.target = deployed.proxy.target
    return (await diagnose()).launch
  }
  t.match(await other({}), { status: 'error', message: /a redirect to http:\/\/localhost:\d+\/oauth\/v2\/authorize, and not/ }, 'another Clover')

  const clover = (await startDoctorHost(t, { listens: false })).clover
  const same = async (running: DoctorHostOptions, here: DoctorHostOptions = {}) => {
    const deployed = await startDoctorHost(t, { proxy: {}, simulator: clover, ...running })
    const { diagnose, proxy } = await startDoctorHost(t, { proxy: {}, simulator: clover, listens: false, ...here })
    proxy.target = deployed.proxy.target
    return (await diagnose()).launch
  }
  t.match(await same({}), { status: 'error', message: /sends merchants back to http:\/\/127\.0\.0\.1:\d+\/clover\/callback, and not to/ })
  t.match(await same({ appId: lowTrust }), { status: 'error', message: new RegExp(`launches another app than this registration's ${highTrust}`) })
})

t.test('a redirect that something has changed on its way', async t => {
  const high = await startBehind(t)
  const low = await startBehind(t, { appId: lowTrust })
  const changed = async (change: (to: URL) => void, { behind } = high) => {
    const answer = withHeader('location', location => {
      const to = new URL(location)
      change(to)
      return to.href
    })
    return (await behind({ answer })).findings.launch
  }
  t.match(await changed(to => { to.searchParams.delete('state') }), { status: 'error', message: /lost its state/ })
  t.match(await changed(to => { to.searchParams.delete('redirect_uri') }), { status: 'error', message: /back to none/ })
  t.match(await changed(to => { to.searchParams.set('redirect_uri', 'not a URL') }), { status: 'error', message: /back to none/ })
  t.match(await changed(to => { to.searchParams.delete('code_challenge') }, low), { status: 'error', message: /without PKCE/ })
  t.match(await changed(to => { to.hostname = 'evil.example' }), { status: 'error', message: /a redirect to http:\/\/evil\.example/ })
})

t.test('a page in front of the routes: a log-in, a maintenance page, a wall', async t => {
  const { behind } = await startBehind(t)
  const loggedOut = await behind({ instead: () => ({ status: 302, headers: { location: '/login?next=%2Fclover' }, body: '' }) })
  t.match(loggedOut.findings, {
    launch: { status: 'error', message: /a redirect to http:\/\/127\.0\.0\.1:\d+\/login, and not/ }, callback: { status: 'error', message: /\/login,/ }, webhook: { status: 'error', message: /\/login,/ }, 'refresh-guard': { status: 'ok' }
  })
  const page = await behind({ instead: () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Hello</h1>'.repeat(30_000) }) })
  t.match(page.findings, { launch: { status: 'error', message: /status 200/ }, callback: { status: 'error' }, webhook: { status: 'error', message: /takes events/ }, 'refresh-guard': { status: 'error' } })
  const wall = await behind({ instead: () => ({ status: 401, headers: { 'www-authenticate': 'Basic' }, body: '' }) })
  t.match(wall.findings, { launch: { status: 'error', fix: /Let everybody reach/ }, callback: { status: 'error', fix: /Let everybody reach/ }, webhook: { status: 'error', message: /closed to strangers/ }, 'refresh-guard': { status: 'ok' } })
  const forbidden = await behind({ instead: () => ({ status: 403, headers: {}, body: '' }) })
  t.match(forbidden.findings, { launch: { fix: /Let everybody reach/ }, callback: { fix: /Let everybody reach/ }, webhook: { status: 'warning', message: /closed to strangers/ }, 'refresh-guard': { status: 'ok' } })
})

t.test('a proxy that takes a flag from the state cookie, or the cookie itself', async t => {
  const faults: Array<[change: (cookie: string) => string | undefined, words: RegExp]> = [
    [cookie => cookie.replace(/; Secure/i, ''), /has no Secure\b/],
    [cookie => cookie.replace(/; HttpOnly/i, ''), /has no HttpOnly\b/],
    [cookie => cookie.replace(/SameSite=Lax/i, 'SameSite=None'), /has no SameSite=Lax/],
    [cookie => cookie.replace('Path=/', 'Path=/shop'), /has no Path=\//],
    [cookie => `${cookie}; Domain=shop.example`, /has a Domain/],
    [cookie => cookie.replace('__Host-', '').replace(/; Secure/i, ''), /has no Secure and is not named __Host-/],
    [() => undefined, /has no state cookie/],
    [() => 'other=1', /has no state cookie/]
  ]
  const secure = await startBehind(t, { proxy: { tls: true } })
  for (const [change, words] of faults) {
    const { findings, wrong } = await secure.behind({ answer: withHeader('set-cookie', change) })
    t.match(findings['launch-cookie'], { status: 'error', message: words, fix: /Set-Cookie/ })
    t.equal(wrong.length, 1, 'nothing else is wrong')
  }
  const { findings } = await behind(t, { answer: withHeader('set-cookie', cookie => cookie.replace(/; HttpOnly/i, '')) })
  t.match(findings['launch-cookie'], { status: 'error', message: /has no HttpOnly\b/ }, 'plain http needs no Secure')
})

t.test('a cache in front of the launch', async t => {
  const { behind } = await startBehind(t)
  const kept = new Map<string, Passed>()
  const caching: Manners = {
    instead: ({ method, url }) => method === 'GET' ? kept.get(String(url)) : undefined,
    answer: (passed, { method, url }) => {
      if (method === 'GET') kept.set(String(url), passed)
      return passed
    }
  }
  t.match((await behind(caching)).findings['launch-cache'], { status: 'error', message: /the same state/ })
  const signs: Array<Record<string, string>> = [{ age: '7' }, { 'x-cache': 'MISS, HIT' }, { 'x-cache': 'Hit from cloudfront' }, { 'cf-cache-status': 'HIT' }, { 'cache-status': 'edge; hit' }]
  for (const headers of signs) {
    const { findings } = await behind({ answer: passed => ({ ...passed, headers: { ...passed.headers, ...headers } }) })
    t.match(findings['launch-cache'], { status: 'error', message: /came from a cache/ }, JSON.stringify(headers))
  }
  for (const headers of [{ age: '0' }, { 'x-cache': 'MISS' }, { 'cf-cache-status': 'DYNAMIC' }, { 'x-cache': 'TCP_MISS from whitehit' }]) {
    t.same((await behind({ answer: passed => ({ ...passed, headers: { ...passed.headers, ...headers } }) })).wrong, [], JSON.stringify(headers))
  }
  for (const change of [() => undefined, () => 'public, max-age=60']) {
    t.match((await behind({ answer: withHeader('cache-control', change) })).findings['launch-cache'], { status: 'error', message: /lost its Cache-Control/ })
  }
  let launches = 0
  const unsteady = await behind({ answer: (passed, { url }) => url === '/clover/launch' && ++launches === 3 ? { ...passed, status: 301 } : passed })
  t.match(unsteady.findings['launch-cache'], { status: 'error' }, 'the second answer is another')
})

t.test('the callback: its query arrives, and it is the plugin that answers', async t => {
  const { behind } = await startBehind(t)
  const withImplicitFlow = await startBehind(t, { options: { flow: 'v1', dangerouslyUseImplicitFlow: true } })
  const dropped = await behind({ path: url => url.replace(/\?.*/, '') })
  t.match(dropped.findings.callback, { status: 'error', message: /status 400: the query did not arrive/ })
  t.same(dropped.wrong.length, 1)
  const rewritten = await behind({ answer: withHeader('location', location => location.replace('/clover/callback?', '/other/callback?')) })
  t.match(rewritten.findings.callback, { status: 'error', message: /a redirect to/ })
  const implicit = await withImplicitFlow.behind({ answer: (passed, { url }) => String(url).includes('callback') ? { ...passed, status: 404 } : passed })
  t.match(implicit.findings.callback, { status: 'error', message: /status 404/ })
  const cached = await withImplicitFlow.behind({ answer: withHeader('cache-control', () => undefined) })
  t.match(cached.findings.callback, { status: 'error', message: /status 200/ })
})

t.test('a public address that does not answer: wrong in any case, or only not there now', async t => {
  const at = async (baseUrl: string, runtime = {}) => {
    const { diagnose } = await startDoctorHost(t, { listens: false, runtime, options: { baseUrl, callTimeout: 300 } })
    const findings = await diagnose()
    for (const check of publicChecks.slice(1)) t.match(findings[check], { status: 'not-checked', message: 'The public address does not answer.' })
    return findings['public-address']
  }
  t.match(await at('https://no-such-host.invalid'), { status: 'error', message: /does not resolve/ })
  t.match(await at(`http://127.0.0.1:${await freePort()}`), { status: 'not-checked', message: /refuses the connection/, fix: /start it/ })
  const { proxy: tls } = await startDoctorHost(t, { proxy: { tls: true }, listens: false })
  t.match(await at(`https://localhost:${tls.port}`, { fetch: globalThis.fetch }), { status: 'error', message: /certificate does not fit/ })
  const { proxy: plain } = await startDoctorHost(t, { proxy: {}, listens: false })
  t.match(await at(`https://localhost:${plain.port}`), { status: 'error', message: /does not speak TLS/ })
  const silent = Fastify()
  silent.get('/*', async () => await new Promise(() => {}))
  t.teardown(() => { silent.server.closeAllConnections(); return silent.close() })
  t.match(await at(await silent.listen({ host: '127.0.0.1', port: 0 })), { status: 'not-checked', message: /does not answer in time/ })
  t.match(await at(`http://127.0.0.1:${plain.port}`), { status: 'not-checked', message: /a proxy answers with status 502/, fix: /start it/ })
})

t.test('an address that limits its visitors, or that fails in between, is not judged', async t => {
  const { proxy, diagnose, behind } = await startBehind(t)
  for (const [status, words] of [[429, /limits its visitors/], [503, /does not reach the app/]] as const) {
    let seen = 0
    const { findings, wrong } = await behind({ instead: () => seen++ === 0 ? { status: 200, headers: {}, body: '' } : { status, headers: {}, body: '' } })
    for (const check of publicChecks.slice(1)) t.match(findings[check], { status: 'not-checked', message: words }, check)
    t.same(wrong, [])
  }
  let seen = 0
  proxy.manners.instead = request => {
    if (seen++ > 0) request.socket.destroy()
    return undefined
  }
  const findings = await diagnose()
  for (const check of publicChecks.slice(1)) t.match(findings[check], { status: 'not-checked', message: /the connection fails/ }, check)
})

t.test('routes that are off are not asked; without any, there is no address', async t => {
  const off: CloverRoutes = { refresh: false, webhook: false }
  const browser = await startDoctorHost(t, { routes: off })
  const findings = await browser.diagnose()
  t.same(complaints(findings), [])
  t.same(['refresh-guard', 'webhook', 'dashboard-webhook'].map(check => findings[check]), [undefined, undefined, undefined])
  const late = await startDoctorHost(t, { routes: off, listens: false })
  t.same(Object.keys(await late.diagnose()).filter(check => publicChecks.includes(check)), ['public-address', 'launch', 'launch-cookie', 'launch-cache', 'callback'])
  const operators = await startDoctorHost(t, { routes: { launch: false, callback: false } })
  t.match(await operators.diagnose(), { 'public-address': { status: 'ok' }, 'refresh-guard': { status: 'ok' }, webhook: { status: 'ok' } })
  const nowhere = await startDoctorHost(t, { routes: { launch: false, callback: false }, options: { baseUrl: undefined, cookieSecret: undefined } })
  t.match((await nowhere.diagnose())['public-address'], { status: 'not-checked', message: /no baseUrl/ })
  const app = await startDoctorHost(t, { routes: { launch: false, callback: false, refresh: false, webhook: false } })
  t.match((await app.diagnose())['public-address'], { status: 'not-checked', message: /no routes/ })
  const lateOperators = await startDoctorHost(t, { routes: { launch: false, callback: false }, listens: false })
  t.same(Object.keys(await lateOperators.diagnose()).filter(check => publicChecks.includes(check)), ['public-address', 'refresh-guard', 'webhook'])
})
