import t from 'tap'
import { States } from '../../src/routes/state.js'
import { approve, authorizeRequest, Browser, connect, setCookies } from '../harness/browser.js'
import { lowTrust, merchantA, merchantB, startHost, type Host } from '../harness/host.js'

/** The attributes of a Set-Cookie line by their lower-case names, and its name and value under '' keys. */
function attributes (line: string): Record<string, string> {
  const [pair = '', ...rest] = line.split('; ')
  return Object.fromEntries([['name', pair.slice(0, pair.indexOf('='))], ['value', pair.slice(pair.indexOf('=') + 1)],
    ...rest.map(part => { const [key = '', value = ''] = part.split('='); return [key.toLowerCase(), value] })])
}

t.test('a launch redirects to Clover\'s authorize page with a state, and stores nothing', async t => {
  const { browser } = await startHost(t)
  const reply = await browser().visit(`/clover/launch?merchant_id=${merchantA}&employee_id=ANYEMPLOYEE01&client_id=SIMULATORAPP1&unknown=ignored`)
  const { pathname, searchParams } = authorizeRequest(reply)
  t.equal(pathname, '/oauth/v2/authorize')
  t.same([...searchParams.keys()], ['client_id', 'redirect_uri', 'state', 'merchant_id'])
  t.match(Object.fromEntries(searchParams), { client_id: 'SIMULATORAPP1', redirect_uri: 'https://shop.example/clover/callback', merchant_id: merchantA })
  t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
})

t.test('the state cookie is HttpOnly, Lax, short-lived, without Domain, and on https Secure and __Host- (security 18)', async t => {
  const https = await startHost(t)
  const [line = ''] = setCookies(await https.browser().visit('/clover/launch'))
  const { name, value, ...rest } = attributes(line)
  t.same(rest, { 'max-age': '600', path: '/', httponly: '', secure: '', samesite: 'Lax' })
  t.match(name, /^__Host-clover-[0-9a-f]{8}-[0-9a-f]{8}$/)
  t.match(value, /^[A-Za-z0-9.+/_-]+$/)

  const http = await startHost(t, { options: { baseUrl: 'http://localhost:3000' } })
  const plain = attributes(setCookies(await http.browser().visit('/clover/launch'))[0] ?? '')
  t.match(plain.name, /^clover-[0-9a-f]{8}-[0-9a-f]{8}$/)
  t.notOk('secure' in plain)
  t.equal(plain.samesite, 'Lax')
})

t.test('an https address in capitals has a Secure cookie too (security 18)', async t => {
  const { browser } = await startHost(t, { options: { baseUrl: 'HTTPS://Shop.Example' } })
  const [line = ''] = setCookies(await browser().visit('/clover/launch'))
  t.match(line, /^__Host-.*; Secure/)
})

t.test('a state cookie has 512 bytes at most, with the longest return_to', async t => {
  const { clover, browser } = await startHost(t)
  const returnTo = `/${'é'.repeat(42)}${'x'.repeat(3)}`
  t.equal(new URL(returnTo, 'http://x').pathname.length, 256)
  const merchant = browser()
  const reply = await merchant.visit(`/clover/launch?merchant_id=${merchantA}&return_to=${encodeURIComponent(returnTo)}`)
  const { name = '', value = '' } = attributes(setCookies(reply)[0] ?? '')
  t.ok(`${name}=${value}`.length <= 512, `${name.length + value.length + 1} bytes`)
  t.equal((await merchant.visit(approve(clover, reply))).headers.location, new URL(returnTo, 'http://x').pathname)
})

t.test('five state cookies at most: the oldest is cleared, with the attributes that it was set with (security 5, security 9)', async t => {
  const { browser, time } = await startHost(t)
  const merchant = browser()
  const names: string[] = []
  for (let launch = 0; launch < 8; launch++) {
    const lines = setCookies(await merchant.visit('/clover/launch')).map(attributes)
    const set = lines.find(({ value }) => value !== '')
    names.push(set?.name ?? '')
    const cleared = lines.filter(({ value }) => value === '')
    t.same(cleared.map(({ name }) => name), launch < 5 ? [] : [names[launch - 5]])
    for (const line of cleared) {
      t.match(line, { 'max-age': '0', path: '/', httponly: '', secure: '', samesite: 'Lax' })
      t.equal('domain' in line, false)
    }
    time.pass(1000)
  }
  t.same((await merchant.stateCookies()).sort(), names.slice(3).sort())
})

