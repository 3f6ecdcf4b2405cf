import t from 'tap'
import { UnderWay } from '../../src/tokens/under-way.js'

t.test('what has ended is swept out once there is much of it, and what is under way stays', async t => {
  const underWay = new UnderWay<{ n: number }>()
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

t.test('when much is under way, it is not looked through for each that comes', async t => {
  const underWay = new UnderWay<{ n: number }>()
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
