import { optionsOf, requireOptions } from '../checks/arguments.js'
import { hasMethod, QualifiedTable, requireClient } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { createSqlStorage, type SqlDialect, type SqlResult, type SqlTableOptions, type SqlValue } from './sql.js'

/** The part of a Kysely instance that the adapter uses. */
export interface KyselyClient {
  /** Sends a compiled query. */
  executeQuery (query: never): Promise<{ rows: unknown[], numAffectedRows?: bigint }>
  /** Has the adapter of the dialect. */
  getExecutor (): { adapter: { supportsReturning?: boolean, supportsTransactionalDdl?: boolean } }
  /** True for a transaction, which the adapter refuses. */
  isTransaction: boolean
  /** The same instance without the host's plugins, which could change statements and rows. */
  withoutPlugins (): Pick<KyselyClient, 'executeQuery'>
}

/** The options of `kyselyStorage`. */
export interface KyselyStorageOptions extends SqlTableOptions {}

const Options = optionsOf<KyselyStorageOptions>({ table: QualifiedTable })

/**
 * Keeps installations in a table of the host's PostgreSQL, MySQL, MariaDB or SQLite, through the host's Kysely instance.
 *
 * Throws a TypeError for an argument of another type, for another database, and for a transaction. Does not connect until it is used.
 */
export function kyselyStorage (db: KyselyClient, options: KyselyStorageOptions = {}): CloverStorageWithSetup {
  const dialect = dialectOf(db)
  requireClient('kyselyStorage', dialect !== undefined, 'a Kysely instance for PostgreSQL, MySQL, MariaDB or SQLite, not a transaction')
  requireOptions('kyselyStorage', Options, options)
  const plain = db.withoutPlugins()
  let queries = 0

  async function run (sql: string, parameters: SqlValue[]): Promise<SqlResult> {
    // As its own CompiledQuery.raw(), which would have to be imported from Kysely.
    const query = { sql, parameters, query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] }, queryId: { queryId: `fastify-clover-${queries++}` } }
    const { rows, numAffectedRows } = await plain.executeQuery(query as never)
    return { rows, changed: numAffectedRows ?? 0 }
  }

  return createSqlStorage({ dialect: dialect as SqlDialect, run, ...options })
}

/** Kysely does not name its dialect; what its adapter supports tells it. */
function dialectOf (db: KyselyClient): SqlDialect | undefined {
  if (!['executeQuery', 'getExecutor', 'withoutPlugins'].every(method => hasMethod(db, method)) || db.isTransaction) return undefined
  const { supportsReturning = false, supportsTransactionalDdl = false } = db.getExecutor().adapter
  if (supportsReturning) return supportsTransactionalDdl ? 'postgresql' : 'sqlite'
  return supportsTransactionalDdl ? undefined : 'mysql'
}