t.test('the oldest is cleared in whatever order the browser sends its cookies (security 9)', async t => {
  const { browser, time } = await startHost(t)
  const merchant = browser()
  for (let launch = 0; launch < 5; launch++) {
    await merchant.visit('/clover/launch')
    time.pass(1000)
  }
  const [oldest = '', ...others] = (await merchant.jar.getCookieString('https://shop.example/')).split('; ')
  for (const cookies of [[oldest, ...others], [...others, oldest], [...others.slice(2), oldest, ...others.slice(0, 2)]]) {
    const cleared = setCookies(await merchant.visit('/clover/launch', { headers: { cookie: cookies.join('; ') } })).filter(line => line.includes('Max-Age=0'))
    t.same(cleared.map(line => line.slice(0, line.indexOf('='))), [oldest.slice(0, oldest.indexOf('='))])
  }
})

t.test('invalid state cookies are cleared at the next launch', async t => {
  const { browser, time } = await startHost(t)
  const merchant = browser()
  await merchant.visit('/clover/launch')
  const [old = ''] = await merchant.stateCookies()
  time.pass(601_000)
  const cleared = setCookies(await merchant.visit('/clover/launch')).map(attributes).filter(({ value }) => value === '')
  t.same(cleared.map(({ name }) => name), [old])
  t.equal((await merchant.stateCookies()).length, 1)
})

t.test('a flood of forged state cookies does not make the reply larger than a proxy accepts', async t => {
  const { browser } = await startHost(t)
  const merchant = browser()
  await merchant.visit('/clover/launch')
  const prefix = (await merchant.stateCookies())[0]?.slice(0, -8) ?? ''
  const cookie = Array.from({ length: 200 }, (_, index) => `${prefix}${index.toString(16).padStart(8, '0')}=forged`).join('; ')
  const reply = await merchant.visit('/clover/launch', { headers: { cookie } })
  t.equal(reply.statusCode, 302)
  t.ok(setCookies(reply).length <= 51)
})

t.test('a state has 128 random bits from the random source, and no two are alike (security 4)', async t => {
  const asked: number[] = []
  const { browser } = await startHost(t, {
    runtime: { random: bytes => { asked.push(bytes); return 'ab'.repeat(bytes) } }
  })
  const state = authorizeRequest(await browser().visit('/clover/launch')).searchParams.get('state')
  t.match(state, /^(?:ab){16}\.0\.0\.\d{10}\.[A-Za-z0-9_-]{43}$/)
  t.same(asked, [16])

  const real = await startHost(t)
  const states = new Set<string | null>()
  for (let launch = 0; launch < 200; launch++) states.add(authorizeRequest(await real.browser().visit('/clover/launch')).searchParams.get('state'))
  t.equal(states.size, 200)
})

t.test('a state is never made without a secret', async t => {
  const states = new States({ secrets: [], appId: 'A', environment: 'x', secure: true, wallClock: Date.now, random: bytes => 'ab'.repeat(bytes) })
  t.throws(() => states.mint({ round: 0, redirects: 0 }, undefined), /needs a cookie secret/)
})

t.test('merchant_id and merchantId both name the merchant; different ones are 400', async t => {
  const { browser } = await startHost(t)
  for (const query of [`merchant_id=${merchantA}`, `merchantId=${merchantA}`, `merchantId=${merchantA}&merchant_id=${merchantA}`]) {
    t.equal(authorizeRequest(await browser().visit(`/clover/launch?${query}`)).searchParams.get('merchant_id'), merchantA)
  }
  t.equal(authorizeRequest(await browser().visit('/clover/launch')).searchParams.has('merchant_id'), false)
  const reply = await browser().visit(`/clover/launch?merchant_id=${merchantA}&merchantId=${merchantB}`, { headers: { accept: '*/*' } })
  t.equal(reply.statusCode, 400)
  t.match(reply.json(), { code: 'FST_CLOVER_STATE', message: 'merchant_id and merchantId are different: send one of them.' })
  t.same(setCookies(reply), [])
})

