import t, { type Test } from 'tap'
import { inCompletionOrder } from '../../src/concurrency/in-completion-order.js'
import { Jobs } from '../../src/jobs/jobs.js'
import { Migration } from '../../src/jobs/merchant-migration.js'
import { Progress } from '../../src/jobs/progress.js'
import { RateLimiter } from '../../src/concurrency/rate-limiter.js'
import { mockTimers } from '../harness/mock-timers.js'
import { advance, startServer, gate, leap, merchantId, patiently, quiet, sleep } from '../tokens/one-server.js'

const runtime = { monotonic: () => Date.now(), sleep }
const never = new AbortController().signal

function mockTime (t: Test): void {
  mockTimers(t, 1_800_000_000_000)
}

/** A source that counts the items that were read, and notes whether it was left. */
function counting (length = Infinity) {
  const source = {
    read: 0,
    isLeft: false,
    * [Symbol.iterator] () {
      try {
        while (source.read < length) yield source.read++
      } finally {
        source.isLeft = true
      }
    }
  }
  return source
}

t.test('outcomes come as they are completed, and the source is read no faster than they are taken', async t => {
  const source = counting()
  const gates = Array.from({ length: 10 }, () => gate<string>())
  const results = inCompletionOrder({ source, run: index => gates[index]?.promise ?? Promise.resolve(`late ${index}`), concurrency: 3, signal: never })
  t.equal(source.read, 0, 'nothing begins before the first outcome is asked for')
  const first = results.next()
  await quiet()
  t.equal(source.read, 3)
  gates[2]?.open('two')
  t.same(await first, { value: 'two', done: false })
  for (const [index, { open }] of gates.entries()) open(`${index}`)
  await quiet()
  const read = source.read
  await quiet()
  t.equal(source.read, read)
  t.ok(read <= 7, `${read}`)
  t.equal((await results.next()).value, '0')
  t.same(await results.return(), { value: undefined, done: true })
  t.ok(source.isLeft)
})

t.test('a consumer who leaves early waits for the items in progress', async t => {
  const slow = gate()
  let isFinished = false
  const source = counting()
  const results = inCompletionOrder({ source, run: async index => { if (index === 1) { await slow.promise; isFinished = true } }, concurrency: 2, signal: never })
  await results.next()
  const left = results.return()
  await quiet()
  t.notOk(isFinished)
  slow.open()
  await left
  t.ok(isFinished)
  t.ok(source.isLeft)
})

t.test('an error of the source is thrown after the items in progress', async t => {
  const source = async function * () { yield 1; yield 2; throw new Error('the file is broken') }
  const seen: number[] = []
  await t.rejects(async () => {
    for await (const item of inCompletionOrder({ source: source(), run: async item => { await quiet(); return item }, concurrency: 5, signal: never })) seen.push(item)
  }, { message: 'the file is broken' })
  t.same(seen, [1, 2])
})

t.test('a source that does not answer is not waited for after the stop, and is closed when it answers', async t => {
  const stop = new AbortController()
  const hold = gate()
  let isLeft = false
  const source = async function * () {
    try {
      yield 1
      await hold.promise
      yield 2
    } finally {
      isLeft = true
    }
  }
  const seen: number[] = []
  const run = (async () => {
    for await (const item of inCompletionOrder({ source: source(), run: async item => item, concurrency: 2, signal: stop.signal })) seen.push(item)
  })()
  await quiet()
  stop.abort()
  await run
  t.same(seen, [1])
  hold.open()
  await quiet()
  t.ok(isLeft)
})

t.test('a stop ends the read of the source also while all places are taken', async t => {
  const stop = new AbortController()
  const slow = gate()
  const source = counting()
  const results = inCompletionOrder({ source, run: () => slow.promise, concurrency: 1, signal: stop.signal })
  const first = results.next()
  await quiet()
  stop.abort()
  await quiet()
  t.ok(source.isLeft)
  slow.open()
  t.same(await first, { value: undefined, done: false })
  t.same(await results.next(), { value: undefined, done: true })
  t.equal(source.read, 1)
})

