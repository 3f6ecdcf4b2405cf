import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
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
export async function newPhone (browser: Browser, options: { javaScriptEnabled?: boolean } = {}): Promise<{ page: Page, errors: string[] }> {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const errors: string[] = []
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => {
    // Chromium says of a page that was answered with 403 or 409 that it failed to load, and shows it.
    const isPageItself = message.text().startsWith('Failed to load resource: the server responded with a status of 4') && message.location().url === page.url()
    if (message.type() === 'error' && !isPageItself) errors.push(`${page.url()}: ${message.text()}`)
  })
  return { page, errors }
}

/** A page of a Chromium whose settings block all cookies. */
export async function newPageWithoutCookies (t: Test, path: string): Promise<Page> {
  const folder = t.testdir()
  await mkdir(join(folder, 'Default'), { recursive: true })
  await writeFile(join(folder, 'Default', 'Preferences'), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }))
  const context = await chromium.launchPersistentContext(folder, { executablePath: path, args: flags })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  return page
}
