import { randomUUID } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { LegacyToken, MigrationOutcome, MigrationProgress } from '../../src/index.js'
import { realRuntime } from '../../src/runtime.js'
import { share } from '../harness/share.js'
import { mockTimers } from '../harness/mock-timers.js'
import { advance, patiently, sleep } from '../tokens/one-server.js'
import { id } from './server-jobs.js'
import { all, fast, kinds, legacyFixture } from './legacy.js'

const until = async (isTrue: () => unknown) => { while (!isTrue()) await realRuntime.sleep(2) }

t.test('requests are spaced evenly, and at least nine tenths of the rate are used, by Clover\'s own log', async t => {
  mockTimers(t, 1_800_000_000_000)
  const now = () => Date.now()
  const { host, clover, legacy } = await legacyFixture(t, { now, rateLimits: true })
  const fetch = async (url: URL, { method, body, headers }: RequestInit) => {
    await sleep(60)
    const reply = await clover.app.inject({ method: method as 'GET', url: url.pathname + url.search, headers: headers as Record<string, string>, ...(typeof body === 'string' && { payload: body }) })
    return new Response(reply.body, { status: reply.statusCode, headers: reply.headers as Record<string, string> })
  }
  const { app } = await host({}, { wallClock: now, sleep, fetch: fetch as typeof globalThis.fetch })
  const merchants = share(80, 200)
  const outcomes = await patiently(all(app.clover.migrateLegacy(legacy(merchants))))
  t.same(new Set(kinds(outcomes)), new Set(['migrated']))
  const at = clover.calls.map(call => call.at)
  t.equal(at.length, merchants * 3)
  const most = Math.max(...at.map(from => at.filter(time => time >= from && time < from + 1000).length))
  t.ok(most <= 21, `${most} in a second`)
  const rate = (at.length - 1) / (Number(at.at(-1)) - Number(at[0])) * 1000
  t.ok(rate >= 18 && rate <= 20.1, `${rate} a second`)
  t.equal(clover.calls.filter(({ status }) => status === 429).length, 0)
  const closed = app.close()
  await advance(1000)
  await closed
})

/** A source that counts the items that were read. */
function lazily (source: LegacyToken[]) {
  const state = { read: 0, isLeft: false }
  const generate = async function * () {
    try {
      for (const item of source) {
        state.read++
        yield item
      }
    } finally {
      state.isLeft = true
    }
  }
  return { state, items: generate() }
}

t.test('a signal ends the run without an error once merchants in progress are stored, and the next run continues', async t => {
  const { host, clover, legacy, record } = await legacyFixture(t)
  const { app } = await host()
  const source = legacy(40)
  const { state, items } = lazily(source)
  const stop = new AbortController()
  clover.fault({ on: 'token', kind: 'latency', ms: 20, times: Infinity })
  const outcomes: MigrationOutcome[] = []
  for await (const outcome of app.clover.migrateLegacy(items, { ...fast, signal: stop.signal })) {
    outcomes.push(outcome)
    if (outcomes.length === 5) stop.abort()
  }
  t.ok(state.isLeft && state.read < 20, `${state.read} were read`)
  t.ok(outcomes.length < 20)
  t.equal(outcomes.length, state.read, 'each item that was read has its outcome')
  t.equal(clover.count('migrate'), outcomes.filter(({ outcome }) => outcome === 'migrated').length, 'no legacy token was touched in vain')
  for (const outcome of outcomes) {
    if (outcome.outcome === 'migrated') t.ok(clover.isLive(String((await record(outcome.index))?.refreshToken)))
    else t.match(outcome, { outcome: 'failed', reason: /stopped before this merchant was begun/ })
  }
  clover.clearFaults()
  const again = kinds(await all(app.clover.migrateLegacy(source, fast)))
  t.equal(again.filter(kind => kind === 'already-connected').length, outcomes.filter(({ outcome }) => outcome === 'migrated').length)
  t.equal(clover.count('migrate'), 40)
  t.same(await all(app.clover.migrateLegacy(source, { signal: AbortSignal.abort() })), [])
})

