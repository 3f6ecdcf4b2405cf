import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { createClient, RESP_TYPES } from 'redis'
import t, { type Test } from 'tap'
import { encryptedStorage, mysqlStorage, postgresStorage, redisStorage, sqliteStorage, sqlStorage, type CloverStorage } from '../../src/storage/index.js'
import { findPrivateServers } from '../faults/private-servers.js'
import { startClover } from '../harness/host.js'
import { findPostgres, findRedis, uniqueName } from '../harness/services.js'
import { sqliteClients } from '../harness/sqlite.js'
import { Time } from '../harness/time.js'
import { collect, startDoctorHost } from './doctor-host.js'
import { startStandby } from './postgres-standby.js'

/*
 * The checks of the store on real databases, with settings that keep what was confirmed and with others. Servers whose settings a test changes are its own.
 */

const postgres = await findPostgres()
const redis = await findRedis()
const [privatePostgres, privateRedis, privateMariadb] = ['postgres', 'redis', 'mariadb'].map(kind => findPrivateServers().find(server => server.kind === kind))

const simulator = await startClover(t, new Time())

/** A host with a store: what is found about it, without what is in order. */
async function watch (t: Test, storage: CloverStorage): Promise<() => Promise<string[]>> {
  const { app } = await startDoctorHost(t, { simulator, listens: false, options: { storage } })
  return async () => {
    const findings = (await collect(app.clover.diagnose())).filter(({ check }) => check.startsWith('storage') || check === 'records')
    t.equal(new Set(findings.map(({ check }) => check)).size, 7, 'every check of the store')
    return findings.filter(({ status }) => status !== 'ok').map(({ check, status, message }) => `${check} ${status}: ${message}`)
  }
}

async function complaintsAbout (t: Test, storage: CloverStorage): Promise<string[]> {
  return await (await watch(t, storage))()
}

/** A pool of PostgreSQL; `settings` are those of its sessions. */
function pgPool (t: Test, connectionString: string, settings = ''): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 4, options: settings })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return pool
}

t.test('PostgreSQL: durable, and with synchronous_commit off', { skip: postgres.skip }, async t => {
  const table = uniqueName('doctor')
  const pool = pgPool(t, postgres.url)
  t.teardown(() => pool.query(`DROP TABLE IF EXISTS ${table}`))
  t.same(await complaintsAbout(t, postgresStorage(pool, { table })), [])
  const sealed = (inner: CloverStorage) => encryptedStorage(inner, { keys: [{ id: 'one', key: randomBytes(32) }] })
  t.same(await complaintsAbout(t, sealed(postgresStorage(pool, { table }))), [], 'sealed')
  const loose = () => postgresStorage(pgPool(t, postgres.url, '-c synchronous_commit=off'), { table })
  const found = [/^storage-durability error: PostgreSQL has synchronous_commit off: a crash of the database loses writes/]
  t.match(await complaintsAbout(t, loose()), found)
  t.match(await complaintsAbout(t, sealed(loose())), found, 'encryptedStorage passes it on')
})

t.test('PostgreSQL: a user who may not write, and a database that is not there', { skip: postgres.skip }, async t => {
  const table = uniqueName('doctor')
  const pool = pgPool(t, postgres.url)
  t.teardown(() => pool.query(`DROP TABLE IF EXISTS ${table}`))
  await postgresStorage(pool, { table }).setup()
  const [first, second] = await complaintsAbout(t, postgresStorage(pgPool(t, postgres.url, '-c default_transaction_read_only=on'), { table }))
  t.match(first, /^storage-inserts error: The store does not work: cannot execute INSERT in a read-only transaction\.$/)
  t.match(second, /^storage-reads not-checked/)
  const nowhere = new URL(postgres.url)
  nowhere.pathname = '/no_such_database'
  const gone = await complaintsAbout(t, postgresStorage(pgPool(t, nowhere.href)))
  t.match(gone[0], /^storage-inserts error: The store does not work: database "no_such_database" does not exist\.$/)
  t.ok(gone.some(text => text.startsWith('storage-durability not-checked: The database could not be asked')))
})

