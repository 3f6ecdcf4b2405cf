import { optionsOf, requireOptions } from '../checks/arguments.js'
import { hasMethod, QualifiedTable, requireClient } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { durabilityOf, withDurability, type DurabilityReport } from './durability.js'
import type { SqliteDatabase } from './sqlite-client.js'
import { sqliteStorage } from './sqlite.js'
import { createSqlStorage, type SqlDialect, type SqlResult, type SqlTableOptions, type SqlValue } from './sql.js'

/** The part of a TypeORM DataSource that the adapter uses. */
export interface TypeormDataSource {
  /** Makes a query runner, which takes a connection of the pool at its first query. */
  createQueryRunner (): {
    /** Sends a statement; with `true` the result has the number of rows. */
    query (sql: string, parameters: SqlValue[], useStructuredResult: true): Promise<{ records?: unknown, affected?: number | null }>
    /** Gives the connection back. */
    release (): Promise<void>
    /** Resolves with the connection; with SQLite, the Database of better-sqlite3. */
    connect (): Promise<unknown>
  }
  /** Names the database. */
  options: { type: string }
}

/** The options of `typeormStorage`. */
export interface TypeormStorageOptions extends SqlTableOptions {}

const Options = optionsOf<TypeormStorageOptions>({ table: QualifiedTable })

const dialects: Record<string, SqlDialect> = { postgres: 'postgresql', mysql: 'mysql', mariadb: 'mysql', 'better-sqlite3': 'sqlite' }

/**
 * Keeps installations in a table of the host's PostgreSQL, MySQL, MariaDB or SQLite (`better-sqlite3`), through the host's TypeORM DataSource.
 *
 * With SQLite, TypeORM has one connection for everything: the adapter is `sqliteStorage` on it, and rejects while a transaction is open there.
 *
 * Throws a TypeError for an argument of another type, and for another database. Does not connect until it is used; the host initializes the DataSource.
 */
export function typeormStorage (dataSource: TypeormDataSource, options: TypeormStorageOptions = {}): CloverStorageWithSetup {
  const dialect = hasMethod(dataSource, 'createQueryRunner') ? dialects[String(dataSource.options?.type)] : undefined
  requireClient('typeormStorage', dialect !== undefined, 'a TypeORM DataSource of type postgres, mysql, mariadb or better-sqlite3')
  requireOptions('typeormStorage', Options, options)

  if (dialect === 'sqlite') return onSqlite(dataSource, options)

  async function run (sql: string, values: SqlValue[]): Promise<SqlResult> {
    const runner = dataSource.createQueryRunner()
    try {
      const { records, affected } = await runner.query(sql, values, true)
      return { rows: Array.isArray(records) ? records as unknown[] : [], changed: affected ?? 0 }
    } finally {
      await runner.release()
    }
  }

  return createSqlStorage({ dialect: dialect as SqlDialect, run, ...options })
}

/** `sqliteStorage` on the connection that the DataSource has at the time. */
function onSqlite (dataSource: TypeormDataSource, options: TypeormStorageOptions): CloverStorageWithSetup {
  let known: { connection: unknown, storage: CloverStorageWithSetup } | undefined

  async function current (): Promise<CloverStorageWithSetup> {
    const connection = await dataSource.createQueryRunner().connect()
    if (known === undefined || known.connection !== connection) known = { connection, storage: sqliteStorage(connection as SqliteDatabase, options) }
    return known.storage
  }

  const storage: CloverStorageWithSetup = {
    setup: async () => (await current()).setup(),
    get: async merchantId => (await current()).get(merchantId),
    put: async (next, expected) => (await current()).put(next, expected),
    delete: async (merchantId, expected) => (await current()).delete(merchantId, expected),
    list: async query => (await current()).list(query)
  }
  return withDurability(storage, async () => await durabilityOf(await current())?.() as DurabilityReport)
}
