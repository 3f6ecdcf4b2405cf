import { numberOf, type SqliteDatabase, type SqliteStatement } from './sqlite-client.js'

/**
 * The host's connection, as the adapter uses it: no statement waits for a lock, since SQLite's own waiting (`busy_timeout`) blocks the
 * whole process. A locked statement fails at once, and the adapter tries it again later.
 */
export class SqliteConnection {
  readonly #database: SqliteDatabase
  readonly #statements = new Map<string, SqliteStatement>()
  #readsNeverWait = false

  constructor (database: SqliteDatabase) {
    this.#database = database
  }

  /** Prepares a statement once. */
  prepare (sql: string): SqliteStatement {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  /** Throws while a transaction of the host is open on the connection. */
  refuseTransaction (): void {
    if (this.#database.inTransaction === true || this.#database.isTransaction === true) {
      throw new Error('A transaction is open on this SQLite connection, and what is written in it could be rolled back: give the adapter a connection of its own.')
    }
  }

  /**
   * Runs statements while `busy_timeout` is 0, and gives the connection back to the host with the timeout that the host set. All of this
   * happens synchronously, so that no statement of the host runs in between.
   */
  write<T> (work: () => T): T {
    // Executed each time, also from a statement that was prepared before: SQLite compiles a PRAGMA again for each execution.
    const timeout = numberOf(this.prepare('PRAGMA busy_timeout').get(), 'timeout')
    if (timeout === 0) return work()
    this.prepare('PRAGMA busy_timeout = 0').get()
    try {
      return work()
    } finally {
      this.prepare(`PRAGMA busy_timeout = ${timeout}`).get()
    }
  }

  /** Runs statements that only read. In WAL mode they do not wait, so `busy_timeout` need not be read and set: that makes them faster. */
  read<T> (work: () => T): T {
    if (!this.#readsNeverWait) return this.write(work)
    try {
      return work()
    } catch (error) {
      this.#readsNeverWait = false
      throw error
    }
  }

  /**
   * Looks whether reads can wait for a lock. In WAL mode they cannot: a connection that has used the file once keeps others from locking it
   * against readers, and from changing the mode. See https://sqlite.org/wal.html#sometimes_queries_return_sqlite_busy_in_wal_mode for the
   * exceptions, which are short or come before the first use.
   */
  detectMode (): void {
    const row = this.prepare('PRAGMA journal_mode').get() as { journal_mode?: unknown }
    this.#readsNeverWait = row.journal_mode === 'wal'
  }

  /** Drops the prepared statements: node:sqlite can be closed and opened again, which ends those of before. */
  reset (): void {
    this.#statements.clear()
    this.#readsNeverWait = false
  }
}
