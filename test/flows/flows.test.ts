import { createHash } from 'node:crypto'
import { CookieJar } from 'tough-cookie'
import t from 'tap'
import { deriveStateKeys } from '../../src/routes/keys.js'
import { environments, type EnvironmentOption } from '../../src/environments.js'
import { approve, authorizeRequest, connect } from '../harness/browser.js'
import { cookieSecret, highTrust, lowTrust, merchantA, startHost } from '../harness/host.js'

t.test('v2, high trust: launch, callback, token, refresh, and the secret goes only into the exchange (security 21)', async t => {
  const bodies: Array<[string, string]> = []
  const { app, clover, browser, time } = await startHost(t, {
    runtime: { fetch: async (input, init) => { bodies.push([String(input), String(init?.body ?? '')]); return fetch(input, init) } }
  })
  const secret = clover.apps[0].secret
  t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  const first = await app.clover.accessToken(merchantA)
  time.pass(31 * 60_000)
  const second = await app.clover.accessToken(merchantA)
  t.not(second, first)
  t.ok(clover.isLiveAccessToken(second))
  t.same(clover.calls.map(({ endpoint, fields }) => [endpoint, ...fields]), [['token', 'client_id', 'client_secret', 'code'], ['merchant'], ['refresh', 'client_id', 'refresh_token']])
  t.ok(bodies.every(([url]) => !url.includes(String(secret))))
  t.same(bodies.map(([, body]) => body.includes(String(secret))), [true, false, false])
})

