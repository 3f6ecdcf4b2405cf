import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { mysqlStorage, postgresStorage, redisStorage, sqliteStorage, type CloverStorage } from '../../src/storage/index.js'
import { findMariadb, findPostgres, findRedis, uniqueName } from '../harness/services.js'
import { isLong } from '../harness/share.js'
import { openSqlite, sqliteClients } from '../harness/sqlite.js'

/** Where a store is: enough for any process to open it. */
export type StoreAddress =
  | {
    kind: 'sqlite'
    file: string
    /** A name of `sqliteClients()`; by default the client that a host would take on this version of Node. */
    client?: string
    /** The host's `busy_timeout` in milliseconds, default 0. */
    timeout?: number
    /** The adapter's option. */
    lockTimeout?: number
  }
  | {
    kind: 'postgres'
    url: string
    table: string
    /** Milliseconds after which a statement that waits for a lock fails; by default none does. */
    lockTimeout?: number
  }
  | { kind: 'redis', url: string, prefix: string }
  | { kind: 'mariadb', url: string, table: string }

/** A store that a process has opened with a client of its own. */
export interface OpenStore {
  storage: CloverStorage
  /** Ends the connections; a second time it does nothing. */
  close (): Promise<void>
}

/** A kind of store that tests run on. */
export interface StoreKind {
  kind: StoreAddress['kind']
  /** For tap's option of the same name. */
  skip: string | false
  /** An empty store, which goes when the test ends. */
  make (t: Test): StoreAddress
}

/** Opens a store as a host would. Only the client that is needed is loaded: processes that are killed by the dozen start sooner. */
export async function openStore (address: StoreAddress): Promise<OpenStore> {
  const { storage, close } = await connectTo(address)
  let closed: Promise<void> | undefined
  return {
    storage,
    async close () {
      closed ??= close()
      await closed
    }
  }
}

async function connectTo (address: StoreAddress): Promise<OpenStore> {
  if (address.kind === 'sqlite') {
    const { file, client, timeout, lockTimeout } = address
    const open = client === undefined ? openSqlite : sqliteClients().find(({ name }) => name === client)?.open
    if (open === undefined) throw new Error(`no client ${client}`)
    const database = open(file, timeout === undefined ? {} : { timeout })
    return { storage: sqliteStorage(database, lockTimeout === undefined ? {} : { lockTimeout }), close: async () => { database.close() } }
  }
  if (address.kind === 'postgres') {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: address.url, max: 10, options: `-c lock_timeout=${address.lockTimeout ?? 0}` })
    pool.on('error', () => {}) // an idle connection broke: the pool makes another
    return { storage: postgresStorage(pool, { table: address.table }), close: () => pool.end() }
  }
  if (address.kind === 'mariadb') {
    const { createPool } = await import('mysql2/promise')
    const pool = createPool({ uri: address.url, connectionLimit: 10 })
    return { storage: mysqlStorage(pool, { table: address.table }), close: () => pool.end() }
  }
  const { Redis } = await import('ioredis')
  const client = new Redis(address.url, { retryStrategy: () => 50 })
  client.on('error', () => {}) // it reconnects
  return { storage: redisStorage(client, { prefix: address.prefix }), close: async () => { client.disconnect() } }
}

/** The stores that there are on this machine; with `also`, those that take part in some tests only. */
export async function findStores (also: Array<'mariadb'> = []): Promise<StoreKind[]> {
  const [postgres, redis, mariadb] = await Promise.all([findPostgres(), findRedis(), findMariadb()])
  const stores: StoreKind[] = [
    { kind: 'sqlite', skip: false, make: t => removedAfter(t, { kind: 'sqlite', file: makeSqliteFile() }) },
    { kind: 'postgres', skip: postgres.skip, make: t => removedAfter(t, { kind: 'postgres', url: postgres.url, table: uniqueName('faults') }) },
    { kind: 'redis', skip: redis.skip, make: t => removedAfter(t, { kind: 'redis', url: redis.url, prefix: `${uniqueName('faults')}:` }) }
  ]
  if (also.includes('mariadb')) stores.push({ kind: 'mariadb', skip: mariadb.skip, make: t => removedAfter(t, { kind: 'mariadb', url: mariadb.url, table: uniqueName('faults') }) })
  return stores
}

/**
 * The stores for tests of what is the same on each of them, because it is done before and after the calls to a store: SQLite and PostgreSQL, and all
 * of them in the full share.
 */
export async function findFewStores (also: Array<'mariadb'> = []): Promise<StoreKind[]> {
  return (await findStores(also)).filter(({ kind }) => isLong || kind === 'sqlite' || kind === 'postgres')
}

/** A file in WAL mode, which stays in the file. */
function makeSqliteFile (): string {
  const file = join(mkdtempSync(join(tmpdir(), 'clover-faults-')), 'store.db')
  const database = openSqlite(file)
  database.exec('PRAGMA journal_mode = WAL')
  database.close()
  return file
}

function removedAfter (t: Test, address: StoreAddress): StoreAddress {
  t.teardown(() => removeStore(address))
  return address
}

async function removeStore (address: StoreAddress): Promise<void> {
  if (address.kind === 'sqlite') rmSync(dirname(address.file), { recursive: true, force: true })
  if (address.kind === 'postgres') {
    const { default: pg } = await import('pg')
    const client = new pg.Client({ connectionString: address.url })
    await client.connect()
    await client.query(`DROP TABLE IF EXISTS ${address.table}`)
    await client.end()
  }
  if (address.kind === 'mariadb') {
    const { createConnection } = await import('mysql2/promise')
    const connection = await createConnection(address.url)
    await connection.query(`DROP TABLE IF EXISTS ${address.table}`)
    await connection.end()
  }
  if (address.kind === 'redis') {
    const { Redis } = await import('ioredis')
    const client = new Redis(address.url)
    for await (const keys of client.scanStream({ match: `${address.prefix}*`, count: 1000 })) {
      if ((keys as string[]).length > 0) await client.del(...keys as string[])
    }
    client.disconnect()
  }
}
