import t from 'tap'
import { type SimulatorOptions } from '../../src/testing/index.js'
import { appId, lowId, merchantId, redirectUri, codeChallenge, simulator, app, Browser, unescape, authorizePath, exchange } from './simulator-browser.js'

t.test('a merchant logs in, chooses a business and approves; the second time without a page', async t => {
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

t.test('nobody chooses or approves for a business at which they do not work, whatever they send', async t => {
  const clover = await simulator(t, app())
  const lark = authorizePath({ merchant_id: 'LARKSTREET001' })
  const browser = await new Browser(clover).open(authorizePath())
  await browser.press('Maya Lindgren')
  t.match(unescape(browser.text), 'Fern & Filter')
  t.notMatch(browser.text, /Lark Street|Tacos/, 'the list has her own')
  const forged = new URLSearchParams({ decision: 'approve', request: lark })
  for (const visit of [() => browser.open(lark), () => browser.open('/oauth/decision', forged)]) {
    await visit()
    t.match(browser.url, `${clover.origin}/oauth/v2/authorize`)
    t.match(browser.text, 'Maya Lindgren does not work at Lark Street Books.')
    t.notMatch(browser.text, 'Approve')
  }
  clover.authorize({ merchantId: 'LARKSTREET001' })
  t.match((await browser.open(lark)).text, 'does not work at', 'nor where the app is approved already')
  await browser.press('Jonas Okafor')
  t.match(browser.query, { merchant_id: 'LARKSTREET001', employee_id: 'JONASOKAFOR01' }, 'somebody else may')

  const owner = await new Browser(clover).open(authorizePath())
  await owner.press('Log in', { employee: 'Somebody New', pin: '1234' })
  for (const name of ['Fern', 'Lark Street', 'Tacos']) t.match(owner.text, name, 'a name of nobody owns them all')
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

t.test('an invalid request gets a page, and never a redirect', async t => {
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

t.test('unknown: plain http on localhost may be accepted or not', async t => {
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
  const query = new URLSearchParams({ client_id: appId, client_secret: String(clover.apps[0].secret), code })
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
