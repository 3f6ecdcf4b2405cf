import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { isRunning } from '../harness/processes.js'
import { barriers, findChromium, newPhone, startChromium } from './browser.js'
import { startExample } from './example-server.js'

/*
 * The lab of the example in a real browser, with three servers that are killed for real. The steps follow one another: each begins where the last one
 * ended. Only the full share has it; how the lab starts, and the address in front of its servers, are in test/hosts/example-lab.test.ts. With
 * SCREENSHOTS set to a folder, what the browser shows is kept there.
 */

const { path, skip } = findChromium()
const { SCREENSHOTS } = process.env
/** Milliseconds for a step on a busy machine. */
const patience = 120_000

t.test('nobody in the lab is lost', { skip, timeout: 400_000 }, async t => {
  const [example, browser] = await Promise.all([
    startExample({
      database: join(t.testdir(), 'example.sqlite'),
      accessTokenLifetime: 90,
      env: { MERCHANTS: '30', TROUBLE_SECONDS: '2', LOCK_SECONDS: '1' }
    }),
    startChromium(path)
  ])
  t.teardown(() => browser.close())
  t.teardown(() => example.stop())
  const { page, errors } = await newPhone(browser, { viewport: { width: 1280, height: 900 } })
  const phone = await newPhone(browser, { viewport: { width: 390, height: 844 }, reducedMotion: 'reduce' })
  for (const each of [page, phone.page]) each.setDefaultTimeout(patience)

  await t.test('a visitor finds the way to it, and sees shops, servers and a chart', async t => {
    await page.goto(example.url)
    t.same(await barriers(page), [])
    await look(page, 'welcome')
    await page.getByRole('link', { name: 'the lab', exact: true }).click()
    await page.getByRole('radio', { name: 'Juniper Hardware' }).waitFor()
    t.equal(await page.getByRole('radio').count(), 2)
    t.match(await page.getByRole('list', { name: 'Servers' }).innerText(), /Server 1\s+process \d+ serves\s+Server 2\s+process \d+ serves\s+Server 3\s+process \d+ serves/)
    await page.locator('path.served').waitFor({ state: 'attached' })
    await page.locator('rect.life').first().waitFor()
    t.match(await page.getByRole('log').innerText(), /Server 1 \(\d+\) adopted 30 made-up shops/)
  })

  await t.test('a shop that connects is the one that things are done to', async t => {
    await page.goto(example.url)
    await page.getByRole('link', { name: 'Connect with Clover' }).click()
    await page.getByRole('button', { name: 'Robin Reyes' }).click()
    await page.getByRole('link', { name: 'Lark Street Books' }).click()
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByRole('heading', { level: 1, name: 'Lark Street Books' }).waitFor()
    t.same(await barriers(page), [])
    await look(page, 'shop')
    await page.getByRole('link', { name: 'The lab' }).click()
    await page.getByRole('radio', { name: 'Lark Street Books' }).waitFor()
    t.ok(await page.getByRole('radio', { name: 'Lark Street Books' }).isChecked())
    await page.getByRole('heading', { name: 'What you can do to Lark Street Books and its world' }).waitFor()
    t.match(await page.getByRole('log').innerText(), /connected Lark Street Books/)
    t.same(await barriers(page), [])
    await look(page, 'lab-quiet')
  })

  await t.test('on a phone it fits', async t => {
    await phone.page.goto(`${example.url}/lab`)
    await phone.page.getByRole('radio', { name: 'Lark Street Books' }).waitFor()
    await fits(t, phone.page)
    await phone.page.getByText('The same as a table').click()
    await phone.page.locator('[data-table] tr').first().waitFor()
    t.equal(await phone.page.locator('[data-table] tr').count(), 12)
    await fits(t, phone.page)
    t.same(await barriers(phone.page), [])
    await look(phone.page, 'lab-phone')
    await phone.page.goto('about:blank')
  })

  await t.test('one refresh serves a hundred callers', async t => {
    t.match(await press(page, 'Send a hundred callers'), /^100 callers, 1 call to Clover for a token, 0 failures, slowest [\d.]+ m?s$/)
  })

  await t.test('a token that ends before its time is replaced, with the keyboard only', async t => {
    await page.getByRole('radio', { name: 'Lark Street Books' }).focus()
    await page.keyboard.press('ArrowDown')
    await page.getByRole('heading', { name: /^What you can do to (?!Lark)/ }).waitFor()
    await page.keyboard.press('ArrowUp')
    await page.getByRole('heading', { name: /^What you can do to Lark/ }).waitFor()
    for (let i = 0; i < 30 && !/^End the access token/.test(await focused(page)); i++) await page.keyboard.press('Tab')
    t.match(await focused(page), /^End the access token/)
    await page.keyboard.press('Enter')
    t.match(await outcome(page, 'end-token'), /^A new one lived [\d.]+ m?s later: .* 0 failures while a token lived/)
  })

  await t.test('an answer that is dropped is recovered', async t => {
    t.match(await press(page, 'Drop the next answer'), /^Server \d recovered the lost pair [\d.]+ m?s later: 2 refreshes, 1 recovery, .* 0 failures while a token lived/)
    t.match(await page.getByRole('log').innerText(), /recovered the lost tokens of Lark Street Books/)
    await page.locator('[data-chart] .mark.recovered').waitFor()
  })

  await t.test('Clover may refuse, and be slow, and the database may be locked', async t => {
    t.match(await press(page, 'Refuse everything'), /^Clover refused \d+ calls: .* 0 failures while a token lived/)
    t.match(await press(page, 'Answer slowly'), /^Clover was slow in \d+ calls: .* 0 failures while a token lived/)
    t.match(await press(page, 'Lock the database'), /^The database can be written again: .* 0 failures while a token lived/)
  })

  await t.test('each server is killed in the middle of a refresh, and another process takes its place', async t => {
    for (const number of [1, 2, 3]) {
      const button = page.getByRole('button', { name: new RegExp(`^Kill server ${number} process \\d+$`) })
      const [, pid] = /process (\d+)/.exec(await button.innerText()) ?? []
      await button.click()
      const words = await outcome(page, 'kill', new RegExp(`^Process ${pid} died`))
      t.match(words, /^Process \d+ died( in a refresh)?\. Process \d+ took its place [\d.]+ m?s later: .* 0 failures while a token lived/)
      if (number === 1) t.match(words, /died in a refresh/)
    }
    t.match(await page.getByRole('log').innerText(), /Server 3 \(\d+\) died of SIGKILL/)
    await look(page, 'lab-kills')
  })

  await t.test('all at once, from a phone: what lived was served, and the shop is served at the end', async t => {
    await phone.page.goto(`${example.url}/lab`)
    await phone.page.getByRole('radio', { name: 'Lark Street Books' }).waitFor()
    const done = press(phone.page, 'All at once')
    await phone.page.locator('[data-card=everything].running').waitFor()
    await look(phone.page, 'lab-phone-trouble')
    t.match(await done, /^Lark Street Books is served: .* 0 failures while a token lived/)
    t.match(await press(phone.page, 'Send a hundred callers'), /^100 callers, 1 call to Clover for a token, 0 failures/)
    await fits(t, phone.page)
    await look(phone.page, 'lab-phone-end')
    await look(page, 'lab-end')
    t.equal(await page.locator('[data-total=failed]').innerText(), '0')
    t.ok(Number((await page.locator('[data-total=served]').innerText()).replace(',', '')) > 200)
    t.same(await barriers(page), [])
  })

  await t.test('a page that loses its connection comes back by itself', async t => {
    await phone.page.route('**/lab/events', async route => await route.abort())
    await phone.page.reload()
    await phone.page.getByText('The connection to the lab is lost.').waitFor()
    await phone.page.unroute('**/lab/events')
    await phone.page.getByText('The connection to the lab is lost.').waitFor({ state: 'hidden' })
    await phone.page.getByRole('radio', { name: 'Lark Street Books' }).waitFor()
    t.match(await phone.page.locator('[data-card=everything] [data-outcome]').innerText(), /is served/, 'and knows what happened before')
  })

  await t.test('the operator sees who is in which state, searches and turns pages', async t => {
    await page.goto(`${example.url}/operator`)
    t.same(await barriers(page), [])
    await page.getByLabel('Password').fill(example.operatorPassword)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByText('31 merchants: page 1 of 3').waitFor()
    t.match(await page.getByRole('navigation', { name: 'States' }).innerText(), /All 31\s+Connected \d+/)
    t.same(await barriers(page), [])
    await look(page, 'operator')
    await page.getByRole('link', { name: 'Next page' }).click()
    await page.getByText('31 merchants: page 2 of 3').waitFor()
    await page.getByLabel('Merchant id').fill('larkstreet')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByText('1 merchant with LARKSTREET in the id').waitFor()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await page.getByText('The tokens of LARKSTREET001 are new.').waitFor()
    t.match(page.url(), /\/operator\?q=LARKSTREET$/, 'and stays where it was')
    await page.getByRole('link', { name: /^Must approve again/ }).click()
    await page.getByText('0 merchants in the state').waitFor()
  })

  t.same([...errors, ...phone.errors].filter(error => !/ERR_FAILED/.test(error)), [], 'the browser reports no error, of scripts or of the Content-Security-Policy')
  const pids = await servers(example.url)
  t.equal(await example.stop(), 0, 'Ctrl-C ends it')
  t.equal(pids.length, 3)
  t.same(pids.filter(isRunning), [], 'and leaves no process behind')
})

