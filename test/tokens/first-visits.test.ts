import t, { type Test } from 'tap'
import type { Installation } from '../../src/installation.js'
import { randomFrom } from '../faults/exploration/explore.js'
import { share } from '../harness/share.js'
import { startServer, TestClover, TestStorage, gate, leap, merchantId, patiently, quiet, anotherServer, sleep, type ServerOptions } from './one-server.js'

/*
 * An app is opened for the first time, or while its pair is dead, at several servers at once. Each may make a full exchange, which ends the
 * oldest refresh tokens at Clover: perhaps the one that is stored.
 */

/** How many random orders are tried of each kind. */
const orders = share(6, 20)

let names = 0
const code = (name = `first-${++names}`) => ({ code: name, verifier: '' })

/** Servers that share a store and a Clover, each with a connection of its own to both, which the test can intercept. */
function apart (t: Test, count: number, kept: number, options: ServerOptions = {}) {
  const { records } = new TestStorage()
  const { inner } = new TestClover({ refreshTokensPerMerchant: kept })
  const each = () => ({ ...options, storage: Object.assign(new TestStorage(), { records }), clover: Object.assign(new TestClover(), { inner }) })
  const first = startServer(t, each())
  const servers = [first, ...Array.from({ length: count - 1 }, () => anotherServer(each()))]
  const stored = () => records.get(merchantId) as Installation
  return { servers: servers as [typeof first, typeof first, typeof first], records, stored, isAlive: () => inner.isLive(stored().refreshToken) && !stored().reauthorizationRequired }
}

/** Holds a server's nth call until its gate is opened; `reached` opens when it comes. */
function holdCall (target: TestStorage | TestClover, wanted: string, nth = 1, after = false) {
  const reached = gate()
  const go = gate()
  let calls = 0
  target.intercept = async (called: string, run: () => unknown) => {
    if (called !== wanted || ++calls !== nth) return run()
    const answer = after ? await run() : undefined
    reached.open()
    await go.promise
    return after ? answer : run()
  }
  return { reached: reached.promise, go: () => go.open() }
}

for (const [trust, alwaysGivesRefreshToken] of [['high', false], ['low', false], ['low', true]] as const) {
  for (const kept of [1, 2, 3, 4]) {
    t.test(`${trust} trust, with a Clover that keeps ${kept}${alwaysGivesRefreshToken ? ' and gives them unasked' : ''}: whatever the order of four servers, the pair that is stored in the end works`, async t => {
      for (let seed = 1; seed <= orders; seed++) {
        const random = randomFrom(seed)
        const pause = () => sleep(Math.floor(random() * 100))
        const storage = new TestStorage()
        const clover = new TestClover({ refreshTokensPerMerchant: kept, alwaysGivesRefreshToken })
        const options = { trust, storage, clover, trustMerchantId: seed % 2 === 0 }
        const servers = [startServer(t, options), ...Array.from({ length: 3 }, () => anotherServer(options))]
        storage.intercept = async (_method, run) => { await pause(); const answer = await run(); await pause(); return answer }
        clover.intercept = async (_call, run) => { await pause(); const answer = run(); await pause(); return answer }
        const visits = async (when: string) => {
          const all = Array.from({ length: 8 }, async (_, i) => {
            const { connections } = servers[i % 4] as (typeof servers)[0]
            return await connections.connect(merchantId, code()) === 'needs-full-round' ? connections.connect(merchantId, code(), true) : { isNew: false }
          })
          await patiently(Promise.all(all))
          const record = storage.records.get(merchantId)
          if (!clover.inner.isLive(record?.refreshToken) || record?.reauthorizationRequired) t.fail(`seed ${seed}, ${when}: ${record?.refreshToken} does not work`)
        }
        await visits('a first visit')
        for (let i = 0; i < kept; i++) clover.inner.authorize(`stranger-${++names}`)
        await leap(1801)
        await visits('a dead pair')
      }
      t.pass(`${orders} orders`)
    })
  }
}

t.test('a server that exchanges after another one keeps the stored pair if it still works, and replaces it otherwise', async t => {
  for (const kept of [2, 1]) {
    const { servers: [one, two], stored, isAlive } = apart(t, 2, kept)
    const exchange = holdCall(two.clover, 'exchange')
    const late = two.connections.connect(merchantId, code('late'))
    await exchange.reached
    t.same(await one.connections.connect(merchantId, code('early')), { isNew: true })
    exchange.go()
    t.same(await late, { isNew: false }, 'one of the two was new')
    t.equal(stored().refreshToken, kept === 2 ? 'early>' : 'late')
    t.ok(isAlive())
    t.match(two.eventsOf('connected'), [{ isNew: false }])
    t.match(two.eventsOf('reconnected'), kept === 2 ? [] : [{ by: 'authorization' }])
  }
})

