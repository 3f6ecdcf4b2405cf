import { mock } from 'node:test'
import t from 'tap'
import { Deadlines } from '../../src/concurrency/deadlines.js'
import { mockTimers } from '../harness/mock-timers.js'

t.beforeEach(t => {
  mockTimers(t)
})

/** Monotonic milliseconds. */
let now = 0

/** Five waiters, one after another. */
function five () {
  const deadlines = new Deadlines(1_000, () => new Error('late'), () => now)
  const outcomes: unknown[] = Array.from({ length: 5 }, () => 'waits')
  const settle = outcomes.map((_, n) => {
    const { promise, resolve, reject } = withResolvers()
    deadlines.within(promise).then(value => { outcomes[n] = value }, (error: Error) => { outcomes[n] = error.message })
    return { resolve, reject }
  })
  return { deadlines, outcomes, settle }
}

function withResolvers () {
  let resolve: (value: unknown) => void = () => {}
  let reject: (reason: Error) => void = () => {}
  const promise = new Promise<unknown>((_resolve, _reject) => { [resolve, reject] = [_resolve, _reject] })
  return { promise, resolve, reject }
}

const microtasks = () => new Promise(resolve => setImmediate(resolve))

/** In small steps, since a timer that a timer sets begins when the step ends. */
async function pass (milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= 20) await tick(20)
}

/** A timer of 20 ms that fires after some other time. */
async function tick (milliseconds: number): Promise<void> {
  now += milliseconds
  mock.timers.tick(20)
  await microtasks()
}

for (const order of [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 4], [4, 2, 0, 3], [2, 1, 3, 4]]) {
  t.test(`promises that settle in the order ${order} are on time, and the one that does not settle times out`, async t => {
    const { outcomes, settle } = five()
    for (const n of order) {
      if (n % 2 === 0) settle[n]?.resolve(`value ${n}`)
      else settle[n]?.reject(new Error(`error ${n}`))
      await microtasks()
    }
    const expected = (last: string) => outcomes.map((_, n) => order.includes(n) ? `${n % 2 === 0 ? 'value' : 'error'} ${n}` : last)
    t.same(outcomes, expected('waits'))
    await pass(1_000)
    t.same(outcomes, expected('late'))
  })
}

t.test('each promise has its own timeout, and one that settles after it changes nothing', async t => {
  const { deadlines, outcomes, settle } = five()
  await pass(500)
  const later: unknown[] = []
  deadlines.within(withResolvers().promise).then(value => later.push(value), (error: Error) => later.push(error.message))
  settle[2]?.resolve('in time')
  await microtasks()
  await pass(500)
  t.same(outcomes, ['late', 'late', 'in time', 'late', 'late'])
  t.same(later, [], 'it began later')
  for (const { resolve } of settle) resolve('too late')
  await microtasks()
  t.same(outcomes, ['late', 'late', 'in time', 'late', 'late'])
  await pass(500)
  t.same(later, ['late'])
})

t.test('a timeout is never exceeded, and at most a fiftieth of it is missing', async t => {
  const { outcomes } = five()
  await pass(960)
  t.same(outcomes, Array(5).fill('waits'))
  await pass(20)
  t.same(outcomes, Array(5).fill('late'))
})

t.test('where every timer is late, the timeout stays what it says', async t => {
  const { outcomes } = five()
  for (let i = 0; i < 10; i++) await tick(100)
  t.same(outcomes, Array(5).fill('waits'), 'a late timer leaves Node the time to read its sockets')
  await tick(100)
  t.same(outcomes, Array(5).fill('late'))
})

t.test('after a late timer, an answer that is already there still settles the call', async t => {
  const { outcomes, settle } = five()
  await pass(960)
  await tick(5_000)
  t.same(outcomes, Array(5).fill('waits'), 'the process did not run, and the answers may have arrived')
  settle[3]?.resolve('in time')
  await microtasks()
  await tick(5_000)
  t.same(outcomes, ['late', 'late', 'late', 'in time', 'late'], 'but a second late timer puts off nothing')
})
