import t from 'tap'
import type { Installation } from '../../src/installation.js'
import { LeaseWatch } from '../../src/tokens/lease-watch.js'

function watchAt (longest = 40_000, gap = 5_000) {
  const time = { now: 0 }
  const watch = new LeaseWatch(longest, gap, () => time.now)
  const see = (now: number, version: { until?: number, revision?: string, deadAfter?: number, merchantId?: string } = {}) => {
    time.now = now
    const { until = 100, revision = 'r', deadAfter, merchantId = 'M' } = version
    return watch.hasEnded({ merchantId, revision } as Installation, { by: 'another', until, ...(deadAfter !== undefined && { deadAfter }) })
  }
  return { watch, see }
}

t.test('with a heartbeat, a lease has ended once its record was unchanged for so long', async t => {
  const { see } = watchAt()
  const deadAfter = 12
  t.same([0, 5_000, 10_000, 11_999, 12_000].map(now => see(now, { deadAfter })), [false, false, false, false, true])
  t.equal(see(12_001, { deadAfter, revision: 'renewed' }), false)
  t.equal(see(17_000, { deadAfter, revision: 'renewed' }), false)
  t.equal(see(22_001, { deadAfter, revision: 'renewed' }), false, 'nobody looked for more than five seconds')
  t.same([27_000, 32_000, 34_001].map(now => see(now, { deadAfter, revision: 'renewed' })), [false, false, true])
})

t.test('without one, it has ended as long after it was written again as a lease lasts, however seldom it was seen', async t => {
  const { see } = watchAt()
  t.equal(see(0), false)
  t.equal(see(39_999, { revision: 'changed by something else' }), false)
  t.equal(see(40_000), true)
  t.equal(see(41_000, { until: 200 }), false)
})

t.test('no heartbeat makes a lease last longer', async t => {
  const { see } = watchAt()
  t.equal(see(0, { deadAfter: 1e9 }), false)
  for (let now = 0; now < 40_000; now += 5_000) t.equal(see(now, { deadAfter: 1e9 }), false)
  t.equal(see(40_000, { deadAfter: 1e9 }), true)
})

t.test('what is forgotten is watched from the beginning, and the memory has a limit', async t => {
  const { watch, see } = watchAt()
  see(0)
  watch.forget('M')
  t.equal(see(40_000), false)
  for (let i = 0; i < 10_000; i++) see(40_000, { merchantId: `M${i}` })
  t.equal(see(80_000), false, 'ten thousand others later')
})