t.test('a refresh that began before the exchange does not prove that the stored pair survived it', async t => {
  const { servers: [one, two, three], stored, isAlive } = apart(t, 3, 2)
  const exchanges = [two, three].map(({ clover }) => holdCall(clover, 'exchange'))
  const [second, third] = [two, three].map(({ connections }, i) => connections.connect(merchantId, code(`late-${i}`)))
  for (const { reached } of exchanges) await reached
  await one.connections.connect(merchantId, code('early'))
  // The second server refreshes the stored pair at Clover, and the third one's exchange ends the result before it is written.
  const refresh = holdCall(two.clover, 'refresh', 1, true)
  exchanges[0]?.go()
  await refresh.reached
  t.ok(stored().refreshLease)
  exchanges[1]?.go()
  await quiet()
  refresh.go()
  await patiently(Promise.all([second, third]))
  t.equal(stored().refreshToken, 'late-1')
  t.ok(isAlive())
})

t.test('the pair of a third server does not prove that it survived either', async t => {
  const { servers: [one, two, three], stored, isAlive } = apart(t, 3, 1)
  const exchanges = [two, three].map(({ clover }) => holdCall(clover, 'exchange'))
  const [second, third] = [two, three].map(({ connections }, i) => connections.connect(merchantId, code(`late-${i}`)))
  for (const { reached } of exchanges) await reached
  await one.connections.connect(merchantId, code('early'))
  // The second server is about to refresh the stored pair, and the third too: it has read the record for its check, and reads it once more.
  const lease = holdCall(two.storage, 'put', 2)
  const read = holdCall(three.storage, 'get', 3)
  exchanges[0]?.go()
  await lease.reached
  exchanges[1]?.go()
  await read.reached
  lease.go()
  await second
  t.equal(stored().refreshToken, 'late-0', 'which the third exchange has ended')
  t.notOk(isAlive())
  read.go()
  await patiently(Promise.all([third]))
  t.equal(stored().refreshToken, 'late-1')
  t.ok(isAlive())
})

t.test('a damaged record that was stored first is replaced', async t => {
  const { servers: [one, two], records, stored, isAlive } = apart(t, 2, 2)
  const exchange = holdCall(two.clover, 'exchange')
  const late = two.connections.connect(merchantId, code('late'))
  await exchange.reached
  await one.connections.connect(merchantId, code('early'))
  const check = holdCall(two.storage, 'get', 2)
  exchange.go()
  await check.reached
  records.set(merchantId, { ...stored(), accessToken: '' })
  check.go()
  t.same(await late, { isNew: false })
  t.equal(stored().refreshToken, 'late')
  t.ok(isAlive())
})

t.test('a disconnect before the stored pair is checked is not undone', async t => {
  const { servers: [one, two], records } = apart(t, 2, 2)
  const exchange = holdCall(two.clover, 'exchange')
  const late = two.connections.connect(merchantId, code('late'))
  late.catch(() => {})
  await exchange.reached
  await one.connections.connect(merchantId, code('early'))
  const check = holdCall(two.storage, 'get', 2)
  exchange.go()
  await check.reached
  await one.disconnects.disconnect(merchantId)
  check.go()
  await t.rejects(late, { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(records.size, 0)
})

t.test('a dead pair stays where an earlier write of the new one may have happened: a 503, and the next visit replaces it', async t => {
  const { servers: [one, two], stored, isAlive } = apart(t, 2, 1)
  const exchange = holdCall(two.clover, 'exchange')
  const late = two.connections.connect(merchantId, code('late'))
  late.catch(() => {})
  await exchange.reached
  await one.connections.connect(merchantId, code('early'))
  let puts = 0
  two.storage.intercept = async (method, run) => { if (method === 'put' && ++puts === 1) throw new Error('reset'); return run() }
  exchange.go()
  await t.rejects(late, { code: 'FST_CLOVER_UNAVAILABLE' })
  t.ok(stored().reauthorizationRequired)
  t.same(two.eventsOf('connected'), [])
  t.equal(await two.connections.connect(merchantId, code()), 'needs-full-round')
  await two.connections.connect(merchantId, code(), true)
  t.ok(isAlive())
})