t.test('requests are spaced evenly, also when timers are late', async t => {
  mockTime(t)
  const limiter = new RateLimiter({ rate: 30, runtime: { monotonic: runtime.monotonic, sleep: milliseconds => sleep(milliseconds + 9) } })
  const at: number[] = []
  const turns = Promise.all(Array.from({ length: 301 }, () => limiter.turn().then(() => at.push(Date.now()))))
  await advance(12_000, 3)
  await turns
  const seconds = (Number(at.at(-1)) - Number(at[0])) / 1000
  t.ok(seconds > 9.9 && seconds < 10.7, `${seconds}`)
  t.ok(at.every((time, i) => time - Number(at[i - 32] ?? 0) >= 1000), 'thirty in a second, give or take one')
})

t.test('a refusal pauses everything for longer each time, and slows it down until nothing is refused any more', async t => {
  mockTime(t)
  const limiter = new RateLimiter({ rate: 10, runtime })
  const turn = async () => {
    const began = Date.now()
    await patiently(limiter.turn())
    return Math.round((Date.now() - began) / 100) / 10
  }
  await turn()
  limiter.slowDown()
  limiter.slowDown()
  t.equal(await turn(), 1, 'requests that left together count once')
  limiter.slowDown()
  t.equal(await turn(), 2)
  limiter.slowDown(7)
  t.equal(await turn(), 7)
  limiter.slowDown(3600)
  limiter.ease()
  t.equal(await turn(), 60)
  await turn()
  t.equal(await turn(), 1.6, 'sixteen times slower')
  for (let i = 0; i < 150; i++) limiter.ease()
  await turn()
  t.equal(await turn(), 0.1)
  limiter.charge(20)
  t.equal(await turn(), 2.1)
  limiter.slowDown(50)
  const waiting = limiter.turn()
  await advance(100)
  const hurriedAt = Date.now()
  limiter.hurry()
  limiter.slowDown(50)
  await patiently(waiting)
  t.ok(Date.now() - hurriedAt < 1000, 'a hurry ends the pause, and there are no more')
})

t.test('closing waits for tracked work, but not for ever', async t => {
  mockTime(t)
  const closing = new AbortController()
  const jobs = new Jobs(1, runtime, closing.signal)
  const slow = gate()
  const signal = jobs.begin(undefined, never)
  const work = jobs.track(slow.promise)
  await t.rejects(jobs.track(Promise.reject(new Error('its own'))), { message: 'its own' })
  closing.abort()
  t.ok(signal.aborted)
  t.throws(() => jobs.begin(), { code: 'FST_CLOVER_CLOSING' })
  const began = Date.now()
  await patiently(jobs.drain(5000))
  t.ok(Date.now() - began >= 5000)
  const drained = jobs.drain(60_000)
  slow.open()
  await work
  await drained
})

t.test('the rate that is reported follows the last half minute', async t => {
  mockTime(t)
  const rates: number[] = []
  const log = { error: () => {} } as unknown as ConstructorParameters<typeof Progress>[2]
  const progress = new Progress((rate: number) => { rates.push(Math.round(rate * 10) / 10) }, runtime, log)
  progress.report(0, rate => rate)
  for (let second = 1; second <= 120; second++) {
    await advance(1000, 500)
    progress.step(second <= 60 ? second * 100 : 6000 + (second - 60) * 10, rate => rate)
    progress.step(0, rate => rate)
  }
  t.same([rates[0], rates[1], rates[60]], [0, 100, 100])
  t.ok(Number(rates.at(-1)) < 25 && Number(rates.at(-1)) >= 10)
  const last = rates.at(-1)
  await advance(60_000, 500)
  progress.report(6600, rate => rate)
  t.equal(rates.at(-1), last, 'items that are passed over do not count')
  new Progress(undefined, runtime, log).report(1, rate => rate)
})

t.test('a merchant whose pair is not stored yet is not migrated', async t => {
  const { store, refreshes, placements, binding, slots, clover, storage, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await refreshes.refresh(merchantId, { enough: () => false })
  t.ok(refreshes.unsaved(merchantId))
  storage.repair()
  storage.records.delete(merchantId)
  const none = () => t.fail('Clover was asked') as never
  const timing = { ...runtime, jitter: () => 0.5, random: () => '' }
  const migration = new Migration({
    store, refreshes, placements, binding, slots, jobs: { slots }, clover: { migrate: none, exchange: none }, notify: () => {}, runtime: timing, shutdown: { timeLeft: () => Infinity }
  })
  const run = { limiter: new RateLimiter({ rate: 10, runtime }), stop: never }
  t.equal(await migration.migrate({ merchantId, legacyToken: 'legacy' }, run), 'already-connected')
})
