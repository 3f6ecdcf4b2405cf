import { join } from 'node:path'
import t from 'tap'
import { mysqlStorage, postgresStorage, sqliteStorage, sqlStorage } from '../../src/storage/index.js'
import { after, record } from '../../src/testing/conformance/records.js'
import { uniqueName } from '../harness/services.js'
import { openSqlite } from '../harness/sqlite.js'
import { mariadb, mysqlPool, newTable, pgPool, postgres } from './sql-servers.js'

/*
 * The table of an SQL adapter: how it is made, and what is refused of one that exists.
 */

t.test('a table that cannot be seen after it was made is a failure', async t => {
  const blind = sqlStorage({ dialect: 'mysql', run: async () => ({ rows: [], changed: 0 }) })
  await t.rejects(blind.setup(), { code: 'FST_CLOVER_STORAGE', cause: { message: /there is no table clover_installations/ } })
})

t.test('a table of another form is refused by setup() with what is there, and nothing is written', async t => {
  const good = 'merchant_id varchar(20) primary key, revision varchar(40) not null, due_at double precision, document text not null'
  const cases: Array<[dialects: Array<'postgresql' | 'mysql' | 'sqlite'>, columns: string, message: RegExp]> = [
    [['postgresql', 'mysql', 'sqlite'], 'id integer', /it has no column merchant_id \(its columns: id\); it has no column revision/],
    [['postgresql', 'mysql', 'sqlite'], good.replace(' primary key', ''), /its column merchant_id is not unique/],
    [['postgresql', 'mysql', 'sqlite'], `${good}, tenant varchar(20) not null`, /its column tenant needs a value in each row/],
    [['postgresql', 'mysql'], good.replace('document text', 'document varchar(191)'), /its column document is of type (?:character varying|varchar)\(191\), too short for 60000 characters/],
    [['postgresql', 'mysql'], good.replace('double precision', 'integer'), /its column due_at is of type int\S*, not double precision/],
    [['postgresql'], good.replace('document text', 'document jsonb'), /its column document is of type jsonb, not a text type/],
    [['mysql'], `${good}) engine = MyISAM`, /its storage engine is MyISAM/]
  ]
  for (const [dialects, columns, message] of cases) {
    for (const dialect of dialects) {
      if (dialect === 'sqlite') {
        const database = openSqlite(join(t.testdir(), 'store.db'))
        database.exec(`CREATE TABLE clover_installations (${columns})`)
        await t.rejects(sqliteStorage(database).setup(), { code: 'FST_CLOVER_STORAGE', cause: { message } }, `${dialect}: ${columns}`)
        database.close()
      } else if (!(dialect === 'mysql' ? mariadb : postgres).skip) {
        const { table, query } = await newTable(t, dialect)
        await query(`CREATE TABLE ${table} (${columns}${columns.includes(') engine') ? '' : ')'}`)
        const storage = dialect === 'mysql' ? mysqlStorage(await mysqlPool(t), { table }) : postgresStorage(await pgPool(t), { table })
        await t.rejects(storage.setup(), { code: 'FST_CLOVER_STORAGE', cause: { message } }, `${dialect}: ${columns}`)
        if (dialect === 'mysql') await t.rejects(storage.put(record(), undefined), { code: 'FST_CLOVER_STORAGE' }, 'nor by the first write')
        t.same(await query(`SELECT * FROM ${table}`), [])
      }
    }
  }
})

t.test('a table that the host\'s migration made is used as it is, whatever its collation', { skip: mariadb.skip || postgres.skip }, async t => {
  // As Prisma and TypeORM make it.
  const columns = {
    postgresql: '"merchant_id" TEXT NOT NULL, "revision" TEXT NOT NULL, "due_at" DOUBLE PRECISION, "document" TEXT NOT NULL, "note" TEXT, PRIMARY KEY ("merchant_id")',
    mysql: '`merchant_id` VARCHAR(191) NOT NULL, `revision` VARCHAR(191) NOT NULL, `due_at` DOUBLE NULL, `document` MEDIUMTEXT NOT NULL, `note` TEXT, PRIMARY KEY (`merchant_id`)'
  }
  for (const dialect of ['postgresql', 'mysql'] as const) {
    const { table, query } = await newTable(t, dialect)
    await query(`CREATE TABLE ${table} (${columns[dialect]})${dialect === 'mysql' ? ' DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci' : ''}`)
    const storage = dialect === 'mysql' ? mysqlStorage(await mysqlPool(t), { table }) : postgresStorage(await pgPool(t), { table })
    await storage.setup()
    const first = record({ revision: 'a'.repeat(32) })
    t.equal(await storage.put(first, undefined), true)
    t.equal(await storage.put(after(first), 'A'.repeat(32)), false, 'another revision, though the collation takes it for the same')
    t.same(await storage.get(first.merchantId), first)
    t.equal(await storage.delete(first.merchantId, 'A'.repeat(32)), false)
    t.equal(await storage.put(after(first), first.revision), true)
  }
})

t.test('MySQL: settings with which a write is not kept as it was sent are refused before the first one', { skip: mariadb.skip }, async t => {
  for (const [setting, message] of [['SET autocommit = 0', /turns autocommit off/], ['SET sql_mode = \'NO_BACKSLASH_ESCAPES\'', /NO_BACKSLASH_ESCAPES/]] as const) {
    const pool = await mysqlPool(t)
    pool.pool.on('connection', connection => { connection.query(setting) })
    for (const isNew of [true, false]) {
      const { table } = await newTable(t, 'mysql')
      if (!isNew) await mysqlStorage(await mysqlPool(t), { table }).setup()
      await t.rejects(mysqlStorage(pool, { table }).put(record(), undefined), { code: 'FST_CLOVER_STORAGE', cause: { message } }, isNew ? 'also with a table that was just made' : '')
    }
  }
})

t.test('MySQL: servers that set up at once on a database without the table all succeed, also with a name of 63 characters', { skip: mariadb.skip }, async t => {
  const pools = await Promise.all(Array.from({ length: 8 }, () => mysqlPool(t)))
  const { table } = await newTable(t, 'mysql')
  await Promise.all(pools.map(pool => mysqlStorage(pool, { table }).setup()))
  const stored = await Promise.all(pools.map((pool, writer) => mysqlStorage(pool, { table }).put(record({ accessToken: `of writer ${writer}` }), undefined)))
  t.equal(stored.filter(Boolean).length, 1)
  const long = `${uniqueName('t')}_${'x'.repeat(63)}`.slice(0, 63)
  const [pool] = pools
  if (pool === undefined) return
  await mysqlStorage(pool, { table: `test.${long}` }).setup()
  t.equal(await mysqlStorage(pool, { table: `test.${long}` }).put(record(), undefined), true)
  await pool.query(`DROP TABLE test.${long}`)
})
