import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { CloverOptions } from '../../src/options/options.js'
import { connect as connectBrowser } from '../harness/browser.js'
import { merchantA, merchantB } from '../harness/host.js'
import { apiHost, orders } from './api-host.js'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/** A host, and the `User-Agent` of each call to Clover by its path. */
async function listeningHost (t: Test, options: Partial<CloverOptions>) {
  const sent: Array<readonly [path: string, userAgent: string | null]> = []
  const fetch: typeof globalThis.fetch = async (url, init) => {
    sent.push([new URL(String(url)).pathname, new Headers(init?.headers).get('user-agent')])
    return globalThis.fetch(url, init)
  }
  return { ...await apiHost(t, { options, runtime: { fetch } }), sent }
}

t.test('every call to Clover carries the User-Agent of the app and of the plugin', async t => {
  for (const [userAgent, expected] of [[undefined, `fastify-clover/${version}`], ['my-shop/2.1 (+https://shop.example)', `my-shop/2.1 (+https://shop.example) fastify-clover/${version}`]] as const) {
    const { app, clover, browser, time, sent } = await listeningHost(t, { userAgent })
    await connectBrowser(browser(), clover, merchantA)
    time.pass(1_900_000)
    clover.fault({ on: 'refresh', kind: 'drop-after' })
    await app.clover.fetch(merchantA, orders)
    await app.clover.paginate(merchantA, orders).next()
    await app.clover.ecommercePublicKey(merchantA)
    for await (const { outcome } of app.clover.migrateLegacy([{ merchantId: merchantB, legacyToken: clover.legacyToken({ merchantId: merchantB }) }])) t.equal(outcome, 'migrated')
    t.same(new Set(sent.map(([path]) => path)), new Set([
      '/oauth/v2/token', `/v3/merchants/${merchantA}`, '/oauth/v2/refresh', '/oauth/v2/recovery', `/v3/merchants/${merchantA}/orders`, '/pakms/apikey', '/oauth/token/migrate_v2',
      `/v3/merchants/${merchantB}`
    ]))
    t.same(new Set(sent.map(([, userAgent]) => userAgent)), new Set([expected]))
  }
})

t.test('a call\'s own User-Agent replaces it', async t => {
  const { app, connect, sent } = await listeningHost(t, { userAgent: 'my-shop/2.1' })
  await connect()
  for (const headers of [{ 'User-Agent': 'importer/7' }, new Headers({ 'user-agent': 'importer/7' }), [['user-agent', 'importer/7']] satisfies [string, string][]]) {
    t.equal((await app.clover.fetch(merchantA, orders, { headers })).status, 200)
    t.same(sent.at(-1), [`/v3/merchants/${merchantA}/orders`, 'importer/7'])
  }
})
