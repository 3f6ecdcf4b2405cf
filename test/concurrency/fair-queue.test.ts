import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { FairQueue } from '../../src/concurrency/fair-queue.js'

const patience = { milliseconds: 60_000, late: () => new Error('late') }

/** Tasks that end when the test says so, and the order in which they began. */
function tasks (lanes: FairQueue) {
  const began: string[] = []
  const ends = new Map<string, () => void>()
  const add = (name: string, signal?: AbortSignal, milliseconds = 60_000) => lanes.run(name.slice(0, 1), async () => {
    began.push(name)
    await new Promise<void>(resolve => { ends.set(name, resolve) })
    return name
  }, { ...patience, milliseconds, signal })
  const end = async (name: string) => { ends.get(name)?.(); await setImmediate() }
  return { began, add, end }
}

t.test('keys take turns in order of arrival, and the tasks of a key stay in order', async t => {
  const lanes = new FairQueue({ each: 2, total: 3 })
  const { began, add, end } = tasks(lanes)
  const all = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'b3', 'c1'].map(name => add(name))
  await setImmediate()
  t.same(began, ['a1', 'a2', 'b1'], 'two of a key, three in all')
  await end('a1')
  t.same(began.slice(3), ['a3'], 'a had its last turn before b')
  await end('b1')
  await end('a2')
  t.same(began.slice(4), ['b2', 'c1'], 'and not a4')
  await end('c1')
  await end('b2')
  t.same(began, ['a1', 'a2', 'b1', 'a3', 'b2', 'c1', 'a4', 'b3'])
  for (const name of ['a3', 'a4', 'b3']) await end(name)
  t.same(await Promise.all(all), ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'b3', 'c1'])
})

t.test('a task that fails frees its place, and its caller gets the error', async t => {
  const lanes = new FairQueue({ each: 1, total: 1 })
  const error = new Error('own')
  await t.rejects(lanes.run('a', async () => { throw error }, patience), error)
  t.equal(await lanes.run('b', async () => 'next', patience), 'next')
})

t.test('a caller who gives up frees its place, also at the moment at which its turn comes', async t => {
  const lanes = new FairQueue({ each: 1, total: 1 })
  const { began, add, end } = tasks(lanes)
  const first = add('a1')
  const abort = new AbortController()
  const second = add('a2', abort.signal)
  const third = add('b1', undefined, 1)
  await t.rejects(third, { message: 'late' })
  await setImmediate()
  const refusal = t.rejects(second, { message: 'enough' })
  const ended = end('a1')
  abort.abort(new Error('enough')) // the turn comes before anybody could act on it
  await ended
  await refusal
  t.equal(await first, 'a1')
  t.same(began, ['a1'])
  await t.rejects(lanes.run('c', async () => 'never', { ...patience, signal: AbortSignal.abort(new Error('before')) }), { message: 'before' })
  t.equal(await lanes.run('c', async () => 'free', patience), 'free')
})
