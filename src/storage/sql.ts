import { Type } from '@sinclair/typebox'
import { optionsOf, requireOptions } from '../checks/arguments.js'
import { storageFailed } from '../errors.js'
import type { Installation } from '../installation.js'
import { QualifiedTable, Table } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { fromDocument, fromRow, toDocument } from './document.js'
import { withDurability } from './durability.js'
import { keysetPage } from './page.js'
import { statementsFor, type Parameters, type SqlDialect, type SqlValue, type Statement } from './sql-dialects.js'
import { withPlainErrors } from './driver-error.js'
import { isDuplicateKey, isMissingTable, isWorthRepeating } from './sql-errors.js'
import { checkTable } from './sql-table.js'

export type { SqlDialect, SqlValue }

/** What came of a statement. */
export interface SqlResult {
  /** The rows that it returned, each an object by column; empty if it returned none. */
  rows: readonly unknown[]
  /** How many rows it wrote. Needed with the dialect `mysql`; the other dialects return the rows that they write. */
  changed?: number | bigint | null | undefined
}

/**
 * Sends one statement with its parameters, in the order of its placeholders (`$1` for PostgreSQL, `?` for the others), outside of any transaction, to
 * the primary. Rejects if the statement fails or its outcome is not known.
 */
export type SqlRun = (sql: string, parameters: SqlValue[]) => Promise<SqlResult>

/** The options of `sqlStorage`. */
export interface SqlStorageOptions {
  /** The SQL to write; `mysql` is also MariaDB's. */
  dialect: SqlDialect
  /** Sends a statement through the host's client. */
  run: SqlRun
  /**
   * The table's name, or `schema.table` (not with SQLite): ASCII letters, digits and underscores, 63 at most in each part; case matters. The schema must
   * exist. Default: `clover_installations`.
   */
  table?: string
}

/** The option `table`, which each adapter for an SQL database has. */
export type SqlTableOptions = Pick<SqlStorageOptions, 'table'>

const fields = {
  dialect: Type.Union([Type.Literal('postgresql'), Type.Literal('mysql'), Type.Literal('sqlite')], { must: '\'postgresql\', \'mysql\' or \'sqlite\'' }),
  run: Type.Unsafe<SqlRun>({ ...Type.Function([], Type.Unknown()), must: 'a function (sql, parameters) that resolves with { rows, changed }' })
}
const Options = optionsOf<SqlStorageOptions>({ ...fields, table: QualifiedTable })
const SqliteOptions = optionsOf<SqlStorageOptions>({ ...fields, table: Table })

/** The most attempts of a statement that the database rolled back in favour of another one. */
const maxAttempts = 5

/**
 * Keeps installations in a table of any SQL database, through a client that the host has already.
 *
 * Each method sends one statement; `get` sends a second one for a damaged document. The table is made at the first use, or earlier by `setup()`, which
 * also checks a table that exists. `synchronous_commit = off` of PostgreSQL, `innodb_flush_log_at_trx_commit` other than 1 of MySQL and `synchronous`
 * below FULL of SQLite may lose the last writes in a crash, and merchants with them.
 *
 * Throws a TypeError for an argument of another type. Calls nothing until it is used.
 */
export function sqlStorage (options: SqlStorageOptions): CloverStorageWithSetup {
  const given: Partial<SqlStorageOptions> = (options as SqlStorageOptions | undefined) ?? {}
  requireOptions('sqlStorage', given.dialect === 'sqlite' ? SqliteOptions : Options, given)
  for (const name of ['dialect', 'run'] as const) {
    if (given[name] === undefined) throw new TypeError(`sqlStorage: ${name} must be ${fields[name].must}.`)
  }
  return createSqlStorage(options)
}

/** @internal As `SqlRun`; a client that does not wait may return the result itself, or throw. */
type AnyRun = (sql: string, parameters: SqlValue[]) => SqlResult | Promise<SqlResult>

