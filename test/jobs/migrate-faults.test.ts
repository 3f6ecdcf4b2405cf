import t from 'tap'
import type { LegacyToken, MigrationOutcome, MigrationProgress } from '../../src/index.js'
import { realRuntime } from '../../src/runtime.js'
import { id } from './server-jobs.js'
import { all, fast, kinds, legacyFixture, type LegacyFixture } from './legacy.js'

const until = async (isTrue: () => unknown) => { while (!await isTrue()) await realRuntime.sleep(5) }
const never = () => new Promise<never>(() => {})

/** A process that dies at a step: its next call never ends, or is never made. */
async function crash ({ host, legacy, storage }: LegacyFixture, step: 'migrate' | 'token' | 'merchant' | 'put' | 'written'): Promise<LegacyToken[]> {
  let isDead = false
  const die = () => { isDead = true; return never() }
  const paths = { migrate: '/oauth/token/migrate_v2', token: '/oauth/v2/token', merchant: '/v3/', put: '-', written: '-' }
  const dying = await host({
    storage: {
      ...storage,
      put: async (next, expected) => {
        if (step === 'written') await storage.put(next, expected)
        return die()
      }
    }
  }, {
    fetch: async (url, init) => String(url).includes(paths[step]) ? die() : fetch(url, init),
    storageTimeout: 3_000
  })
  const source = legacy(1)
  all(dying.app.clover.migrateLegacy(source, fast)).catch(() => {})
  await until(() => isDead)
  return source
}

for (const [step, outcome] of [['migrate', 'migrated'], ['token', 'migrated'], ['merchant', 'migrated'], ['put', 'migrated'], ['written', 'already-connected']] as const) {
  t.test(`a process that dies ${step === 'written' ? 'after the write' : `before the call "${step}"`} leaves a merchant whom the next run migrates`, async t => {
    const fixture = await legacyFixture(t)
    const source = await crash(fixture, step)
    const { app } = await fixture.host()
    t.same(kinds(await all(app.clover.migrateLegacy(source, fast))), [outcome])
    t.ok(fixture.clover.isLive(String((await fixture.record(0))?.refreshToken)))
    t.same(kinds(await all(app.clover.migrateLegacy(source, fast))), ['already-connected'])
  })
}

t.test('if a migration ends the legacy token, a process that dies after it leaves a merchant who must authorize, and the next run reports that', async t => {
  const fixture = await legacyFixture(t, { unknowns: { legacyTokenDiesAtMigration: true } })
  const source = await crash(fixture, 'token')
  const { app } = await fixture.host()
  t.match(await all(app.clover.migrateLegacy(source, fast)), [{ outcome: 'refused', code: 'FST_CLOVER_DENIED', reason: /must open the app from Clover/ }])
})

t.test('calls with unclear answers are retried a few times', async t => {
  const { host, clover, legacy, record } = await legacyFixture(t)
  const { app } = await host()
  for (const on of ['migrate', 'token', 'merchant'] as const) clover.fault({ on, kind: 'status', status: 503, times: 2 })
  clover.fault({ on: 'migrate', kind: 'drop-after' })
  clover.fault({ on: 'merchant', kind: 'drop-before' })
  t.same(kinds(await all(app.clover.migrateLegacy(legacy(1), fast))), ['migrated'])
  t.ok(clover.isLive(String((await record(0))?.refreshToken)))

  const down = clover.fault({ on: 'migrate', kind: 'status', status: 500, times: Infinity })
  t.match(await all(app.clover.migrateLegacy([{ merchantId: id(1), legacyToken: 'x' }], fast)), [{ outcome: 'failed', code: 'FST_CLOVER_UNAVAILABLE', reason: /status 500/ }])
  t.equal(down.hits, 5)
})

t.test('a code whose answer was lost is replaced by a new one', async t => {
  const { host, clover, legacy, record } = await legacyFixture(t)
  const { app } = await host()
  clover.fault({ on: 'token', kind: 'drop-after', times: 2 })
  t.same(kinds(await all(app.clover.migrateLegacy(legacy(1), fast))), ['migrated'])
  t.equal(clover.count('migrate'), 2)
  t.ok(clover.isLive(String((await record(0))?.refreshToken)))
  clover.fault({ on: 'token', kind: 'status', status: 502, times: Infinity })
  clover.reset()
  clover.fault({ on: 'token', kind: 'status', status: 502, times: Infinity })
  t.match(await all(app.clover.migrateLegacy([{ merchantId: id(1), legacyToken: clover.legacyToken({ merchantId: id(1) }) }], fast)), [{ outcome: 'failed', reason: /status 502/ }])
  t.equal(clover.count('migrate'), 3, 'but not for ever')
})

t.test('a code that Clover refuses at once is reported as a wrong setup of the app', async t => {
  const { host, clover, legacy } = await legacyFixture(t)
  const { app } = await host({ appSecret: 'another secret' })
  t.match(await all(app.clover.migrateLegacy(legacy(1), fast)), [{ outcome: 'refused', code: 'FST_CLOVER_DENIED', reason: /check the App ID and the App Secret/ }])
  t.equal(clover.count('migrate'), 1)
})

t.test('a reply without the documented form migrates nobody', async t => {
  const { host, clover, legacy } = await legacyFixture(t)
  const { app } = await host()
  clover.fault({ on: 'migrate', kind: 'reply', body: { authorization_code: 'canary code', expiration: 7 }, times: Infinity })
  const outcomes = await all(app.clover.migrateLegacy(legacy(1), fast))
  t.match(outcomes, [{ outcome: 'failed', code: 'FST_CLOVER_BAD_REPLY' }])
  t.notMatch(JSON.stringify(outcomes), /canary/)
})

