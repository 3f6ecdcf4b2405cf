import t from 'tap'
import { OneAtATime } from '../../src/concurrency/one-at-a-time.js'
import { gate, quiet } from '../tokens/one-server.js'

/*
 * Tasks of one key that run one after another.
 */

const tooMany = (key: string) => new Error(`too many for ${key}`)

t.test('tasks of one key run one after another, in order of arrival; those of another key run at the same time', async t => {
  const queue = new OneAtATime({ most: 10, tooMany })
  const gates = [gate(), gate(), gate()]
  const log: string[] = []
  const task = (name: string, until: Promise<void>) => async () => {
    log.push(`${name} begins`)
    await until
    log.push(`${name} ends`)
    return name
  }
  const all = gates.map(({ promise }, i) => queue.run('a', task(`a${i}`, promise)))
  t.equal(await queue.run('b', task('b', Promise.resolve())), 'b')
  t.same(log, ['a0 begins', 'b begins', 'b ends'])
  gates[1]?.open()
  gates[2]?.open()
  await quiet()
  t.same(log.slice(3), [], 'the first still runs')
  gates[0]?.open()
  t.same(await Promise.all(all), ['a0', 'a1', 'a2'])
  t.same(log.slice(3), ['a0 ends', 'a1 begins', 'a1 ends', 'a2 begins', 'a2 ends'])
})

t.test('a task that fails, or throws at once, rejects for its caller only: the next one runs', async t => {
  const queue = new OneAtATime({ most: 10, tooMany })
  const failing = queue.run('a', async () => { throw new Error('mine') })
  const throwing = queue.run('a', () => { throw new Error('at once') })
  const next = queue.run('a', async () => 'next')
  await t.rejects(failing, { message: 'mine' })
  await t.rejects(throwing, { message: 'at once' })
  t.equal(await next, 'next')
})

t.test('a task beyond the limit is refused and never runs; a finished task frees its place', async t => {
  const queue = new OneAtATime({ most: 2, tooMany })
  const hold = gate()
  let runs = 0
  const task = async () => { runs++; await hold.promise }
  const both = [queue.run('a', task), queue.run('a', task)]
  await t.rejects(queue.run('a', task), { message: 'too many for a' })
  t.equal(await queue.run('b', async () => 'b'), 'b', 'another key has room of its own')
  hold.open()
  await Promise.all(both)
  t.equal(runs, 2)
  await queue.run('a', task)
  t.equal(runs, 3)
  const failing = [0, 1].map(() => queue.run('a', async () => { throw new Error('mine') }).catch(() => 'failed'))
  t.same(await Promise.all(failing), ['failed', 'failed'])
  await queue.run('a', task)
  t.equal(runs, 4, 'also one that failed')
})