/** @internal As `sqlStorage`, with options that were checked. */
export function createSqlStorage ({ dialect, run, table = 'clover_installations' }: Omit<SqlStorageOptions, 'run'> & { run: AnyRun }): CloverStorageWithSetup {
  const statements = statementsFor(dialect, table)
  /** MySQL: the connection's settings decide whether a write is kept as it was sent, so they are looked at before the first one. */
  let isUnchecked = dialect === 'mysql'

  /** Sends a statement. If there is no table yet, it is made first. */
  async function send (statement: Statement, parameters: Parameters, suffix = ''): Promise<SqlResult> {
    const text = suffix === '' ? statement.text : statement.text + suffix
    const values = statement.names.map(name => parameters[name] ?? null)
    try {
      if (isUnchecked) await setUp()
      return checkedResult(await run(text, values))
    } catch (error) {
      return await withPlainErrors(() => sendAgain(error, text, values))
    }
  }

  /** Handles a failure: sends the statement again, where it had no effect and need not fail another time. */
  async function sendAgain (error: unknown, text: string, values: SqlValue[], attempt = 1): Promise<SqlResult> {
    // The other dialects keep such a row, without an error.
    if (dialect === 'mysql' && text === statements.insert.text && isDuplicateKey(error)) return { rows: [], changed: 0 }
    if (isMissingTable(error)) await makeTable()
    // The database has undone the statement. In a new snapshot it sees what the other one wrote.
    else if (!isWorthRepeating(error)) throw error
    if (attempt === maxAttempts) throw error
    try {
      return checkedResult(await run(text, values))
    } catch (next) {
      return await sendAgain(next, text, values, attempt + 1)
    }
  }

  async function setUp (): Promise<void> {
    if (!await isReady()) {
      await makeTable()
      if (!await isReady()) throw storageFailed('setup', `there is no table ${table}, although making it did not fail: the client's user may not see it`)
    }
    isUnchecked = false
  }

  /** Whether there is a table. Checks its form, and with MySQL the connection's settings. */
  async function isReady (): Promise<boolean> {
    const { rows } = checkedResult(await run(statements.describe.text, []))
    if (rows.length > 0) checkTable(dialect, table, rows)
    return rows.length > 0
  }

  async function makeTable (): Promise<void> {
    for (const { text } of statements.create) await run(text, [])
  }

  /** Sends a statement that writes one row, and resolves with whether it did. */
  async function write (statement: Statement, parameters: Parameters): Promise<boolean> {
    const { rows, changed } = await send(statement, parameters)
    if (rows.length > 0) return true
    if (dialect === 'mysql' && changed === undefined) throw new TypeError('sqlStorage: with the dialect mysql, run must resolve with `changed`, the number of rows that a statement wrote.')
    return Number(changed ?? 0) > 0
  }

  /** Reads a row whose document is damaged. Other reads go without these columns, which would take a tenth of their time. */
  async function getDamaged (merchantId: string): Promise<Installation | undefined> {
    const { rows: [row] } = await send(statements.getRow, { merchantId })
    if (row === undefined) return undefined
    const { revision, due, document } = row as Row
    return fromRow({ revision, dueAt: due, document }, merchantId)
  }

  const storage: CloverStorageWithSetup = {
    setup: () => withPlainErrors(setUp),

    // As `send`, but in one step fewer: reading a record is what happens most often.
    async get (merchantId) {
      const { get: { text } } = statements
      let result: SqlResult
      try {
        if (isUnchecked) await setUp()
        result = checkedResult(await run(text, [merchantId]))
      } catch (error) {
        result = await withPlainErrors(() => sendAgain(error, text, [merchantId]))
      }
      const [row] = result.rows as Array<Pick<Row, 'document'>>
      if (row === undefined) return undefined
      return fromDocument(row.document) ?? await getDamaged(merchantId)
    },

    async put (next, expected) {
      const { merchantId, revision, dueAt } = next
      const parameters = { merchantId, revision, dueAt, document: toDocument(next), expected }
      return await write(expected === undefined ? statements.insert : statements.update, parameters)
    },

    delete: (merchantId, expected) => write(expected === undefined ? statements.delete : statements.deleteRevision, { merchantId, expected }),

    async list ({ cursor = '', limit, dueBefore }) {
      // Not a parameter: MySQL takes none here from some clients.
      const suffix = ` LIMIT ${Math.max(1, Math.trunc(limit))}`
      const { rows } = await send(dueBefore === undefined ? statements.list : statements.listDue, { cursor, dueBefore }, suffix)
      return keysetPage((rows as ListedRow[]).map(({ id, revision, due, document }) => ({ merchantId: String(id), revision, dueAt: due, document })), limit)
    }
  }
  return withDurability(storage, () => withPlainErrors(async () => {
    const { rows } = checkedResult(await run(statements.settings.text, []))
    const servers = (rows as object[]).map(row => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)])))
    return { store: databases[dialect], servers }
  }))
}

const databases: Record<SqlDialect, string> = { postgresql: 'PostgreSQL', mysql: 'MySQL', sqlite: 'SQLite' }

interface Row { revision: unknown, due: unknown, document: unknown }

interface ListedRow extends Row { id: unknown }

function checkedResult (result: SqlResult): SqlResult {
  if (!Array.isArray((result as SqlResult | undefined)?.rows)) throw new TypeError('sqlStorage: run must resolve with { rows, changed }, where rows is an array.')
  return result
}
