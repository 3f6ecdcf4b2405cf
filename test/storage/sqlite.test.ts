import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { sqliteStorage, type SqliteDatabase } from '../../src/storage/index.js'
import { after, record } from '../../src/testing/conformance/records.js'
import { openSqlite, sqliteClients } from '../harness/sqlite.js'
import { conforms } from './conforms.js'
import { LibsqlDatabase, LibsqlPromiseDatabase } from './libsql-lookalike.js'
import { testReadyAdapter } from './ready-adapter.js'

let files = 0
const newFile = (t: Test) => join(t.testdir(), `${files++}.db`)

for (const { name, open } of sqliteClients()) {
  t.test(`${name}: conforms with two connections to one file, and a third that locks it`, async t => {
    await conforms(t, () => {
      const file = newFile(t)
      const connections = [open(file), open(file), open(file)] as const
      // The tests do not depend on the disk, and waiting for it would take most of the time.
      for (const connection of connections) connection.exec('PRAGMA synchronous = OFF')
      return {
        storage: sqliteStorage(connections[0]),
        another: sqliteStorage(connections[1]),
        lock: () => {
          connections[2].exec('BEGIN EXCLUSIVE')
          return () => { connections[2].exec('ROLLBACK') }
        },
        cleanup: () => connections.forEach(connection => connection.close())
      }
    })
  })

  t.test(`${name}: nothing is read or written inside a transaction of the host`, async t => {
    const database = open(':memory:')
    const storage = sqliteStorage(database)
    database.exec('BEGIN')
    const uses: Array<() => Promise<unknown>> = [() => storage.setup(), () => storage.get('A'), () => storage.put(record(), undefined), () => storage.delete('A'), () => storage.list({ limit: 1 })]
    for (const use of uses) await t.rejects(use(), { message: /transaction is open/ })
    database.exec('COMMIT')
    t.equal(await storage.put(record(), undefined), true)
  })

  t.test(`${name}: a database that the host has closed rejects`, async t => {
    const database = open(':memory:')
    const storage = sqliteStorage(database)
    t.equal(await storage.get('A'), undefined)
    database.close()
    await t.rejects(storage.get('A'), { message: /not open/ }, 'also by a statement that was used before')
    await t.rejects(storage.put(record(), undefined), { message: /not open/ })
  })
}

t.test('the table is made on first use, has the columns of the contract and an index on due_at', async t => {
  const database = openSqlite(':memory:')
  const storage = sqliteStorage(database, { table: 'merchants_2' })
  t.same(database.prepare('SELECT name FROM sqlite_master').all(), [], 'creating the adapter does nothing')
  const first = record({ dueAt: 12.5 })
  await storage.put(first, undefined)
  t.match(database.prepare('SELECT * FROM merchants_2').all(), [{ merchant_id: first.merchantId, revision: first.revision, due_at: 12.5 }])
  t.match(database.prepare('EXPLAIN QUERY PLAN SELECT document FROM merchants_2 WHERE due_at <= 5').all(), [{ detail: /merchants_2_due_at/ }])
  await storage.setup()
  t.same(await storage.get(first.merchantId), first, 'setup leaves a table that exists alone')
  database.exec('DROP TABLE merchants_2')
  await storage.setup()
  t.equal(await storage.get(first.merchantId), undefined, 'and makes one that was dropped')
})

t.test('a failed setup is retried on the next use', async t => {
  const file = newFile(t)
  const [database, other] = [openSqlite(file), openSqlite(file)]
  const storage = sqliteStorage(database, { lockTimeout: 0 })
  other.exec('BEGIN EXCLUSIVE')
  await t.rejects(storage.get('A'), { message: /locked/, code: 'SQLITE_BUSY' })
  await t.rejects(storage.setup(), { code: 'SQLITE_BUSY' })
  other.exec('ROLLBACK')
  t.equal(await storage.get('A'), undefined)
  other.exec('BEGIN IMMEDIATE')
  await t.rejects(storage.put(record(), undefined), { code: 'SQLITE_BUSY' }, 'a locked database rejects, and does not resolve false')
  other.exec('ROLLBACK')
  t.equal(await storage.put(record(), undefined), true)
})

t.test('a transaction is recognised by better-sqlite3\'s name for it too', async t => {
  const database = openSqlite(':memory:')
  const better: SqliteDatabase = { prepare: sql => database.prepare(sql), inTransaction: true }
  await t.rejects(sqliteStorage(better).get('A'), { message: /transaction is open/ })
})

