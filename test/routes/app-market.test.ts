import t from 'tap'
import { approve, authorizeRequest, callbackUrl, connect, startOver } from '../harness/browser.js'
import { highTrust, merchantA, merchantB, startHost } from '../harness/host.js'

const appMarketUrl = 'https://www.clover.com/appmarket/apps/SIMULATORAPP1'
const marketLink = `<a href="${appMarketUrl}" target="_top" rel="noreferrer">See the app in Clover&#39;s App Market</a>`
const tryAgain = '<a href="/clover/launch" target="_top" rel="noreferrer">Try again</a>'

t.test('a merchant who starts on the app\'s own site is sent to authorize, with and without an App Market page', async t => {
  for (const options of [{}, { appMarketUrl }]) {
    const { browser } = await startHost(t, { options })
    const url = authorizeRequest(await browser().visit('/clover/launch'))
    t.equal(url.pathname, '/oauth/v2/authorize')
    t.equal(url.searchParams.has('merchant_id'), false)
  }
})

t.test('an error page for a problem that a merchant can solve links to the App Market, beside "Try again"', async t => {
  const { clover, browser, time } = await startHost(t, { options: { appMarketUrl } })
  const launched = async () => {
    const merchant = browser()
    return { merchant, launch: await merchant.visit(`/clover/launch?merchant_id=${merchantA}`) }
  }
  const fails: Array<[string, () => Promise<{ statusCode: number, body: string }>]> = [
    ['FST_CLOVER_DENIED', async () => { const { merchant, launch } = await launched(); return merchant.visit(callbackUrl(launch, { error: 'access_denied' })) }],
    ['FST_CLOVER_MERCHANT_MISMATCH', async () => { const { merchant, launch } = await launched(); return merchant.visit(approve(clover, launch, { edit: { merchant_id: merchantB } })) }],
    ['FST_CLOVER_PERMISSION', async () => {
      clover.fault({ on: 'merchant', kind: 'status', status: 401 })
      return connect(browser(), clover, merchantA)
    }],
    // An expired launch starts over, if the browser keeps cookies.
    ['FST_CLOVER_STATE', async () => {
      const { merchant, launch } = await launched()
      const late = approve(clover, launch)
      time.pass(601_000)
      merchant.blocksCookies = true
      return startOver(merchant, late)
    }],
    ['FST_CLOVER_STATE', () => browser().visit('/clover/launch?merchant_id=short')]
  ]
  for (const [code, fail] of fails) {
    const { statusCode, body } = await fail()
    t.ok(statusCode >= 400 && statusCode < 500, `${code}: ${statusCode}`)
    t.match(body, `<code>${code}</code>`)
    t.match(body, `<p>${tryAgain}</p><p>${marketLink}</p>`, code)
  }
})

t.test('a page for a failure of the server, or for a frame, does not link to the App Market', async t => {
  const { clover, browser } = await startHost(t, { options: { appMarketUrl } })
  clover.fault({ on: 'token', kind: 'status', status: 500 })
  const failed = await connect(browser(), clover, merchantA)
  t.equal(failed.statusCode, 503)
  t.match(failed.body, tryAgain)
  t.notMatch(failed.body, 'App Market')
  const framed = await browser().visit('/clover/launch', { headers: { 'sec-fetch-dest': 'iframe' } })
  t.notMatch(framed.body, 'App Market')
})

t.test('the link is escaped, and is the only one if there is no launch route', async t => {
  const { browser } = await startHost(t, {
    options: { appMarketUrl: 'https://www.clover.com/appmarket/apps/X?a="><script>&b=\'', routes: { launch: false, refresh: false } }
  })
  const { body } = await browser().visit('/clover/callback?error=access_denied')
  t.match(body, '<a href="https://www.clover.com/appmarket/apps/X?a=%22%3E%3Cscript%3E&#38;b=%27"')
  t.notMatch(body, /<script|Try again/)
})

t.test('without appMarketUrl no page mentions the App Market, and the option does not change the calls of onError', async t => {
  const plain = await startHost(t, { appId: highTrust })
  t.notMatch((await plain.browser().visit('/clover/callback?error=access_denied')).body, /App Market|https?:/)
  const calls: unknown[][] = []
  const { browser } = await startHost(t, { options: { appMarketUrl, onError: (...args) => { calls.push(args); return 'mine' } } })
  t.equal((await browser().visit('/clover/callback?error=access_denied')).body, 'mine')
  t.equal(calls[0]?.length, 3)
  t.notMatch(JSON.stringify(calls[0]?.[2]), 'appmarket')
})
