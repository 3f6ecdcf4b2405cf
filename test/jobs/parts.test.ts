import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { inCompletionOrder } from '../../src/jobs/in-completion-order.js'
import { Jobs } from '../../src/jobs/jobs.js'
import { Progress } from '../../src/jobs/progress.js'
import { Pacer } from '../../src/tokens/pace.js'
import { advance, gate, patiently, quiet, sleep } from '../tokens/bench.js'

const runtime = { now: () => Date.now(), sleep }
const never = new AbortController().signal

function mockTime (t: Test): void {
  mock.timers.reset()
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 })
  t.teardown(() => mock.timers.reset())
}

/** A source that notes how far it was read, and whether it was left. */
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

t.test('whoever leaves early waits for what is at work', async t => {
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

t.test('an error of the source comes after everything that is at work', async t => {
  const source = async function * () { yield 1; yield 2; throw new Error('the file is broken') }
  const seen: number[] = []
  await t.rejects(async () => {
    for await (const item of inCompletionOrder({ source: source(), run: async item => { await quiet(); return item }, concurrency: 5, signal: never })) seen.push(item)
  }, { message: 'the file is broken' })
  t.same(seen, [1, 2])
})

t.test('a source that does not answer is not waited for after the stop, and is left when it does', async t => {
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

t.test('a stop ends the reading while there is no room, too', async t => {
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

t.test('requests leave evenly, also when timers are late', async t => {
  mockTime(t)
  const pacer = new Pacer({ rate: 30, runtime: { now: runtime.now, sleep: milliseconds => sleep(milliseconds + 9) } })
  const at: number[] = []
  const turns = Promise.all(Array.from({ length: 301 }, () => pacer.turn().then(() => at.push(Date.now()))))
  await advance(12_000, 3)
  await turns
  const seconds = (Number(at.at(-1)) - Number(at[0])) / 1000
  t.ok(seconds > 9.9 && seconds < 10.7, `${seconds}`)
  t.ok(at.every((time, i) => time - Number(at[i - 32] ?? 0) >= 1000), 'thirty in a second, give or take one')
})

t.test('a refusal pauses everything for longer each time, and slows it down until nothing is refused any more', async t => {
  mockTime(t)
  const pacer = new Pacer({ rate: 10, runtime })
  const turn = async () => {
    const began = Date.now()
    await patiently(pacer.turn())
    return Math.round((Date.now() - began) / 100) / 10
  }
  await turn()
  pacer.slowDown()
  pacer.slowDown()
  t.equal(await turn(), 1, 'requests that left together count once')
  pacer.slowDown()
  t.equal(await turn(), 2)
  pacer.slowDown(7)
  t.equal(await turn(), 7)
  pacer.slowDown(3600)
  pacer.ease()
  t.equal(await turn(), 60)
  await turn()
  t.equal(await turn(), 1.6, 'sixteen times slower')
  for (let i = 0; i < 150; i++) pacer.ease()
  await turn()
  t.equal(await turn(), 0.1)
  pacer.charge(20)
  t.equal(await turn(), 2.1)
  pacer.slowDown(50)
  const waiting = pacer.turn()
  await advance(100)
  const hurriedAt = Date.now()
  pacer.hurry()
  pacer.slowDown(50)
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
  new Progress(undefined, runtime, log).report(1, rate => rate)
})
