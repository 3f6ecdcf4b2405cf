import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { kRuntime, plugin } from '../../src/plugin.js'
import { realRuntime } from '../../src/runtime.js'
import { heartbeatOf } from '../../src/tokens/heartbeat.js'
import { ordinaryOptions } from '../harness/host.js'
import { legacyFixture } from '../jobs/legacy.js'
import { appOf, connectDue, run, fixtureWithApp } from './terminal.js'

t.test('keep-alive makes one pass, prints JSON lines, and exits with 0', async t => {
  const fixture = await fixtureWithApp(t)
  await connectDue(fixture, 3)
  const { code, err, reports } = await run(['keep-alive', fixture.app, '--rate', '1000', '--concurrency', '2', '--within', '2592000'])
  t.same([code, err], [0, ''])
  t.match(reports.at(-1), { type: 'summary', candidates: 3, due: 3, refreshed: 3, failed: 0, isComplete: true })
  t.ok(reports.slice(0, -1).every(({ type }) => type === 'progress') && reports.length > 1)
  t.equal(fixture.clover.count('refresh'), 3)
  t.match((await run(['keep-alive', fixture.app])).reports.at(-1), { due: 0 })
  t.match((await run(['keep-alive', fixture.app, '--within', '31536000'])).reports.at(-1), { due: 0 }, 'at most half of the life')
})

t.test('on a terminal it writes over one line, and ends with a sentence; --json prints JSON there too', async t => {
  const fixture = await fixtureWithApp(t)
  await connectDue(fixture, 2)
  await fixture.storage.put({ ...await fixture.record(0), merchantId: 'MERCHANT00009', appId: 'ANOTHERAPP001' } as never, undefined)
  const { code, out, err } = await run(['keep-alive', fixture.app, '--rate', '1000'], { isTerminal: true, env: { NO_COLOR: '1' } })
  t.equal(code, 0, 'a record that cannot be used does not count')
  t.equal(out, '2 of 3 merchants were due: 2 refreshed, 0 skipped, 0 must authorize again, 0 failed.\n1 record cannot be used.\n')
  t.match(err, '\r\x1b[K3 read, 2 due: 2 refreshed, 0 skipped, 0 refused, 0 failed')
  t.ok(err.endsWith('\r\x1b[K'), 'nothing of it stays')
  t.match((await run(['keep-alive', fixture.app, '--json'], { isTerminal: true })).reports.at(-1), { type: 'summary', due: 0, unusable: 1 })
})

t.test('a merchant who failed is exit code 1, and one whom Clover refuses is not', async t => {
  const fixture = await fixtureWithApp(t)
  await connectDue(fixture, 2)
  const fault = fixture.clover.fault({ on: ['refresh', 'recovery'], kind: 'status', status: 500, times: Infinity })
  const failed = await run(['keep-alive', fixture.app, '--rate', '1000'])
  t.match(failed, { code: 1, err: /"level":40/ }, 'the app logs it to stderr')
  t.match(failed.reports.at(-1), { failed: 2, isComplete: true })
  fault.clear()
  fixture.clover.fault({ on: ['refresh', 'recovery'], kind: 'status', status: 401, times: Infinity })
  fixture.time.pass(3_600_000)
  const refused = await run(['keep-alive', fixture.app, '--rate', '1000'], { isTerminal: true })
  t.match(refused, { code: 0, out: /2 must authorize again, 0 failed\.\n$/ })
  t.match(refused.err, '\r\x1b[K{"level":40', 'a line of the log does not continue the line of the progress')
})

t.test('one merchant is one', async t => {
  const fixture = await fixtureWithApp(t)
  await connectDue(fixture, 1)
  const { out } = await run(['keep-alive', fixture.app, '--rate', '1000'], { isTerminal: true, env: { NO_COLOR: '1' } })
  t.match(out, /^1 of 1 merchant was due: 1 refreshed, /)
})

