import { join } from 'node:path'
import knex from 'knex'
import { CamelCasePlugin, Kysely, ParseJSONResultsPlugin, PostgresDialect } from 'kysely'
import pg from 'pg'
import t from 'tap'
import {
  drizzleStorage, knexStorage, kyselyStorage, mysqlStorage, postgresStorage, prismaStorage, sqliteStorage, sqlStorage, typeormStorage,
  type SqlResult, type SqlStorageOptions
} from '../../src/storage/index.js'
import { durabilityOf } from '../../src/storage/durability.js'
import { merchant, record } from '../../src/testing/conformance/records.js'
import { openSqlite } from '../harness/sqlite.js'
import { mariadb, mysqlPool, newTable, postgres } from './sql-servers.js'

t.test('wrong options are refused at once, with a sentence for each', async t => {
  const run = async () => ({ rows: [] })
  const refused: Array<[options: unknown, message: RegExp]> = [
    [undefined, /dialect must be 'postgresql', 'mysql' or 'sqlite'/],
    [{ dialect: 'mssql', run }, /dialect must be 'postgresql', 'mysql' or 'sqlite'/],
    [{ dialect: 'mysql' }, /run must be a function \(sql, parameters\)/],
    [{ dialect: 'mysql', run: 'run' }, /run must be a function/],
    [{ dialect: 'mysql', run, table: 'a`b' }, /table must be a name/],
    [{ dialect: 'postgresql', run, table: 'a"b' }, /table must be a name/],
    [{ dialect: 'sqlite', run, table: 'schema.table' }, /table must be a name/],
    [{ dialect: 'sqlite', run, tabel: 'x' }, /tabel/]
  ]
  for (const [options, message] of refused) t.throws(() => sqlStorage(options as SqlStorageOptions), { name: 'TypeError', message }, String(message))
  for (const adapter of [drizzleStorage, knexStorage, kyselyStorage, mysqlStorage, postgresStorage, prismaStorage, sqliteStorage, typeormStorage] as Array<(client: unknown, options?: unknown) => unknown>) {
    for (const client of [undefined, null, 'url', {}, () => {}, { $client: {} }, { pool: {} }, { pool: { getConnection () {} } }]) {
      t.throws(() => adapter(client), { name: 'TypeError', message: new RegExp(`^${adapter.name.replace('drizzle', '(?:drizzle|mysql)')}: the first argument must be `) }, `${adapter.name} ${JSON.stringify(client)}`)
    }
  }
})

t.test('a client of a transaction is refused: its writes could be rolled back', async t => {
  const knex = { raw: async () => {}, client: { dialect: 'postgresql' }, isTransaction: true }
  t.throws(() => knexStorage(knex), { message: /not a transaction/ })
  const kysely = { executeQuery: async () => ({ rows: [] }), withoutPlugins: () => ({ executeQuery: async () => ({ rows: [] }) }), getExecutor: () => ({ adapter: {} }), isTransaction: true }
  t.throws(() => kyselyStorage(kysely), { message: /not a transaction/ })
  t.throws(() => kyselyStorage({ ...kysely, isTransaction: false, getExecutor: () => ({ adapter: { supportsTransactionalDdl: true } }) }), { message: /for PostgreSQL, MySQL/ }, 'as SQL Server')
  t.type(kyselyStorage({ ...kysely, isTransaction: false }), 'object', 'as MySQL')
  t.throws(() => prismaStorage({ $queryRawUnsafe: async () => [], $executeRawUnsafe: async () => 0 } as never), { message: /not that of a transaction/ })
  t.throws(() => postgresStorage({ unsafe: async () => [] } as never), { message: /not that of a transaction/ })
  t.throws(() => mysqlStorage({ execute: async () => [[], []], promise: () => ({}) } as never), { message: /not a single connection/ })
})

t.test('inside a transaction that is open on the client\'s only connection, nothing is written', { skip: postgres.skip }, async t => {
  const { table } = await newTable(t, 'postgresql')
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  t.teardown(() => client.end())
  const storage = postgresStorage(client, { table })
  await storage.setup()
  await client.query('BEGIN')
  await t.rejects(storage.put(record(), undefined), { message: /A transaction is open on this Client of pg/ })
  await client.query('ROLLBACK')
  const begun = client.query('BEGIN')
  await t.rejects(storage.put(record(), undefined), { message: /A transaction is open/ }, 'nor where it is begun before the statement is sent')
  await begun
  await client.query('ROLLBACK')
  t.equal(await storage.put(record(), undefined), true)

  const database = openSqlite(join(t.testdir(), 'store.db'))
  t.teardown(() => database.close())
  const runner = { query: async () => ({}), release: async () => {}, connect: async () => database }
  const typeorm = typeormStorage({ createQueryRunner: () => runner, options: { type: 'better-sqlite3' } })
  await typeorm.setup()
  // As node:sqlite before Node 22.16, which does not say whether a transaction is open.
  const silent = sqliteStorage({ prepare: sql => database.prepare(sql) })
  database.exec('BEGIN')
  for (const storage of [typeorm, silent]) await t.rejects(storage.put(record(), undefined), { message: /A transaction is open on this SQLite connection/ })
  database.exec('ROLLBACK')
  const first = record()
  t.equal(await typeorm.put(first, undefined), true)
  t.equal(await silent.put(first, undefined), false)
  t.same(await typeorm.get(merchant(1)), first)
  t.same((await typeorm.list({ limit: 5 })).items, [first])
  t.equal(await typeorm.delete(merchant(1)), true)
  t.match(await durabilityOf(typeorm)?.(), { store: 'SQLite', servers: [{ journal_mode: 'delete', synchronous: '2' }] })
})

