import { optionsOf, requireOptions } from '../checks/arguments.js'
import { hasMethod, QualifiedTable, requireClient } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { createSqlStorage, type SqlResult, type SqlTableOptions, type SqlValue } from './sql.js'

/** A statement as the adapter passes it to mysql2: its rows are objects by column, whatever the pool's options are. */
export interface MysqlQuery {
  sql: string
  rowsAsArray: false
  nestTables: false
  namedPlaceholders: false
}

/** The part of a promise pool of mysql2 that the adapter uses. */
export interface MysqlPromisePool {
  /** Sends one statement; resolves with its rows, or with a header that has `affectedRows`, and with the columns. */
  execute (query: MysqlQuery, values: SqlValue[]): Promise<[unknown, unknown]>
  /** Missing on a single connection, which the adapter therefore refuses. */
  getConnection (): Promise<unknown>
}

/** The part of a callback pool of mysql2 that the adapter uses. */
export interface MysqlCallbackPool {
  /** The same pool with promises. */
  promise (): MysqlPromisePool
}

/** A client that `mysqlStorage` accepts: a pool of mysql2, or what `@fastify/mysql` decorates with. */
export type MysqlClient = MysqlPromisePool | MysqlCallbackPool | { pool: MysqlPromisePool | MysqlCallbackPool }

/** The options of `mysqlStorage`. */
export interface MysqlStorageOptions extends SqlTableOptions {}

const Options = optionsOf<MysqlStorageOptions>({ table: QualifiedTable })

const expected = 'a pool of mysql2 or mysql2/promise, or fastify.mysql of @fastify/mysql'

/**
 * Keeps installations in a table of the host's MySQL or MariaDB, through the host's own pool of mysql2.
 *
 * Pass a pool of the primary, not of a replica. `innodb_flush_log_at_trx_commit` other than 1 (the default) may lose the last writes in a crash, and
 * merchants with them. A user without the right to create tables is enough if the table exists.
 *
 * Throws a TypeError for an argument of another type. Does not connect until it is used.
 */
export function mysqlStorage (client: MysqlClient, options: MysqlStorageOptions = {}): CloverStorageWithSetup {
  const pool = poolOf(client)
  requireOptions('mysqlStorage', Options, options)

  async function run (sql: string, values: SqlValue[]): Promise<SqlResult> {
    // Prepared by the server: values that the client writes into the text depend on the server's SQL mode.
    const [result] = await pool.execute({ sql, rowsAsArray: false, nestTables: false, namedPlaceholders: false }, values)
    return Array.isArray(result) ? { rows: result, changed: 0 } : { rows: [], changed: (result as { affectedRows: number }).affectedRows }
  }

  return createSqlStorage({ dialect: 'mysql', run, ...options })
}

function poolOf (client: MysqlClient): MysqlPromisePool {
  const pool: unknown = typeof client === 'object' && client !== null && 'pool' in client ? client.pool : client
  // A connection has both methods `execute` and `promise`, but none to get a connection.
  requireClient('mysqlStorage', hasMethod(pool, 'getConnection'), `${expected}, not a single connection`)
  const promises = hasMethod(pool, 'promise') ? (pool as MysqlCallbackPool).promise() : pool
  requireClient('mysqlStorage', hasMethod(promises, 'execute'), expected)
  return promises as MysqlPromisePool
}
