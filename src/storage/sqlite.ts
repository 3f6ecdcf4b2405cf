import { quoteTable } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { fromRow, toDocument, type StoredRow } from './document.js'
import { withPlainErrors } from './driver-error.js'
import { isLocked, LockQueue } from './lock-queue.js'
import { keysetPage, type ListRow } from './page.js'
import { checkDatabase, type SqliteDatabase } from './sqlite-client.js'
import { SqliteConnection } from './sqlite-connection.js'

/** The options of `sqliteStorage`. */
export interface SqliteStorageOptions {
  /** The table's name, default `clover_installations`: ASCII letters, digits and underscores, 63 at most. */
  table?: string
  /**
   * Milliseconds for which a statement is tried again while another connection locks the database, default 4500; 0 to 60 000. The plugin
   * waits 5000 ms for a storage adapter: with a longer time it may learn nothing of a write that succeeds later.
   */
  lockTimeout?: number
}

const longestLockTimeout = 60_000

/**
 * Keeps installations in a table of the host's SQLite database, through the host's own connection: of node:sqlite (Node 22.13 and later),
 * of @photostructure/sqlite (the same for Node 20) or of better-sqlite3.
 *
 * Every method is one statement of its own and rejects while a transaction is open on the connection, since what is written there
 * could still be rolled back.
 *
 * A statement that finds the database locked (`SQLITE_BUSY`, `SQLITE_LOCKED`) is tried again for `lockTimeout` milliseconds without
 * blocking the process, whatever `busy_timeout` (the option `timeout` of the clients) says: during its own statements the adapter sets that
 * to 0, and then back. It rejects with the code `SQLITE_BUSY` if the lock lasts longer.
 *
 * `synchronous` should be FULL, so that a write survives a power cut: in WAL mode NORMAL may lose the last ones, and merchants with them.
 * FULL is the default, except that better-sqlite3 opens a file in WAL mode with NORMAL.
 *
 * Throws a TypeError for an argument of another kind, and for a connection of libsql, which confirms writes that it never commits. Reads
 * and writes nothing until it is used.
 */
export function sqliteStorage (database: SqliteDatabase, { table = 'clover_installations', lockTimeout = 4_500 }: SqliteStorageOptions = {}): CloverStorageWithSetup {
  checkDatabase(database)
  if (typeof lockTimeout !== 'number' || !(lockTimeout >= 0 && lockTimeout <= longestLockTimeout)) {
    throw new TypeError(`sqliteStorage: the option lockTimeout must be a number of milliseconds from 0 to ${longestLockTimeout}.`)
  }
  const name = quoteTable('sqliteStorage', table, { schema: false })
  const columns = 'revision, due_at AS dueAt, document'
  // Put together once: a text that is new each time is slow to find a statement by.
  const select = `SELECT ${columns} FROM ${name} WHERE merchant_id = ?`
  const connection = new SqliteConnection(database)
  // Apart, since in WAL mode reads go on while writes wait.
  const queues = { read: new LockQueue(lockTimeout), write: new LockQueue(lockTimeout) }
  let ready = false

  function setUp (): void {
    connection.write(() => {
      connection.prepare(`CREATE TABLE IF NOT EXISTS ${name} (
        merchant_id TEXT NOT NULL PRIMARY KEY, revision TEXT NOT NULL, due_at REAL, document TEXT NOT NULL
      )`).run()
      connection.prepare(`CREATE INDEX IF NOT EXISTS "${table}_due_at" ON ${name} (due_at)`).run()
      connection.detectMode()
    })
    ready = true
  }

  function use<T> (kind: 'read' | 'write', work: () => T): Promise<T> {
    return withPlainErrors(() => queues[kind].run(() => {
      try {
        connection.refuseTransaction()
        if (!ready) setUp()
        return connection[kind](work)
      } catch (error) {
        if (!isLocked(error)) reset()
        throw error
      }
    }))
  }

  function reset (): void {
    connection.reset()
    ready = false
  }

  function changes (sql: string, ...values: unknown[]): boolean {
    return Number(connection.prepare(sql).run(...values).changes) > 0
  }

  return {
    setup: () => {
      ready = false
      return use('write', () => {})
    },

    get: merchantId => use('read', () => {
      const row = connection.prepare(select).get(merchantId) as StoredRow | null | undefined
      return row ? fromRow(row, merchantId) : undefined
    }),

    async put (next, expected) {
      const { merchantId, revision, dueAt } = next
      const document = toDocument(next) // of now: the statement may wait
      return await use('write', () => expected === undefined
        ? changes(`INSERT INTO ${name} (merchant_id, revision, due_at, document) VALUES (?, ?, ?, ?) ON CONFLICT (merchant_id) DO NOTHING`,
          merchantId, revision, dueAt, document)
        : changes(`UPDATE ${name} SET revision = ?, due_at = ?, document = ? WHERE merchant_id = ? AND revision = ?`,
          revision, dueAt, document, merchantId, expected))
    },

    delete: (merchantId, expected) => use('write', () => expected === undefined
      ? changes(`DELETE FROM ${name} WHERE merchant_id = ?`, merchantId)
      : changes(`DELETE FROM ${name} WHERE merchant_id = ? AND revision = ?`, merchantId, expected)),

    list: ({ cursor = '', limit, dueBefore }) => use('read', () => {
      const page = 'ORDER BY merchant_id LIMIT ?'
      const from = `SELECT merchant_id AS merchantId, ${columns} FROM ${name} WHERE merchant_id > ?`
      const rows = dueBefore === undefined
        ? connection.prepare(`${from} ${page}`).all(cursor, limit)
        : connection.prepare(`${from} AND due_at <= ? ${page}`).all(cursor, dueBefore, limit)
      return keysetPage(rows as ListRow[], limit)
    })
  }
}
