import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import Database from 'libsql'
import t, { type Test } from 'tap'
import { sqliteStorage, type SqliteDatabase } from '../../src/storage/index.js'
import { storageConformance } from '../../src/testing/conformance/index.js'
import { after, record } from '../../src/testing/conformance/records.js'
import { testReadyAdapter } from './ready-adapter.js'

interface NodeSqlite {
  DatabaseSync: new (file: string) => SqliteDatabase & { exec (sql: string): void, close (): void }
}
const nodeSqlite = process.getBuiltinModule('node:sqlite') as unknown as NodeSqlite | undefined

let files = 0
const newFile = (t: Test) => join(t.testdir(), `${files++}.db`)

/** What is tried here does not depend on the disk, and waiting for it takes most of the time. */
function hasten (connections: ReadonlyArray<{ exec (sql: string): unknown }>): void {
  for (const connection of connections) connection.exec('PRAGMA synchronous = OFF')
}

t.test('libsql: conforms with two connections to one file', async t => {
  const cases = storageConformance(() => {
    const file = newFile(t)
    const connections = [new Database(file), new Database(file)] as const
    hasten(connections)
    return {
      storage: sqliteStorage(connections[0]),
      another: sqliteStorage(connections[1]),
      cleanup: () => connections.forEach(connection => connection.close())
    }
  })
  for (const { name, run } of cases) await t.test(name, run)
})

t.test('node:sqlite: conforms with two connections to one file', { skip: nodeSqlite ? false : `Node ${process.version} has no node:sqlite` }, async t => {
  const cases = storageConformance(() => {
    const { DatabaseSync } = nodeSqlite as NodeSqlite
    const file = newFile(t)
    const connections = [new DatabaseSync(file), new DatabaseSync(file)] as const
    hasten(connections)
    return {
      storage: sqliteStorage(connections[0]),
      another: sqliteStorage(connections[1]),
      cleanup: () => connections.forEach(connection => connection.close())
    }
  })
  for (const { name, run } of cases) await t.test(name, run)
})

t.test('three processes that begin at once with no table, and write one record, lose no update', async t => {
  const file = newFile(t)
  const writers = Array.from({ length: 3 }, () => fork(join(import.meta.dirname, 'sqlite-writer.ts'), [file, '20']))
  await Promise.all(writers.map(async writer => await once(writer, 'message')))
  const ended = writers.map(async writer => await Promise.all([once(writer, 'message'), once(writer, 'exit')]))
  for (const writer of writers) writer.send('go')
  for (const end of ended) t.match(await end, [[{ stored: 20 }], [0]])
  const database = new Database(file)
  t.equal((await sqliteStorage(database).get(record().merchantId))?.updatedAt, 60)
  database.close()
})

t.test('the table is made on first use, has the columns of the contract and an index on due_at', async t => {
  const database = new Database(':memory:')
  const storage = sqliteStorage(database, { table: 'merchants_2' })
  t.same(database.prepare('SELECT name FROM sqlite_master').all(), [], 'creating the adapter does nothing')
  const first = record({ dueAt: 12.5 })
  await storage.put(first, undefined)
  t.match(database.prepare('SELECT * FROM merchants_2').all(), [{ merchant_id: first.merchantId, revision: first.revision, due_at: 12.5 }])
  t.match(database.prepare('EXPLAIN QUERY PLAN SELECT document FROM merchants_2 WHERE due_at <= 5').all(), [{ detail: /merchants_2_due_at/ }])
  await storage.setup()
  t.same(await storage.get(first.merchantId), first, 'setup leaves a table that exists alone')
})

