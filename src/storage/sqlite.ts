import { Type } from '@sinclair/typebox'
import { optionsOf, requireOptions } from '../checks/arguments.js'
import { Table } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { isLocked, LockQueue } from './lock-queue.js'
import { createSqlStorage, type SqlResult, type SqlTableOptions, type SqlValue } from './sql.js'
import { checkDatabase, type SqliteDatabase } from './sqlite-client.js'
import { SqliteConnection } from './sqlite-connection.js'

/** The options of `sqliteStorage`. */
export interface SqliteStorageOptions extends SqlTableOptions {
  /**
   * Milliseconds for which a statement is retried while another connection locks the database, 0 to 60000. The plugin waits 5000 ms for a
   * storage adapter: with a longer time, a write may succeed after the plugin has given up. Default: 4500.
   */
  lockTimeout?: number
}

const Options = optionsOf<SqliteStorageOptions>({
  table: Table,
  lockTimeout: Type.Number({ minimum: 0, maximum: 60_000, must: 'a number of milliseconds from 0 to 60000' })
})

/**
 * Keeps installations in a table of the host's SQLite database, through the host's own connection: of `node:sqlite` (Node 22.13 and later),
 * of `@photostructure/sqlite` (the same for Node 20) or of `better-sqlite3`.
 *
 * Every method is one statement and rejects while a transaction is open on the connection, since its write could still be rolled back.
 *
 * A statement that finds the database locked (`SQLITE_BUSY`, `SQLITE_LOCKED`) is retried for `lockTimeout` milliseconds without blocking the process,
 * whatever the connection's `busy_timeout` (the option `timeout` of the clients): the adapter sets it to 0 during its own statements, and then back. It
 * rejects with the code `SQLITE_BUSY` if the lock lasts longer.
 *
 * `synchronous` should be FULL, so that a write survives a power cut: in WAL mode NORMAL may lose the last ones, and merchants with them.
 * FULL is the default, except that better-sqlite3 opens a file in WAL mode with NORMAL.
 *
 * Throws a TypeError for an argument of another type, and for a connection of libsql, which confirms writes that it never commits. Does not use the
 * database until a method is called.
 */
export function sqliteStorage (database: SqliteDatabase, options: SqliteStorageOptions = {}): CloverStorageWithSetup {
  checkDatabase(database)
  requireOptions('sqliteStorage', Options, options)
  const { table, lockTimeout = 4_500 } = options
  const connection = new SqliteConnection(database)
  // Two queues, since in WAL mode reads can run while writes wait.
  const queues = { read: new LockQueue(lockTimeout), write: new LockQueue(lockTimeout) }

  function run (sql: string, parameters: SqlValue[]): SqlResult | Promise<SqlResult> {
    const kind = sql.startsWith('SELECT') ? 'read' : 'write'
    return queues[kind].run(() => {
      try {
        connection.refuseTransaction()
        return connection[kind](() => connection.execute(sql, parameters))
      } catch (error) {
        if (!isLocked(error)) connection.reset()
        throw error
      }
    })
  }

  return createSqlStorage({ dialect: 'sqlite', run, ...(table !== undefined && { table }) })
}
