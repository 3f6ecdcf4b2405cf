import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { fieldContrasts, findChromium, newPhone, startChromium } from './browser.js'
import { startExample } from './example-server.js'

/*
 * What a merchant does, in a real browser on a phone's screen. The steps follow one another: each begins where the last one ended.
 */

const { path, skip } = findChromium()

/** Seconds: half of it must pass before the page's own asking refreshes the token. */
const accessTokenLifetime = 8

t.test('a merchant\'s days with the example', { skip, timeout: 400_000 }, async t => {
  const [example, browser] = await Promise.all([
    startExample({ database: join(t.testdir(), 'example.sqlite'), accessTokenLifetime }),
    startChromium(path)
  ])
  t.teardown(() => browser.close())
  t.teardown(() => example.stop())
  const { page, errors } = await newPhone(browser)

  await t.test('connects: logs in at Clover, chooses a shop, approves', async t => {
    await page.goto(example.url)
    await fits(t, page)
    await page.getByRole('link', { name: 'Connect with Clover' }).click()
    await fieldsStandOut(t, page)
    await page.getByRole('button', { name: 'Robin Reyes' }).click()
    await page.getByRole('link', { name: 'Lark Street Books' }).click()
    await page.getByRole('button', { name: 'Approve' }).click()
    await heading(t, page, 'Lark Street Books')
    t.equal(page.url(), `${example.url}/`, 'the address has no code in it')
    t.equal(await notice(page), 'The shop is connected.')
    await fits(t, page)
  })

  await t.test('sees what Clover tells about the shop', async t => {
    t.match(await card(page, 'Items'), /Paperback novel\s*\$14\.99/)
    t.match(await card(page, 'Latest orders'), /open\s*\$1\.50/)
    t.match(await page.locator('code[data-token]').innerText(), /^••••\S{4}$/, 'the token is masked')
    t.match(await card(page, 'Access token'), /Refresh token[^]*365 days left/)
  })

  await t.test('sees the token counted down, and replaced before it ends', async t => {
    const before = await token(page)
    t.match(await card(page, 'Access token'), /Once 0:0[34] or less of its life is left, the plugin refreshes it/)
    await countdown(page, /^0:0[56]$/)
    t.equal(await token(page), before)
    await newToken(page, before)
    await countdown(page, /^0:0[78]$/)
    t.match(await card(page, 'Access token'), /Refreshed at \d\d:\d\d:\d\d: ••••\S{4} took the place of ••••\S{4}/)
  })

  await t.test('is not read the time each second, and hears what the bar is', async t => {
    const timer = page.getByRole('timer', { name: 'Time left of the access token' })
    t.match(await timer.innerText(), /^0:0\d$/)
    t.equal(await page.locator(':is(output, [aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]):is(:has(.left), .left)').count(), 0, 'the countdown is in no live region')
    t.equal(await page.getByRole('progressbar', { name: 'Life left of the access token' }).count(), 1)
    t.equal(await page.getByRole('progressbar').count(), 1)
  })

  await t.test('refreshes by hand', async t => {
    const before = await token(page)
    await page.getByRole('button', { name: 'Refresh now' }).click()
    await newToken(page, before)
    t.equal(await notice(page), 'Refreshed: both tokens are new.')
  })

  await t.test('logs out, and comes back from Clover\'s dashboard', async t => {
    await page.getByRole('button', { name: 'Log out' }).click()
    await heading(t, page, 'A shop that stays connected to Clover')
    await page.getByRole('link', { name: 'Open the app as Clover would' }).click()
    await shopInDashboard(page).getByRole('link', { name: 'Open Daybook' }).click()
    await heading(t, page, 'Lark Street Books')
    t.equal(await notice(page), 'Welcome back.')
    await page.reload()
    t.equal(await page.locator('.notice').count(), 0, 'the notice is shown once')
  })

  await t.test('is not disconnected by a form on another site', async t => {
    // Another port of localhost is another origin, and yet the browser sends the SameSite cookie.
    const elsewhere = `${example.dashboard}/elsewhere`
    await page.route(elsewhere, route => route.fulfill({
      contentType: 'text/html', body: `<form method="post" action="${example.url}/disconnect"><button>Win a prize</button></form>`
    }))
    await page.goto(elsewhere)
    await page.getByRole('button').click()
    await page.getByText('This request came from another site.').waitFor()
    await page.goto(example.url)
    await heading(t, page, 'Lark Street Books')
  })

  await t.test('uninstalls the app in Clover\'s dashboard, which disconnects the shop, and comes back', async t => {
    // Of an uninstall and a return in the same second the return counts: no merchant is that fast, but this browser is.
    await page.waitForTimeout(2_000)
    await page.goto(example.dashboard)
    await shopInDashboard(page).getByRole('button', { name: 'Uninstall' }).click()
    await page.getByRole('button', { name: 'Uninstall' }).waitFor({ state: 'detached' })
    // Clover tells the app by a webhook, for which nobody waits.
    await openUntilDisconnected(t, page, example.url)
    await fits(t, page)
    await page.getByRole('link', { name: 'Connect with Clover' }).click()
    await page.getByRole('button', { name: 'Approve' }).click()
    await heading(t, page, 'Lark Street Books')
    t.equal(await notice(page), 'The shop is connected.')
  })

  await t.test('disconnects, and connects again', async t => {
    await page.getByRole('button', { name: 'Disconnect' }).click()
    await heading(t, page, 'A shop that stays connected to Clover')
    t.equal(await notice(page), 'The shop is disconnected: its tokens are forgotten.')
    await page.getByRole('link', { name: 'Connect with Clover' }).click()
    await page.getByRole('link', { name: 'Lark Street Books' }).click()
    await heading(t, page, 'Lark Street Books')
    t.equal(await notice(page), 'The shop is connected.')
  })

  await t.test('the operator refreshes and disconnects the shop, and the merchant\'s page says so', async t => {
    await page.goto(`${example.url}/operator`)
    await fieldsStandOut(t, page)
    await page.getByLabel('Password').fill('not the password')
    await page.getByRole('button', { name: 'Log in' }).click()
    t.equal(await notice(page), 'That is not the password.')
    await page.getByLabel('Password').fill(example.operatorPassword)
    await page.getByRole('button', { name: 'Log in' }).click()
    await heading(t, page, 'Merchants')
    await fits(t, page)
    await page.getByRole('button', { name: 'Refresh' }).click()
    t.equal(await notice(page), 'The tokens of LARKSTREET001 are new.')
    await page.getByRole('button', { name: 'Disconnect' }).click()
    t.equal(await notice(page), 'LARKSTREET001 is disconnected.')
    await openUntilDisconnected(t, page, example.url)
    await page.getByRole('link', { name: 'Connect with Clover' }).click()
    await heading(t, page, 'Lark Street Books')
  })

  await t.test('the OpenAPI page shows the plugin\'s routes, and the operator can try the refresh route there', async t => {
    await page.goto(`${example.url}/documentation`)
    const route = page.locator('.opblock').filter({ hasText: 'Refresh a merchant\'s tokens now' })
    await route.getByRole('button').first().click()
    await route.getByRole('button', { name: 'Try it out' }).click()
    await route.locator('textarea').fill('{ "merchant_id": "LARKSTREET001" }')
    await route.getByRole('button', { name: 'Execute' }).click()
    t.match(await route.locator('.live-responses-table .response-col_status').last().innerText(), '200')
    t.equal(await page.locator('.opblock-summary-path').filter({ hasText: '/clover/' }).count(), 4)
  })

  await t.test('a merchant who denies is told so, and can try again', async t => {
    const { page, errors } = await newPhone(browser)
    await page.goto(example.url)
    await page.getByRole('link', { name: 'Connect with Clover' }).click()
    await page.getByRole('button', { name: 'Tomás Vidal' }).click()
    await page.getByRole('link', { name: 'Tomás\'s Tacos' }).click()
    await page.getByRole('button', { name: 'Deny' }).click()
    await heading(t, page, 'The shop was not connected')
    await fits(t, page)
    await page.getByRole('link', { name: 'Try again' }).click()
    await page.getByRole('heading', { name: 'Choose a business' }).waitFor()
    t.same(errors, [])
  })

  await t.test('without JavaScript the page says the same, and its buttons work', async t => {
    const { page } = await newPhone(browser, { javaScriptEnabled: false })
    await page.goto(`${example.url}/clover/launch`)
    await page.getByRole('button', { name: 'Tomás Vidal' }).click()
    await page.getByRole('link', { name: 'Tomás\'s Tacos' }).click()
    await page.getByRole('button', { name: 'Approve' }).click()
    await heading(t, page, 'Tomás\'s Tacos')
    t.match(await card(page, 'Access token'), /0:0\d[^]*until \d\d:\d\d:\d\d[^]*Reload the page/)
    await page.getByRole('button', { name: 'Refresh now' }).click()
    t.equal(await notice(page), 'Refreshed: both tokens are new.')
  })

  t.same(errors, [], 'the browser reports no error, of scripts or of the Content-Security-Policy')
  t.equal(await example.stop(), 0, 'the server stops when it is asked to')
})

