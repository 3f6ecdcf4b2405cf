import t from 'tap'
import { SharedWork } from '../../src/concurrency/shared-work.js'

t.test('callers of the same key share the work in progress; the next caller starts it again', async t => {
  const shared = new SharedWork<number>()
  let started = 0
  const work = async () => ++started
  t.same(await Promise.all([shared.run('a', work), shared.run('a', work), shared.run('b', work)]), [1, 1, 2])
  t.equal(await shared.run('a', work), 3)
})

t.test('work that fails is an error for all who share it, and is not kept', async t => {
  const shared = new SharedWork<number>()
  const failing = async () => { throw new Error('no') }
  const outcomes = await Promise.allSettled([shared.run('a', failing), shared.run('a', failing)])
  t.same(outcomes.map(({ status }) => status), ['rejected', 'rejected'])
  t.equal(await shared.run('a', async () => 1), 1)
})
