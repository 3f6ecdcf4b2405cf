import t from 'tap'
import { events, merchantA, startHost } from '../harness/host.js'
import { adoptable } from '../harness/pairs.js'
import { advance, startServer, gate, patiently, quiet, unclear } from '../tokens/one-server.js'
import { installations } from '../../src/tokens/installations.js'
import { connectMany, days, jobsOf } from './server-jobs.js'

t.test('a failure of the store for one merchant is counted as failed', async t => {
  const one = startServer(t)
  await one.connect()
  await days(340)
  one.storage.break('get')
  t.match(await patiently(jobsOf(one).keepAlive.run()), { due: 1, failed: 1 })
})

t.test('a merchant who leaves or is refreshed elsewhere at the last moment is skipped', async t => {
  const one = startServer(t)
  await one.connect()
  await days(340)
  let reads = 0
  one.storage.intercept = async (method, run) => {
    if (method === 'get' && ++reads === 3) one.storage.records.clear()
    return run()
  }
  t.match(await patiently(jobsOf(one).keepAlive.run()), { due: 1, skipped: 1, failed: 0 })
  t.equal(one.clover.count('refresh'), 0)
})

t.test('a merchant whose refresh a closing server does not begin is skipped, and not counted as failed', async t => {
  let isClosing = false
  const one = startServer(t, { isClosing: () => isClosing })
  await one.connect()
  await days(340)
  isClosing = true
  t.match(await patiently(jobsOf(one).keepAlive.run()), { due: 1, skipped: 1, failed: 0 })
  t.equal(one.clover.count('refresh'), 0)
})

t.test('a stopped pass begins no further refresh, and finishes those in progress', async t => {
  const one = startServer(t)
  await connectMany(one, 30)
  await days(340)
  const { keepAlive } = jobsOf(one)
  const stop = new AbortController()
  const hold = gate()
  one.clover.intercept = async (_call, run) => { await hold.promise; return run() }
  const pass = keepAlive.run({ rate: 100, signal: stop.signal })
  await advance(1000)
  t.equal(one.clover.count('refresh'), 4, 'half of the process\'s calls at most')
  stop.abort()
  await advance(1000)
  hold.open()
  const summary = await patiently(pass)
  t.match(summary, { refreshed: 4, isComplete: false })
  t.equal(one.clover.count('refresh'), 4)
  const listed = one.storage.calls.length
  t.match(await keepAlive.run({ signal: stop.signal }), { candidates: 0, isComplete: false })
  await quiet()
  t.ok(one.storage.calls.length <= listed + 1)
})

t.test('a stopped pass reads no further page, and does not wait for the rate limiter', async t => {
  const one = startServer(t)
  await connectMany(one, 350)
  const { keepAlive } = jobsOf(one)
  const stop = new AbortController()
  let lists = 0
  one.storage.intercept = async (method, run) => {
    if (method === 'list' && ++lists === 1) stop.abort()
    return run()
  }
  t.match(await patiently(keepAlive.run({ signal: stop.signal })), { isComplete: false })
  await quiet()
  t.equal(lists, 1, 'also where nobody is due')

  await days(340)
  one.storage.repair()
  const again = new AbortController()
  const pass = keepAlive.run({ rate: 0.01, signal: again.signal })
  await advance(1000)
  t.equal(one.clover.count('refresh'), 1)
  again.abort()
  const began = Date.now()
  t.match(await patiently(pass), { refreshed: 1, isComplete: false })
  t.ok(Date.now() - began < 1000)
})

t.test('a pass that waits for its rate limiter occupies no slot of other jobs', async t => {
  const one = startServer(t, { maxCalls: 2 })
  await connectMany(one, 3)
  await days(340)
  const { keepAlive, jobs } = jobsOf(one, { maxCalls: 2 })
  const stop = new AbortController()
  const pass = keepAlive.run({ rate: 0.01, signal: stop.signal })
  await advance(1000)
  let isRun = false
  jobs.slots.run(async () => { isRun = true })
  await quiet()
  t.ok(isRun)
  stop.abort()
  await patiently(pass)
})

t.test('a listing that returns the same cursor ends the pass with an error', async t => {
  const one = startServer(t)
  await connectMany(one, 3)
  const lists = one.storage.list.bind(one.storage)
  one.storage.list = async query => ({ ...await lists({ ...query, cursor: '0' }), cursor: 'again' })
  await t.rejects(patiently(jobsOf(one).keepAlive.run()), { code: 'FST_CLOVER_STORAGE', cause: { message: /same cursor/ } })
  await t.rejects(async () => { for await (const { merchantId } of installations(one.store)) t.ok(merchantId) }, { code: 'FST_CLOVER_STORAGE', cause: { message: /same cursor/ } })
})

