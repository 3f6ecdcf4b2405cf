import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSyncInstance, SqliteModule } from '@photostructure/sqlite'
import { sqliteStorage, type CloverStorage } from 'fastify-clover/storage'

// Node has SQLite from 22.13 on; @photostructure/sqlite is the same for Node 20.
const { DatabaseSync } = (process.getBuiltinModule('node:sqlite') ?? await import('@photostructure/sqlite')) as SqliteModule

/**
 * Opens the SQLite file, and the plugin's storage in it.
 *
 * The simulator forgets its tokens when it stops, so its merchants are kept in a table of their own, which begins empty unless another is
 * named. The table of the real Clover is never emptied: the tokens in it are all that keeps the merchants connected.
 */
export function openDatabase (file: string, { isSimulated, simulatorTable }: { isSimulated: boolean, simulatorTable?: string }): { database: DatabaseSyncInstance, storage: CloverStorage } {
  mkdirSync(dirname(file), { recursive: true })
  // The timeout is for the statements below, should another process use the file: the adapter waits for locks by itself.
  const database = new DatabaseSync(file, { timeout: 5_000 })
  // A write blocks this process until the disk has it. In a write-ahead log that is one wait for the disk and not several.
  database.exec('PRAGMA journal_mode = WAL')
  // Thousands of made-up merchants who are moved in a trial need not outlive a power cut, and wait for no disk.
  database.exec(`PRAGMA synchronous = ${isSimulated && simulatorTable !== undefined ? 'NORMAL' : 'FULL'}`)
  if (isSimulated && simulatorTable === undefined) database.exec('DROP TABLE IF EXISTS simulator_installations')
  const table = isSimulated ? simulatorTable ?? 'simulator_installations' : 'clover_installations'
  return { database, storage: sqliteStorage(database, { table }) }
}