/** Presses a button, and resolves with what happened. */
async function press (page: Page, name: string): Promise<string> {
  const button = page.getByRole('button', { name, exact: true })
  const card = await button.locator('xpath=ancestor::section[@data-card]').getAttribute('data-card')
  const started = page.waitForResponse(response => response.url().includes('/lab/world/'))
  await button.click()
  await started
  return await outcome(page, String(card))
}

/** What a card says, once its deed has ended. */
async function outcome (page: Page, card: string, which = /\d/): Promise<string> {
  await page.locator(`[data-card="${card}"]:not(.running) [data-outcome]`).filter({ hasText: which }).waitFor()
  return await page.locator(`[data-card="${card}"] [data-outcome]`).innerText()
}

async function focused (page: Page): Promise<string> {
  return await page.evaluate('document.activeElement.textContent') as string
}

async function fits (t: Test, page: Page): Promise<void> {
  const [wide, seen] = await page.evaluate('[document.documentElement.scrollWidth, document.documentElement.clientWidth]') as [number, number]
  t.equal(wide, seen, 'no sideways scrolling')
}

/** Keeps what the browser shows, in light and in dark, for somebody to look at. */
async function look (page: Page, name: string): Promise<void> {
  if (!SCREENSHOTS) return
  await mkdir(SCREENSHOTS, { recursive: true })
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}.png`), fullPage: true })
  }
  await page.emulateMedia({ colorScheme: null })
}

/** The ids of the server processes, as the lab tells them. */
async function servers (url: string): Promise<number[]> {
  const stop = new AbortController()
  const response = await fetch(`${url}/lab/events`, { signal: stop.signal })
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    if (/\n\n/.test(text)) break
  }
  stop.abort()
  const { servers } = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? '{}') as { servers: Array<{ pid: number }> }
  return servers.map(({ pid }) => pid)
}
