import t from 'tap'
import { approve, callbackUrl, startOver } from '../harness/browser.js'
import { merchantA, startHost } from '../harness/host.js'

t.test('a browser gets a short, escaped page that cannot be framed or cached (security 16)', async t => {
  const { browser, logs } = await startHost(t, { options: { baseUrl: 'https://shop.example/app', routes: { refresh: false, launch: '/open' } } })
  const merchant = browser()
  const launch = await merchant.visit('/open')
  for (const [query, statusCode, title, code] of [
    [{ error: 'access_denied' }, 403, 'The app was not connected', 'FST_CLOVER_DENIED'],
    [{ merchant_id: '"><script>alert(1)</script>' }, 400, 'The app could not be opened', 'FST_CLOVER_STATE'],
    [{ client_id: '<b>other</b>' }, 400, 'The app could not be opened', 'FST_CLOVER_STATE']
  ] as const) {
    const url = callbackUrl(launch, query)
    const reply = await merchant.visit(url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
    t.equal(reply.statusCode, statusCode)
    t.match(reply.headers, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'content-security-policy': /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/
    })
    t.match(reply.body, `<h1>${title}</h1>`)
    t.match(reply.body, `<code>${code}</code>`)
    t.match(reply.body, '<a href="/app/open" target="_top" rel="noreferrer">Try again</a>')
    t.notMatch(reply.body, /<script|<b>|src=|url\(|@import|https?:/, 'loads and runs nothing')
    t.equal(new URL(url).searchParams.has('state'), true)
  }
  t.ok(logs.some(line => line.includes('FST_CLOVER_DENIED')), 'the log has the error')
})

t.test('the page for a failure of the server has retry-after, and no link without a launch route', async t => {
  const { clover, browser } = await startHost(t, { options: { routes: { launch: false, refresh: false } } })
  const merchant = browser()
  const question = await merchant.visit(`/clover/callback?merchant_id=${merchantA}`)
  const restart = await merchant.visit(String(question.headers.location)) // it keeps cookies
  clover.fault({ on: 'token', kind: 'status', status: 503, headers: { 'retry-after': '4' } })
  const reply = await merchant.visit(approve(clover, restart))
  t.equal(reply.statusCode, 503)
  t.equal(reply.headers['retry-after'], '4')
  t.match(reply.body, '<h1>That did not work just now</h1>')
  t.notMatch(reply.body, '<a ')
})

t.test('the page of a failed callback has a link that starts again', async t => {
  const { clover, storage, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  clover.fault({ on: 'token', kind: 'status', status: 500 })
  const callback = approve(clover, launch)
  const failed = await merchant.visit(callback)
  t.equal(failed.statusCode, 503)
  const reload = await startOver(merchant, callback)
  t.equal((await merchant.visit(approve(clover, reload))).headers.location, '/')
  t.ok(await storage.get(merchantA))
})
