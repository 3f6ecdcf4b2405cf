import t from 'tap'
import { backoff, spread } from '../../src/concurrency/backoff.js'

t.test('waits grow by their factor up to the longest, and jitter takes at most half away', async t => {
  const rounds = [0, 1, 2, 3, 4, 9]
  t.same(rounds.map(round => backoff({ first: 50, longest: 1000 }, round, () => 1)), [50, 100, 200, 400, 800, 1000])
  t.same(rounds.map(round => backoff({ first: 50, longest: 1000 }, round, () => 0)), [25, 50, 100, 200, 400, 500])
  t.equal(backoff({ first: 10, longest: 1000, factor: 1.25 }, 2, () => 1), 15.625)
  t.equal(spread(80, () => 0.5), 60)
})
