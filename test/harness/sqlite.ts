import { createRequire } from 'node:module'
import type { DatabaseSyncInstance, SqliteModule } from '@photostructure/sqlite'
import type { SqliteDatabase } from '../../src/storage/index.js'

/** The methods of a connection that tests use besides the adapter's. */
export interface TestDatabase extends SqliteDatabase {
  exec (sql: string): unknown
  close (): unknown
}

/** An SQLite client that is installed here. */
export interface SqliteClient {
  name: string
  /** `timeout`: the milliseconds of `busy_timeout`. Default: 0. */
  open (file: string, options?: { timeout?: number }): TestDatabase
}

interface BetterSqlite3 { new (file: string, options: { timeout: number }): TestDatabase }

const require = createRequire(import.meta.url)

/** Undefined before Node 22.13, which needs a flag for it or does not have it. */
const nodeSqlite = process.getBuiltinModule('node:sqlite') as unknown as SqliteModule | undefined
const photostructure = () => require('@photostructure/sqlite') as SqliteModule

/** Opens a file with node:sqlite if Node has it, else with @photostructure/sqlite, which has the same API. */
export function openSqlite (file: string, options: { timeout?: number } = {}): DatabaseSyncInstance {
  const { DatabaseSync } = nodeSqlite ?? photostructure()
  return new DatabaseSync(file, options)
}

/**
 * Every supported client on this machine. Give each a file of its own: two SQLite libraries in one process take each other's locks away
 * (https://sqlite.org/howtocorrupt.html, 2.2.1).
 */
export function sqliteClients (): SqliteClient[] {
  const Better = installed<BetterSqlite3>('better-sqlite3')
  return [
    ...nodeSqlite ? [{ name: 'node:sqlite', open: openerOf(nodeSqlite) }] : [],
    { name: '@photostructure/sqlite', open: openerOf(photostructure()) },
    // Not a dependency, since it is compiled for one version of Node. Tested only if it is installed.
    ...Better ? [{ name: 'better-sqlite3', open: (file: string, { timeout = 0 } = {}) => new Better(file, { timeout }) }] : []
  ]
}

function openerOf ({ DatabaseSync }: SqliteModule): SqliteClient['open'] {
  return (file, options = {}) => new DatabaseSync(file, options)
}

function installed<T> (name: string): T | undefined {
  try {
    return require(name) as T
  } catch {
    return undefined
  }
}
