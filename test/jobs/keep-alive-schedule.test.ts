import { Value } from '@sinclair/typebox/value'
import t from 'tap'
import { KeepAliveSchedule } from '../../src/jobs/keep-alive-options.js'
import type { ListQuery } from '../../src/storage/contract.js'
import { realRuntime, type Runtime } from '../../src/runtime.js'
import { advance, startServer, patiently, sleep } from '../tokens/one-server.js'
import { connectMany, days, jobsOf } from './server-jobs.js'

const schedule = Value.Parse(KeepAliveSchedule, {})

t.test('a server makes pass after pass, not at the same moments as others, until it closes', async t => {
  const one = startServer(t)
  await one.connect()
  const began = Date.now()
  const at: number[] = []
  one.storage.intercept = async (method, run) => { if (method === 'list') at.push(Math.round((Date.now() - began) / 1000)); return run() }
  const stop = new AbortController()
  const early = jobsOf(one, { jitter: () => 0 }).keepAlive.start(schedule, stop.signal)
  const late = jobsOf(one, { jitter: () => 0.999 }).keepAlive.start(schedule, stop.signal)
  await advance(9_000_000, 1000)
  t.same(at, [150, 300, 3390, 4260, 6630, 8220])
  stop.abort()
  await patiently(Promise.all([early, late]))
  one.storage.calls.length = 0
  await advance(20_000_000, 100_000)
  t.same(one.storage.calls, [])
})

t.test('in the background the first pass of a day reads every record, and the others read only due records', async t => {
  const one = startServer(t)
  const queries: ListQuery[] = []
  const list = one.storage.list.bind(one.storage)
  one.storage.list = async query => { queries.push(query); return await list(query) }
  const stop = new AbortController()
  const passes = jobsOf(one).keepAlive.start({ ...schedule, every: 21_600 }, stop.signal)
  await advance(150_000_000, 60_000)
  stop.abort()
  await patiently(passes)
  t.same(queries.map(({ dueBefore }) => dueBefore === undefined), [true, false, false, false, true, false, false])
})

t.test('a server that has closed already makes no pass', async t => {
  const one = startServer(t)
  await jobsOf(one).keepAlive.start(schedule, AbortSignal.abort())
  t.same(one.storage.calls, [])
})

t.test('no pause of a background pass keeps the process alive, and every pause of keepAlive() does', async t => {
  const one = startServer(t)
  await connectMany(one, 3)
  await days(340)
  const pauses: unknown[] = []
  const noting: Runtime['sleep'] = (milliseconds, signal, options) => { pauses.push(options?.ref ?? true); return sleep(milliseconds, signal) }
  const { keepAlive } = jobsOf(one, { sleep: noting })
  const failOnce = () => {
    one.storage.intercept = async (method, run) => {
      if (method !== 'list') return run()
      one.storage.repair()
      throw new Error('the database is down')
    }
  }
  const stop = new AbortController()
  failOnce()
  const background = keepAlive.start({ ...schedule, every: 60 }, stop.signal)
  await advance(50_000, 1000)
  t.equal(one.clover.count('refresh'), 3)
  stop.abort()
  await patiently(background)
  t.ok(pauses.length >= 5, 'between passes, after the failure, and for the pace')
  t.same(new Set(pauses), new Set([false]))

  await days(340)
  pauses.length = 0
  failOnce()
  t.match(await patiently(keepAlive.run()), { refreshed: 3 })
  t.ok(pauses.length >= 3)
  t.same(new Set(pauses), new Set([true]))
})

t.test('an outage of the store ends a single pass, and in the background the next one follows soon', async t => {
  const one = startServer(t)
  await one.connect()
  await days(340)
  const { keepAlive, logs } = jobsOf(one)
  one.storage.break('list')
  await t.rejects(patiently(keepAlive.run()), { code: 'FST_CLOVER_STORAGE' })
  t.equal(one.storage.calls.filter(call => call === 'list').length, 4, 'not at the first failure')
  const stop = new AbortController()
  const run = keepAlive.start({ ...schedule, every: 86_400 }, stop.signal)
  await advance(300_000, 1000)
  t.match(logs.filter(({ level }) => level === 'warn'), [{ text: /a keep-alive pass failed/, details: { err: { code: 'FST_CLOVER_STORAGE' } } }])
  one.storage.repair()
  await advance(300_000, 1000)
  t.equal(one.clover.count('refresh'), 1)
  stop.abort()
  await run
})

t.test('the sleep between passes keeps no process alive', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const stop = new AbortController()
  const sleeps = [realRuntime.sleep(60_000, stop.signal, { ref: false })]
  t.equal(timers(), before)
  sleeps.push(realRuntime.sleep(60_000, stop.signal))
  t.equal(timers(), before + 1)
  stop.abort()
  await Promise.all(sleeps)
})
