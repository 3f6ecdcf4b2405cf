import { createRequire } from 'node:module'
import type { DatabaseSyncInstance, SqliteModule } from '@photostructure/sqlite'
import type { SqliteDatabase } from '../../src/storage/index.js'

/** What tests need of a connection beside what the adapter uses. */
export interface TestDatabase extends SqliteDatabase {
  exec (sql: string): unknown
  close (): unknown
}

/** A client of SQLite that is on this machine. */
export interface SqliteClient {
  name: string
  /** `timeout`: milliseconds for `busy_timeout`, which is 0 if nothing is given. */
  open (file: string, options?: { timeout?: number }): TestDatabase
}

interface BetterSqlite3 { new (file: string, options: { timeout: number }): TestDatabase }

const require = createRequire(import.meta.url)

/** Undefined where Node has it behind a flag, or not at all: before 22.13. */
const nodeSqlite = process.getBuiltinModule('node:sqlite') as unknown as SqliteModule | undefined
const photostructure = () => require('@photostructure/sqlite') as SqliteModule

/** Opens a file as a host would: with node:sqlite where Node has it, else with the same API of @photostructure/sqlite. */
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
    // No dependency, since it is compiled for one version of Node: tested where somebody has installed it.
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
