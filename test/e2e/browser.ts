import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'

const places = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/google-chrome']

// Most machines that run tests run them as root or in a container, where Chromium's own sandbox does not work.
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** Where Chromium is, or why a test that needs it is skipped; with `FASTIFY_CLOVER_REQUIRE_SERVICES=1` this throws instead. */
export function findChromium (): { path: string, skip: string | false } {
  const path = places.find(place => place !== undefined && existsSync(place))
  if (path !== undefined) return { path, skip: false }
  const reason = 'Chromium is not at /usr/bin/chromium or /usr/bin/google-chrome: install it, or set CHROMIUM_PATH.'
  if (process.env.FASTIFY_CLOVER_REQUIRE_SERVICES === '1') throw new Error(reason)
  return { path: '', skip: reason }
}

/** Starts Chromium without a window. */
export async function startChromium (path: string): Promise<Browser> {
  return await chromium.launch({ executablePath: path, args: flags })
}

/** A phone's browser, and what went wrong in it: errors of scripts, of the Content-Security-Policy and of the network. */
export async function newPhone (browser: Browser, options: BrowserContextOptions = {}): Promise<{ page: Page, errors: string[] }> {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const errors: string[] = []
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => {
    // Chromium says of a page that was answered with 403 or 409 that it failed to load, and shows it.
    const isPageItself = message.text().startsWith('Failed to load resource: the server responded with a status of 4') && message.location().url === page.url()
    if (message.type() === 'error' && !isPageItself) errors.push(`${page.url()}: ${message.text()}`)
  })
  return { page, errors }
}

/** What axe finds on a page, in light, and of its colors in dark: a line for each element. See https://github.com/dequelabs/axe-core */
export async function barriers (page: Page): Promise<string[]> {
  const found: string[] = []
  await page.evaluate(axe.source)
  for (const [colorScheme, run] of [['light', 'axe.run()'], ['dark', 'axe.run({ runOnly: ["color-contrast"] })']] as const) {
    await page.emulateMedia({ colorScheme })
    const { violations } = await page.evaluate(run) as axe.AxeResults
    for (const { id, help, nodes } of violations) for (const { html } of nodes) found.push(`${colorScheme}: ${id}: ${help}: ${html}`)
  }
  await page.emulateMedia({ colorScheme: null })
  return found
}

/** A page of a Chromium whose settings block all cookies. */
export async function newPageWithoutCookies (t: Test, path: string): Promise<Page> {
  const folder = t.testdir()
  await mkdir(join(folder, 'Default'), { recursive: true })
  await writeFile(join(folder, 'Default', 'Preferences'), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }))
  const context = await chromium.launchPersistentContext(folder, { executablePath: path, args: flags })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  return page
}

/**
 * The least contrast of a form field's border on a page, with what is inside and with what is around it (WCAG 2.2, 1.4.11: 3 or more), in the
 * colors that the browser computed; in light and in dark. A page without a field has no contrast that would do.
 */
export async function fieldContrasts (page: Page): Promise<{ light: number, dark: number }> {
  const least = async (colorScheme: 'light' | 'dark') => {
    await page.emulateMedia({ colorScheme })
    return await page.evaluate(leastContrast) as number
  }
  const found = { light: await least('light'), dark: await least('dark') }
  await page.emulateMedia({ colorScheme: null })
  return found
}

/** Runs in the page, whose types are not those of this program. */
const leastContrast = `(() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number)
  const luminance = color => {
    const [red, green, blue] = channels(color).map(value => value / 255).map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b)
    return (light + 0.05) / (dark + 0.05)
  }
  const background = element => {
    const color = getComputedStyle(element).backgroundColor
    const [, , , alpha = 1] = channels(color)
    if (alpha === 1) return color
    if (alpha !== 0 || element.parentElement === null) throw new Error('the background is not one color: ' + color)
    return background(element.parentElement)
  }
  const fields = [...document.querySelectorAll('input:not([type=hidden]), textarea, select')]
  return Math.min(...fields.flatMap(field => {
    const style = getComputedStyle(field)
    return ['Top', 'Right', 'Bottom', 'Left'].flatMap(side =>
      style['border' + side + 'Width'] === '0px' ? 0 : [background(field), background(field.parentElement)].map(around => contrast(style['border' + side + 'Color'], around)))
  }).concat(fields.length === 0 ? 0 : []))
})()`
