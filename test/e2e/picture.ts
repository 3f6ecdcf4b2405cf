/*
 * Makes example/lab.png, the picture in README, from the real page: npm run picture. It takes two minutes, in which things happen to the shops.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChromium, findChromium } from './browser.js'
import { startExample } from './example-server.js'

const file = fileURLToPath(new URL('../../example/lab.png', import.meta.url))

/** What is pressed, and the seconds that are waited before. */
const steps = [['Send a hundred callers', 15], ['Drop the next answer', 15], [/^Kill server 2/, 15], ['Refuse everything', 25], ['Lock the database', 20], ['Send a hundred callers', 20]] as const

const folder = await mkdtemp(join(tmpdir(), 'fastify-clover-picture-'))
const [example, browser] = await Promise.all([
  startExample({ database: join(folder, 'example.sqlite'), accessTokenLifetime: 90, env: { MERCHANTS: '2', TROUBLE_SECONDS: '15', LOCK_SECONDS: '10' } }),
  startChromium(findChromium().path)
])
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } })
  await page.goto(`${example.url}/lab`)
  for (const [name, seconds] of steps) {
    await page.waitForTimeout(seconds * 1000)
    await page.getByRole('button', { name }).click()
  }
  await page.waitForTimeout(6_000)
  await page.evaluate('scrollTo(0, 0)')
  const lab = await page.locator('.lab').boundingBox()
  await page.screenshot({ path: file, clip: { x: 0, y: 0, width: 1200, height: Math.ceil((lab?.y ?? 0) + (lab?.height ?? 900) + 20) }, fullPage: true })
  console.log(`${file}: ${(await stat(file)).size} bytes`)
} finally {
  await browser.close()
  await example.stop()
  await rm(folder, { recursive: true })
}