t.test('a launch of another app is a 400 that says what to check', async t => {
  const { browser } = await startHost(t)
  const reply = await browser().visit(`/clover/launch?merchant_id=${merchantA}&client_id=${lowTrust}`, { headers: { accept: '*/*' } })
  t.equal(reply.statusCode, 400)
  t.match(reply.json(), { code: 'FST_CLOVER_STATE', message: /check the App ID/ })
})

t.test('repeated, malformed and oversized parameters are 400 (security 14)', async t => {
  const { clover, browser } = await startHost(t)
  const wrong = [`merchant_id=${merchantA}&merchant_id=${merchantA}`, `merchant_id=${merchantA}&merchant_id=${merchantB}`, 'merchant_id=', 'merchant_id=short', 'merchant_id=merchant0000a',
    `merchant_id=${merchantA}0`, `merchant_id=${merchantA}%0A`, `merchant_id=${merchantA}%00`, 'merchantId=<script>', `client_id=${'x'.repeat(65)}`, `employee_id=${'x'.repeat(65)}`,
    `code=${'x'.repeat(2049)}`, 'code=a&code=b', `return_to=/${'x'.repeat(256)}`, 'return_to=/a&return_to=/b', 'client_id=a&client_id=b', `merchant_id[]=${merchantA}&merchant_id[]=`]
  for (const query of wrong) {
    const reply = await browser().visit(`/clover/launch?${query}`)
    if (query.startsWith('merchant_id[]')) t.equal(reply.statusCode, 302, 'an unknown field is ignored')
    else {
      t.equal(reply.statusCode, 400, query)
      t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
      t.notMatch(reply.body, /xxxxx|<script>/, 'nothing of it is echoed')
    }
  }
  t.equal(clover.calls.length, 0)
})

t.test('a code in a launch is dropped (security 3)', async t => {
  const { clover, browser, leaks } = await startHost(t)
  const reply = await browser().visit(`/clover/launch?merchant_id=${merchantA}&code=canary-code-that-nobody-asked-for`)
  authorizeRequest(reply)
  t.same(leaks(`${reply.headers.location} ${setCookies(reply).join()}`, ['canary-code-that-nobody-asked-for']).filter(secret => secret.startsWith('canary')), [])
  t.equal(clover.calls.length, 0)
})

t.test('in a frame the launch answers with a page whose link opens at the top, and sets no cookie', async t => {
  const { clover, browser } = await startHost(t, { options: { baseUrl: 'https://shop.example/app' } })
  const merchant = browser()
  for (const kind of ['iframe', 'frame', 'embed', 'object']) {
    const reply = await merchant.visit(`/clover/launch?merchantId=${merchantA}&code=dropped-code&return_to=${encodeURIComponent('/orders?a="b&c')}`, { headers: { 'sec-fetch-dest': kind } })
    t.equal(reply.statusCode, 200)
    t.match(reply.headers, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'content-security-policy': /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'$/
    })
    t.same(setCookies(reply), [])
    const [, href = ''] = /<a href="([^"]+)" target="_top"/.exec(reply.body) ?? []
    t.notMatch(href, 'dropped-code')
    t.match(href, 'MERCHANT0000A&#38;return_to=', 'escaped')
    const link = href.replaceAll('&#38;', '&').replaceAll('&#34;', '"').replaceAll('&#39;', "'")
    t.match(link, /^\/app\/clover\/launch\?merchant_id=MERCHANT0000A&return_to=/)
    t.equal(new URL(link, 'https://x').searchParams.get('return_to'), '/orders?a=%22b&c')
    const launch = await merchant.visit(new URL(link, 'https://shop.example').href, { headers: { 'sec-fetch-dest': 'document' } })
    t.equal((await merchant.visit(approve(clover, launch))).headers.location, '/app/orders?a=%22b&c')
  }
  const bare = await merchant.visit('/clover/launch', { headers: { 'sec-fetch-dest': 'iframe' } })
  t.match(bare.body, '<a href="/app/clover/launch" target="_top"')
})

t.test('a launch in a frame with a wrong parameter is refused like any other', async t => {
  const { browser } = await startHost(t)
  const reply = await browser().visit('/clover/launch?return_to=//evil.example', { headers: { 'sec-fetch-dest': 'iframe' } })
  t.equal(reply.statusCode, 400)
  t.match(reply.headers['content-security-policy'], "frame-ancestors 'none'")
})