t.test('when the loop is left, every merchant that was begun is stored', async t => {
  const { host, clover, legacy, record } = await legacyFixture(t)
  const { app } = await host()
  const { state, items } = lazily(legacy(40))
  clover.fault({ on: 'token', kind: 'latency', ms: 20, times: Infinity })
  let seen = 0
  for await (const { outcome } of app.clover.migrateLegacy(items, fast)) {
    t.equal(outcome, 'migrated')
    if (++seen === 2) break
  }
  t.ok(state.isLeft)
  t.equal(clover.openCalls, 0)
  let stored = 0
  for (let i = 0; i < 40; i++) if (await record(i)) stored++
  t.equal(stored, clover.count('migrate'))
  t.ok(stored < 12)
})

t.test('closing the server waits for pairs that are not stored yet', async t => {
  const { host, clover, legacy, storage, record } = await legacyFixture(t)
  let failures = 3
  const { app } = await host({ storage: { ...storage, put: (next, expected) => failures-- > 0 ? Promise.reject(new Error('the database is down')) : storage.put(next, expected) } })
  const slow = clover.fault({ on: 'token', kind: 'latency', ms: 40, times: Infinity })
  const run = all(app.clover.migrateLegacy(legacy(40), { ...fast, concurrency: 2 }))
  await until(() => slow.hits === 2)
  await app.close()
  t.equal(clover.count('migrate'), 2)
  for (const i of [0, 1]) t.ok(clover.isLive(String((await record(i))?.refreshToken)), 'stored before the server was closed')
  t.same(kinds(await run).slice(0, 2), ['migrated', 'migrated'])
})

t.test('a low rate does not stop a new pair from being stored while the server closes', async t => {
  const { host, clover, legacy, time, record } = await legacyFixture(t)
  const { app } = await host()
  const run = all(app.clover.migrateLegacy(legacy(3), { rate: 0.02, concurrency: 1 }))
  await until(() => clover.count('token') === 1)
  const began = time.now()
  await app.close()
  t.ok(time.now() - began < 15_000, 'nor does it hold up the close until its deadline')
  t.ok(clover.isLive(String((await record(0))?.refreshToken)))
  t.match(await run, [{ outcome: 'migrated' }])
  t.equal(clover.count('migrate'), 1)
})

t.test('a server that closes while the store is down reports the lost pairs', async t => {
  const { host, clover, legacy, storage, time } = await legacyFixture(t)
  const { app } = await host({ storage: { ...storage, put: () => Promise.reject(new Error('the database is down')) } })
  const run = all(app.clover.migrateLegacy(legacy(1), fast))
  await until(() => clover.count('merchant') === 1)
  const began = time.now()
  await app.close()
  t.ok(time.now() - began < 30_000)
  t.match(await run, [{ outcome: 'failed', code: 'FST_CLOVER_STORAGE' }])
})

t.test('a merchant who waits for the first of two items of the same merchant is not begun after the stop', async t => {
  const { host, clover, legacy } = await legacyFixture(t)
  const { app } = await host()
  const [first] = legacy(1)
  const stop = new AbortController()
  const slow = clover.fault({ on: 'token', kind: 'latency', ms: 40 })
  const run = all(app.clover.migrateLegacy(Array(2).fill(first), { ...fast, signal: stop.signal }))
  await until(() => slow.hits === 1)
  stop.abort()
  t.match((await run).sort((a, b) => a.index - b.index), [{ outcome: 'migrated' }, { outcome: 'failed', reason: /stopped before this merchant was begun/ }])
})

t.test('a code is exchanged after the stop, also if that needs a retry', async t => {
  const stop = new AbortController()
  const { host, clover, legacy, record } = await legacyFixture(t)
  const failing: typeof globalThis.fetch = async (url, init) => {
    if (!String(url).endsWith('/oauth/v2/token') || stop.signal.aborted) return fetch(url, init)
    stop.abort()
    return new Response('', { status: 503 })
  }
  const { app } = await host({}, { fetch: failing })
  t.same(kinds(await all(app.clover.migrateLegacy(legacy(1), { ...fast, signal: stop.signal }))), ['migrated'])
  t.ok(clover.isLive(String((await record(0))?.refreshToken)))
})

