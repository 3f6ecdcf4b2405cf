import t from 'tap'
import type { LegacyToken } from '../../src/index.js'
import { lowTrust } from '../harness/host.js'
import { id } from './server-jobs.js'
import { all, fast, kinds, legacyFixture } from './legacy.js'

for (const appId of ['SIMULATORAPP1', lowTrust]) {
  t.test(`merchants are moved to pairs that work, once (${appId === lowTrust ? 'low' : 'high'} trust)`, async t => {
    const { host, clover, legacy, record } = await legacyFixture(t, { appId })
    const { app, leaks } = await host()
    const source = legacy(6)
    const secrets = source.map(({ legacyToken }) => legacyToken)
    const outcomes = await all(app.clover.migrateLegacy(source, fast))
    t.same(kinds(outcomes), Array(6).fill('migrated'))
    t.same(outcomes.map(({ merchantId }) => merchantId).sort(), source.map(({ merchantId }) => merchantId))
    for (let i = 0; i < 6; i++) {
      const stored = await record(i)
      t.match(stored, { flow: 'v2', merchantId: id(i) })
      t.ok(clover.isLive(String(stored?.refreshToken)))
      t.type((await app.clover.refresh(id(i))).refreshTokenExpiration, 'number')
    }
    t.same(leaks(JSON.stringify(outcomes), secrets), [])
    const calls = clover.calls.length
    t.same(kinds(await all(app.clover.migrateLegacy(new Set(source), fast))), Array(6).fill('already-connected'))
    t.equal(clover.calls.length, calls, 'a second run makes no call to Clover')
    const fields = clover.calls.filter(({ endpoint }) => endpoint === 'migrate').map(call => [...call.fields].sort().join())
    t.same([...new Set(fields)], [appId === lowTrust ? 'app_uuid,auth_token,code_challenge,merchant_uuid' : 'app_uuid,auth_token,merchant_uuid'])
  })
}

t.test('the v1 tokens that the plugin stored before are moved, with their records', async t => {
  const { host, clover, storage, record } = await legacyFixture(t)
  const now = Math.floor(clover.now() / 1000)
  const legacyToken = clover.legacyToken({ merchantId: id(0) })
  await storage.put({
    merchantId: id(0),
    appId: 'SIMULATORAPP1',
    environment: 'simulator',
    flow: 'v1',
    accessToken: legacyToken,
    accessTokenExpiration: null,
    refreshToken: null,
    refreshTokenExpiration: null,
    connectionId: 'of v1',
    connectedAt: now,
    updatedAt: now,
    dueAt: null,
    revision: '0'.repeat(32)
  }, undefined)
  const { app } = await host()
  t.equal(await app.clover.accessToken(id(0)), legacyToken)
  t.match(await all(app.clover.migrateLegacy([{ merchantId: id(0) }, { merchantId: id(1) }], fast)), [
    { merchantId: id(1), outcome: 'refused', code: 'FST_CLOVER_NOT_CONNECTED', index: 1 }, { merchantId: id(0), outcome: 'migrated', index: 0 }
  ])
  t.match(await record(0), { flow: 'v2', refreshToken: String })
  t.not(await app.clover.accessToken(id(0)), legacyToken, 'nothing of the old token is kept in memory')
})

t.test('a merchant whose stored record is of another app is refused: another run would not help', async t => {
  const { host, clover, storage, legacy, record } = await legacyFixture(t)
  const { app } = await host()
  t.same(kinds(await all(app.clover.migrateLegacy(legacy(1), fast))), ['migrated'])
  const stored = await record(0)
  if (stored === undefined) throw new Error('not migrated')
  await storage.put({ ...stored, appId: 'OTHERAPP00001' }, stored.revision)
  const calls = clover.calls.length
  t.match(await all(app.clover.migrateLegacy(legacy(1), fast)), [{ outcome: 'refused', code: 'FST_CLOVER_OTHER_APP' }])
  t.equal(clover.calls.length, calls)
})