t.test('v2, low trust: PKCE is S256, the verifier is in no URL and no cookie, and no secret is sent (security 10)', async t => {
  const calls: string[] = []
  const { app, clover, browser, time, logs } = await startHost(t, {
    appId: lowTrust,
    runtime: { fetch: async (input, init) => { calls.push(`${String(input)} ${String(init?.body ?? '')}`); return fetch(input, init) } }
  })
  const challenges = new Set<string | null>()
  for (let visit = 0; visit < 2; visit++) {
    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
    const { searchParams } = authorizeRequest(launch)
    t.equal(searchParams.get('code_challenge_method'), 'S256')
    challenges.add(searchParams.get('code_challenge'))
    const callback = approve(clover, launch)
    const reply = await merchant.visit(callback)
    t.equal(reply.headers.location, '/')
    const [, body = '{}'] = /token(?:\?no_refresh_token=true)? (\{.*)$/.exec(calls.findLast(call => call.includes('/oauth/v2/token')) ?? '') ?? []
    const sent = JSON.parse(body) as Record<string, string>
    t.same(Object.keys(sent), ['client_id', 'code', 'code_verifier'])
    const verifier = sent.code_verifier ?? ''
    t.match(verifier, /^[A-Za-z0-9._~-]{43,128}$/)
    t.equal(createHash('sha256').update(verifier).digest('base64url'), searchParams.get('code_challenge'))
    for (const seen of [callback, JSON.stringify(launch.headers), JSON.stringify(reply.headers), merchant.cookieValues.join(), logs.join('')]) t.notMatch(seen, verifier)
  }
  t.equal(challenges.size, 2, 'each launch has a verifier of its own')
  time.pass(31 * 60_000)
  t.ok(clover.isLiveAccessToken(await app.clover.accessToken(merchantA)))
  t.notMatch(calls.join('\n'), 'client_secret')
})

t.test('with PKCE the codes of two launches in flight cannot be swapped (security 11)', async t => {
  const { clover, storage, browser } = await startHost(t, { appId: lowTrust })
  const [one, two] = [browser(), browser()]
  const [first, second] = [await one.visit('/clover/launch'), await two.visit('/clover/launch')]
  const code = new URL(approve(clover, second, { merchantId: merchantA })).searchParams.get('code') ?? ''
  const reply = await one.visit(approve(clover, first, { merchantId: merchantA, edit: { code } }))
  t.equal(reply.statusCode, 403)
  t.match(reply.body, 'FST_CLOVER_DENIED')
  t.equal(await storage.get(merchantA), undefined)
})

t.test('the keys of one secret are separate for each purpose, app and environment (security 31)', async t => {
  const keys = [deriveStateKeys(cookieSecret, 'A', 'x'), deriveStateKeys(cookieSecret, 'B', 'x'), deriveStateKeys(cookieSecret, 'A', 'y'), deriveStateKeys(`${cookieSecret}.`, 'A', 'x'), deriveStateKeys(cookieSecret, 'A","x', '')]
  const made = keys.flatMap(({ state, cookie, verifier }) => [state.sign('id'), cookie.sign('id'), verifier('id')])
  t.equal(new Set(made).size, 15)
  t.equal(deriveStateKeys(cookieSecret, 'A', 'x').verifier('id'), keys[0]?.verifier('id'), 'and every server derives the same')
})

t.test('v1: authorize at the legacy origin, a token without expiry, and its secret-bearing URL is in no log (security 21)', async t => {
  const { app, clover, storage, browser, time } = await startHost(t, { options: { flow: 'v1' } })
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const { pathname, searchParams } = authorizeRequest(launch)
  t.equal(pathname, '/oauth/authorize')
  t.equal(searchParams.get('response_type'), 'code')
  t.equal((await merchant.visit(approve(clover, launch))).headers.location, '/')
  t.match(await storage.get(merchantA), { flow: 'v1', accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null, dueAt: null })
  time.pass(300 * 86_400_000)
  t.ok(clover.isLiveAccessToken(await app.clover.accessToken(merchantA)))
  t.same(clover.calls.map(({ endpoint }) => endpoint), ['legacyToken', 'merchant'])
})

t.test('each environment, and each origin overridden, is where the browser is sent and where calls go', async t => {
  const cases: Array<[EnvironmentOption, string, string, string]> = [
    ['sandbox', 'https://sandbox.dev.clover.com', 'https://sandbox.dev.clover.com', 'https://apisandbox.dev.clover.com'],
    ['north-america', 'https://www.clover.com', 'https://www.clover.com', 'https://api.clover.com'],
    ['europe', 'https://www.eu.clover.com', 'https://eu.clover.com', 'https://api.eu.clover.com'],
    ['latin-america', 'https://www.la.clover.com', 'https://la.clover.com', 'https://api.la.clover.com'],
    [{ base: 'sandbox', authorize: 'https://apisandbox.dev.clover.com' }, 'https://apisandbox.dev.clover.com', 'https://sandbox.dev.clover.com', 'https://apisandbox.dev.clover.com'],
    [{ base: 'europe', legacy: 'https://legacy.example' }, 'https://www.eu.clover.com', 'https://legacy.example', 'https://api.eu.clover.com'],
    [{ base: 'europe', api: 'https://api.example' }, 'https://www.eu.clover.com', 'https://eu.clover.com', 'https://api.example'],
    [{ name: 'mars', authorize: 'https://a.example', api: 'https://b.example', legacy: 'https://c.example' }, 'https://a.example', 'https://c.example', 'https://b.example']
  ]
  t.equal(Object.keys(environments).length, 4)
  for (const [environment, authorize, legacy, api] of cases) {
    for (const flow of ['v2', 'v1'] as const) {
      const called: string[] = []
      const { browser } = await startHost(t, {
        options: { environment, flow },
        runtime: {
          fetch: async input => {
            called.push(new URL(String(input)).origin + new URL(String(input)).pathname)
            return Response.json({ access_token: 'a-token-of-mars', refresh_token: 'a-refresh-token', access_token_expiration: 4e9, refresh_token_expiration: 4e9, id: merchantA })
          }
        }
      })
      const merchant = browser()
      const { origin, pathname, searchParams } = authorizeRequest(await merchant.visit(`/clover/launch?merchant_id=${merchantA}`))
      t.equal(origin, flow === 'v1' ? legacy : authorize)
      t.equal(pathname, flow === 'v1' ? '/oauth/authorize' : '/oauth/v2/authorize')
      const reply = await merchant.visit(`/clover/callback?code=a-code-of-mars&merchant_id=${merchantA}&state=${searchParams.get('state') ?? ''}`)
      t.equal(reply.headers.location, '/')
      t.same(called, [flow === 'v1' ? `${legacy}/oauth/token` : `${api}/oauth/v2/token`, `${api}/v3/merchants/${merchantA}`])
    }
  }
})

/** Goes from page to page over HTTP as a person would. */
class Person {
  readonly #jar = new CookieJar()

  async go (url: string, form?: Record<string, string>): Promise<{ url: string, html: string, status: number }> {
    const response = await fetch(url, {
      redirect: 'manual', headers: { cookie: await this.#jar.getCookieString(url), accept: 'text/html' }, ...(form && { method: 'POST', body: new URLSearchParams(form) })
    })
    for (const line of response.headers.getSetCookie()) await this.#jar.setCookie(line, url)
    const location = response.headers.get('location')
    const html = await response.text()
    return location === null ? { url, html, status: response.status } : this.go(new URL(location, url).href)
  }
}

/** The value of an attribute as a browser reads it. */
function unescape (text: string): string {
  return text.replace(/&#(\d+);/g, (_match, code: string) => String.fromCharCode(Number(code))).replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

t.test('a person opens the app from Clover\'s dashboard, logs in, approves, and arrives; another denies', async t => {
  const seen: unknown[] = []
  const { app, clover, url } = await startHost(t, {
    listens: 'localhost',
    options: { onConnect: (_request, _reply, connection) => { seen.push(connection) } },
    after: app => { app.get('/', async () => 'welcome') }
  })
  clover.setLaunchUrl(highTrust, `${url}/clover/launch`)

  const person = new Person()
  const login = await person.go(`${clover.origin}/dashboard/open?app_id=${highTrust}&merchant_id=FERNFILTER001`)
  t.match(login.html, '<h1>Log in</h1>')
  const [, returnTo = ''] = /name="return_to" value="([^"]+)"/.exec(login.html) ?? []
  const consent = await person.go(new URL('/login', login.url).href, { return_to: unescape(returnTo), employee: 'Maya Lindgren' })
  t.match(consent.html, 'asks for access')
  const [, request = ''] = /name="request" value="([^"]+)"/.exec(consent.html) ?? []
  const arrived = await person.go(new URL('/oauth/decision', consent.url).href, { request: unescape(request), decision: 'approve' })
  t.match(arrived, { url: `${url}/`, html: 'welcome', status: 200 })
  t.same(seen, [{ merchantId: 'FERNFILTER001', employeeId: 'MAYALINDGREN1', isNew: true }])
  t.ok(clover.isLiveAccessToken(await app.clover.accessToken('FERNFILTER001')))

  const again = await person.go(`${url}/clover/launch`)
  t.match(again.html, '<h1>Choose a business</h1>')
  const [, href = ''] = /<a class="button choice" href="([^"]*FERNFILTER001[^"]*)"/.exec(again.html) ?? []
  t.match((await person.go(new URL(unescape(href), again.url).href)).html, 'welcome', 'a merchant who approved once comes through at once')
  t.match(seen[1], { merchantId: 'FERNFILTER001', isNew: false })

  const other = new Person()
  const page = await other.go(`${url}/clover/launch?merchant_id=LARKSTREET001`)
  const [, back = ''] = /name="return_to" value="([^"]+)"/.exec(page.html) ?? []
  const asked = await other.go(new URL('/login', page.url).href, { return_to: unescape(back), employee: 'Jonas Okafor' })
  const [, asking = ''] = /name="request" value="([^"]+)"/.exec(asked.html) ?? []
  const refused = await other.go(new URL('/oauth/decision', asked.url).href, { request: unescape(asking), decision: 'deny' })
  t.equal(refused.status, 403)
  t.match(refused.html, 'The app was not connected')
  t.equal(await app.clover.installation('LARKSTREET001'), undefined)
})
