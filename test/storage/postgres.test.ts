import pg from 'pg'
import t from 'tap'
import { postgresStorage, type PostgresClient } from '../../src/storage/index.js'
import { after, merchant, record } from '../../src/testing/conformance/records.js'
import { addressOf, findPostgres, uniqueName } from '../harness/services.js'
import { conforms, ofClient } from './conforms.js'
import { testReadyAdapter } from './ready-adapter.js'

const { url: connectionString, skip } = await findPostgres()
// The tests do not depend on the disk, and waiting for it would take most of the time.
const hasty = '-c synchronous_commit=off'
const pool = new pg.Pool({ connectionString, max: 8, options: hasty })
const otherPool = new pg.Pool({ connectionString, max: 8, options: hasty })
t.teardown(async () => await Promise.all([pool.end(), otherPool.end()]))

const drop = async (table: string) => await pool.query(`DROP TABLE IF EXISTS ${table}`)
const empty = async (table: string) => await pool.query(`DELETE FROM ${table}`)

/** A table's name of this test's own; the table goes when the test ends. */
function newTable (t: { teardown (work: () => unknown): unknown }): string {
  const table = uniqueName('table')
  t.teardown(async () => await drop(table))
  return table
}

/** A client that counts its queries. */
function counted (): PostgresClient & { texts: string[] } {
  const texts: string[] = []
  return { texts, query: async query => { texts.push(query.text); return await pool.query(query) } }
}

/** Locks a table on a connection of its own. */
async function lock (table: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query('BEGIN')
  await client.query(`LOCK TABLE ${table} IN EXCLUSIVE MODE`)
  return async () => await client.end()
}

t.test('a Pool conforms, with a second pool, and a client that locks the table', { skip }, async t => {
  await conforms(t, () => {
    const table = uniqueName('pool')
    return {
      storage: postgresStorage(pool, { table }), another: postgresStorage(otherPool, { table }), lock: () => lock(table), cleanup: () => drop(table)
    }
  })
})

t.test('what @fastify/postgres decorates with conforms, on a database that is serializable by default', { skip }, async t => {
  const serializable = new pg.Pool({ connectionString, max: 8, options: `${hasty} -c default_transaction_isolation=serializable` })
  t.teardown(async () => await serializable.end())
  const fastifyPg = { pool: serializable, Client: pg.Client, connect: serializable.connect.bind(serializable), query: serializable.query.bind(serializable) }
  const table = newTable(t)
  await conforms(t, () => (
    { storage: postgresStorage(fastifyPg, { table }), another: postgresStorage(serializable, { table }), cleanup: () => empty(table) }
  ), ofClient)
})

t.test('two Clients conform, whatever type parsers the host has set', { skip }, async t => {
  const clients = [1, 2].map(() => new pg.Client({ connectionString, options: hasty, types: { getTypeParser: () => () => ({ parsed: 'by the host' }) } }))
  for (const client of clients) await client.connect()
  t.teardown(async () => await Promise.all(clients.map(async client => await client.end())))
  const [one, other] = clients as [pg.Client, pg.Client]
  const table = newTable(t)
  await conforms(t, () => (
    { storage: postgresStorage(one, { table }), another: postgresStorage(other, { table }), cleanup: () => empty(table) }
  ), ofClient)
})

t.test('servers that set up at once on a database without the table all succeed', { skip }, async t => {
  const clients = Array.from({ length: 8 }, () => new pg.Client({ connectionString, options: hasty }))
  await Promise.all(clients.map(async client => await client.connect()))
  t.teardown(async () => await Promise.all(clients.map(async client => await client.end())))
  for (let round = 0; round < 5; round++) {
    const table = newTable(t)
    await Promise.all(clients.map(async client => await postgresStorage(client, { table }).setup()))
    const indexes = await pool.query('SELECT indexdef FROM pg_indexes WHERE tablename = $1', [table])
    t.equal(indexes.rowCount, 2, 'the primary key and due_at')
  }
  const table = newTable(t)
  const stored = await Promise.all(clients.map(async (client, writer) =>
    await postgresStorage(client, { table }).put(record({ accessToken: `of writer ${writer}` }), undefined)))
  t.equal(stored.filter(Boolean).length, 1, 'also those that begin with a put')
})

t.test('the table is made on first use, and after that each call is one round trip', { skip }, async t => {
  const table = newTable(t)
  const client = counted()
  const storage = postgresStorage(client, { table })
  t.same(client.texts, [], 'creating the adapter does nothing')
  const first = record({ dueAt: 12.5 })
  t.equal(await storage.put(first, undefined), true)
  t.equal(client.texts.length, 3)
  await storage.get(first.merchantId)
  await storage.put(after(first), first.revision)
  await storage.delete(first.merchantId)
  await storage.put(first, undefined)
  t.equal(client.texts.length, 7)
  t.match((await pool.query(`SELECT * FROM ${table}`)).rows, [{ merchant_id: first.merchantId, revision: first.revision, due_at: 12.5, document: JSON.stringify(first) }])

  const existing = counted()
  t.same(await postgresStorage(existing, { table }).get(first.merchantId), first)
  t.equal(existing.texts.length, 1, 'a table that exists costs nothing, on first use either')
  await postgresStorage(existing, { table }).setup()
  t.same(await storage.get(first.merchantId), first, 'setup leaves it alone')
  await drop(table)
  t.equal(await storage.get(first.merchantId), undefined, 'a table that was dropped is made again')
})

