import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { sqliteStorage, type SqliteDatabase } from '../../src/storage/index.js'
import { after, record } from '../../src/testing/conformance/records.js'
import { sqliteClients, type SqliteClient, type TestDatabase } from '../harness/sqlite.js'

let files = 0

const modes = ['DELETE', 'WAL'] as const

/** Connections to one file: the host's, and another one that holds locks. */
function connect (t: Test, { open }: SqliteClient, mode: typeof modes[number], timeout: number): { database: TestDatabase, stranger: TestDatabase } {
  const file = join(t.testdir(), `${files++}.db`)
  const [database, stranger] = [open(file, { timeout }), open(file)]
  for (const connection of [database, stranger]) connection.exec(`PRAGMA journal_mode = ${mode}; PRAGMA synchronous = OFF`)
  t.teardown(() => {
    database.close()
    stranger.close()
  })
  return { database, stranger }
}

const timeoutOf = (database: SqliteDatabase) => (database.prepare('PRAGMA busy_timeout').get() as { timeout: number }).timeout

/** Records `busy_timeout` at each statement, except those that read or set it. */
function watched (database: TestDatabase): SqliteDatabase & { timeouts: number[], pragmas: number } {
  const watch = {
    inTransaction: false,
    timeouts: [] as number[],
    pragmas: 0,
    prepare (sql: string): ReturnType<SqliteDatabase['prepare']> {
      const statement = database.prepare(sql)
      const note = () => {
        if (sql.startsWith('PRAGMA')) watch.pragmas++
        else watch.timeouts.push(timeoutOf(database))
      }
      return {
        run: (...values) => { note(); return statement.run(...values) },
        get: (...values) => { note(); return statement.get(...values) },
        all: (...values) => { note(); return statement.all(...values) }
      }
    }
  }
  return watch
}

