import t from 'tap'
import { longestGrace } from '../../src/concurrency/deadline.js'
import { within } from '../../src/concurrency/within.js'
import { VirtualTiming } from '../harness/timing.js'

const late = () => new Error('late')

t.test('a promise that settles right after the process was stopped is not late', async t => {
  const timing = new VirtualTiming()
  let settle: (value: string) => void = () => {}
  const waiting = within(new Promise<string>(resolve => { settle = resolve }), 1_000, late, undefined, timing)
  timing.stall(60_000)
  settle('in time')
  t.equal(await waiting, 'in time')
  t.equal(timing.size, 0)
})

t.test('a promise that does not settle times out on time, and after a stall with the grace', async t => {
  for (const stall of [0, 60_000]) {
    const timing = new VirtualTiming()
    const waiting = within(new Promise(() => {}), 1_000, late, undefined, timing)
    if (stall > 0) timing.stall(stall)
    timing.pass(stall === 0 ? 1_000 : longestGrace)
    await t.rejects(waiting, { message: 'late' })
  }
})
