import { quoteTable, requireMethod } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { fromDocument, toDocument } from './document.js'
import { withPlainErrors } from './driver-error.js'
import { keysetPage, type ListRow } from './page.js'

/** The part of a synchronous SQLite statement that the adapter uses; the values are strings, numbers and null. */
export interface SqliteStatement {
  run (...values: unknown[]): { changes: number | bigint }
  get (...values: unknown[]): unknown
  all (...values: unknown[]): unknown[]
}

/** The part of a synchronous SQLite connection that the adapter uses: libsql, better-sqlite3 and node:sqlite have it. */
export interface SqliteDatabase {
  prepare (sql: string): SqliteStatement
  /** libsql and better-sqlite3: whether a transaction is open on this connection. */
  readonly inTransaction?: boolean
  /** node:sqlite (from 22.16): the same. */
  readonly isTransaction?: boolean
  /** libsql and better-sqlite3: whether the connection is open. */
  readonly open?: boolean
  /** node:sqlite: the same. */
  readonly isOpen?: boolean
}

/** The options of `sqliteStorage`. */
export interface SqliteStorageOptions {
  /** The table's name, default `clover_installations`: ASCII letters, digits and underscores, 63 at most. */
  table?: string
}

const expectedDatabase = 'an open database of libsql, better-sqlite3 or node:sqlite, whose prepare() is synchronous'

/**
 * Keeps installations in a table of the host's SQLite database, through the host's own connection.
 *
 * Every method is one statement of its own and rejects while a transaction is open on the connection, since what is written there
 * could still be rolled back. An embedded replica (libsql's `syncUrl`) will not do: what it reads may be old. The adapter changes no
 * pragma; two are for the host to look at:
 *
 * - `synchronous` should be FULL, so that a write survives a power cut: in WAL mode NORMAL may lose the last ones, and merchants with
 *   them. FULL is the default, except that better-sqlite3 opens a file in WAL mode with NORMAL.
 * - `busy_timeout` (the option `timeout` of all three) where other processes use the file. libsql and node:sqlite wait for nothing by
 *   default: a locked database then rejects at once with SQLITE_BUSY.
 *
 * Throws a TypeError for an argument of another kind. Reads and writes nothing until it is used.
 */
export function sqliteStorage (database: SqliteDatabase, { table = 'clover_installations' }: SqliteStorageOptions = {}): CloverStorageWithSetup {
  requireMethod('sqliteStorage', database, 'prepare', expectedDatabase)
  const name = quoteTable('sqliteStorage', table, { schema: false })
  const columns = `${name} (merchant_id TEXT NOT NULL PRIMARY KEY, revision TEXT NOT NULL, due_at REAL, document TEXT NOT NULL)`
  // Put together once: a text that is new each time is slow to find a statement by.
  const select = `SELECT document FROM ${name} WHERE merchant_id = ?`
  let ready = false

  const statements = new Map<string, SqliteStatement>()

  function prepare (sql: string): SqliteStatement {
    // A statement of a closed libsql connection finds nothing, and says no word of it: only where the connection says that it is open, and of
    // that one alone, is a statement used again. Otherwise preparing it tells.
    const isOpen = (database.open ?? database.isOpen) === true
    const statement = (isOpen ? statements.get(sql) : undefined) ?? database.prepare(sql)
    if (isOpen) statements.set(sql, statement)
    // Asked only of an open connection: libsql ends the whole process when a closed one is asked.
    if (database.inTransaction === true || database.isTransaction === true) {
      throw new Error('A transaction is open on this SQLite connection, and what is written in it could be rolled back: give the adapter a connection of its own.')
    }
    return statement
  }

  function setup (): void {
    const { changes } = prepare(`CREATE TABLE IF NOT EXISTS ${columns}`).run()
    if (typeof changes !== 'number' && typeof changes !== 'bigint') throw new TypeError(`sqliteStorage: the first argument must be ${expectedDatabase}.`)
    prepare(`CREATE INDEX IF NOT EXISTS "${table}_due_at" ON ${name} (due_at)`).run()
    ready = true
  }

  function use<T> (work: (statement: (sql: string) => SqliteStatement) => T): Promise<T> {
    return withPlainErrors(() => {
      try {
        if (!ready) setup()
        return work(prepare)
      } catch (error) {
        statements.clear() // node:sqlite can be closed and opened again, which ends the statements of before
        throw error
      }
    })
  }

  const changed = (result: { changes: number | bigint }) => Number(result.changes) > 0

  return {
    setup: () => withPlainErrors(setup),

    get: merchantId => use(statement => {
      const row = statement(select).get(merchantId) as { document: string } | null | undefined
      return row ? fromDocument(row.document, merchantId) : undefined
    }),

    put: (next, expected) => use(statement => {
      const { merchantId, revision, dueAt } = next
      return changed(expected === undefined
        ? statement(`INSERT INTO ${name} (merchant_id, revision, due_at, document) VALUES (?, ?, ?, ?) ON CONFLICT (merchant_id) DO NOTHING`)
          .run(merchantId, revision, dueAt, toDocument(next))
        : statement(`UPDATE ${name} SET revision = ?, due_at = ?, document = ? WHERE merchant_id = ? AND revision = ?`)
          .run(revision, dueAt, toDocument(next), merchantId, expected))
    }),

    delete: (merchantId, expected) => use(statement => changed(expected === undefined
      ? statement(`DELETE FROM ${name} WHERE merchant_id = ?`).run(merchantId)
      : statement(`DELETE FROM ${name} WHERE merchant_id = ? AND revision = ?`).run(merchantId, expected))),

    list: ({ cursor = '', limit, dueBefore }) => use(statement => {
      const select = `SELECT merchant_id AS merchantId, document FROM ${name} WHERE merchant_id > ?`
      const page = 'ORDER BY merchant_id LIMIT ?'
      const rows = dueBefore === undefined
        ? statement(`${select} ${page}`).all(cursor, limit)
        : statement(`${select} AND due_at <= ? ${page}`).all(cursor, dueBefore, limit)
      return keysetPage(rows as ListRow[], limit)
    })
  }
}