t.test('a user without the right to create tables can use one that exists, and fails clearly until it does', { skip }, async t => {
  const [schema, role] = [uniqueName('schema'), uniqueName('role')]
  await pool.query(`CREATE SCHEMA ${schema}; CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA ${schema} TO ${role}`)
  const { hostname, port } = addressOf(connectionString, 5432)
  const limited = new pg.Pool({ host: hostname, port, database: new URL(connectionString).pathname.slice(1), user: role, password: 'x' })
  t.teardown(async () => {
    await limited.end()
    await pool.query(`DROP SCHEMA ${schema} CASCADE; DROP ROLE ${role}`)
  })
  const table = `${schema}.installations`
  const storage = postgresStorage(limited, { table })
  await t.rejects(storage.get(merchant(1)), { message: /permission denied for schema/, code: '42501' })
  await t.rejects(storage.setup(), { code: '42501' })

  await postgresStorage(pool, { table }).setup()
  await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${role}`)
  await storage.setup()
  const first = record()
  t.equal(await storage.put(first, undefined), true)
  t.same(await storage.list({ limit: 5 }), { items: [first] })
  t.equal(await storage.delete(first.merchantId), true)
})

t.test('capitals and words of SQL are names of tables like any other', { skip }, async t => {
  const schema = uniqueName('Schema')
  await pool.query(`CREATE SCHEMA "${schema}"`)
  t.teardown(async () => await pool.query(`DROP SCHEMA "${schema}" CASCADE`))
  const storage = postgresStorage(pool, { table: `${schema}.User` })
  t.equal(await storage.put(record(), undefined), true)
  t.equal((await pool.query(`SELECT 1 FROM "${schema}"."User"`)).rowCount, 1)
})

t.test('the adapter behaves like every ready adapter', { skip }, async t => await testReadyAdapter(t, postgresStorage(pool, { table: newTable(t) })))

t.test('listing by dueBefore can use the index', { skip }, async t => {
  const table = newTable(t)
  await postgresStorage(pool, { table }).setup()
  await pool.query(`INSERT INTO ${table} SELECT 'M' || n, 'r', n, '{}' FROM generate_series(1, 20000) n`)
  await pool.query(`ANALYZE ${table}`)
  const plan = await pool.query(`EXPLAIN SELECT document FROM ${table} WHERE merchant_id > '' AND due_at <= 50 ORDER BY merchant_id LIMIT 10`)
  t.match(JSON.stringify(plan.rows), /due_at_idx/)
})

t.test('an error carries no token, although PostgreSQL puts the failing row into its own', { skip }, async t => {
  const table = newTable(t)
  const storage = postgresStorage(pool, { table })
  await storage.setup()
  await pool.query(`ALTER TABLE ${table} ADD CONSTRAINT never CHECK (due_at <> 7)`)
  const error = await storage.put(record({ dueAt: 7, accessToken: 'secret-token' }), undefined).then(() => undefined, (error: unknown) => error)
  t.match(error, { message: /violates check constraint "never"/, code: '23514', detail: undefined, cause: undefined })
  t.notMatch(JSON.stringify(Object.getOwnPropertyDescriptors(error)), /secret-token/)
})

t.test('a database that cannot be reached rejects', async t => {
  const nowhere = new pg.Pool({ host: '127.0.0.1', port: 1 })
  t.teardown(async () => await nowhere.end())
  await t.rejects(postgresStorage(nowhere).get(merchant(1)), { message: /ECONNREFUSED/ })
  await t.rejects(postgresStorage(nowhere).setup(), { message: /ECONNREFUSED/ })
})

t.test('a statement that keeps losing to others is given up in the end', async t => {
  let attempts = 0
  const storage = postgresStorage({ query: async () => { attempts++; throw Object.assign(new Error('could not serialize'), { code: '40001' }) } })
  await t.rejects(storage.get(merchant(1)), { code: '40001' })
  t.equal(attempts, 5)
})

t.test('what is not a client of pg, and what is not a table\'s name, is refused at once', async t => {
  for (const bad of [undefined, null, 'postgres://localhost', {}, () => {}]) {
    t.throws(() => postgresStorage(bad as unknown as PostgresClient), { name: 'TypeError', message: /Pool or a connected Client of pg, fastify.pg, or a sql of postgres.js/ })
  }
  for (const table of ['', '.', 'a.', 'a.b.c', 'a"; DROP TABLE b', 'x'.repeat(64), 5]) {
    t.throws(() => postgresStorage(pool, { table: table as string }), { name: 'TypeError', message: /schema\.table/ })
  }
})
