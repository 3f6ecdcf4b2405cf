import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSyncInstance, SqliteModule } from '@photostructure/sqlite'
import { sqliteStorage, type CloverStorage } from 'fastify-clover/storage'
import { BadSettings } from './settings.js'

// Node has SQLite from 22.13 on; @photostructure/sqlite is the same for Node 20.
const { DatabaseSync } = (process.getBuiltinModule('node:sqlite') ?? await import('@photostructure/sqlite')) as SqliteModule

/** The table of the real Clover is never emptied: the tokens in it are all that keeps the merchants connected. */
const table = 'clover_installations'
const simulatedTable = 'simulator_installations'

/**
 * Opens the SQLite file, and the plugin's storage in it. Any number of processes may.
 *
 * Merchants of a simulator are kept in a table of their own, which may be named.
 */
export function openDatabase (file: string, { isSimulated, simulatorTable }: { isSimulated: boolean, simulatorTable?: string }): { database: DatabaseSyncInstance, storage: CloverStorage } {
  mkdirSync(dirname(file), { recursive: true })
  // The timeout is for the statements below, should another process use the file: the adapter waits for locks by itself.
  const database = new DatabaseSync(file, { timeout: 5_000 })
  // A write blocks this process until the disk has it. In a write-ahead log that is one wait for the disk and not several.
  database.exec('PRAGMA journal_mode = WAL')
  // Thousands of made-up merchants who are moved in a trial need not outlive a power cut, and wait for no disk.
  database.exec(`PRAGMA synchronous = ${isSimulated && simulatorTable !== undefined ? 'NORMAL' : 'FULL'}`)
  return { database, storage: sqliteStorage(database, { table: isSimulated ? simulatorTable ?? simulatedTable : table }) }
}

/**
 * Makes sure that the SQLite file can be written, and forgets merchants of an earlier simulator, which has forgotten their tokens too: called once,
 * before the servers open the file. Throws {@link BadSettings}.
 */
export function prepareDatabase (file: string, { isSimulated }: { isSimulated: boolean }): void {
  try {
    const { database } = openDatabase(file, { isSimulated })
    // The transaction writes even where the table does not exist.
    database.exec(`BEGIN IMMEDIATE; PRAGMA user_version = 1;${isSimulated ? ` DROP TABLE IF EXISTS ${simulatedTable};` : ''} COMMIT`)
    database.close()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new BadSettings(`The SQLite file ${file} cannot be written (${reason}). Name another: DATABASE=/tmp/daybook.sqlite npm start`)
  }
}
