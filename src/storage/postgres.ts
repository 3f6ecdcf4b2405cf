import { optionsOf, requireOptions } from '../checks/arguments.js'
import { hasMethod, QualifiedTable, requireClient } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import type { SqlRun, SqlTableOptions } from './sql.js'
import { createSqlStorage } from './sql.js'
import type { SqlValue } from './sql-dialects.js'

/** A query as the adapter passes it to pg. */
export interface PostgresQuery {
  text: string
  values: SqlValue[]
  /** Reads every column as the text that PostgreSQL sent, whatever parsers the host's client has. */
  types: {
    /** Returns the parser of every column. */
    getTypeParser (): (value: string) => unknown
  }
}

/** The part of a pg Pool, a pg Client or `fastify.pg` that the adapter uses. */
export interface PgClient {
  /** Sends one statement, and resolves with its rows, each as an object by column. */
  query (query: PostgresQuery): Promise<{ rows: unknown[] }>
  /** A Client of pg 8.23 and later: `I` outside of a transaction. The adapter refuses to write inside of one. */
  getTransactionStatus? (): string | null
}

/** The part of a `sql` of postgres.js that the adapter uses. */
export interface PostgresJsClient {
  /** Sends one statement, and resolves with its rows, each as an object by column. */
  unsafe (query: string, parameters: SqlValue[]): PromiseLike<readonly unknown[]>
  /** Begins a transaction. Missing on the `sql` inside of one, which the adapter therefore refuses. */
  begin (...parameters: never[]): unknown
}

/** A client that `postgresStorage` accepts. */
export type PostgresClient = PgClient | PostgresJsClient

/** The options of `postgresStorage`. */
export interface PostgresStorageOptions extends SqlTableOptions {}

const Options = optionsOf<PostgresStorageOptions>({ table: QualifiedTable })

const types = { getTypeParser: () => (value: string) => value }

/**
 * Keeps installations in a table of the host's PostgreSQL, through the host's own pool of pg or postgres.js.
 *
 * Pass a pool of the primary, not of a replica. A single Client of pg works as long as nobody opens a transaction on it: the adapter rejects then (before
 * pg 8.23 it cannot tell). `synchronous_commit = off` (not the default) may lose the last writes in a crash, and merchants with them. A user without
 * the right to create tables is enough if the table exists.
 *
 * Throws a TypeError for an argument of another type. Does not connect until it is used.
 */
export function postgresStorage (client: PostgresClient, options: PostgresStorageOptions = {}): CloverStorageWithSetup {
  const isPostgresJs = hasMethod(client, 'unsafe') && hasMethod(client, 'begin')
  requireClient('postgresStorage', isPostgresJs || hasMethod(client, 'query'), 'a Pool or a connected Client of pg, fastify.pg, or a sql of postgres.js (not that of a transaction)')
  requireOptions('postgresStorage', Options, options)
  const run: SqlRun = isPostgresJs
    ? async (text, values) => ({ rows: await (client as PostgresJsClient).unsafe(text, values) })
    : async (text, values) => {
      const pg = client as PgClient
      refuseTransaction(pg)
      const result = await pg.query({ text, values, types })
      refuseTransaction(pg) // one that was begun while the statement was queued
      return result
    }
  return createSqlStorage({ dialect: 'postgresql', run, ...options })
}

function refuseTransaction (client: PgClient): void {
  const status = client.getTransactionStatus?.() ?? 'I'
  if (status !== 'I') throw new Error('A transaction is open on this Client of pg, so a write of the adapter could be rolled back: give the adapter a Pool.')
}
