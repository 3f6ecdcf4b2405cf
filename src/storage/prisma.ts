import { optionsOf, requireOptions } from '../checks/arguments.js'
import { hasMethod, QualifiedTable, requireClient } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { returnsRows } from './sql-dialects.js'
import { createSqlStorage, type SqlDialect, type SqlResult, type SqlTableOptions, type SqlValue } from './sql.js'

/** The part of a PrismaClient that the adapter uses. */
export interface PrismaClientLike {
  /** Sends a statement, and resolves with its rows. */
  $queryRawUnsafe (sql: string, ...values: SqlValue[]): PromiseLike<unknown>
  /** Sends a statement, and resolves with the number of rows that it wrote. */
  $executeRawUnsafe (sql: string, ...values: SqlValue[]): PromiseLike<number>
  /** Missing on the client of a transaction, which the adapter therefore refuses. */
  $connect (): PromiseLike<unknown>
}

/** The options of `prismaStorage`. */
export interface PrismaStorageOptions extends SqlTableOptions {}

const Options = optionsOf<PrismaStorageOptions>({ table: QualifiedTable })

const dialects: Record<string, SqlDialect> = { postgresql: 'postgresql', postgres: 'postgresql', mysql: 'mysql' }

/**
 * Keeps installations in a table of the host's PostgreSQL, MySQL or MariaDB, through the host's PrismaClient.
 *
 * Not with SQLite: Prisma has one connection to it, so a write of the adapter would run inside a transaction of the host and could be rolled back. Use
 * `sqliteStorage` on a connection of its own.
 *
 * The guide has the model for `schema.prisma`, with which `prisma migrate` makes the same table.
 *
 * Throws a TypeError for an argument of another type, for another database, and for the client of a transaction. Does not connect until it is used.
 */
export function prismaStorage (prisma: PrismaClientLike, options: PrismaStorageOptions = {}): CloverStorageWithSetup {
  const dialect = hasMethod(prisma, '$queryRawUnsafe') && hasMethod(prisma, '$connect') ? dialects[String(providerOf(prisma))] : undefined
  requireClient('prismaStorage', dialect !== undefined, 'a PrismaClient for PostgreSQL, MySQL or MariaDB, not that of a transaction (for SQLite use sqliteStorage)')
  requireOptions('prismaStorage', Options, options)

  async function run (sql: string, values: SqlValue[]): Promise<SqlResult> {
    if (!returnsRows(sql)) return { rows: [], changed: await prisma.$executeRawUnsafe(sql, ...values) }
    return { rows: await prisma.$queryRawUnsafe(sql, ...values) as unknown[], changed: 0 }
  }

  return createSqlStorage({ dialect: dialect as SqlDialect, run, ...options })
}

function providerOf (prisma: object): unknown {
  return '_activeProvider' in prisma ? prisma._activeProvider : undefined
}
