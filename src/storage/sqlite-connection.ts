import type { SqlResult, SqlValue } from './sql.js'
import { returning } from './sql-dialects.js'
import { numberOf, type SqliteDatabase, type SqliteStatement } from './sqlite-client.js'

/**
 * Uses the host's connection so that no statement waits for a lock: SQLite's own wait (`busy_timeout`) blocks the whole process. A locked statement
 * fails at once, and the adapter retries it later.
 */
export class SqliteConnection {
  readonly #database: SqliteDatabase
  readonly #statements = new Map<string, SqliteStatement>()
  readonly #executions = new Map<string, (values: SqlValue[]) => SqlResult>()
  /** Undefined until the first statement. */
  #readsNeverWait: boolean | undefined

  constructor (database: SqliteDatabase) {
    this.#database = database
  }

  /** Runs a statement of `sqlStorage`, prepared once, by the method of the client that is the fastest for it. */
  execute (sql: string, parameters: SqlValue[]): SqlResult {
    const known = this.#executions.get(sql)
    if (known) return known(parameters)
    const execute = this.#execution(sql)
    this.#executions.set(sql, execute)
    return execute(parameters)
  }

  #execution (sql: string): (values: SqlValue[]) => SqlResult {
    if (!sql.startsWith('SELECT')) {
      // The number of rows is enough.
      const statement = this.#database.prepare(sql.replace(returning, ''))
      return values => ({ rows: [], changed: statement.run(...values).changes })
    }
    const statement = this.#database.prepare(sql)
    if (!sql.endsWith('WHERE merchant_id = ?')) return values => ({ rows: statement.all(...values) })
    return values => {
      const row = statement.get(...values)
      return { rows: row === undefined || row === null ? [] : [row] }
    }
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
    if (this.#isInTransaction()) {
      throw new Error('A transaction is open on this SQLite connection, so a write of the adapter could be rolled back: give the adapter a connection of its own.')
    }
  }

  #isInTransaction (): boolean {
    const { inTransaction, isTransaction } = this.#database
    if (typeof inTransaction === 'boolean' || typeof isTransaction === 'boolean') return inTransaction === true || isTransaction === true
    // node:sqlite before Node 22.16 does not tell. SQLite has no transaction inside of another; one that does nothing takes no lock.
    try {
      this.prepare('BEGIN').run()
    } catch (error) {
      if (error instanceof Error && error.message.includes('within a transaction')) return true
      throw error
    }
    this.prepare('COMMIT').run()
    return false
  }

  /**
   * Runs statements with `busy_timeout` 0, then restores the host's value. All of it is synchronous, so no statement of the host runs in between.
   */
  write<T> (work: () => T): T {
    // A prepared PRAGMA still reads the current value: SQLite compiles it again for each execution.
    const timeout = numberOf(this.prepare('PRAGMA busy_timeout').get(), 'timeout')
    if (timeout === 0) return this.#use(work)
    this.prepare('PRAGMA busy_timeout = 0').get()
    try {
      return this.#use(work)
    } finally {
      this.prepare(`PRAGMA busy_timeout = ${timeout}`).get()
    }
  }

  /** Runs statements that only read. In WAL mode they do not wait for locks, so reading and setting `busy_timeout` is skipped, which is faster. */
  read<T> (work: () => T): T {
    if (!this.#readsNeverWait) return this.write(work)
    try {
      return work()
    } catch (error) {
      this.#readsNeverWait = undefined
      throw error
    }
  }

  /**
   * Detects whether reads can wait for a lock, and runs statements. In WAL mode they cannot: once a connection has used the file, no other can lock it
   * against readers or change the mode. https://sqlite.org/wal.html#sometimes_queries_return_sqlite_busy_in_wal_mode lists the exceptions, which are
   * short or come before the first use.
   *
   * Detected before the work: a failure after a write would make the write look failed, and it would be repeated.
   */
  #use<T> (work: () => T): T {
    this.#readsNeverWait ??= (this.prepare('PRAGMA journal_mode').get() as { journal_mode?: unknown }).journal_mode === 'wal'
    return work()
  }

  /** Drops the prepared statements: a connection of node:sqlite can be closed and opened again, which finalizes them. */
  reset (): void {
    this.#statements.clear()
    this.#executions.clear()
    this.#readsNeverWait = undefined
  }
}
