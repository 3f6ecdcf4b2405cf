import { hasMethod, requireMethod } from './arguments.js'

/** The part of a synchronous SQLite statement that the adapter uses; the values are strings, numbers and null. */
export interface SqliteStatement {
  run (...values: unknown[]): { changes: number | bigint }
  get (...values: unknown[]): unknown
  all (...values: unknown[]): unknown[]
}

/** The part of a synchronous SQLite connection that the adapter uses: node:sqlite, @photostructure/sqlite and better-sqlite3 have it. */
export interface SqliteDatabase {
  prepare (sql: string): SqliteStatement
  /** better-sqlite3: whether a transaction is open on this connection. */
  readonly inTransaction?: boolean
  /** node:sqlite (from 22.16) and @photostructure/sqlite: the same. */
  readonly isTransaction?: boolean
}

const expected = 'an open database of node:sqlite, @photostructure/sqlite or better-sqlite3, whose prepare() is synchronous'

const noLibsql = 'sqliteStorage refuses libsql, because it loses data: once a statement has failed with SQLITE_BUSY, libsql confirms later writes on ' +
  'that connection and never commits them, so that the tokens in them are gone and merchants must authorize again. Open the same file with ' +
  'node:sqlite (Node 22.13 and later), @photostructure/sqlite (Node 20) or better-sqlite3.'

/** Methods of libsql's Database, of `libsql` and of `libsql/promise`, which no other SQLite client has. One of them is enough. */
const libsqlMethods = ['sync', 'syncUntil', 'maxWriteReplicationIndex']

/** Throws a TypeError if a value is not a database, or if it is one of libsql. Calls nothing. */
export function checkDatabase (database: unknown): void {
  requireMethod('sqliteStorage', database, 'prepare', expected)
  if (libsqlMethods.some(method => hasMethod(database, method))) throw new TypeError(noLibsql)
}

/**
 * The number in a row that a database has returned.
 *
 * Throws a TypeError if the database does not return rows as objects, or if libsql made the row: this finds a libsql connection that is
 * wrapped in an object of another shape.
 */
export function numberOf (row: unknown, column: string): number {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw wrongDatabase()
  if ('_metadata' in row) throw new TypeError(noLibsql)
  const value: unknown = (row as Record<string, unknown>)[column]
  // A connection may be set to return integers as bigint.
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongDatabase()
  return Number(value)
}

function wrongDatabase (): TypeError {
  return new TypeError(`sqliteStorage: the first argument must be ${expected}, and whose rows are objects (no returnArrays).`)
}
