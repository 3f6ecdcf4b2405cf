import t from 'tap'
import type { CloverSimulator } from '../../src/testing/index.js'
import type { CloverConnection } from '../../src/options/options.js'
import { approve, authorizeRequest, connect } from '../harness/browser.js'
import { highTrust, lowTrust, merchantA, startHost, type Host } from '../harness/host.js'

/*
 * A merchant comes back whose stored tokens no longer work (rule 9), with the simulator in Clover's place.
 */

/** Kills what is stored at the simulator: another authorization takes the only place that a merchant's refresh tokens have there. */
async function killPair ({ clover, time }: Host, appId: string): Promise<void> {
  const live = clover.liveRefreshTokens(merchantA, appId)
  clover.connect({ merchantId: merchantA, appId })
  time.pass(31 * 60_000) // the access token has expired too
  if (live.some(token => clover.isLive(token))) throw new Error('the pair lives')
}

for (const [appId, kind] of [[highTrust, 'a secret'], [lowTrust, 'PKCE']] as const) {
  t.test(`with ${kind}, a dead pair sends the browser through Clover once more, and the merchant is connected where it wanted to go`, async t => {
    const connections: CloverConnection[] = []
    const host = await startHost(t, {
      appId,
      simulator: { refreshTokensPerMerchant: 1 },
      options: { onConnect: (_request, _reply, connection) => { connections.push(connection) } }
    })
    const { app, clover, storage, browser } = host
    await connect(browser(), clover, merchantA)
    const before = await storage.get(merchantA)
    await killPair(host, appId)
    connections.length = 0

    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}&return_to=/orders`)
    const full = await merchant.visit(approve(clover, launch))
    t.equal(authorizeRequest(full).searchParams.get('merchant_id'), merchantA)
    t.same(connections, [])
    const done = await merchant.visit(approve(clover, full))
    t.equal(done.headers.location, '/orders')
    t.match(connections, [{ merchantId: merchantA, isNew: false }], 'onConnect is called once')
    t.equal(connections.length, 1)
    t.same(await merchant.stateCookies(), [])

    const after = await storage.get(merchantA)
    t.not(after?.refreshToken, before?.refreshToken)
    t.same(clover.liveRefreshTokens(merchantA, appId), [after?.refreshToken], 'the stored refresh token is the one that works')
    t.ok(clover.isLiveAccessToken(await app.clover.accessToken(merchantA)))
    t.notOk(after?.reauthorizationRequired)
  })
}

t.test('after the full round the next visit goes through Clover once, and leaves the pair alone', async t => {
  const host = await startHost(t, { simulator: { refreshTokensPerMerchant: 1 } })
  const { clover, storage, browser } = host
  await connect(browser(), clover, merchantA)
  await killPair(host, highTrust)
  const merchant = browser()
  const full = await merchant.visit(approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)))
  await merchant.visit(approve(clover, full))
  const stored = await storage.get(merchantA)
  t.equal((await connect(browser(), clover, merchantA)).headers.location, '/')
  t.equal((await storage.get(merchantA))?.refreshToken, stored?.refreshToken)
  t.ok(clover.isLive(stored?.refreshToken ?? ''))
})

t.test('a launch without a merchant keeps to the merchant that was confirmed in the full round', async t => {
  const host = await startHost(t, { simulator: { refreshTokensPerMerchant: 1 } })
  const { clover, browser } = host
  await connect(browser(), clover, merchantA)
  await killPair(host, highTrust)
  const merchant = browser()
  const full = await merchant.visit(approve(clover, await merchant.visit('/clover/launch?return_to=/orders'), { merchantId: merchantA }))
  t.equal(authorizeRequest(full).searchParams.get('merchant_id'), merchantA)
  t.equal((await merchant.visit(approve(clover, full))).headers.location, '/orders')
})

t.test('a reload while a callback finds the pair dead ends as the first request does', async t => {
  const host = await startHost(t, { simulator: { refreshTokensPerMerchant: 1 } })
  const { clover, storage, browser } = host
  await connect(browser(), clover, merchantA)
  await killPair(host, highTrust)
  const merchant = browser()
  const callback = approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`))
  slowExchange(clover)
  const exchanges = clover.count('token')
  const replies = await Promise.all([merchant.visit(callback), merchant.visit(callback)])
  t.equal(clover.count('token') - exchanges, 1, 'one exchange')
  for (const reply of replies) t.equal((await merchant.visit(approve(clover, reply))).headers.location, '/')
  t.ok(clover.isLive((await storage.get(merchantA))?.refreshToken ?? ''))
})

/** Long enough for a second request to arrive. */
function slowExchange (clover: CloverSimulator): void {
  clover.fault({ on: 'token', kind: 'latency', ms: 80 })
}