t.test('a run soon after a failed one is exit code 1 too, since nothing was refreshed', async t => {
  const fixture = await fixtureWithApp(t)
  await connectDue(fixture, 2)
  const fault = fixture.clover.fault({ on: ['refresh', 'recovery'], kind: 'status', status: 500, times: Infinity })
  t.match(await run(['keep-alive', fixture.app, '--rate', '1000']), { code: 1 })
  fault.clear()
  const again = await run(['keep-alive', fixture.app, '--rate', '1000'], { isTerminal: true, env: { NO_COLOR: '1' } })
  t.match(again, { code: 1, out: /\n2 more are being refreshed elsewhere, or their refresh failed a moment ago: run it again in a minute\.\n$/ })
  t.equal(fixture.clover.count('refresh', { ok: true }), 0)
  fixture.time.pass(60_000)
  t.match(await run(['keep-alive', fixture.app, '--rate', '1000']), { code: 0 })
})

t.test('a stop ends it with exit code 1, and the next pass goes on', async t => {
  const stop = new AbortController()
  const fixture = await fixtureWithApp(t, ({ storage }) => ({ storage: { ...storage, list: async query => { stop.abort(); return await storage.list(query) } } }))
  await connectDue(fixture, 2)
  const io = { signal: stop.signal, isTerminal: true, env: { NO_COLOR: '1' } }
  const { code, out } = await run(['keep-alive', fixture.app], io)
  t.equal(code, 1)
  t.match(out, /\nStopped: run it again to go on\.\n$/)
  t.match(await run(['keep-alive', fixture.app], io), { code: 1, out: '', err: /^fastify-clover: stopped before \S+app\.mjs was loaded\.\n$/ })
  t.match((await run(['keep-alive', fixture.app, '--rate', '1000'])).reports.at(-1), { refreshed: 2, isComplete: true })
})

t.test('a store that cannot be listed is the error\'s sentence with its cause, and exit code 1', async t => {
  const { app } = await fixtureWithApp(t, ({ storage: { get, put, delete: remove } }) => ({ storage: { get, put, delete: remove } }))
  t.match(await run(['keep-alive', app]), { code: 1, err: /^fastify-clover: .*\(keepAlive\(\) needs it\)\n$/ })
})

t.test('a narrow terminal gets a short line', async t => {
  const fixture = await fixtureWithApp(t)
  let err = ''
  const stderr = { write: (text: string) => { err += text }, columns: 12 }
  t.equal((await run(['keep-alive', fixture.app], { isTerminal: true, stderr })).code, 0)
  t.equal(err, '\r\x1b[K0 read, 0 d\r\x1b[K')
})

t.test('the app\'s own schedule does not run in a command', async t => {
  const fixture = await legacyFixture(t)
  await connectDue(fixture, 3)
  let pauses = 0
  const { every: betweenHeartbeats } = heartbeatOf(realRuntime.storageTimeout)
  /** The pause before the first pass of the schedule is over at once. It keeps no process alive, as those between heartbeats do not, which are shorter. */
  async function sleep (milliseconds: number, signal?: AbortSignal, options?: { ref: boolean }): Promise<void> {
    if (options?.ref !== false) return await realRuntime.sleep(milliseconds / 100, signal)
    if (milliseconds <= betweenHeartbeats) return await realRuntime.sleep(milliseconds, signal, options)
    if (++pauses > 1) await realRuntime.sleep(milliseconds, signal, options)
  }
  const app = appOf(t, async fastify => {
    let lists = 0
    const { storage } = fixture
    await fastify.register(plugin, {
      ...ordinaryOptions(fixture.clover),
      routes: false,
      keepAlive: { every: 3600 },
      storage: {
        ...storage,
        // The count of the merchants is slow, and a pass of the schedule would go on meanwhile.
        list: async (query: never) => {
          if (lists++ === 0) for (let turn = 0; turn < 100; turn++) await setImmediate()
          return await storage.list(query)
        }
      },
      [kRuntime]: { wallClock: fixture.time.now, sleep, jitter: () => 0.5 }
    } as never)
  })
  t.match(await run(['status', app, '--json']), { code: 0, err: '' })
  t.equal(fixture.clover.count('refresh'), 0)
  t.equal(pauses, 0)
  const { code, reports } = await run(['keep-alive', app, '--rate', '1000'])
  t.equal(code, 0)
  t.match(reports.at(-1), { refreshed: 3 })
  t.equal(pauses, 0)
})