t.test('handlers keep at least half of the calls to Clover', async t => {
  const one = startServer(t, { maxCalls: 2 })
  const [first = ''] = await connectMany(one, 10)
  await days(340)
  const hold = gate()
  const seen: string[] = []
  one.clover.intercept = async (_call, run, token) => { seen.push(token); if (seen.length === 1) await hold.promise; return run() }
  const pass = jobsOf(one, { maxCalls: 2, jitter: () => 0.999 }).keepAlive.run({ rate: 100, concurrency: 10 })
  await advance(1000)
  t.equal(seen.length, 1)
  const other = [...one.storage.records.values()].find(record => record.refreshToken !== seen[0] && record.merchantId !== first)
  t.type(await patiently(one.accessTokens.accessToken(String(other?.merchantId))), 'string')
  hold.open()
  t.match(await patiently(pass), { refreshed: 9, skipped: 1 })
})

t.test('progress is reported once a second at most and at the end, and an error of the host stops nothing', async t => {
  const one = startServer(t)
  await connectMany(one, 40)
  await days(340)
  const { keepAlive, logs } = jobsOf(one)
  const reports: number[] = []
  const onProgress = ({ refreshed }: { refreshed: number }) => {
    reports.push(refreshed)
    if (reports.length === 1) throw new Error('the host\'s own')
    return Promise.reject(new Error('the host\'s own, later'))
  }
  t.match(await patiently(keepAlive.run({ rate: 10, onProgress })), { refreshed: 40 })
  t.ok(reports.length >= 4 && reports.length <= 6, reports.join())
  t.equal(reports.at(-1), 40)
  await quiet()
  t.match(logs.filter(({ level }) => level === 'error').map(({ text }) => text), reports.map(() => /onProgress threw/))
})

t.test('wrong arguments and an adapter without list are errors', async t => {
  const one = startServer(t)
  const { keepAlive } = jobsOf(one)
  for (const [options, sentence] of [
    [null, /keepAlive\(\): options must be a plain object/],
    [[], /options must be a plain object/],
    [new Map(), /options must be a plain object/],
    [new (class Options { rate = 1 })(), /options must be a plain object/],
    [{ evry: 3600 }, /keepAlive\(\): evry is not an option/],
    [{ toString: 1 }, /keepAlive\(\): toString is not an option/],
    [{ every: 3600 }, /every must be left out: keepAlive\(\) makes one pass, and the plugin's option keepAlive: \{ every \} says how often/],
    [{ within: '1' }, /within must be/],
    [{ within: Infinity }, /within must be/],
    [{ rate: 0 }, /rate must be/],
    [{ concurrency: 1.5 }, /concurrency must be/],
    [{ signal: {} }, /signal must be an AbortSignal/],
    [{ onProgress: 1 }, /onProgress must be a function/],
    [{ rate: -1, within: NaN }, /rate must be[^]*within must be/]
  ] as const) {
    await t.rejects(keepAlive.run(options as object), { code: 'FST_CLOVER_INVALID_OPTIONS', message: sentence })
  }
  t.match(await keepAlive.run({ rate: 5, signal: undefined, onProgress: undefined }), { candidates: 0, isComplete: true })
  Object.defineProperty(one.storage, 'list', { value: undefined })
  await t.rejects(keepAlive.run(), { code: 'FST_CLOVER_STORAGE', cause: { message: /keepAlive\(\) needs it/ } })
})

t.test('a server refreshes by its own HTTP calls, and stops when it is closed', async t => {
  const { app, clover, time, storage, logs } = await startHost(t, { options: { routes: false } })
  const adopt = (merchantId: string) => {
    const pair = clover.connect({ merchantId })
    return app.clover.adopt(adoptable(merchantId, pair))
  }
  await adopt(merchantA)
  t.match(await app.clover.keepAlive(), { candidates: 1, due: 0 }, 'every record is read')
  time.pass(340 * 86_400_000)
  const slow = clover.fault({ on: 'refresh', kind: 'latency', ms: 150 })
  const pass = app.clover.keepAlive()
  while (slow.hits === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await app.close()
  t.match(await pass, { due: 1, refreshed: 1, isComplete: false })
  t.ok(clover.isLive(String((await storage.get(merchantA))?.refreshToken)), 'the new pair was stored before the server was closed')
  await t.rejects(app.clover.keepAlive(), { code: 'FST_CLOVER_CLOSING' })
  t.ok(events(logs).some(({ event }) => event === 'keep-alive'))
})

t.test('a long retry-after pauses a pass for a minute at most', async t => {
  const one = startServer(t)
  await connectMany(one, 2)
  await days(340)
  one.clover.intercept = () => unclear('status 429', { retryAfter: 3600 })
  const began = Date.now()
  t.match(await patiently(jobsOf(one).keepAlive.run({ concurrency: 1 })), { failed: 2 })
  t.ok(Date.now() - began >= 60_000 && Date.now() - began < 70_000)
})