t.test('Kysely: plugins of the host change nothing', { skip: postgres.skip }, async t => {
  const { table } = await newTable(t, 'postgresql')
  const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: postgres.url, max: 2 }) }), plugins: [new ParseJSONResultsPlugin(), new CamelCasePlugin()] })
  t.teardown(() => db.destroy())
  const storage = kyselyStorage(db, { table })
  const first = record()
  t.equal(await storage.put(first, undefined), true)
  t.same(await storage.get(first.merchantId), first)
})

t.test('Knex: an error quotes no token', { skip: mariadb.skip }, async t => {
  const { table, query } = await newTable(t, 'mysql')
  const client = knex({ client: 'mysql2', connection: mariadb.url })
  t.teardown(() => client.destroy())
  const storage = knexStorage(client, { table })
  await storage.setup()
  const first = record()
  await query(`ALTER TABLE ${table} ADD CHECK (revision <> '${first.revision}')`)
  const error = await storage.put(first, undefined).catch((error: unknown) => error) as Error & { code?: string }
  t.match(error, { message: /CONSTRAINT/, code: String })
  t.notMatch(`${error.stack}${JSON.stringify(error)}`, first.accessToken)
  const odd = knexStorage({ raw: async () => { throw 'down' }, client: { dialect: 'mysql' } }) // eslint-disable-line no-throw-literal
  await t.rejects(odd.get(merchant(1)), { message: 'The database driver failed without a message.' })
})

t.test('only the document of a record is read, and the other columns where that is damaged', async t => {
  const whole = record()
  const sent: string[] = []
  let rows: unknown[][] = []
  const run = async (sql: string) => {
    sent.push(String(/SELECT (.*) FROM/.exec(sql)?.[1]))
    return { rows: rows.shift() ?? [] }
  }
  const storage = sqlStorage({ dialect: 'postgresql', run })
  rows = [[{ document: JSON.stringify(whole) }]]
  t.same(await storage.get(whole.merchantId), whole)
  t.same(sent.splice(0), ['document'])
  rows = [[{ document: '{' }], [{ revision: 'r', due: '5', document: '{' }]]
  t.same(await storage.get(whole.merchantId), { merchantId: whole.merchantId, revision: 'r', dueAt: 5 })
  t.same(sent.splice(0), ['document', 'revision, due_at AS due, document'])
  rows = [[{ document: '{' }], [{ revision: whole.revision, due: null, document: JSON.stringify(whole) }]]
  t.same(await storage.get(whole.merchantId), whole, 'it was replaced meanwhile')
  rows = [[{ document: '{' }], []]
  t.equal(await storage.get(whole.merchantId), undefined, 'it was deleted meanwhile')
})

t.test('a client that parses JSON by itself is no trouble', async t => {
  const first = record()
  const storage = sqlStorage({ dialect: 'postgresql', run: async () => ({ rows: [{ revision: first.revision, due: null, document: first }] }) })
  t.same(await storage.get(first.merchantId), first)
})

t.test('where a client says only one of both, the rows of a write or their number, that is enough', async t => {
  const runner = { query: async () => ({ affected: 1 }), release: async () => {}, connect: async () => {} }
  t.equal(await typeormStorage({ createQueryRunner: () => runner, options: { type: 'postgres' } }).put(record(), undefined), true)
  t.throws(() => prismaStorage({ $queryRawUnsafe: async () => [], $executeRawUnsafe: async () => 0, $connect: async () => {} }), { message: /a PrismaClient for/ }, 'and a client that does not name its database is refused')
  const sqlite = { _activeProvider: 'sqlite', $queryRawUnsafe: async () => [], $executeRawUnsafe: async () => 0, $connect: async () => {} }
  t.throws(() => prismaStorage(sqlite), { message: /for SQLite use sqliteStorage/ }, 'as is Prisma\'s only connection to SQLite, which its transactions use too')
})