t.test('PostgreSQL: reads from a standby that lags behind, a pool of the standby, and fsync off', { skip: privatePostgres?.skip ?? true }, async t => {
  const primary = await privatePostgres?.make(t)
  if (primary === undefined) return
  const urlOf = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`
  const writes = pgPool(t, urlOf(primary.port))
  const table = 'installations'
  await postgresStorage(writes, { table }).setup()
  const standby = await startStandby(t, primary)
  const reads = pgPool(t, urlOf(standby.port))
  /** As the ORMs do that have an option for replicas: reads go to one, writes to the primary. */
  const split = () => sqlStorage({
    dialect: 'postgresql',
    table,
    run: async (text, values) => {
      const { rows, rowCount } = await (/^\s*SELECT/.test(text) ? reads : writes).query<Record<string, unknown>>(text, values)
      return { rows, changed: rowCount }
    }
  })
  await standby.pause()
  const lagging = await complaintsAbout(t, split())
  t.match(lagging[0], /^storage-reads error: A read after a write does not show what was written: it comes from a replica/)
  t.ok(lagging.some(text => /^storage-durability error: PostgreSQL has is_replica yes/.test(text)))
  await standby.resume()
  t.match((await complaintsAbout(t, postgresStorage(reads, { table })))[0], /^storage-inserts error: The store does not work: cannot execute INSERT in a read-only transaction/)

  t.same(await complaintsAbout(t, postgresStorage(writes, { table })), [], 'the primary only')
  t.same((await writes.query(`SELECT * FROM ${table}`)).rows, [], 'nothing is left')
  await writes.query('ALTER SYSTEM SET fsync = off')
  await writes.query('SELECT pg_reload_conf()')
  const isOff = async () => (await writes.query<{ fsync: string }>('SHOW fsync')).rows[0]?.fsync === 'off'
  while (!await isOff());
  t.match(await complaintsAbout(t, postgresStorage(writes, { table })), [/^storage-durability error: PostgreSQL has fsync off/])
})

t.test('Redis: each setting, with both clients', { skip: privateRedis?.skip ?? true }, async t => {
  const server = await privateRedis?.make(t)
  if (server === undefined) return
  const url = `redis://127.0.0.1:${server.port}`
  const ioredis = new Redis(url)
  ioredis.on('error', () => {}) // the server is ended first
  const nodeRedis = createClient({ url })
  nodeRedis.on('error', () => {})
  await nodeRedis.connect()
  const withMaps = createClient({ url, RESP: 3, commandOptions: { typeMapping: { [RESP_TYPES.MAP]: Map } } })
  withMaps.on('error', () => {})
  await withMaps.connect()
  t.teardown(() => {
    ioredis.disconnect()
    for (const client of [nodeRedis, withMaps]) client.destroy()
  })
  for (const [name, client] of [['ioredis', ioredis], ['node-redis', nodeRedis], ['node-redis with maps', withMaps]] as const) {
    const look = await watch(t, redisStorage(client, { prefix: `${name}:` }))
    await ioredis.config('SET', 'appendfsync', 'always')
    t.same(await look(), [], name)
    await ioredis.config('SET', 'appendfsync', 'everysec')
    t.match(await look(), [/^storage-durability warning: Redis has appendfsync everysec: a power cut loses/], name)
    await ioredis.config('SET', 'appendfsync', 'always', 'maxmemory-policy', 'allkeys-lru')
    t.match(await look(), [/^storage-durability error: Redis has maxmemory-policy allkeys-lru: merchants are deleted/], name)
    await ioredis.config('SET', 'maxmemory-policy', 'noeviction', 'appendonly', 'no')
    t.match(await look(), [/^storage-durability error: Redis has appendonly no/], name)
    await ioredis.config('SET', 'appendonly', 'yes', 'appendfsync', 'no')
    t.match(await look(), [/^storage-durability warning: Redis has appendfsync no/], name)
  }
  await ioredis.config('SET', 'appendfsync', 'always')
  t.same(await ioredis.keys('*'), [], 'nothing is left')

  const withUser = async (name: string, ...rules: string[]) => {
    await ioredis.call('ACL', 'SETUSER', name, 'on', 'nopass', '~*', ...rules)
    const client = new Redis(url, { username: name, password: 'any', enableReadyCheck: false })
    client.on('error', () => {})
    t.teardown(() => { client.disconnect() })
    return redisStorage(client)
  }
  const hosted = await complaintsAbout(t, await withUser('hosted', '+@all', '-config'))
  t.match(hosted, [/^storage-durability not-checked: Redis does not report its appendfsync/], 'a service that forbids CONFIG')
  const poor = await complaintsAbout(t, await withUser('poor', '+@all', '-config', '-info'))
  t.match(poor, [/^storage-durability not-checked: The database could not be asked for its settings: NOPERM/])
})

t.test('Redis as this machine has it does not disturb the other checks', { skip: redis.skip }, async t => {
  const client = new Redis(redis.url)
  t.teardown(() => { client.disconnect() })
  const found = await complaintsAbout(t, redisStorage(client, { prefix: `${uniqueName('doctor')}:` }))
  t.same(found.filter(text => !text.startsWith('storage-durability')), [])
})

t.test('MariaDB: each setting', { skip: privateMariadb?.skip ?? true }, async t => {
  const server = await privateMariadb?.make(t)
  if (server === undefined) return
  const pool = mysql.createPool({ uri: `mysql://root@127.0.0.1:${server.port}/mysql`, connectionLimit: 4 })
  t.teardown(() => pool.end())
  const look = await watch(t, mysqlStorage(pool))
  t.same(await look(), [])
  await pool.query('SET GLOBAL innodb_flush_log_at_trx_commit = 2')
  t.match(await look(), [/^storage-durability warning: MySQL has innodb_flush_log_at_trx_commit 2/])
  await pool.query('SET GLOBAL innodb_flush_log_at_trx_commit = 0')
  t.match(await look(), [/^storage-durability error: MySQL has innodb_flush_log_at_trx_commit 0/])
})

t.test('SQLite: each mode, with each client', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'clover-doctor-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  for (const [index, { name, open }] of sqliteClients().entries()) {
    const database = open(join(folder, `${index}.sqlite`))
    t.teardown(() => { database.close() })
    const look = await watch(t, sqliteStorage(database))
    const with_ = async (pragmas: string) => {
      database.exec(pragmas)
      return await look()
    }
    t.same(await with_('PRAGMA synchronous = FULL'), [], `${name}: a rollback journal`)
    t.same(await with_('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL'), [], name)
    t.same(await with_('PRAGMA synchronous = EXTRA'), [], name)
    t.match(await with_('PRAGMA synchronous = NORMAL'), [/^storage-durability warning: SQLite has synchronous 1: a power cut loses/], name)
    t.match(await with_('PRAGMA synchronous = OFF'), [/^storage-durability error: SQLite has synchronous 0/], name)
    const inMemory = open(':memory:')
    t.teardown(() => { inMemory.close() })
    t.match(await complaintsAbout(t, sqliteStorage(inMemory)), [/^storage-durability error: SQLite has journal_mode memory/], name)
  }
})
