import { optionsOf, requireOptions } from '../checks/arguments.js'
import { hasMethod, QualifiedTable, requireClient } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { createSqlStorage, type SqlDialect, type SqlResult, type SqlTableOptions, type SqlValue } from './sql.js'

/** The part of a Knex instance that the adapter uses. */
export interface KnexClient {
  /** Sends a statement; the form of its result depends on the database. */
  raw (sql: string, bindings: SqlValue[]): PromiseLike<unknown>
  /** Has the name of the dialect. */
  client: { dialect?: string }
  /** True for a transaction, which the adapter refuses. */
  isTransaction?: boolean
}

/** The options of `knexStorage`. */
export interface KnexStorageOptions extends SqlTableOptions {}

const Options = optionsOf<KnexStorageOptions>({ table: QualifiedTable })

const dialects: Record<string, SqlDialect> = { postgresql: 'postgresql', mysql: 'mysql', sqlite3: 'sqlite' }

/**
 * Keeps installations in a table of the host's PostgreSQL, MySQL, MariaDB or SQLite, through the host's Knex instance.
 *
 * Throws a TypeError for an argument of another type, for another database, and for a transaction. Does not connect until it is used.
 */
export function knexStorage (knex: KnexClient, options: KnexStorageOptions = {}): CloverStorageWithSetup {
  const dialect = hasMethod(knex, 'raw') && knex.isTransaction !== true ? dialects[String(knex.client?.dialect)] : undefined
  requireClient('knexStorage', dialect !== undefined, 'a Knex instance for PostgreSQL, MySQL, MariaDB or SQLite, not a transaction')
  requireOptions('knexStorage', Options, options)

  async function run (sql: string, values: SqlValue[]): Promise<SqlResult> {
    // Knex has `?` for every database, and no other way to write a parameter.
    const bindings: SqlValue[] = []
    const text = dialect === 'postgresql' ? sql.replace(/\$(\d+)/g, (_match, place: string) => { bindings.push(values[Number(place) - 1] ?? null); return '?' }) : sql
    try {
      return resultOf(await knex.raw(text, dialect === 'postgresql' ? bindings : values))
    } catch (error) {
      // Knex puts the statement with its values, and thus tokens, before the database's message.
      throw new Error((error instanceof Error ? error.message : '').split(' - ').at(-1), { cause: error })
    }
  }

  return createSqlStorage({ dialect: dialect as SqlDialect, run, ...options })
}

/** PostgreSQL: `{ rows }`. MySQL: rows and columns, or a header and nothing, in an array. SQLite: rows, or `{ changes }`. */
function resultOf (result: unknown): SqlResult {
  if (!Array.isArray(result)) return { rows: [], ...(result as { rows?: unknown[] }) }
  const [first] = result as unknown[]
  if (Array.isArray(first)) return { rows: first, changed: 0 }
  const { affectedRows } = (first ?? {}) as { affectedRows?: number }
  return affectedRows === undefined ? { rows: result } : { rows: [], changed: affectedRows }
}