async function heading (t: Test, page: Page, name: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
  t.pass(`the page is: ${name}`)
}

/** Opens the shop's page until it says so: of three servers, one that did not disconnect the shop may serve it for ten seconds, the time of its cache. */
async function openUntilDisconnected (t: Test, page: Page, url: string): Promise<void> {
  const goodbye = page.getByRole('heading', { level: 1, name: 'This shop is not connected' })
  const end = Date.now() + 30_000
  do await page.goto(url)
  while (await goodbye.count() === 0 && Date.now() < end)
  await heading(t, page, 'This shop is not connected')
}

async function notice (page: Page): Promise<string> {
  return await page.locator('.notice').innerText()
}

/** The text of a card. */
async function card (page: Page, name: string): Promise<string> {
  return await page.getByRole('region', { name }).innerText()
}

async function token (page: Page): Promise<string> {
  return await page.locator('[data-token]').innerText()
}

async function newToken (page: Page, before: string): Promise<void> {
  await page.locator('[data-token]').filter({ hasNotText: before }).waitFor()
}

async function countdown (page: Page, left: RegExp): Promise<void> {
  await page.locator('.countdown .left').filter({ hasText: left }).waitFor()
}

function shopInDashboard (page: Page) {
  return page.getByRole('listitem').filter({ hasText: 'Lark Street Books' })
}

/** The page is not wider than the screen. */
async function fits (t: Test, page: Page): Promise<void> {
  const widths = await page.locator('html').evaluate(({ scrollWidth, clientWidth }: { scrollWidth: number, clientWidth: number }) => ({ scrollWidth, clientWidth }))
  t.equal(widths.scrollWidth, widths.clientWidth, 'no sideways scrolling')
}

/** The borders of form fields can be seen by people who see little, in light and in dark. */
async function fieldsStandOut (t: Test, page: Page): Promise<void> {
  const { light, dark } = await fieldContrasts(page)
  t.ok(light >= 3, `${light.toFixed(2)} in light`)
  t.ok(dark >= 3, `${dark.toFixed(2)} in dark`)
}
