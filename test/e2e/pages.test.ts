import type { FastifyInstance } from 'fastify'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import type { CloverSimulator } from '../../src/testing/index.js'
import { startHost } from '../harness/host.js'
import { findChromium, newPageWithoutCookies, newPhone, startChromium } from './browser.js'

/*
 * The plugin's own pages in a real browser on a phone's screen. With SCREENSHOTS set to a folder, what it shows is kept there.
 */

const { path, skip } = findChromium()
/** Each test has a context of its own in it: cookies and pages are not shared. */
const browser = (skip ? undefined : await startChromium(path)) as Browser
if (!skip) t.teardown(() => browser.close())
const { SCREENSHOTS } = process.env
const listens = 'localhost'
const implicit = { flow: 'v1', dangerouslyUseImplicitFlow: true } as const

function addOrders (app: FastifyInstance): void {
  app.get('/orders', (_request, reply) => reply.type('text/html').send('<!doctype html><title>Orders</title><link rel="icon" href="data:,"><h1>Your orders</h1>'))
}

/** Keeps what the browser shows, for somebody to look at. */
async function look (page: Page, name: string): Promise<void> {
  if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true })
}

t.test('a merchant who did not approve finds the app in the App Market', { skip, timeout: 60_000 }, async t => {
  const { url, clover } = await startHost(t, { listens, options: ({ origin }) => ({ appMarketUrl: `${origin}/appmarket/apps/SIMULATORAPP1` }) })
  const { page, errors } = await newPhone(browser)
  await page.goto(`${url}/clover/launch`)
  await page.getByRole('button', { name: 'Robin Reyes' }).click()
  await page.getByRole('link', { name: 'Lark Street Books' }).click()
  await page.getByRole('button', { name: 'Deny' }).click()
  await page.getByRole('heading', { name: 'The app was not connected' }).waitFor()
  await look(page, 'app-market')
  t.equal(await page.getByRole('link').count(), 2)
  t.ok(await page.getByRole('link', { name: 'Try again' }).isVisible())
  await page.getByRole('link', { name: 'See the app in Clover\'s App Market' }).click()
  await page.getByText('App Market').first().waitFor()
  t.equal(page.url(), `${clover.origin}/appmarket/apps/SIMULATORAPP1`)
  t.same(errors, [])
})

/** Clover opens an app that has no Alternate Launch Path: the browser comes to the callback with a code of the old flow. */
function openByOldFlow (clover: CloverSimulator, url: string): string {
  return `${url}/clover/callback?${new URLSearchParams({ ...clover.authorize({ merchantId: 'LARKSTREET001', legacy: true }) })}`
}

t.test('without an Alternate Launch Path a merchant may leave the approval page, open the app again, and again, and then approve', { skip, timeout: 60_000 }, async t => {
  const { url, clover, app } = await startHost(t, { listens, options: { onConnect: () => '/orders' }, simulator: { alwaysAsk: true }, before: addOrders })
  const { page, errors } = await newPhone(browser)
  await page.goto(openByOldFlow(clover, url))
  await page.getByRole('button', { name: 'Robin Reyes' }).click()
  const approve = page.getByRole('button', { name: 'Approve' })
  await approve.waitFor()
  for (let again = 1; again <= 2; again++) {
    await page.goto(openByOldFlow(clover, url))
    await approve.waitFor()
    t.equal(new URL(page.url()).origin, clover.origin)
  }
  await approve.click()
  await page.getByRole('heading', { name: 'Your orders' }).waitFor()
  t.ok(await app.clover.installation('LARKSTREET001'))
  t.same((await page.context().cookies()).filter(({ name, value }) => name.startsWith('clover-') && value === ''), [])
  t.same(errors, [])
})

t.test('a callback that this server did not ask for leads to Clover each time that it is opened', { skip, timeout: 60_000 }, async t => {
  const { url, clover } = await startHost(t, { listens })
  const { page, errors } = await newPhone(browser)
  for (let visit = 1; visit <= 3; visit++) {
    await page.goto(`${url}/clover/callback?code=abc&state=xyz`)
    await page.getByRole('button', { name: 'Robin Reyes' }).waitFor()
    t.equal(new URL(page.url()).origin, clover.origin)
  }
  t.same(errors, [])
})

t.test('a browser that is set to keep no cookies sees how to help itself', { skip, timeout: 60_000 }, async t => {
  const { url, clover } = await startHost(t, { listens })
  const page = await newPageWithoutCookies(t, path)
  for (const address of [openByOldFlow(clover, url), `${url}/clover/callback?code=abc&state=xyz`]) {
    await page.goto(address)
    await page.getByText('allow cookies for this site').waitFor()
    t.equal(new URL(page.url()).origin, url)
  }
  await look(page, 'no-cookies')
})

t.test('a browser whose state is lost on the way is not sent round without end', { skip, timeout: 60_000 }, async t => {
  const { url } = await startHost(t, { listens, simulator: { unknowns: { echoState: false } } })
  const { page, errors } = await newPhone(browser)
  await page.goto(`${url}/clover/launch`)
  await page.getByRole('button', { name: 'Robin Reyes' }).click()
  await page.getByRole('link', { name: 'Lark Street Books' }).click()
  await page.getByRole('button', { name: 'Approve' }).click()
  // From here on nobody clicks: the merchant is logged in and has approved.
  await page.getByText('wait half a minute, and open the app from Clover again').waitFor()
  await look(page, 'lost-state')
  t.equal(new URL(page.url()).pathname, '/clover/callback')
  t.same(errors, [])
})

