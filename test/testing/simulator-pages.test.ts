import t from 'tap'
import { appId, merchantId, simulator, app, Browser, authorizePath } from './simulator-browser.js'

t.test('no input becomes markup, and pages load nothing', async t => {
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
