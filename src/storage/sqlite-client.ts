import { hasMethod, requireMethod } from './arguments.js'

/** The part of a synchronous SQLite statement that the adapter uses; the values are strings, numbers and null. */
export interface SqliteStatement {
  /** Runs the statement, and returns the number of rows it has changed. */
  run (...values: unknown[]): { changes: number | bigint }
  /** Runs the statement, and returns its first row, or undefined. */
  get (...values: unknown[]): unknown
  /** Runs the statement, and returns all of its rows. */
  all (...values: unknown[]): unknown[]
}

/** The part of a synchronous SQLite connection that the adapter uses: `node:sqlite`, `@photostructure/sqlite` and `better-sqlite3` have it. */
export interface SqliteDatabase {
  /** Compiles a statement. Throws if the SQL is wrong. */
  prepare (sql: string): SqliteStatement
  /** better-sqlite3: whether a transaction is open on this connection. */
  readonly inTransaction?: boolean
  /** `node:sqlite` (from 22.16) and `@photostructure/sqlite`: the same. */
  readonly isTransaction?: boolean
}

const expected = 'an open database of node:sqlite, @photostructure/sqlite or better-sqlite3, whose prepare() is synchronous'

const noLibsql = 'sqliteStorage refuses libsql, because it loses data: once a statement has failed with SQLITE_BUSY, libsql confirms later writes on ' +
  'that connection and never commits them, so their tokens are lost and merchants must authorize again. Open the same file with ' +
  'node:sqlite (Node 22.13 and later), @photostructure/sqlite (Node 20) or better-sqlite3.'

/** Methods of a Database of `libsql` and `libsql/promise`, which no other SQLite client has. */
const libsqlMethods = ['sync', 'syncUntil', 'maxWriteReplicationIndex']

/** Throws a TypeError if a value is not a database, or if it is a database of libsql. Calls nothing. */
export function checkDatabase (database: unknown): void {
  requireMethod('sqliteStorage', database, 'prepare', expected)
  if (libsqlMethods.some(method => hasMethod(database, method))) throw new TypeError(noLibsql)
}

/**
 * Reads a number from a row.
 *
 * Throws a TypeError if the row is not an object, or if libsql made it, which reveals a libsql connection inside another object.
 */
export function numberOf (row: unknown, column: string): number {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw wrongDatabase()
  if ('_metadata' in row) throw new TypeError(noLibsql)
  const value: unknown = (row as Record<string, unknown>)[column]
  // A connection may be configured to return integers as bigint.
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongDatabase()
  return Number(value)
}

function wrongDatabase (): TypeError {
  return new TypeError(`sqliteStorage: the first argument must be ${expected} and whose rows are objects (no returnArrays).`)
}
