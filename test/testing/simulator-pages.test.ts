import Fastify from 'fastify'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cloverSimulator, type CloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'

const appId = 'SIMULATORAPP1'
const lowId = 'SIMULATORAPP2'
const merchantId = 'FERNFILTER001'
const redirectUri = 'https://shop.example/clover/callback'
const codeChallenge = createHash('sha256').update('v'.repeat(43)).digest('base64url')

async function simulator (t: Test, options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const clover = await cloverSimulator(options)
  t.teardown(() => clover.close())
  return clover
}

const app = (options: object = {}) => ({ apps: [{ id: appId, name: 'Loyalty', siteUrl: 'https://shop.example/', ...options }] })

/** A browser without JavaScript: cookies, redirects within the simulator, links and forms. */
class Browser {
  readonly #origin: string
  readonly #cookies = new Map<string, string>()
  status = 0
  url = ''
  text = ''
  headers = new Headers()

  constructor (clover: CloverSimulator) {
    this.#origin = clover.origin
  }

  async open (to: string, body?: URLSearchParams): Promise<this> {
    this.url = new URL(to, this.#origin).href
    this.text = ''
    if (!this.url.startsWith(this.#origin)) return this
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(this.url, { redirect: 'manual', headers: { cookie }, ...(body && { method: 'POST', body }) })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (line.includes('Max-Age=0')) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    this.status = response.status
    this.headers = response.headers
    this.text = await response.text()
    const location = response.headers.get('location')
    return location === null ? this : await this.open(location)
  }

  /** Follows the link whose text has `label` in it. */
  async follow (label: string): Promise<this> {
    const link = [...this.text.matchAll(/<a [^>]*href="([^"]*)"[^>]*>(.*?)<\/a>/gs)].find(([, , text]) => text?.includes(label))
    return await this.open(unescape(link?.[1] ?? 'missing:link'))
  }

  /** Sends the first form that has a button of this label, with what was typed. */
  async press (label: string, typed: Record<string, string> = {}): Promise<this> {
    for (const [, action = '', inner = ''] of this.text.matchAll(/<form method="post" action="([^"]*)"[^>]*>(.*?)<\/form>/gs)) {
      const button = [...inner.matchAll(/<button([^>]*)>(.*?)<\/button>/gs)].find(([, , text]) => text?.startsWith(label))
      if (button === undefined) continue
      const fields = new URLSearchParams(typed)
      for (const [, name = '', value = ''] of inner.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)) fields.set(name, unescape(value))
      const [, name, value = ''] = / name="([^"]*)" value="([^"]*)"/.exec(button[1] ?? '') ?? []
      if (name !== undefined) fields.set(name, unescape(value))
      return await this.open(action, fields)
    }
    throw new Error(`no button ${label}`)
  }

  get query (): Record<string, string> {
    return Object.fromEntries(new URL(this.url).searchParams)
  }
}

function unescape (text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
}

function authorizePath (query: Record<string, string> = {}, path = '/oauth/v2/authorize'): string {
  return `${path}?${String(new URLSearchParams({ client_id: appId, redirect_uri: redirectUri, state: 'a&b <c>', ...query }))}`
}

async function exchange (clover: CloverSimulator, code: string | undefined) {
  const response = await fetch(`${clover.origin}/oauth/v2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'test/1.0' },
    body: JSON.stringify({ client_id: appId, client_secret: clover.apps[0]?.secret, code })
  })
  await response.arrayBuffer()
  return response.status
}

t.test('a merchant logs in, chooses a business and approves; the second time it goes straight through', async t => {
  const clover = await simulator(t, app())
  const browser = await new Browser(clover).open(authorizePath())
  t.match(browser.text, 'Log in')
  await browser.press('Maya Lindgren')
  t.match(browser.text, 'Choose a business')
  await browser.follow('Fern')
  t.match(browser.text, 'Loyalty asks for access')
  t.match(browser.text, 'Maya Lindgren')
  await browser.press('Approve')
  t.equal(new URL(browser.url).origin + new URL(browser.url).pathname, redirectUri)
  const { code, ...rest } = browser.query
  t.same(rest, { merchant_id: merchantId, employee_id: 'MAYALINDGREN1', client_id: appId, state: 'a&b <c>' })
  t.equal(await exchange(clover, code), 200)

  await browser.open(authorizePath({ merchant_id: merchantId }))
  t.match(browser.url, /^https:\/\/shop\.example\//)
  t.not(browser.query.code, code)
  t.equal(await exchange(clover, browser.query.code), 200)

  const stranger = await new Browser(clover).open(authorizePath({ merchant_id: merchantId }))
  t.match(stranger.text, 'Log in', 'another browser is not logged in')
  t.notMatch(stranger.text, 'Jonas Okafor', 'and is asked as that merchant\'s people')
  await stranger.press('Log in', { employee: 'Somebody New', pin: '1234' })
  t.equal(stranger.query.employee_id, 'ROBINREYES001', 'a name of nobody is the owner')
  t.ok(clover.count('authorize', { merchantId, ok: true }) >= 2)
})

t.test('approval can be asked for each time, and is again after an uninstall', async t => {
  const clover = await simulator(t, { ...app(), alwaysAsk: true })
  clover.authorize({ merchantId })
  const browser = await new Browser(clover).open(authorizePath({ merchant_id: merchantId }))
  await browser.press('Robin Reyes')
  t.match(browser.text, 'asks for access')

  const other = await simulator(t, app())
  other.authorize({ merchantId })
  const second = await new Browser(other).open(authorizePath({ merchant_id: merchantId }))
  await second.press('Robin Reyes')
  t.ok(second.query.code)
  other.uninstall(merchantId)
  await second.open(authorizePath({ merchant_id: merchantId }))
  t.match(second.text, 'asks for access')
})

t.test('unknown: what a denial looks like, and whether the state comes back', async t => {
  const deny = async (unknowns: NonNullable<SimulatorOptions['unknowns']>) => {
    const clover = await simulator(t, { ...app(), unknowns })
    const browser = await new Browser(clover).open(authorizePath({ merchant_id: merchantId, redirect_uri: `${redirectUri}?own=1` }))
    await (await browser.press('Robin Reyes')).press('Deny')
    t.same(clover.liveRefreshTokens(merchantId), [])
    return browser.query
  }
  t.same(await deny({}), { own: '1', error: 'access_denied', error_description: 'The merchant denied the request', state: 'a&b <c>' })
  t.same(await deny({ denial: 'error' }), { own: '1', error: 'access_denied', state: 'a&b <c>' })
  t.same(await deny({ denial: 'error', echoState: false }), { own: '1', error: 'access_denied' })
  t.same(await deny({ denial: 'bare' }), { own: '1' })
})

t.test('without a redirect URI it is the Site URL, and without a state there is none', async t => {
  const clover = await simulator(t, app())
  clover.authorize({ merchantId })
  const browser = await new Browser(clover).open(`/oauth/v2/authorize?client_id=${appId}&merchant_id=${merchantId}&response_type=code`)
  await browser.press('Robin Reyes')
  t.equal(new URL(browser.url).origin, 'https://shop.example')
  t.notOk('state' in browser.query)
})

t.test('a request that cannot be answered gets a page, and never a redirect', async t => {
  const clover = await simulator(t, app())
  const refused: [string, RegExp][] = [
    ['/oauth/v2/authorize', /client_id/],
    [authorizePath({ client_id: 'NOSUCHAPP0000' }), /client_id/],
    [authorizePath({ redirect_uri: 'https://evil.example/' }), /Site URL/],
    [authorizePath({ redirect_uri: 'https://shop.example.evil.example/' }), /Site URL/],
    [authorizePath({ redirect_uri: 'http://shop.example/' }), /https/],
    [authorizePath({ redirect_uri: 'https://user@shop.example/' }), /https/],
    [authorizePath({ redirect_uri: 'https://:word@shop.example/' }), /https/],
    [authorizePath({ redirect_uri: 'javascript:alert(1)' }), /https/],
    [authorizePath({ redirect_uri: '//evil.example' }), /https/],
    [authorizePath({ response_type: 'token' }), /response_type/],
    [authorizePath({ response_type: 'magic' }, '/oauth/authorize'), /response_type/],
    [authorizePath({ code_challenge: 'short' }), /code_challenge/],
    [authorizePath({ code_challenge: codeChallenge, code_challenge_method: 'plain' }), /S256/],
    [authorizePath({ merchant_id: 'NOSUCHONE0000' }), /merchant_id/],
    [`${authorizePath()}&state=twice`, /state/]
  ]
  for (const [path, sentence] of refused) {
    const browser = await new Browser(clover).open(path)
    t.equal(browser.status, 400, path)
    t.match(browser.headers.get('content-type'), 'text/html')
    t.match(browser.text, sentence)
    t.ok(browser.url.startsWith(clover.origin))
  }
  const siteless = await simulator(t, app({ siteUrl: undefined }))
  t.match((await new Browser(siteless).open(`/oauth/v2/authorize?client_id=${appId}`)).text, 'no Site URL')
  t.equal((await new Browser(siteless).open(authorizePath({ redirect_uri: 'https://anywhere.example/x' }))).status, 200)
})

t.test('a redirect URI must lie below the Site URL', async t => {
  const clover = await simulator(t, app({ siteUrl: 'https://shop.example/app' }))
  const status = async (uri: string) => (await new Browser(clover).open(authorizePath({ redirect_uri: uri }))).status
  for (const good of ['/app', '/app/', '/app/clover/callback', '/app?x=1']) t.equal(await status(`https://shop.example${good}`), 200, good)
  for (const bad of ['/', '/apple', '/app/../other', '/app/%2e%2e/other']) t.equal(await status(`https://shop.example${bad}`), 400, bad)
  const slash = await simulator(t, app({ siteUrl: 'https://shop.example/app/' }))
  t.equal((await new Browser(slash).open(authorizePath({ redirect_uri: 'https://shop.example/app/x' }))).status, 200)
})

t.test('unknown: plain http on localhost may do or not', async t => {
  for (const httpLocalhost of [true, false]) {
    const clover = await simulator(t, { ...app({ siteUrl: 'http://localhost:3000/' }), unknowns: { httpLocalhost } })
    const browser = await new Browser(clover).open(authorizePath({ redirect_uri: 'http://localhost:3000/cb' }))
    t.equal(browser.status, httpLocalhost ? 200 : 400)
  }
})

t.test('a low-trust app needs a challenge; unknown: also its method', async t => {
  const status = async (query: Record<string, string>, unknowns = {}) =>
    (await new Browser(await simulator(t, { unknowns })).open(authorizePath({ client_id: lowId, ...query }))).status
  t.equal(await status({}), 400)
  t.equal(await status({ code_challenge: codeChallenge }), 200)
  t.equal(await status({ code_challenge: codeChallenge }, { requireChallengeMethod: true }), 400)
  t.equal(await status({ code_challenge: codeChallenge, code_challenge_method: 'S256' }, { requireChallengeMethod: true }), 200)
})

t.test('the challenge of the authorize page is the one that the verifier must meet', async t => {
  const clover = await simulator(t)
  clover.authorize({ merchantId, appId: lowId, codeChallenge })
  const browser = await new Browser(clover).open(authorizePath({ client_id: lowId, merchant_id: merchantId, code_challenge: codeChallenge }))
  await browser.press('Robin Reyes')
  const response = await fetch(`${clover.origin}/oauth/v2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'test/1.0' },
    body: JSON.stringify({ client_id: lowId, code: browser.query.code, code_verifier: 'v'.repeat(43) })
  })
  t.equal(response.status, 200)
})

t.test('v1: a legacy code, or a token in the fragment', async t => {
  const clover = await simulator(t, app())
  const browser = await new Browser(clover).open(authorizePath({ merchant_id: merchantId }, '/oauth/authorize'))
  await (await browser.press('Robin Reyes')).press('Approve')
  const { code = '' } = browser.query
  t.equal(await exchange(clover, code), 401)
  const query = new URLSearchParams({ client_id: appId, client_secret: String(clover.apps[0]?.secret), code })
  t.equal((await fetch(`${clover.origin}/oauth/token?${String(query)}`, { headers: { 'user-agent': 'test/1.0' } })).status, 200)

  await browser.open(authorizePath({ merchant_id: merchantId, response_type: 'token' }, '/oauth/authorize'))
  const { hash } = new URL(browser.url)
  t.match(hash, /^#access_token=[^&]+$/)
  t.ok(clover.isLiveAccessToken(hash.replace('#access_token=', '')))
  t.same(browser.query, { merchant_id: merchantId, employee_id: 'ROBINREYES001', client_id: appId, state: 'a&b <c>' })
})

t.test('the implicit flow may bring everything in the fragment, a denial too', async t => {
  const clover = await simulator(t, { ...app(), unknowns: { implicitParameters: 'fragment' } })
  const path = authorizePath({ merchant_id: merchantId, response_type: 'token' }, '/oauth/authorize')
  const fragment = ({ url }: Browser) => Object.fromEntries(new URLSearchParams(new URL(url).hash.slice(1)))
  const denied = await new Browser(clover).open(path)
  await denied.press('Robin Reyes')
  await denied.press('Deny')
  t.same(fragment(denied), { error: 'access_denied', error_description: 'The merchant denied the request', state: 'a&b <c>' })
  t.same(denied.query, {})
  const approved = await new Browser(clover).open(path)
  await approved.press('Robin Reyes')
  await approved.press('Approve')
  const { access_token: token, ...rest } = fragment(approved)
  t.ok(clover.isLiveAccessToken(String(token)))
  t.same(rest, { merchant_id: merchantId, employee_id: 'ROBINREYES001', client_id: appId, state: 'a&b <c>' })
  t.same(approved.query, {})
})

t.test('a merchant without the app is led to the App Market, and from there to the app', async t => {
  const clover = await simulator(t, { ...app({ launchUrl: 'https://shop.example/launch' }), notInstalled: 'app-market' })
  const browser = await new Browser(clover).open(authorizePath({ merchant_id: merchantId }))
  await browser.press('Robin Reyes')
  t.match(browser.url, `/appmarket/apps/${appId}`)
  t.match(browser.text, 'See your orders')
  t.equal(clover.count('authorize', { merchantId, ok: true }), 2)
  const forged = await browser.open('/oauth/decision', new URLSearchParams({ decision: 'approve', request: authorizePath({ merchant_id: merchantId }) }))
  t.match(forged.url, '/appmarket', 'nor does a forged form go round it')
  await browser.press('Install')
  t.match(browser.url, /^https:\/\/shop\.example\/launch/)
  await browser.open(authorizePath({ merchant_id: merchantId }))
  t.match(browser.text, 'asks for access')

  t.match((await browser.open('/dashboard/open?app_id=SIMULATORAPP1&merchant_id=LARKSTREET001')).url, '/appmarket')
  t.match((await browser.open(`/appmarket/apps/${appId}`)).text, 'dashboard')
  t.equal((await browser.open('/appmarket/apps/NOSUCHAPP0000')).status, 404)
  t.equal((await browser.open('/appmarket/install', new URLSearchParams({ app_id: 'x', merchant_id: 'y' }))).status, 404)
})

t.test('the dashboard opens an app as Clover does at a launch', async t => {
  const clover = await simulator(t, app())
  const browser = await new Browser(clover).open('/')
  for (const { name, id } of clover.merchants) {
    t.match(unescape(browser.text), name)
    t.match(browser.text, id)
  }
  clover.setLaunchUrl(appId, 'https://shop.example/launch?own=1')
  await browser.follow('Open Loyalty')
  t.match(browser.url, /^https:\/\/shop\.example\/launch/)
  t.same(browser.query, { own: '1', merchant_id: merchantId, employee_id: 'ROBINREYES001', client_id: appId })
  await browser.open('/login', new URLSearchParams({ employee: 'Maya Lindgren', return_to: '/dashboard' }))
  t.match(browser.url, '/dashboard')
  await browser.follow('Open Loyalty')
  t.equal(browser.query.employee_id, 'MAYALINDGREN1')

  await (await browser.open('/')).follow('v1 flow')
  t.equal(await exchange(clover, browser.query.code), 401, 'its code is a legacy one')
  t.same(Object.keys(browser.query), ['merchant_id', 'employee_id', 'client_id', 'code'])

  await (await browser.open('/')).press('Uninstall')
  t.notMatch(browser.text, 'Uninstall')
  await browser.press('Log out')
  t.notMatch(browser.text, 'Maya Lindgren')

  t.throws(() => clover.setLaunchUrl(appId, 'http://evil.example/'), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
  t.throws(() => clover.setLaunchUrl('NOSUCHAPP0000', 'https://a.example/'), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
})

t.test('unknown: the name under which a launch brings the merchant', async t => {
  const clover = await simulator(t, { ...app({ launchUrl: 'https://shop.example/launch' }), unknowns: { launchParameter: 'merchantId' } })
  const browser = await (await new Browser(clover).open('/')).follow('Open Loyalty')
  t.same(browser.query, { merchantId, employee_id: 'ROBINREYES001', client_id: appId })
})

t.test('an app without a launch path is opened by the partial v1 flow, and one without any address is explained', async t => {
  const clover = await simulator(t, app())
  t.ok((await (await new Browser(clover).open('/')).follow('Open Loyalty')).query.code)
  const lost = await simulator(t, app({ siteUrl: undefined }))
  const browser = await new Browser(lost).open('/')
  t.notMatch(browser.text, 'v1 flow')
  await browser.follow('Open Loyalty')
  t.equal(browser.status, 409)
  t.match(browser.text, 'setLaunchUrl')
  t.match((await browser.open(`/dashboard/open?app_id=${appId}&merchant_id=${merchantId}&flow=v1`)).text, 'Site URL')
  t.equal((await browser.open('/dashboard/open?app_id=x&merchant_id=y')).status, 404)
  t.equal((await browser.open('/dashboard/open')).status, 400)
  t.equal((await browser.open('/dashboard/uninstall', new URLSearchParams({ app_id: appId, merchant_id: 'y' }))).status, 404)
})

t.test('thousands of merchants are found by name or id', async t => {
  const clover = await simulator(t, app())
  clover.addMerchants(3000)
  clover.addMerchant({ id: 'NEEDLE0000001', name: 'Needle <& Thread>' })
  const browser = await new Browser(clover).open('/?q=needle')
  t.match(browser.text, '1 of 3004')
  t.match(unescape(browser.text), 'Needle <& Thread>')
  t.equal((await browser.open('/')).text.match(/<h2>/g)?.length, 50)
  await (await browser.open(authorizePath())).press('Owner')
  t.match(browser.text, '50 of 3004')
  await browser.open(`${authorizePath()}&q=NEEDLE`)
  t.match(browser.text, '1 of 3004')
  t.match(browser.text, '<input type="hidden" name="state" value="a&#38;b &#60;c&#62;">')
  await browser.follow('Needle')
  t.notMatch(browser.url, /[?&]q=/)
  await browser.press('Approve')
  t.equal(browser.query.merchant_id, 'NEEDLE0000001')
})

t.test('nothing that comes from outside becomes markup, and pages load nothing', async t => {
  const evil = '"><script>alert(1)</script>\'&'
  const clover = await simulator(t, {
    apps: [{ id: appId, name: evil, siteUrl: 'https://shop.example/', launchUrl: 'https://shop.example/' }],
    merchants: [{ id: merchantId, name: evil, employees: [{ id: 'ROBINREYES001', name: evil }] }]
  })
  const browser = new Browser(clover)
  const pages = [
    () => browser.open(authorizePath({ state: evil, client_id: evil })),
    () => browser.open(authorizePath({ state: evil })),
    () => browser.press('&#34;'),
    () => browser.follow('&#34;'),
    () => browser.open(`/?q=${encodeURIComponent(evil)}`),
    () => browser.open('/'),
    () => browser.open(`/appmarket/apps/${appId}?merchant_id=${merchantId}`),
    () => browser.open(`/dashboard/open?app_id=${encodeURIComponent(evil)}&merchant_id=x`),
    () => browser.open(`/oauth/v2/authorize?client_id=a&client_id=${encodeURIComponent(evil)}`)
  ]
  for (const [index, visit] of pages.entries()) {
    await visit()
    t.notMatch(browser.text, '<script', `page ${index}`)
    t.notMatch(browser.text, /(?:src|@import|url\()/, `page ${index}`)
    t.match(browser.headers.get('content-security-policy'), "default-src 'none'")
    t.match(browser.headers.get('content-security-policy'), "frame-ancestors 'none'")
    t.equal(browser.headers.get('cache-control'), 'no-store')
    t.equal(browser.headers.get('referrer-policy'), 'no-referrer')
  }
  const json = await fetch(`${clover.origin}/v3/${encodeURIComponent(evil)}`)
  t.match(json.headers.get('content-type'), 'application/json')
})

t.test('a login leads back to the simulator and nowhere else', async t => {
  const clover = await simulator(t)
  for (const away of ['https://evil.example/', '//evil.example/', '/\\evil.example', 'http:///evil.example', 'javascript:alert(1)', 'http://[', '/.//evil.example', 'http://x//evil.example']) {
    const browser = await new Browser(clover).open('/login', new URLSearchParams({ employee: 'Robin Reyes', return_to: away }))
    t.equal(new URL(browser.url).origin, clover.origin, away)
  }
  const login = () => fetch(`${clover.origin}/login`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ employee: 'x', return_to: '/' }) })
  const response = await login()
  t.not((await login()).headers.get('set-cookie'), response.headers.get('set-cookie'))
  t.match(response.headers.get('set-cookie'), /^clover_simulator_\d+=[0-9a-f]{32}; Path=\/; HttpOnly; SameSite=Lax$/)
  t.equal((await new Browser(clover).open('/login', new URLSearchParams({ employee: '', return_to: '/' }))).status, 400)
})

t.test('a decision needs a log-in, a business and a request that can be answered', async t => {
  const clover = await simulator(t, app())
  const decide = (browser: Browser, request: string, decision = 'approve') => browser.open('/oauth/decision', new URLSearchParams({ decision, request }))
  const browser = new Browser(clover)
  t.match((await decide(browser, authorizePath({ merchant_id: merchantId }))).text, 'Log in')
  await browser.press('Robin Reyes')
  t.match((await decide(browser, authorizePath())).text, 'Choose a business')
  t.equal((await decide(browser, authorizePath({ redirect_uri: 'https://evil.example/' }))).status, 400)
  t.equal((await decide(browser, 'nonsense')).status, 400)
  t.equal((await decide(browser, authorizePath({ merchant_id: merchantId }), 'perhaps')).status, 400)
  t.match((await decide(browser, authorizePath({ merchant_id: merchantId }))).query, { merchant_id: merchantId })
  const json = await fetch(`${clover.origin}/oauth/decision`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })
  t.equal(json.status, 415)
})

t.test('a reset logs everybody out, and a forged session is nobody\'s', async t => {
  const clover = await simulator(t, app())
  const browser = await new Browser(clover).open('/login', new URLSearchParams({ employee: 'Robin Reyes', return_to: '/' }))
  t.match(browser.text, 'Robin Reyes')
  clover.reset()
  t.notMatch((await browser.open('/')).text, 'Robin Reyes')
  const { port } = new URL(clover.origin)
  const forged = await fetch(`${clover.origin}/`, { headers: { cookie: `other=1; clover_simulator_${port}=${'0'.repeat(32)}; junk` } })
  t.notMatch(await forged.text(), 'Log out')
})

t.test('webhooks are verified and sent, and an uninstall by hand is announced', async t => {
  const received: { auth: unknown, body: unknown }[] = []
  const host = Fastify()
  host.post('/hook', async request => { received.push({ auth: request.headers['x-clover-auth'], body: request.body }); return {} })
  const webhookUrl = `${await host.listen({ port: 0 })}/hook`
  t.teardown(() => host.close())
  const clover = await simulator(t, { ...app({ webhookUrl, webhookAuth: 'secret', launchUrl: 'https://shop.example/' }), notInstalled: 'app-market', now: () => 5 })

  const verified = await clover.verifyWebhook()
  t.match(verified, { status: 200, body: { verificationCode: /^[0-9a-f]{8}-[0-9a-f]{4}-/ } })
  t.same(received.pop(), { auth: undefined, body: verified.body })

  const event = { objectId: 'O:ORDER00000001', type: 'UPDATE', ts: 1 } as const
  t.equal((await clover.sendWebhook({ merchantId, events: [event] })).status, 200)
  t.same(received.pop(), { auth: 'secret', body: { appId, merchants: { [merchantId]: [event] } } })
  await clover.sendWebhook({ merchantId })
  const uninstalled = { auth: 'secret', body: { appId, merchants: { [merchantId]: [{ objectId: `A:${appId}`, type: 'DELETE', ts: 5 }] } } }
  t.same(received.pop(), uninstalled)

  const announced = async () => { while (received.length === 0) await sleep(1); return received.pop() }
  const browser = await new Browser(clover).open(`/appmarket/apps/${appId}?merchant_id=${merchantId}`)
  await browser.press('Install')
  t.match(await announced(), { body: { merchants: { [merchantId]: [{ type: 'CREATE' }] } } })
  await (await browser.open('/')).press('Uninstall')
  t.same(await announced(), uninstalled)

  await host.close()
  await browser.open(`/appmarket/apps/${appId}?merchant_id=${merchantId}`)
  await browser.press('Install')
  t.match(browser.url, 'https://shop.example/', 'a webhook that nobody takes stops nothing')
  await t.rejects((await simulator(t)).verifyWebhook(), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
  t.throws(() => clover.setWebhookUrl(appId, 'http://evil.example/'), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
  clover.setWebhookUrl(appId, 'http://localhost:1/')
  await t.rejects(clover.sendWebhooks({ [merchantId]: [event] }), { message: /fetch failed|bad port/ })
})