t.test('the write of a new pair is retried until the store is back', async t => {
  for (const before of ['nothing', 'a marked pair'] as const) {
    const { host, clover, legacy, storage, record } = await legacyFixture(t)
    let isDown = false
    const fails = (): Promise<never> => Promise.reject(new Error('the database is down'))
    const { app } = await host({ storage: { ...storage, get: key => isDown ? fails() : storage.get(key), put: (next, expected) => isDown ? fails() : storage.put(next, expected) } })
    if (before === 'a marked pair') {
      await all(app.clover.migrateLegacy(legacy(1), fast))
      clover.uninstall(id(0))
      await t.rejects(app.clover.refresh(id(0)))
    }
    const latency = clover.fault({ on: 'merchant', kind: 'latency', ms: 20 })
    const run = all(app.clover.migrateLegacy(legacy(1), fast))
    await until(() => latency.hits > 0)
    isDown = true
    await realRuntime.sleep(600) // a minute of the server's time
    t.not((await record(0))?.flow === 'v2' && !(await record(0))?.reauthorizationRequired, true)
    isDown = false
    t.same(kinds(await run), ['migrated'], before)
    t.ok(clover.isLive(String((await record(0))?.refreshToken)))
  }
})

t.test('a write that failed but was done is recognized', async t => {
  const { host, clover, legacy, storage, record } = await legacyFixture(t)
  let writes = 0
  const { app } = await host({ storage: { ...storage, put: async (next, expected) => { writes++; await storage.put(next, expected); throw new Error('the connection was lost') } } })
  t.same(kinds(await all(app.clover.migrateLegacy(legacy(1), fast))), ['migrated'])
  t.equal(writes, 1)
  t.ok(clover.isLive(String((await record(0))?.refreshToken)))
})

t.test('a store that stays down ends the run, after writes of new pairs were retried for minutes, and the outcomes say so', async t => {
  const { host, clover, legacy, storage, time } = await legacyFixture(t)
  const { app } = await host({ storage: { ...storage, put: () => Promise.reject(new Error('the database is down')) } })
  const outcomes: MigrationOutcome[] = []
  const began = time.now()
  await t.rejects(async () => { for await (const outcome of app.clover.migrateLegacy(legacy(50), fast)) outcomes.push(outcome) }, { code: 'FST_CLOVER_STORAGE' })
  t.ok(time.now() - began > 300_000)
  t.match(outcomes.slice(0, 3), Array(3).fill({ outcome: 'failed', code: 'FST_CLOVER_STORAGE', reason: /put[^]*the database is down/ }))
  t.ok(clover.count('migrate') <= 8, `${clover.count('migrate')} legacy tokens were touched`)

  const deaf = await host({ storage: { ...storage, get: () => Promise.reject(new Error('the database is down')) } })
  const calls = clover.calls.length
  await t.rejects(all(deaf.app.clover.migrateLegacy(legacy(50), fast)), { code: 'FST_CLOVER_STORAGE' })
  t.equal(clover.calls.length, calls, 'nothing is begun while the store cannot be read')
})

t.test('a merchant who leaves while the pair is being obtained stays disconnected', async t => {
  const { host, clover, legacy, storage, record } = await legacyFixture(t)
  const { app } = await host()
  await all(app.clover.migrateLegacy(legacy(1), fast))
  clover.uninstall(id(0))
  await t.rejects(app.clover.refresh(id(0)))
  const latency = clover.fault({ on: 'merchant', kind: 'latency', ms: 50 })
  const run = all(app.clover.migrateLegacy(legacy(1), fast))
  await until(() => latency.hits > 0)
  await storage.delete(id(0))
  t.match(await run, [{ outcome: 'failed', code: 'FST_CLOVER_UNAVAILABLE', reason: /record changed/ }])
  t.equal(await record(0), undefined)
})

t.test('a v1 server that is still running does not keep a merchant at v1', async t => {
  const { host, legacy, storage, record } = await legacyFixture(t)
  const { app } = await host({
    storage: {
      ...storage,
      put: async (next, expected) => {
        if (expected === undefined) {
          await storage.put({ ...next, flow: 'v1', accessToken: 'legacy', accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null, connectionId: 'of v1', dueAt: null, revision: '1'.repeat(32) }, undefined)
        }
        return storage.put(next, expected)
      }
    }
  })
  t.same(kinds(await all(app.clover.migrateLegacy(legacy(1), fast))), ['migrated'])
  t.match(await record(0), { flow: 'v2', refreshToken: String })
})

t.test('many 429s slow the run down, and lose no merchant', async t => {
  const { host, clover, legacy } = await legacyFixture(t)
  const { app } = await host()
  for (const on of ['migrate', 'token', 'merchant'] as const) clover.fault({ on, kind: 'status', status: 429, headers: { 'retry-after': '2' }, times: 8 })
  const reports: MigrationProgress[] = []
  t.same(kinds(await all(app.clover.migrateLegacy(legacy(10), { ...fast, onProgress: report => reports.push(report) }))), Array(10).fill('migrated'))
  t.match(reports.at(-1), { done: 10, migrated: 10, alreadyConnected: 0, refused: 0, failed: 0, total: 10, timeLeft: 0 })
})

t.test('429s that never end become a failure', async t => {
  const { host, clover, legacy } = await legacyFixture(t)
  const { app } = await host({}, { sleep: () => realRuntime.sleep(0), wallClock: (() => { let at = Date.now(); return () => { at += 70_000; return at } })() })
  const limited = clover.fault({ on: 'migrate', kind: 'status', status: 429, times: Infinity })
  t.match(await all(app.clover.migrateLegacy(legacy(1), fast)), [{ outcome: 'failed', reason: /429/ }])
  t.equal(limited.hits, 20)
})
