import { fork } from 'node:child_process'
import { once } from 'node:events'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { memoryStorage, encryptedStorage, type CloverStorage } from '../../src/storage/index.js'
import type { CloverOptions } from '../../src/options/options.js'
import { kRuntime, plugin } from '../../src/plugin.js'
import { realRuntime } from '../../src/runtime.js'
import { heartbeatOf } from '../../src/tokens/heartbeat.js'
import { bundle } from '../harness/bundle.js'
import { lineStream, merchantA, ordinaryOptions, startClover } from '../harness/host.js'
import { Time } from '../harness/time.js'
import { adoptable } from '../harness/pairs.js'
import { gate, quiet } from '../tokens/one-server.js'
import { day } from './server-jobs.js'

/*
 * Keep-alive in a host that only registers the plugin.
 */

t.test('a merchant whom nobody asks for is refreshed without a call of the host\'s, until the server closes', async t => {
  const { app, clover, time, storage, pauses } = await start(t)
  const pair = clover.connect({ merchantId: merchantA })
  await app.clover.adopt(adoptable(merchantA, pair))
  t.match(pauses, [{ seconds: 225, ref: false }], 'at the boot no pass is made')
  time.pass(340 * day * 1000)
  pauses[0]?.end()
  while (pauses.length < 2) await quiet()
  t.match(pauses[1], { seconds: 3600, ref: false })
  t.equal(clover.count('refresh'), 1)
  t.ok(clover.isLive(String((await storage.get(merchantA))?.refreshToken)))
  await app.close()
  t.ok(pauses[1]?.signal?.aborted)
})

t.test('keep-alive uses the settings of the option, and false switches it off', async t => {
  const { pauses } = await start(t, { keepAlive: { every: 60 } })
  t.match(pauses, [{ seconds: 45 }])
  const off = await start(t, { keepAlive: false })
  t.same(off.pauses, [])
  t.same(off.warnings, [])
})

t.test('keep-alive begins after the boot, and not after a boot that failed', async t => {
  const { app, pauses } = await start(t, {}, { boots: false })
  app.addHook('onReady', async () => { throw new Error('the host\'s own') })
  await t.rejects(async () => { await app.ready() }, { message: 'the host\'s own' })
  await quiet()
  t.same(pauses, [])
})

t.test('an adapter without list gets one warning, which names the consequence and the remedy', async t => {
  const { get, put, delete: remove } = memoryStorage()
  const storage: CloverStorage = { get, put, delete: remove }
  const sealed = encryptedStorage(storage, { keys: [{ id: 'one', key: Buffer.alloc(32) }] })
  for (const without of [{ ...storage }, sealed]) {
    const { app, pauses, warnings } = await start(t, { storage: without })
    t.equal(warnings.length, 1)
    t.match(warnings[0], /the storage adapter has no method list, so keep-alive is off: a merchant whom nobody asks for in a year.* must authorize again\. Add list.*keepAlive: false/)
    t.same(pauses, [])
    await app.close()
  }
  t.same((await start(t, { storage: { ...storage }, keepAlive: false })).warnings, [])
  t.same((await start(t, { storage: { ...storage }, flow: 'v1' })).warnings, [], 'a v1 token cannot be refreshed anyway')
  await t.rejects(start(t, { storage: { ...storage }, keepAlive: {} }), {
    code: 'FST_CLOVER_INVALID_OPTIONS', message: 'keepAlive must be false or left out with this storage adapter: keep-alive needs its method list, which it does not have.'
  })
})

t.test('a cron job that does not close its server ends by itself, and its store gets no call that it did not ask for', async t => {
  const [file = ''] = await bundle(['test/jobs/cron-job.ts'], t.testdir({}))
  const { NODE_OPTIONS, NODE_V8_COVERAGE, ...env } = process.env
  const job = fork(file, { execArgv: ['--disable-warning=ExperimentalWarning'], env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => job.kill())
  const reports: unknown[] = []
  job.on('message', report => reports.push(report))
  const [code] = await once(job, 'close')
  t.equal(code, 0)
  t.same(reports, [{ calls: [] }, { calls: ['list'] }])
})

interface Pause {
  seconds: number
  ref: boolean | undefined
  signal: AbortSignal | undefined
  end: () => void
}

/** A host whose pauses last until a test ends them. */
async function start (t: Test, options: Partial<CloverOptions> = {}, { boots = true } = {}) {
  const time = new Time()
  const clover = await startClover(t, time)
  const logs: string[] = []
  const app = Fastify({ logger: { level: 'warn', stream: lineStream(logs) } })
  t.teardown(() => app.close())
  const pauses: Pause[] = []
  const sleep = async (milliseconds: number, signal?: AbortSignal, options?: { ref: boolean }) => {
    if (milliseconds <= heartbeatOf(realRuntime.storageTimeout).every) return await realRuntime.sleep(milliseconds, signal, options)
    const { promise, open } = gate()
    signal?.addEventListener('abort', () => open())
    pauses.push({ seconds: milliseconds / 1000, ref: options?.ref, signal, end: open })
    await promise
  }
  const all = { ...ordinaryOptions(clover), ...options }
  await app.register(plugin, { ...all, [kRuntime]: { wallClock: time.now, visitRate: Infinity, sleep, jitter: () => 0.5 } } as CloverOptions)
  if (boots) await app.ready()
  const warnings = logs.map(line => (JSON.parse(line) as { msg: string }).msg)
  return { app, clover, time, storage: all.storage, pauses, warnings }
}
