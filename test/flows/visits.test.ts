import t, { type Test } from 'tap'
import { memoryStorage } from '../../src/storage/index.js'
import { approve, authorizeRequest, Browser, connect } from '../harness/browser.js'
import { highTrust, lowTrust, merchantA, startClover, startHost, type Host } from '../harness/host.js'
import { share } from '../harness/share.js'
import { Time } from '../harness/time.js'

/*
 * Many people of one business open the app (rule 9), with a Clover that keeps the newest three refresh tokens of a merchant.
 */

const people = 8
const inARow = share(12, 50)

/** Servers on one store, with the simulator in Clover's place. */
async function startServers (t: Test, count: number, { appId = highTrust, trustMerchantId = false } = {}): Promise<{ hosts: Host[], time: Time }> {
  const time = new Time()
  const clover = await startClover(t, time, { refreshTokensPerMerchant: 3 })
  const shared = memoryStorage()
  const hosts: Host[] = []
  for (let i = 0; i < count; i++) {
    const storage = { ...shared } // an adapter object for each server, as each has in a process of its own
    hosts.push(await startHost(t, { appId, simulator: clover, runtime: { wallClock: time.now }, options: { storage, dangerouslyTrustMerchantId: trustMerchantId } }))
  }
  return { hosts, time }
}

/** A person opens the app, and goes through Clover once more where the app asks for it. Resolves with the last status. */
async function open (host: Host): Promise<number> {
  const browser = new Browser(host.app)
  let reply = await connect(browser, host.clover, merchantA)
  for (let round = 0; round < 2 && String(reply.headers.location).includes('/authorize?'); round++) {
    authorizeRequest(reply)
    reply = await browser.visit(approve(host.clover, reply))
  }
  return reply.statusCode
}

async function checkConnected (t: Test, [host]: Host[], what: string): Promise<void> {
  if (host === undefined) throw new Error('no host')
  const stored = await host.storage.get(merchantA)
  t.ok(host.clover.isLive(stored?.refreshToken ?? ''), `${what}: the stored refresh token works`)
  t.notOk(stored?.reauthorizationRequired, what)
  t.ok(host.clover.isLiveAccessToken(await host.app.clover.accessToken(merchantA)), what)
}

for (const [appId, kind] of [[highTrust, 'high trust'], [lowTrust, 'low trust']] as const) {
  for (const count of [1, 4]) {
    for (const trustMerchantId of [false, true]) {
      t.test(`${kind}, ${count} server(s)${trustMerchantId ? ', without the Read merchant permission' : ''}: visits leave the stored pair alive`, async t => {
        const { hosts, time } = await startServers(t, count, { appId, trustMerchantId })
        const all = () => Promise.all(Array.from({ length: people }, (_, i) => open(hosts[i % count] as Host)))
        const [{ clover }] = hosts as [Host]
        t.same(await all(), Array(people).fill(302), 'a first visit of eight people at once')
        await checkConnected(t, hosts, 'first visit')
        const exchanges = clover.count('token', { ok: true })

        time.pass(31 * 60_000)
        const refreshes = clover.count('refresh', { ok: true })
        t.same(await all(), Array(people).fill(302), 'half an hour later, when the access token has expired')
        if (!trustMerchantId) t.equal(clover.count('refresh', { ok: true }), refreshes + 1, 'one refresh for all')
        t.equal(clover.count('token', { ok: true }), exchanges + people, 'nobody goes through Clover twice')
        await checkConnected(t, hosts, 'returning')

        const statuses: number[] = []
        for (let i = 0; i < inARow; i++) statuses.push(await open(hosts[i % count] as Host))
        t.same(new Set(statuses), new Set([302]))
        await checkConnected(t, hosts, `${inARow} visits in a row`)
        t.equal(clover.liveRefreshTokens(merchantA, appId).length <= 3, true)
      })
    }
  }
}