t.test('SQLite behind Drizzle, and behind Knex', async t => {
  const database = openSqlite(join(t.testdir(), 'store.db'))
  t.teardown(() => database.close())
  const first = record()
  const drizzle = drizzleStorage({ $client: database }, { table: 'of_drizzle' })
  t.equal(await drizzle.put(first, undefined), true)
  t.same(await sqliteStorage(database, { table: 'of_drizzle' }).get(first.merchantId), first)
  // Knex resolves with what better-sqlite3 gives it: rows, or the number of changes.
  const raw = async (sql: string, values: unknown[]) => {
    const statement = database.prepare(sql)
    return /^\s*SELECT|RETURNING/.test(sql) ? statement.all(...values) : statement.run(...values)
  }
  const knex = knexStorage({ raw, client: { dialect: 'sqlite3' } })
  t.equal(await knex.get(first.merchantId), undefined)
  t.equal(await knex.put(first, undefined), true)
  t.equal(await knex.put(first, undefined), false)
  t.same(await knex.get(first.merchantId), first)
  t.same((await knex.list({ limit: 5 })).items, [first])
})

t.test('a host\'s function that resolves with something else is told what it must resolve with', async t => {
  const storageOf = (dialect: SqlStorageOptions['dialect'], result: unknown) => sqlStorage({ dialect, run: async () => result as SqlResult })
  for (const result of [undefined, {}, { rows: 'none' }]) await t.rejects(storageOf('sqlite', result).get(merchant(1)), { name: 'Error', message: /run must resolve with \{ rows, changed \}/ })
  const table = [{ name: 'merchant_id', type: 'varchar(191)', keyed: 1 }, { name: 'revision', type: 'varchar(191)' }, { name: 'due_at', type: 'double' }, { name: 'document', type: 'mediumtext' }]
  const uncounted = sqlStorage({ dialect: 'mysql', run: async sql => ({ rows: sql.includes('information_schema') ? table : [] }) })
  await t.rejects(uncounted.put(record(), undefined), { message: /with the dialect mysql, run must resolve with `changed`/ })
  const counted = (changed: number | bigint) => sqlStorage({ dialect: 'postgresql', run: async () => ({ rows: [], changed }) })
  t.equal(await counted(1n).put(record(), undefined), true, 'a count is enough, where the client shows no rows of a write')
  t.equal(await counted(0).put(record(), undefined), false)
})

t.test('a statement that the database rolled back in favour of another one is sent again, five times at most', async t => {
  for (const error of [{ code: '40001' }, { code: '40P01' }, { errno: 1213 }, { code: 'ER_CHECKREAD' }, { cause: { originalCode: '1213' } }, { code: 'P2010', meta: { code: '40001' } }]) {
    let sent = 0
    const failing = (times: number) => sqlStorage({
      dialect: 'postgresql',
      run: async () => {
        if (sent++ < times) throw Object.assign(new Error('rolled back'), error)
        return { rows: [{}] }
      }
    })
    t.equal(await failing(4).put(record(), undefined), true, JSON.stringify(error))
    sent = 0
    await t.rejects(failing(5).put(record(), undefined), { message: 'rolled back' })
    t.equal(sent, 5)
  }
  let sent = 0
  const lost = sqlStorage({ dialect: 'postgresql', run: async () => { sent++; throw new Error('the connection is gone') } })
  await t.rejects(lost.put(record(), undefined), { message: 'the connection is gone' })
  t.equal(sent, 1, 'no other failure is: the statement may have been carried out')
})

t.test('MySQL: a write that races with others for one row, and its index, loses or wins, and never fails', { skip: mariadb.skip }, async t => {
  const pool = await mysqlPool(t)
  const { table } = await newTable(t, 'mysql')
  const storage = mysqlStorage(pool, { table })
  await storage.setup()
  for (let round = 0; round < 20; round++) {
    const first = record({ merchantId: merchant(round % 3), dueAt: round })
    const outcomes = await Promise.all(Array.from({ length: 8 }, (_, writer) => writer % 3 === 2
      ? storage.delete(first.merchantId)
      : storage.put({ ...first, revision: `${writer}`.repeat(32) }, undefined)))
    t.ok(outcomes.every(outcome => typeof outcome === 'boolean'))
  }
})

t.test('a pool that has no connection left rejects, and the next call works', { skip: mariadb.skip || postgres.skip }, async t => {
  const { table } = await newTable(t, 'postgresql')
  const pool = new pg.Pool({ connectionString: postgres.url, max: 1, connectionTimeoutMillis: 100 })
  t.teardown(() => pool.end())
  const storage = postgresStorage(pool, { table })
  await storage.setup()
  const taken = await pool.connect()
  await t.rejects(storage.put(record(), undefined), { message: /timeout exceeded when trying to connect/ })
  taken.release()
  t.equal(await storage.put(record(), undefined), true)
})