t.test('an error of the source is thrown after every item that was read is done', async t => {
  const { host, legacy } = await legacyFixture(t)
  const { app } = await host()
  const items = async function * () { yield * legacy(3); throw new Error('line 4 is broken') }
  const outcomes: MigrationOutcome[] = []
  await t.rejects(async () => { for await (const outcome of app.clover.migrateLegacy(items(), fast)) outcomes.push(outcome) }, { message: 'line 4 is broken' })
  t.same(kinds(outcomes), ['migrated', 'migrated', 'migrated'])
})

t.test('the source is read no faster than the outcomes are taken', async t => {
  const { host, legacy } = await legacyFixture(t)
  const { app } = await host()
  const { state, items } = lazily(legacy(60))
  const run = app.clover.migrateLegacy(items, fast)
  await run.next()
  await realRuntime.sleep(200)
  t.ok(state.read <= 10, `${state.read}`)
  await run.return()
})

t.test('progress has the counts so far and the time that is left', async t => {
  const { host, legacy } = await legacyFixture(t)
  const { app, logs } = await host()
  const reports: MigrationProgress[] = []
  const source = legacy(60)
  await all(app.clover.migrateLegacy(lazily(source).items, { ...fast, total: 60, onProgress: report => { reports.push(report); throw new Error('the host\'s own') } }))
  t.match(reports.at(-1), { done: 60, migrated: 60, total: 60, timeLeft: 0 })
  const [first] = reports
  t.ok(reports.length > 1 && first && first.rate > 0 && Number(first.timeLeft) > 0)
  t.match(logs.join(''), /onProgress threw/)
  reports.length = 0
  await all(app.clover.migrateLegacy(lazily(source).items, { ...fast, onProgress: report => reports.push(report) }))
  t.match(reports.at(-1), { done: 60, alreadyConnected: 60, total: undefined, timeLeft: undefined })
  reports.length = 0
  await all(app.clover.migrateLegacy(source, { ...fast, onProgress: report => reports.push(report) }))
  t.match(reports.at(-1), { done: 60, alreadyConnected: 60, total: 60, rate: 0, timeLeft: undefined }, 'merchants who cost no call tell nothing about the rate')
})

t.test('no log entry contains a token or a code', async t => {
  const { host, clover, legacy } = await legacyFixture(t)
  const { app, logs } = await host()
  const source = legacy(4)
  clover.fault({ on: 'token', kind: 'drop-after' })
  const outcomes = await all(app.clover.migrateLegacy(source, fast))
  const presented = clover.calls.map(call => call.presented).filter(token => token !== undefined)
  t.ok(presented.length > 8)
  const text = logs.join('') + JSON.stringify(outcomes)
  for (const secret of [...presented, ...source.map(({ legacyToken }) => legacyToken)]) t.notOk(text.includes(String(secret)))
})

t.test('memory does not grow with the number of merchants', { timeout: 200_000 }, async t => {
  const [count, length] = share([1_200, 16_000], [10_000, 8_000])
  const first = share(400, 1_000)
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const heap = () => { gc(); return process.memoryUsage().heapUsed }
  const { host, storage } = await legacyFixture(t)
  const expiration = 1_900_000_000
  const replies: Record<string, () => object> = {
    '/oauth/token/migrate_v2': () => ({ authorization_code: randomUUID(), expiration }),
    '/oauth/v2/token': () => ({ access_token: 'a'.repeat(300) + randomUUID(), access_token_expiration: expiration, refresh_token: randomUUID(), refresh_token_expiration: expiration })
  }
  const fetch = async ({ pathname }: URL) => Response.json(replies[pathname]?.() ?? { id: pathname.split('/').at(-1) })
  const { app, logs } = await host({ storage: { ...storage, put: async () => true }, callTimeout: 300 }, { fetch: fetch as typeof globalThis.fetch })
  const items = async function * () { for (let i = 0; i < count; i++) yield { merchantId: id(i), legacyToken: `${randomUUID()}${'x'.repeat(length)}` } }
  let done = 0
  let before = 0
  for await (const { outcome } of app.clover.migrateLegacy(items(), fast)) {
    if (outcome !== 'migrated') throw new Error(outcome)
    logs.length = 0
    if (++done === first) before = heap()
  }
  t.equal(done, count)
  const each = (heap() - before) / (count - first)
  t.ok(each < 3_400, `${each} bytes more for each merchant, whose token alone has ${length}`)
})
