import t from 'tap'
import { VisitQueue, type VisitQueueOptions } from '../../src/concurrency/visit-queue.js'
import { VirtualTiming } from '../harness/timing.js'

/** Lets everything run that waits for no timer. */
const settle = () => new Promise(resolve => setImmediate(resolve))

/** A queue in injected time, and tasks that end when the test says so. */
function startQueue (options: Partial<VisitQueueOptions> = {}) {
  const timing = new VirtualTiming()
  const closing = new AbortController()
  const sleep = (milliseconds: number) => new Promise<void>(resolve => { timing.after(milliseconds, resolve) })
  const queue = new VisitQueue({ atOnce: 2, rate: Infinity, mostWaiting: 100, maxWait: 30_000, runtime: { monotonic: timing.monotonic, sleep }, closing: closing.signal, timing, ...options })
  const begun: Array<{ name: string, at: number }> = []
  const ends = new Map<string, () => void>()
  const failures: unknown[] = []
  const visit = async (name: string) => {
    try {
      return await queue.run(async () => {
        begun.push({ name, at: timing.monotonic() })
        await new Promise<void>(resolve => { ends.set(name, resolve) })
        return name
      })
    } catch (error) {
      failures.push(error)
      throw error
    }
  }
  const end = async (name: string) => {
    ends.get(name)?.()
    await settle()
  }
  /** Lets time pass in small steps, so that the code after a timer can set the next one. */
  const pass = async (milliseconds: number, step = 10) => {
    for (let passed = 0; passed < milliseconds; passed += step) {
      timing.pass(step)
      await settle()
    }
  }
  return { queue, timing, closing, begun, names: () => begun.map(({ name }) => name), failures, visit, end, pass }
}

t.test('a few visits run at once, the others in order of arrival, and each gets what its task resolves or rejects with', async t => {
  const { visit, end, names, queue } = startQueue()
  const visits = ['a', 'b', 'c', 'd'].map(visit)
  await settle()
  t.same(names(), ['a', 'b'])
  await end('b')
  t.same(names(), ['a', 'b', 'c'])
  await end('a')
  t.same(names(), ['a', 'b', 'c', 'd'])
  await end('c')
  await end('d')
  t.same(await Promise.all(visits), ['a', 'b', 'c', 'd'])
  for (let i = 0; i < 5; i++) await t.rejects(queue.run(async () => { throw new Error('its own') }), { message: 'its own' })
  t.equal(await queue.run(async () => 'and on'), 'and on')
})

t.test('visits begin evenly, at the given rate, however many come', async t => {
  const { queue, pass } = startQueue({ atOnce: 20, rate: 10, mostWaiting: 1_000, maxWait: 1_000_000 })
  let begun = 0
  for (let i = 0; i < 500; i++) queue.run(async () => { begun++ }).catch(() => {})
  await settle()
  t.equal(begun, 1, 'the first at once')
  for (let second = 1; second <= 20; second++) {
    const before = begun
    await pass(1_000)
    t.ok(begun - before <= 11, `${begun - before} in a second`)
  }
  t.ok(begun >= 195, `${begun} in 20 s: the rate is used`)
})

t.test('a visit beyond the limit is refused at once, with the time that the waiting ones need', async t => {
  const { visit, failures, names, end } = startQueue({ mostWaiting: 3, rate: 0.5 })
  const visits = ['a', 'b', 'c', 'd', 'e'].map(visit)
  await settle()
  await t.rejects(visit('f'), { code: 'FST_CLOVER_UNAVAILABLE', statusCode: 503, retryAfter: 6, headers: { 'retry-after': '6' }, message: /^Too many people are opening the app at once/ })
  await end('a')
  const late = visit('g')
  await settle()
  t.equal(failures.length, 1, 'a place that is free again is taken')
  t.notOk(names().includes('f'))
  for (const promise of [...visits, late]) promise.catch(() => {})
})

t.test('a visit whose turn does not come in time does not run, and leaves its place to others', async t => {
  const { visit, names, pass, end } = startQueue({ maxWait: 1_000, mostWaiting: 1 })
  for (const name of ['a', 'b']) visit(name).catch(() => {})
  const late = visit('c')
  late.catch(() => {})
  await settle()
  await pass(990)
  await t.rejects(visit('d'), { code: 'FST_CLOVER_UNAVAILABLE' }, 'the queue is full')
  await pass(20)
  await t.rejects(late, { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 1 })
  const next = visit('e')
  await end('a')
  t.same(names(), ['a', 'b', 'e'])
  await end('e')
  t.equal(await next, 'e')
})

t.test('a turn that comes at the moment at which its visit gives up goes to the next', async t => {
  for (const isTurnFirst of [true, false]) {
    for (let ticks = 0; ticks < 12; ticks++) {
      const { queue, visit, timing, end } = startQueue({ atOnce: 1, maxWait: 1_000 })
      let finish = () => {}
      const first = queue.run(() => new Promise<void>(resolve => { finish = resolve }))
      await settle()
      const late = visit('late').catch(() => 'late')
      await settle()
      const giveUp = () => { timing.pass(1_000) }
      const [one, two] = isTurnFirst ? [finish, giveUp] : [giveUp, finish]
      one()
      for (let tick = 0; tick < ticks; tick++) await undefined
      two()
      await first
      await settle()
      await end('late')
      await late
      const next = visit('next')
      await settle()
      await end('next')
      t.equal(await next, 'next')
    }
  }
})

t.test('a closing server refuses visits that wait or would have to wait; running ones go on', async t => {
  const { visit, closing, names, end } = startQueue()
  const [a, b, c, d] = [visit('a'), visit('b'), visit('c'), visit('d')]
  for (const promise of [c, d]) promise.catch(() => {})
  await settle()
  closing.abort()
  await t.rejects(c, { code: 'FST_CLOVER_CLOSING', statusCode: 503 })
  await t.rejects(d, { code: 'FST_CLOVER_CLOSING' })
  await t.rejects(visit('e'), { code: 'FST_CLOVER_CLOSING' })
  await end('a')
  await end('b')
  t.same(await Promise.all([a, b]), ['a', 'b'])
  const last = visit('f')
  await settle()
  await end('f')
  t.equal(await last, 'f')
  t.same(names(), ['a', 'b', 'f'])
})

t.test('thousands of visits leave no entries behind', async t => {
  const { queue, timing, visit, failures } = startQueue({ mostWaiting: 50, maxWait: 1_000 })
  const visits = Array.from({ length: 3_000 }, (_, index) => visit(`${index}`))
  for (const promise of visits) promise.catch(() => {})
  await settle()
  t.equal(failures.length, 3_000 - 52)
  t.ok(timing.size <= 60, `${timing.size} timers`)
  timing.pass(1_000)
  await settle()
  t.equal(failures.length, 3_000 - 2)
  t.equal(timing.size, 0)
  t.ok(queue)
})
