import t from 'tap'
import { leap, merchantId, patiently, refused } from './one-server.js'
import { cluster, code, open, eightAtOnce } from './visitors.js'

for (const trust of ['high', 'low'] as const) {
  for (const trustMerchantId of [false, true]) {
    for (const count of [1, 4]) {
      t.test(`${trust} trust, ${count} server(s)${trustMerchantId ? ', without a question to Clover' : ''}: no number of visits ends the stored pair`, async t => {
        const all = cluster(t, { trust, trustMerchantId, count })
        const { clover, isAlive, stored, events, servers, first } = all
        const before = await first.connect()
        const visits = async (tokens: 'living' | 'expired') => {
          clover.calls.length = 0
          t.same(await eightAtOnce(all), Array(8).fill({ isNew: false }), `eight at once, access token ${tokens}`)
          t.equal(clover.count('exchange'), 8, 'nobody goes through Clover twice')
          const asked = trustMerchantId ? 0 : tokens === 'living' ? 16 : 8
          t.equal(clover.count('merchant'), asked, 'Clover is asked about each visit, and about the stored token while that lives')
          t.equal(clover.count('refresh'), trustMerchantId || tokens === 'expired' ? 1 : 0, 'one refresh for all, where one is needed')
          t.ok(isAlive())
        }
        await visits('living')
        await leap(1801)
        await visits('expired')
        for (let i = 0; i < 50; i++) await patiently(open(servers[i % count] ?? first))
        t.ok(isAlive())
        t.equal(stored().connectionId, before.connectionId, 'the pair was never replaced')
        t.same([events('reauthorization-required'), events('reconnected')], [[], []])
      })
    }
  }
}

t.test('of eight people who open an app that is not connected at one server, the first gets a pair and the others keep it', async t => {
  for (const trust of ['high', 'low'] as const) {
    for (const trustMerchantId of [false, true]) {
      const all = cluster(t, { trust, trustMerchantId, kept: 1 })
      t.same((await eightAtOnce(all)).filter(({ isNew }) => isNew), [{ isNew: true }])
      t.equal(all.clover.count('exchange'), 8)
      t.ok(all.isAlive(), 'although Clover keeps one refresh token only')
    }
  }
})

t.test('if Clover gives refresh tokens that were not asked for, the stored one works after any number of visits', async t => {
  for (const count of [1, 4]) {
    for (const trustMerchantId of [false, true]) {
      const all = cluster(t, { trust: 'low', count, trustMerchantId, alwaysGivesRefreshToken: true })
      await eightAtOnce(all)
      t.ok(all.isAlive(), 'a first visit of eight at once')
      await leap(1801)
      await eightAtOnce(all)
      t.ok(all.isAlive(), 'the next')
      for (let i = 0; i < 50; i++) {
        await open(all.servers[i % count] ?? all.first)
        if (!all.isAlive()) t.fail(`visit ${i} left a dead pair`)
      }
      t.equal(all.stored().accessToken, `access-${all.stored().refreshToken}`, 'a full pair, kept as one')
    }
  }
})

t.test('a valid access token does not prove the pair of a merchant whom Clover refused', async t => {
  const { connections, clover, mark, isAlive } = cluster(t)
  await mark()
  t.equal(await connections.connect(merchantId, code()), 'needs-full-round')
  t.same(clover.calls, ['exchange', 'merchant'])
  t.same(await connections.connect(merchantId, code(), true), { isNew: false })
  t.ok(isAlive())
})

t.test('a pair whose access token Clover does not know, or knows for another merchant, is refreshed before it counts as alive', async t => {
  for (const answer of [refused, { ...refused, status: 404 }, { outcome: 'ok', value: 'MERCHANT00002' }]) {
    const { connections, clover, connect, stored, isAlive } = cluster(t)
    const { accessToken } = await connect()
    clover.intercept = (call, run, token) => call === 'merchant' && token === accessToken ? answer : run()
    t.same(await connections.connect(merchantId, code()), { isNew: false })
    t.same(clover.calls, ['exchange', 'merchant', 'merchant', 'refresh'])
    t.not(stored().accessToken, accessToken)
    t.ok(isAlive())
  }
})
