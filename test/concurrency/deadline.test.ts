import t from 'tap'
import { longestGrace, realTiming, startDeadline } from '../../src/concurrency/deadline.js'
import { VirtualTiming } from '../harness/timing.js'

/** A deadline of some milliseconds in a time of its own, and when it ended. */
function deadline (milliseconds: number) {
  const timing = new VirtualTiming()
  const ends: number[] = []
  const cancel = startDeadline(milliseconds, () => { ends.push(timing.monotonic()) }, timing)
  return { timing, ends, cancel }
}

t.test('a deadline ends on time if no timer is late', async t => {
  for (const milliseconds of [1, 30, 250, 1_000, 10_000]) {
    const { timing, ends } = deadline(milliseconds)
    timing.pass(milliseconds - 0.5)
    t.same(ends, [])
    timing.pass(60_000)
    t.same(ends, [milliseconds])
    t.equal(timing.size, 0, 'nothing goes on')
  }
})

t.test('timers that are late by a little, as on a busy machine, do not move the end', async t => {
  const { timing, ends } = deadline(1_000)
  for (let i = 0; i < 3; i++) timing.stall(270)
  timing.pass(60_000)
  t.same(ends, [1_000])
})

t.test('after a stall the end comes later by the grace, whether the stall outlasts the deadline or not', async t => {
  for (const [stall, end] of [[400, 1_000 + longestGrace], [990, 1_000 + longestGrace], [1_400, 1_400 + longestGrace], [60_000, 60_000 + longestGrace]] as const) {
    const { timing, ends } = deadline(1_000)
    timing.stall(stall)
    t.same(ends, [], `after ${stall} ms`)
    timing.pass(end - stall - 1)
    t.same(ends, [])
    timing.pass(60_000)
    t.same(ends, [end])
  }
})

t.test('a second stall takes one step of the grace, and the process still has the others to read its sockets', async t => {
  const { timing, ends } = deadline(1_000)
  timing.stall(1_400)
  timing.stall(5_000)
  t.same(ends, [])
  timing.pass(longestGrace - 51)
  t.same(ends, [])
  timing.pass(1)
  t.same(ends, [1_400 + 5_000 + longestGrace - 50])
})

t.test('a process that stalls again and again does not put off the end for ever', async t => {
  const { timing, ends } = deadline(1_000)
  for (let i = 0; i < 11; i++) timing.stall(5_000)
  t.equal(ends.length, 1)
})

t.test('a deadline that is cancelled does not end: before it is due, and in the grace', async t => {
  for (const stall of [500, 1_400]) {
    const { timing, ends, cancel } = deadline(1_000)
    timing.stall(stall)
    cancel()
    t.equal(timing.size, 0)
    timing.pass(60_000)
    t.same(ends, [])
  }
})

t.test('timers that fire a fraction of a millisecond early end the deadline once', async t => {
  const timing = new VirtualTiming()
  const ends: number[] = []
  startDeadline(1_000, () => { ends.push(timing.monotonic()) }, { monotonic: () => timing.monotonic() * 0.999, after: timing.after })
  timing.pass(5_000)
  t.same(ends, [1_000])
})

t.test('a deadline with real timers ends, unless it is cancelled', async t => {
  await new Promise<void>(resolve => { startDeadline(5, resolve) })
  const cancel = startDeadline(5, () => { t.fail('it was cancelled') })
  cancel()
  await new Promise<void>(resolve => { realTiming.after(20, resolve) })
  t.pass('one ended, and one was cancelled')
})
