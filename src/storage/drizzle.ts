import { optionsOf, requireOptions } from '../checks/arguments.js'
import { hasMethod, QualifiedTable, requireClient } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { mysqlStorage, type MysqlClient } from './mysql.js'
import { postgresStorage, type PostgresClient } from './postgres.js'
import type { SqlTableOptions } from './sql.js'
import type { SqliteDatabase } from './sqlite-client.js'
import { sqliteStorage } from './sqlite.js'

/** The part of a Drizzle database that the adapter uses. */
export interface DrizzleDatabase {
  /** The client that Drizzle itself uses: one that `postgresStorage`, `mysqlStorage` or `sqliteStorage` accepts. A transaction has none. */
  $client: PostgresClient | MysqlClient | SqliteDatabase
}

/** The options of `drizzleStorage`. */
export interface DrizzleStorageOptions extends SqlTableOptions {}

const Options = optionsOf<DrizzleStorageOptions>({ table: QualifiedTable })

/**
 * Keeps installations in a table of the host's PostgreSQL, MySQL, MariaDB or SQLite, through the client of the host's Drizzle database: `pg`,
 * `postgres`, `mysql2` or `better-sqlite3`. It is the adapter for that client.
 *
 * The guide has the table for a Drizzle schema, with which `drizzle-kit` makes the same table.
 *
 * Throws a TypeError for an argument of another type, for another client, and for a transaction. Does not connect until it is used.
 */
export function drizzleStorage (db: DrizzleDatabase, options: DrizzleStorageOptions = {}): CloverStorageWithSetup {
  const client: unknown = (db as DrizzleDatabase | undefined)?.$client
  requireOptions('drizzleStorage', Options, options)
  if (hasMethod(client, 'getConnection')) return mysqlStorage(client as MysqlClient, options)
  if (hasMethod(client, 'prepare')) return sqliteStorage(client as SqliteDatabase, options)
  requireClient('drizzleStorage', hasMethod(client, 'query') || hasMethod(client, 'unsafe'), 'a Drizzle database on pg, postgres, mysql2 or better-sqlite3, not a transaction')
  return postgresStorage(client as PostgresClient, options)
}
