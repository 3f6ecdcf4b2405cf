import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { isLocked, LockQueue, type LockTime } from '../../src/storage/lock-queue.js'

const lockError = () => Object.assign(new Error('database is locked'), { code: 'ERR_SQLITE_ERROR', errcode: 5 })

/** A clock that only a sleep or a test moves. */
function fakeTime (random = 0.5): LockTime & { clock: number, slept: number[] } {
  return {
    clock: 1_000,
    slept: [],
    now () { return this.clock },
    async sleep (milliseconds) {
      this.slept.push(milliseconds)
      this.clock += milliseconds
    },
    random: () => random
  }
}

/** A statement that finds the database locked the given number of times, and counts its runs. */
function statement (result: string, locked: number) {
  const made = Object.assign(() => {
    made.runs++
    if (made.runs <= locked) throw lockError()
    return result
  }, { runs: 0 })
  return made
}

t.test('a locked statement is tried again until the lock has ended', async t => {
  const queue = new LockQueue(1_000, fakeTime())
  const locked = statement('done', 5)
  t.equal(await queue.run(locked), 'done')
  t.equal(locked.runs, 6)
})

t.test('the pauses are random, from 1 to 10 milliseconds', async t => {
  for (const [random, pause] of [[0, 1], [0.5, 5.5], [1, 10]] as const) {
    const time = fakeTime(random)
    await new LockQueue(1_000, time).run(statement('done', 4))
    t.same(time.slept, [pause, pause, pause])
  }
})

t.test('a statement that is not locked runs at once, and its error is thrown as it is', async t => {
  const queue = new LockQueue(1_000, fakeTime())
  let ran = false
  const running = queue.run(() => { ran = true })
  t.ok(ran, 'in the same turn')
  await running
  const full = new Error('disk full')
  t.throws(() => queue.run(() => { throw full }), full)
  let first = true
  await t.rejects(async () => await queue.run(() => {
    if (!first) throw full
    first = false
    throw lockError()
  }), full, 'also when it was locked before')
  t.equal(await queue.run(() => 'next'), 'next')
})

t.test('statements that wait run in the order in which they came, and only the first of them is tried', async t => {
  const queue = new LockQueue(1_000, fakeTime())
  const order: string[] = []
  const first = statement('first', 3)
  const others = ['second', 'third'].map(name => statement(name, 0))
  await Promise.all([first, ...others].map(async one => order.push(await queue.run(one))))
  t.same(order, ['first', 'second', 'third'])
  t.same([first, ...others].map(({ runs }) => runs), [4, 1, 1])
})

t.test('the event loop turns between two statements that have waited', async t => {
  const queue = new LockQueue(1_000, fakeTime())
  let turns = 0
  const end = new AbortController()
  const counting = (async () => {
    while (!end.signal.aborted) {
      await nextTurn()
      turns++
    }
  })()
  const first = statement('first', 1)
  const turnsOf = await Promise.all([queue.run(first), ...Array.from({ length: 10 }, () => queue.run(() => turns))])
  end.abort()
  await counting
  t.equal(new Set(turnsOf.slice(1)).size, 10, 'each in a turn of its own')
})

t.test('a statement that stays locked is given up in time, and does not run later', async t => {
  const time = fakeTime()
  const queue = new LockQueue(100, time)
  const forever = statement('never', Infinity)
  const behind = statement('never', 0)
  const outcomes = await Promise.allSettled([queue.run(forever), queue.run(behind)])
  for (const outcome of outcomes) {
    t.match(outcome, { status: 'rejected', reason: { message: 'The SQLite database stayed locked by another connection for 100 ms.', code: 'SQLITE_BUSY' } })
  }
  t.ok(time.clock >= 1_100 && time.clock < 1_111, 'a pause late at most')
  t.equal(behind.runs, 0, 'one that waited behind it as long is not tried any more')
  const { runs } = forever
  t.equal(await queue.run(() => 'next'), 'next', 'the next one is tried')
  t.equal(forever.runs, runs)
  await t.rejects(async () => await new LockQueue(0, time).run(statement('never', 1)), { code: 'SQLITE_BUSY' }, 'with no time there is one attempt')
})

t.test('a process that was stopped for longer does not write what its caller has given up', async t => {
  const time = fakeTime()
  const locked = statement('too late', 2)
  const sleep = time.sleep.bind(time)
  time.sleep = async milliseconds => {
    await sleep(milliseconds)
    time.clock += 60_000
  }
  await t.rejects(async () => await new LockQueue(4_500, time).run(locked), { code: 'SQLITE_BUSY' })
  t.equal(locked.runs, 2)
})

t.test('locks are recognised in the errors of each client, and nothing else is', async t => {
  const error = (message: string, fields: object = {}) => Object.assign(new Error(message), fields)
  const sqliteError = (message: string, errcode?: number) => error(message, { code: 'ERR_SQLITE_ERROR', ...(errcode !== undefined && { errcode, errstr: message }) })
  for (const locked of [
    sqliteError('database is locked', 5), sqliteError('database table is locked', 6), sqliteError('database is locked', 517), sqliteError('database is locked', 261),
    sqliteError('database is locked'), sqliteError('database table is locked'), sqliteError('database schema is locked: main'),
    ...['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', 'SQLITE_BUSY_RECOVERY', 'SQLITE_LOCKED', 'SQLITE_LOCKED_SHAREDCACHE'].map(code => error('database is locked', { code }))
  ]) t.equal(isLocked(locked), true, `${locked.message} ${JSON.stringify(locked)}`)
  for (const other of [
    sqliteError('constraint failed', 19), sqliteError('disk I/O error', 10), sqliteError('database or disk is full', 13), sqliteError('database disk image is malformed'), sqliteError('no such table: database is locked'),
    error('database is locked'), error('constraint failed', { code: 'SQLITE_CONSTRAINT' }), error('not open', { code: 'ERR_INVALID_STATE' }), 'database is locked', undefined
  ]) t.equal(isLocked(other), false, String(other))
})