t.test('a wrong item is an outcome with a reason that quotes nothing of it', async t => {
  const { host, clover } = await legacyFixture(t)
  const { app } = await host()
  const wrong = [null, 7, 'MERCHANT00001', {}, { merchantId: 'canary-short' }, { merchantId: id(1), legacyToken: '' }, { merchantId: id(2), legacyToken: 'canary with spaces' }, { merchantId: ['canary'] }]
  const outcomes = await all(app.clover.migrateLegacy(wrong as LegacyToken[], fast))
  t.same(kinds(outcomes), wrong.map(() => 'refused'))
  t.notMatch(JSON.stringify(outcomes), /canary/)
  t.match(outcomes.find(({ index }) => index === 3), { merchantId: null, code: 'FST_CLOVER_INVALID_MERCHANT_ID', reason: /13 characters/ })
  t.match(outcomes.find(({ index }) => index === 6), { merchantId: id(2), code: 'FST_CLOVER_INVALID_OPTIONS', reason: /legacyToken must be a token/ })
  t.equal(clover.calls.length, 0)
})

t.test('an item is read once, and one that throws when it is read is an outcome too', async t => {
  const { host, legacy, clover } = await legacyFixture(t)
  const { app } = await host()
  const [token] = legacy(1)
  let reads = 0
  const fickle = { get merchantId () { return reads++ === 0 ? id(0) : '../../oauth' }, legacyToken: token?.legacyToken }
  const broken = { get merchantId (): string { throw new Error('canary of a lazy column') } }
  const outcomes = await all(app.clover.migrateLegacy([broken, fickle], fast))
  t.same(kinds(outcomes), ['refused', 'migrated'])
  t.match(outcomes.find(({ index }) => index === 0), { merchantId: null, code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  t.same(reads, 1)
  t.notMatch(JSON.stringify(outcomes), /canary/)
  t.equal(clover.count('migrate'), 1)
})

t.test('a token that Clover does not know, or that is another merchant\'s, is refused', async t => {
  const { host, legacy, record } = await legacyFixture(t)
  const { app } = await host()
  const [a, b] = legacy(2)
  const outcomes = await all(app.clover.migrateLegacy([{ merchantId: id(0), legacyToken: 'nonsense' }, { merchantId: id(1), legacyToken: String(a?.legacyToken) }], fast))
  t.match(outcomes, [{ outcome: 'refused', code: 'FST_CLOVER_DENIED', reason: /did not accept the legacy token \(status 401\)/ }, { outcome: 'refused' }])
  t.notMatch(JSON.stringify(outcomes), String(a?.legacyToken))
  t.same([await record(0), await record(1), b?.merchantId], [undefined, undefined, id(1)])
})

t.test('a pair that Clover says is another merchant\'s is not stored', async t => {
  const { host, clover, legacy, record } = await legacyFixture(t)
  const { app } = await host()
  clover.fault({ on: 'merchant', kind: 'reply', body: { id: id(9) }, times: Infinity })
  t.match(await all(app.clover.migrateLegacy(legacy(1), fast)), [{ outcome: 'refused', code: 'FST_CLOVER_MERCHANT_MISMATCH' }])
  t.equal(await record(0), undefined)
  const trusting = await host({ dangerouslyTrustMerchantId: true })
  t.match(await all(trusting.app.clover.migrateLegacy(legacy(1), fast)), [{ outcome: 'migrated' }])
})

t.test('an app that may not read its merchants ends the run early, since each merchant could lose the legacy token', async t => {
  const { host, clover, legacy } = await legacyFixture(t, { apps: [{ id: 'SIMULATORAPP1', secret: 'a secret', permissions: { readMerchant: false } }] })
  const { app } = await host()
  const seen: unknown[] = []
  await t.rejects(async () => { for await (const outcome of app.clover.migrateLegacy(legacy(40), { ...fast, concurrency: 1 })) seen.push(outcome) }, { code: 'FST_CLOVER_PERMISSION' })
  t.match(seen.slice(0, 3), Array(3).fill({ outcome: 'refused', code: 'FST_CLOVER_PERMISSION' }))
  t.ok(clover.count('migrate') <= 4)
})

t.test('a merchant who is in the source twice is migrated once', async t => {
  const { host, clover, legacy } = await legacyFixture(t)
  const { app } = await host()
  const [first] = legacy(1)
  const source = Array<LegacyToken>(5).fill(first as LegacyToken)
  t.same(kinds(await all(app.clover.migrateLegacy(source, fast))), ['migrated', ...Array(4).fill('already-connected')])
  t.equal(clover.count('migrate'), 1)
})

t.test('two servers with the same list store one working pair for each merchant', async t => {
  const { host, clover, legacy, record } = await legacyFixture(t)
  const [one, two] = [await host(), await host()]
  const source = legacy(20)
  const outcomes = await Promise.all([one, two].map(({ app }) => all(app.clover.migrateLegacy(source, fast))))
  t.same(outcomes.flatMap(kinds).filter(kind => kind === 'refused' || kind === 'failed'), [])
  t.equal(outcomes.flatMap(kinds).filter(kind => kind === 'migrated').length, 20)
  for (let i = 0; i < 20; i++) t.ok(clover.isLive(String((await record(i))?.refreshToken)))
})

t.test('a merchant whose legacy token another server has just spent is connected, not refused', async t => {
  const { host, clover, legacy } = await legacyFixture(t, { unknowns: { legacyTokenDiesAtMigration: true } })
  const [one, two] = [await host(), await host()]
  const source = legacy(1)
  const slow = clover.fault({ on: 'migrate', kind: 'latency', ms: 300 })
  const late = all(one.app.clover.migrateLegacy(source, fast))
  while (slow.hits === 0) await new Promise(resolve => setTimeout(resolve, 5))
  t.same(kinds(await all(two.app.clover.migrateLegacy(source, fast))), ['migrated'])
  t.same(kinds(await late), ['already-connected'])
})

t.test('a merchant whose pair Clover refuses is migrated again', async t => {
  const { host, clover, legacy, record } = await legacyFixture(t)
  const { app } = await host()
  await all(app.clover.migrateLegacy(legacy(1), fast))
  clover.uninstall(id(0))
  await t.rejects(app.clover.refresh(id(0)), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.match(await all(app.clover.migrateLegacy([{ merchantId: id(0) }], fast)), [{ outcome: 'refused', code: 'FST_CLOVER_NOT_CONNECTED' }], 'a v2 token is no legacy token')
  t.same(kinds(await all(app.clover.migrateLegacy(legacy(1), fast))), ['migrated'])
  t.notOk((await record(0))?.reauthorizationRequired)
})

t.test('wrong arguments are refused at once', async t => {
  const { host } = await legacyFixture(t)
  const { app } = await host()
  for (const [legacy, options, sentence] of [
    [undefined, {}, /the first argument must be an iterable/], ['text', {}, /the first argument/], [{}, {}, /the first argument/], [null, {}, /the first argument/],
    [[], { total: -1 }, /total must be a whole number/], [[], { rate: 0 }, /rate must be/], [[], { concurency: 1 }, /concurency is not an option/]
  ] as const) {
    t.throws(() => app.clover.migrateLegacy(legacy as never, options as object), { code: 'FST_CLOVER_INVALID_OPTIONS', message: sentence })
  }
  const v1 = await host({ flow: 'v1' })
  t.throws(() => v1.app.clover.migrateLegacy([]), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /flow 'v2'/ })
  t.same(await all(app.clover.migrateLegacy([])), [])
  await app.close()
  t.throws(() => app.clover.migrateLegacy([]), { code: 'FST_CLOVER_CLOSING' })
})