t.test('the implicit flow connects a merchant in a real browser, wherever Clover puts what is not the token', { skip, timeout: 120_000 }, async t => {
  for (const implicitParameters of ['query', 'fragment'] as const) {
    const requests: string[] = []
    const { url, clover, app } = await startHost(t, {
      listens,
      options: { ...implicit, onConnect: () => '/orders' },
      simulator: { unknowns: { implicitParameters } },
      before: app => {
        app.addHook('onRequest', async request => { requests.push(`${request.method} ${request.url} ${String(request.headers.referer)}`) })
        addOrders(app)
      }
    })
    const { page, errors } = await newPhone(browser)
    // Every address that the browser ever showed.
    const addresses: string[] = []
    page.on('framenavigated', frame => addresses.push(frame.url()))
    await page.goto(`${url}/clover/launch`)
    await page.getByRole('button', { name: 'Robin Reyes' }).click()
    await page.getByRole('link', { name: 'Lark Street Books' }).click()
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByRole('heading', { name: 'Your orders' }).waitFor()
    await look(page, `implicit-${implicitParameters}-done`)
    t.equal(page.url(), `${url}/orders`)
    const token = await app.clover.accessToken('LARKSTREET001')
    t.ok(clover.isLiveAccessToken(token), 'the token is stored')
    t.same(requests.filter(line => line.includes(token)), [], 'and was in no address or referrer that the server saw')
    t.equal(requests.filter(line => line.startsWith('POST /clover/callback ')).length, 1)
    t.ok(addresses.includes(`${url}/clover/callback`), 'the address bar was cleaned before the post')
    t.same((await page.context().cookies()).filter(({ name }) => name.startsWith('clover-')), [], 'no state cookie is left')
    await page.goBack()
    await page.getByRole('link', { name: 'Try again' }).waitFor()
    t.equal(page.url(), `${url}/clover/callback`, 'going back finds no token, and says how to begin again')
    t.same(errors, [], 'the browser reports no error, of scripts or of the Content-Security-Policy')
  }
})

t.test('in the implicit flow a denial, another merchant\'s token and a missing script are told', { skip, timeout: 120_000 }, async t => {
  const { url, clover, app } = await startHost(t, { listens, options: implicit, simulator: { unknowns: { implicitParameters: 'fragment' }, alwaysAsk: true } })
  const { page, errors } = await newPhone(browser)
  await page.goto(`${url}/clover/launch?merchant_id=LARKSTREET001`)
  await page.getByRole('button', { name: 'Robin Reyes' }).click()
  await page.getByRole('button', { name: 'Deny' }).click()
  await page.getByRole('heading', { name: 'The app was not connected' }).waitFor()
  t.equal(page.url(), `${url}/clover/callback`)
  await look(page, 'implicit-denied')

  // A token of another merchant, pasted into the address.
  await page.goto(`${url}/clover/launch?merchant_id=LARKSTREET001`)
  const state = String(new URL(page.url()).searchParams.get('state'))
  const foreign = clover.legacyToken({ merchantId: 'TOMASTACOS001' })
  await page.goto(`${url}/clover/callback?merchant_id=LARKSTREET001&state=${state}#access_token=${foreign}`)
  await page.getByRole('heading', { name: 'The app could not be opened' }).waitFor()
  t.equal(await app.clover.installation('LARKSTREET001'), undefined)
  t.notMatch(await page.content(), foreign)
  await look(page, 'implicit-foreign')
  t.same(errors, [])

  const { page: plain } = await newPhone(browser, { javaScriptEnabled: false })
  await plain.goto(`${url}/clover/callback?merchant_id=LARKSTREET001#access_token=${foreign}`)
  t.ok((await plain.locator('noscript').innerText()).includes('needs JavaScript'))
  await look(plain, 'implicit-no-javascript')
})

t.test('a form on another site cannot plant a token, though the browser has a launch in progress', { skip, timeout: 60_000 }, async t => {
  const { url, clover, app } = await startHost(t, { listens, options: implicit })
  const { page } = await newPhone(browser)
  await page.goto(`${url}/clover/launch?merchant_id=LARKSTREET001`)
  const state = String(new URL(page.url()).searchParams.get('state'))
  const token = clover.legacyToken({ merchantId: 'LARKSTREET001' })
  const fields = Object.entries({ state, access_token: token }).map(([name, value]) => `<input name="${name}" value="${value}">`).join('')
  // Another port of localhost is another origin of the same site, so that the state cookie is sent along; 127.0.0.1 is another site.
  for (const elsewhere of [`${clover.origin}/elsewhere`, `${clover.origin.replace('localhost', '127.0.0.1')}/elsewhere`]) {
    await page.route(elsewhere, route => route.fulfill({ contentType: 'text/html', body: `<form method="post" action="${url}/clover/callback">${fields}<button>Win a prize</button></form>` }))
    await page.goto(elsewhere)
    await page.getByRole('button').click()
    await page.getByText('The request did not come from a page of this site').waitFor()
    t.equal(await app.clover.installation('LARKSTREET001'), undefined)
  }
})