t.test('forged hosts change nothing, whatever trustProxy says (security 1, security 19)', async t => {
  const forged = {
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'http',
    'x-forwarded-for': '6.6.6.6',
    forwarded: 'host=evil.example;proto=http',
    'x-forwarded-prefix': '/evil',
    origin: 'https://evil.example',
    referer: 'https://evil.example/'
  }
  for (const trustProxy of [true, false]) {
    const { browser, clover } = await startHost(t, { fastify: { trustProxy } })
    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`, { headers: forged })
    t.equal(authorizeRequest(launch).searchParams.get('redirect_uri'), 'https://shop.example/clover/callback')
    t.match(setCookies(launch)[0], /^__Host-.*Secure/)
    const reply = await merchant.visit(approve(clover, launch), { headers: forged })
    t.equal(reply.statusCode, 302)
    t.equal(reply.headers.location, '/')
    const framed = await merchant.visit('/clover/launch', { headers: { ...forged, 'sec-fetch-dest': 'iframe' } })
    for (const { headers, body } of [launch, reply, framed]) t.notMatch(JSON.stringify(headers) + body, 'evil')
  }
})

t.test('the redirect URI is made from baseUrl, the scope\'s prefix and the callback\'s path', async t => {
  const cases: Array<[string, string | undefined, string, string]> = [
    ['https://shop.example', undefined, '/clover/callback', 'https://shop.example/clover/callback'],
    ['https://shop.example/', undefined, '/done', 'https://shop.example/done'],
    ['https://shop.example:443/apps/', undefined, '/done', 'https://shop.example/apps/done'],
    ['https://shop.example/apps', '/eu', '/done', 'https://shop.example/apps/eu/done'],
    ['https://shop.example', '/eu/', '/done', 'https://shop.example/eu/done'],
    ['http://localhost:3000', '/eu', '/done', 'http://localhost:3000/eu/done']
  ]
  for (const [baseUrl, prefix, path, expected] of cases) {
    const host: Host = await startHost(t, {
      ...(prefix !== undefined && { prefix }), options: { baseUrl, routes: { refresh: false, callback: path, launch: { path: '/open' } }, onConnect: () => '/home?a=b' }
    })
    const merchant = new Browser(host.app, baseUrl)
    const inScope = (prefix ?? '').replace(/\/$/, '')
    const launch = await merchant.visit(`${inScope}/open?merchant_id=${merchantA}`)
    t.equal(authorizeRequest(launch).searchParams.get('redirect_uri'), expected)
    const reply = await merchant.visit(approve(host.clover, launch))
    t.equal(reply.headers.location, `${new URL(baseUrl).pathname.replace(/\/$/, '')}/home?a=b`, 'a path of the app is below its public path')
    t.notOk(host.leaks(host.logs.join('')).length)
  }
})

t.test('a scope whose prefix has a parameter is refused, since the redirect URI is made from it', async t => {
  await t.rejects(startHost(t, { prefix: '/:tenant' }), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /^the scope's prefix must have no parameters/ })
  const { app } = await startHost(t, { prefix: '/:tenant', options: { routes: { launch: false, callback: false, refresh: { guard: 'inherited' } } } })
  t.equal((await app.inject({ method: 'POST', url: '/any/clover/refresh', payload: { merchant_id: merchantA } })).statusCode, 409)
})

t.test('the paths of the routes can be chosen', async t => {
  const { app, browser, clover } = await startHost(t, { options: { routes: { launch: '/open', callback: { path: '/done' }, refresh: false } } })
  t.equal((await connect(browser(), clover, merchantA, '/open')).statusCode, 302)
  t.equal((await app.inject('/clover/launch')).statusCode, 404)
  t.equal((await app.inject({ method: 'POST', url: '/clover/refresh', payload: {} })).statusCode, 404)
})

t.test('a cookie whose name could not be cleared does not stop a launch', async t => {
  const { app, browser } = await startHost(t)
  const [line = ''] = setCookies(await browser().visit('/clover/launch'))
  const prefix = String(attributes(line).name).slice(0, -8)
  for (const name of [`${prefix}a b`, `${prefix}\u00e9`, `${prefix}(x)`]) {
    t.equal((await app.inject({ url: '/clover/launch', headers: { cookie: `${name}=1` } })).statusCode, 302, name)
  }
})