for (const client of sqliteClients()) {
  for (const mode of modes) {
    const title = `${client.name}, ${mode}`

    t.test(`${title}: SQLite itself never waits for a lock in the adapter's writes, and the host's timeout stays unchanged`, async t => {
      for (const timeout of [0, 20, 5_000]) {
        const { database } = connect(t, client, mode, timeout)
        const watch = watched(database)
        const storage = sqliteStorage(watch)
        const first = record()
        await storage.put(first, undefined)
        await storage.put(after(first), 'other')
        await storage.delete(first.merchantId, 'other')
        t.same(new Set(watch.timeouts), new Set([0]), 'in the table\'s making too')
        t.equal(timeoutOf(database), timeout)

        database.exec('PRAGMA busy_timeout = 77')
        watch.timeouts.length = 0
        const writing = storage.put(after(first), first.revision)
        t.equal(timeoutOf(database), 77, 'the host gets its connection back in the same turn, also with a timeout that it set meanwhile')
        t.equal(await writing, true)
        t.same(watch.timeouts, [0])

        database.exec('DROP TABLE clover_installations')
        t.equal(await storage.put(after(first), first.revision), false, 'the table is made again, and is empty')
        t.equal(timeoutOf(database), 77, 'also after a failure')
      }
    })

    t.test(`${title}: a write waits for another connection's lock without blocking the process, whatever the host's timeout`, async t => {
      for (const timeout of [0, 5_000]) {
        const { database, stranger } = connect(t, client, mode, timeout)
        const storage = sqliteStorage(database)
        const first = record()
        await storage.put(first, undefined)
        stranger.exec('BEGIN EXCLUSIVE')
        let settled = false
        const next = after(first)
        const writing = storage.put(next, first.revision).finally(() => { settled = true })
        // A blocked process could end the lock only after SQLite has given up.
        for (let pause = 0; pause < 5; pause++) await setTimeout(10)
        t.notOk(settled)
        stranger.exec('ROLLBACK')
        t.equal(await writing, true)
        t.same(await sqliteStorage(stranger).get(first.merchantId), next, 'and another connection sees it')
      }
    })

    t.test(`${title}: a write that timed out is not written later`, async t => {
      const { database, stranger } = connect(t, client, mode, 5_000)
      const storage = sqliteStorage(database, { lockTimeout: 30 })
      const first = record()
      await storage.put(first, undefined)
      stranger.exec('BEGIN IMMEDIATE')
      const given = [storage.put(after(first), first.revision), storage.delete(first.merchantId)]
      for (const outcome of await Promise.allSettled(given)) {
        t.match(outcome, { status: 'rejected', reason: { message: /stayed locked by another connection for 30 ms/, code: 'SQLITE_BUSY' } })
      }
      stranger.exec('ROLLBACK')
      await setTimeout(50)
      t.same(await sqliteStorage(stranger).get(first.merchantId), first)
      t.equal(await storage.put(after(first), first.revision), true, 'the next write works')
    })
  }

  t.test(`${client.name}, WAL: reads run while another connection locks the database and writes wait, and are as fast as before`, async t => {
    const { database, stranger } = connect(t, client, 'WAL', 5_000)
    const watch = watched(database)
    const storage = sqliteStorage(watch)
    const first = record()
    await storage.put(first, undefined)
    stranger.exec('BEGIN EXCLUSIVE')
    const writing = storage.put(after(first), first.revision)
    watch.pragmas = 0
    t.same(await storage.get(first.merchantId), first)
    t.same((await storage.list({ limit: 5 })).items, [first])
    t.equal(watch.pragmas, 0)
    stranger.exec('ROLLBACK')
    t.equal(await writing, true)
    t.equal(timeoutOf(database), 5_000)
  })

  t.test(`${client.name}, DELETE: a read waits for another connection's lock without blocking the process`, async t => {
    const { database, stranger } = connect(t, client, 'DELETE', 5_000)
    const storage = sqliteStorage(database)
    const first = record()
    await storage.put(first, undefined)
    stranger.exec('BEGIN EXCLUSIVE')
    const reading = Promise.all([storage.get(first.merchantId), storage.list({ limit: 5 })])
    await setTimeout(20)
    stranger.exec('ROLLBACK')
    t.same(await reading, [first, { items: [first] }])
    t.equal(timeoutOf(database), 5_000)
  })

  t.test(`${client.name}: servers that create the table wait for another connection's lock`, async t => {
    const { database, stranger } = connect(t, client, 'DELETE', 5_000)
    const storage = sqliteStorage(database)
    stranger.exec('BEGIN EXCLUSIVE')
    const using = Promise.all([storage.setup(), storage.get('A'), storage.put(record(), undefined)])
    await setTimeout(20)
    stranger.exec('ROLLBACK')
    t.same(await using, [undefined, undefined, true])
  })
}

t.test('a read that finds the write-ahead log locked is retried with busy_timeout 0', async t => {
  const [client] = sqliteClients()
  if (client === undefined) return t.fail('no client')
  const { database } = connect(t, client, 'WAL', 5_000)
  const timeouts: number[] = []
  let isLocked = false
  const storage = sqliteStorage({
    inTransaction: false,
    prepare (sql) {
      const statement = database.prepare(sql)
      if (!sql.startsWith('SELECT')) return statement
      return {
        ...statement,
        get (...values: unknown[]) {
          timeouts.push(timeoutOf(database))
          if (!isLocked) return statement.get(...values)
          isLocked = false
          throw Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY_RECOVERY' })
        }
      }
    }
  })
  await storage.put(record(), undefined)
  await storage.get('A')
  isLocked = true
  t.equal(await storage.get('A'), undefined)
  t.same(timeouts, [5_000, 5_000, 0])
})

t.test('a lock that is met while the mode is looked up repeats no write', async t => {
  const [client] = sqliteClients()
  if (client === undefined) return t.fail('no client')
  const { database } = connect(t, client, 'WAL', 0)
  let isLocked = true
  const storage = sqliteStorage({
    inTransaction: false,
    prepare (sql) {
      const statement = database.prepare(sql)
      if (sql !== 'PRAGMA journal_mode') return statement
      return {
        run: (...values) => statement.run(...values),
        all: (...values) => statement.all(...values),
        get: (...values) => {
          if (!isLocked) return statement.get(...values)
          isLocked = false
          throw Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })
        }
      }
    }
  })
  await sqliteStorage(database).setup()
  t.equal(await storage.put(record(), undefined), true, 'a second run would find its own row')
  t.notOk(isLocked)
})