t.test('a setup that failed is tried again on the next use', async t => {
  const file = newFile(t)
  const [database, other] = [new Database(file), new Database(file)]
  const storage = sqliteStorage(database)
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

t.test('nothing is read or written inside a transaction of the host', async t => {
  const database = new Database(':memory:')
  const storage = sqliteStorage(database)
  database.exec('BEGIN')
  const uses: Array<() => Promise<unknown>> = [() => storage.setup(), () => storage.get('A'), () => storage.put(record(), undefined), () => storage.delete('A'), () => storage.list({ limit: 1 })]
  for (const use of uses) {
    await t.rejects(async () => { await use() }, { message: /transaction is open/ })
  }
  database.exec('COMMIT')
  t.equal(await storage.put(record(), undefined), true)
  const isTransaction: SqliteDatabase = { prepare: sql => database.prepare(sql), isTransaction: true }
  await t.rejects(sqliteStorage(isTransaction).get('A'), { message: /transaction is open/ }, 'node:sqlite has another name for it')
})

t.test('a database that the host has closed rejects', async t => {
  const database = new Database(':memory:')
  const storage = sqliteStorage(database)
  t.equal(await storage.get('A'), undefined)
  database.close()
  await t.rejects(storage.get('A'), { message: /not open/ }, 'also by a statement that was used before')
})

t.test('a connection that was closed and opened again is used again', async t => {
  const inner = new Database(newFile(t))
  let opening = 0
  // node:sqlite can be opened again, and then ends the statements of before.
  const database = {
    isOpen: true,
    prepare: (sql: string) => {
      const made = opening
      const statement = inner.prepare(sql) as ReturnType<SqliteDatabase['prepare']>
      const alive = () => { if (made !== opening) throw new Error('statement has been finalized') }
      return {
        get: (...values: unknown[]) => { alive(); return statement.get(...values) },
        run: (...values: unknown[]) => { alive(); return statement.run(...values) },
        all: (...values: unknown[]) => { alive(); return statement.all(...values) }
      }
    }
  }
  const storage = sqliteStorage(database)
  t.equal(await storage.put(record(), undefined), true)
  t.match(await storage.get(record().merchantId), { merchantId: record().merchantId })
  opening++
  await storage.get(record().merchantId).catch(() => {})
  t.match(await storage.get(record().merchantId), { merchantId: record().merchantId })
})

t.test('the adapter does what ready adapters do', async t => await testReadyAdapter(t, sqliteStorage(new Database(':memory:'))))

t.test('libsql with safe integers works too', async t => {
  const database = new Database(':memory:').defaultSafeIntegers(true)
  const storage = sqliteStorage(database)
  const first = record()
  t.equal(await storage.put(first, undefined), true)
  t.equal(await storage.put(after(first), 'other'), false)
  t.same(await storage.list({ limit: 1 }), { items: [first], cursor: first.merchantId })
})

t.test('a damaged document is refused without being quoted', async t => {
  const database = new Database(':memory:')
  const storage = sqliteStorage(database)
  await storage.put(record(), undefined)
  for (const document of ['secret-token', '"secret-token"', '["secret-token"]', 'null']) {
    database.prepare('UPDATE clover_installations SET document = ?').run(document)
    for (const read of [() => storage.get(record().merchantId), () => storage.list({ limit: 1 })]) {
      const error = await read().then(() => undefined, (error: unknown) => error)
      t.match(error, { message: /M000000000001 is not a JSON object/ })
      t.notMatch(String(error), /secret/)
    }
  }
})

t.test('what is not an SQLite database, and what is not a table\'s name, is refused at once', async t => {
  for (const bad of [undefined, null, 'file.db', {}, { prepare: true }]) {
    t.throws(() => sqliteStorage(bad as unknown as SqliteDatabase), { name: 'TypeError', message: /libsql, better-sqlite3 or node:sqlite/ })
  }
  const database = new Database(':memory:')
  for (const table of ['', 'a b', 'a"b', 'a;b', 'a.b', 'ü', 'x'.repeat(64), 5, null]) {
    t.throws(() => sqliteStorage(database, { table: table as string }), { name: 'TypeError', message: /table must be/ })
  }
  const storage = sqliteStorage(database, { table: 'order' })
  t.equal(await storage.put(record(), undefined), true, 'a word of SQL is a name like any other')
})

t.test('a driver with callbacks or promises is told so at its first use', async t => {
  const callbacks = { prepare: () => ({ run () { return this }, get () { return this }, all () { return this } }) }
  const promises = { prepare: () => ({ run: async () => ({ changes: 0 }), get: async () => undefined, all: async () => [] }) }
  for (const bad of [callbacks, promises]) {
    await t.rejects(sqliteStorage(bad as unknown as SqliteDatabase).get('A'), { message: /whose prepare\(\) is synchronous/ })
  }
})

t.test('an error carries the driver\'s message and code, and nothing that could hold a token', async t => {
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
