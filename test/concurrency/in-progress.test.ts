import t from 'tap'
import { InProgress } from '../../src/concurrency/in-progress.js'

t.test('finished entries are swept in bulk, and those in progress stay', async t => {
  const underWay = new InProgress<{ n: number }>()
  underWay.set('long', { n: -1 })
  let most = 0
  for (let n = 0; n < 10_000; n++) {
    underWay.set(`key ${n}`, { n })
    underWay.end(`key ${n}`)
    most = Math.max(most, underWay.size)
  }
  t.ok(most <= 1_001, `there were ${most} entries at most`)
  t.same(underWay.get('long'), { n: -1 })
  t.equal(underWay.get('key 9999'), undefined)
  underWay.end('nobody')
  t.equal(underWay.get('nobody'), undefined)
})

t.test('with many keys in progress, a new one does not cause a sweep', async t => {
  const underWay = new InProgress<{ n: number }>()
  let mostIdle = 0
  for (let n = 0; n < 5_000; n++) {
    underWay.set(`busy ${n}`, { n })
    underWay.set(`idle ${n}`, { n })
    underWay.end(`idle ${n}`)
    mostIdle = Math.max(mostIdle, underWay.size - (n + 1))
  }
  t.ok(mostIdle > 1_000, `up to ${mostIdle} that had ended were left for the next sweep`)
  t.ok(underWay.size < 10_000, 'and it was swept')
  for (const n of [0, 2_500, 4_999]) t.same(underWay.get(`busy ${n}`), { n })
})
