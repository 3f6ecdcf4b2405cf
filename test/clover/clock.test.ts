import t from 'tap'
import { CloverClock } from '../../src/clover/clock.js'
import { json, clover } from './client-server.js'

t.test('the clock follows the Date header of Clover\'s latest answer', async t => {
  const minutes = 60_000
  for (const wrong of [-10 * minutes, 0, 10 * minutes]) {
    const { client, clock } = await clover(t, json({}, 500), { now: () => Date.now() + wrong })
    t.ok(Math.abs(clock.now() - (Date.now() + wrong) / 1000) < 0.5, 'before the first answer there is only the local clock')
    await client.refresh('OLD')
    t.ok(Math.abs(clock.now() - Date.now() / 1000) < 2, `a clock that is ${wrong / minutes} minutes wrong`)
  }
})

t.test('a Date header that cannot be right changes nothing, and a single answer does not move the clock far', async t => {
  const at = (seconds: number) => new Date(seconds * 1000).toUTCString()
  const clock = new CloverClock(() => 1_000_000)
  const wrong = [null, '', 'yesterday-ish', '0', '1', '2026', at(0), at(946_684_799), 'Sat, 13 Sep 275760 00:00:00 GMT', new Date(1_800_000_000_000).toISOString(), 'Xyz, 99 Abc 2026 00:00:00 GMT']
  for (const date of wrong) {
    clock.observe(date)
    t.equal(clock.now(), 1000, String(date))
  }
  clock.observe(at(1_800_000_000))
  t.equal(clock.now(), 1_800_000_000.5, 'the first is believed')
  for (const date of wrong) clock.observe(date)
  clock.observe(at(1_800_000_300))
  t.equal(clock.now(), 1_800_000_300.5, 'a little is believed')
  clock.observe(at(1_700_000_000))
  clock.observe(at(1_900_000_000))
  t.equal(clock.now(), 1_800_000_300.5, 'two that say different things are not')
  clock.observe(at(1_800_000_301))
  clock.observe(at(1_900_000_000))
  t.equal(clock.now(), 1_800_000_301.5, 'nor two with a right one in between')
  clock.observe(at(1_900_000_001))
  t.equal(clock.now(), 1_900_000_001.5, 'two that say the same are: the local clock was set')
})

t.test('neither a clock that is set back nor a machine that slept makes an expired token valid', async t => {
  let [wall, elapsed] = [5_000_000, 100]
  const clock = new CloverClock(() => wall, () => elapsed)
  for (const isObserved of [false, true]) {
    if (isObserved) clock.observe(new Date(7_000_000).toUTCString())
    const before = clock.now()
    elapsed += 10_000
    wall += 10_000 - 3_600_000
    t.equal(clock.now(), before + 10, 'set back by an hour')
    wall += 3_600_000
    t.equal(clock.now(), before + 10, 'and set right')
    wall += 60_000
    t.equal(clock.now(), before + 70, 'asleep for a minute')
    elapsed += 60_000
  }
})