t.test('a connection that was closed and opened again is used again', async t => {
  // @photostructure/sqlite lets one do this, as node:sqlite does, and ends the statements of before.
  const database = new DatabaseSync(newFile(t))
  const storage = sqliteStorage(database)
  t.equal(await storage.put(record(), undefined), true)
  database.close()
  database.open()
  await storage.get(record().merchantId).catch(() => {})
  t.match(await storage.get(record().merchantId), { merchantId: record().merchantId })
})

t.test('the adapter behaves like every ready adapter', async t => await testReadyAdapter(t, sqliteStorage(openSqlite(':memory:'))))

t.test('a connection that returns integers as bigint works too', async t => {
  const database = new DatabaseSync(':memory:', { readBigInts: true })
  const storage = sqliteStorage(database)
  const first = record()
  t.equal(await storage.put(first, undefined), true)
  t.equal(await storage.put(after(first), 'other'), false)
  t.same(await storage.list({ limit: 1 }), { items: [first], cursor: first.merchantId })
})

t.test('a wrong database, a wrong table\'s name and a wrong time are refused at once', async t => {
  for (const bad of [undefined, null, 'file.db', {}, { prepare: true }]) {
    t.throws(() => sqliteStorage(bad as unknown as SqliteDatabase), { name: 'TypeError', message: /node:sqlite, @photostructure\/sqlite or better-sqlite3/ })
  }
  const database = openSqlite(':memory:')
  for (const table of ['', 'a b', 'a"b', 'a;b', 'a.b', 'ü', 'x'.repeat(64), 5, null]) {
    t.throws(() => sqliteStorage(database, { table: table as string }), { name: 'TypeError', message: /table must be/ })
  }
  for (const lockTimeout of [-1, 60_001, NaN, Infinity, '5', null]) {
    t.throws(() => sqliteStorage(database, { lockTimeout: lockTimeout as number }), { name: 'TypeError', message: /lockTimeout must be a number of milliseconds from 0 to 60000/ })
  }
  const storage = sqliteStorage(database, { table: 'order' })
  t.equal(await storage.put(record(), undefined), true, 'a word of SQL is a name like any other')
})

t.test('libsql is refused, with the reason and what to use instead', async t => {
  const refusal = { name: 'TypeError', message: /refuses libsql.*SQLITE_BUSY.*never commits.*node:sqlite.*@photostructure\/sqlite.*better-sqlite3/ }
  const libsql = new LibsqlDatabase(':memory:')
  t.throws(() => sqliteStorage(libsql), refusal)
  t.throws(() => sqliteStorage(new LibsqlPromiseDatabase(':memory:') as unknown as SqliteDatabase), refusal, 'its interface with promises too')
  t.throws(() => sqliteStorage(new class extends LibsqlDatabase {}(':memory:')), refusal, 'and a class derived from it')

  const wrapped: SqliteDatabase = { prepare: sql => libsql.prepare(sql) }
  const storage = sqliteStorage(wrapped)
  await t.rejects(storage.put(record(), undefined), { message: refusal.message }, 'a connection in a wrapper is found at its first use')
  await t.rejects(storage.setup(), { message: refusal.message })
  t.same(libsql.db.prepare('SELECT name FROM sqlite_master').all(), [], 'before anything is written')
})

t.test('a driver with callbacks or promises, or with rows that are arrays, is refused at its first use', async t => {
  const callbacks = { prepare: () => ({ run () { return this }, get () { return this }, all () { return this } }) }
  const promises = { prepare: () => ({ run: async () => ({ changes: 0 }), get: async () => undefined, all: async () => [] }) }
  const nothing = { prepare: () => ({ run: () => ({ changes: 0 }), get: () => undefined, all: () => [] }) }
  const arrays = new DatabaseSync(':memory:', { returnArrays: true })
  for (const bad of [callbacks, promises, nothing, arrays]) {
    await t.rejects(sqliteStorage(bad as unknown as SqliteDatabase).get('A'), { message: /whose prepare\(\) is synchronous.*rows are objects/ })
  }
})

t.test('an error has only the driver\'s message and code, which have no token', async t => {
  const failures = [
    [Object.assign(new Error('disk full'), { code: 'SQLITE_FULL', command: { args: ['secret'] }, detail: 'secret' }), { message: 'disk full', code: 'SQLITE_FULL' }],
    [Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' }), { message: 'ECONNREFUSED', code: 'ECONNREFUSED' }],
    ['secret', { message: /without a message/ }]
  ] as const
  for (const [failure, expected] of failures) {
    const broken: SqliteDatabase = { prepare: () => { throw failure } }
    const error = await sqliteStorage(broken).get('A').then(() => undefined, (error: unknown) => error)
    t.match(error, expected)
    t.notMatch(JSON.stringify(error), /secret/)
    t.equal((error as Error).cause, undefined)
  }
})
