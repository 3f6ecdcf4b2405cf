import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { sqliteStorage, type CloverStorage } from 'fastify-clover/storage'
import Database from 'libsql'

/**
 * Opens the SQLite file, and the plugin's storage in it.
 *
 * The simulator forgets its tokens when it stops, so its merchants are kept in a table of their own, which begins empty. The table of the
 * real Clover is never emptied: the tokens in it are all that keeps the merchants connected.
 */
export function openDatabase (file: string, { isSimulated }: { isSimulated: boolean }): { database: Database.Database, storage: CloverStorage } {
  mkdirSync(dirname(file), { recursive: true })
  const database = new Database(file, { timeout: 5_000 })
  const table = isSimulated ? 'simulator_installations' : 'clover_installations'
  if (isSimulated) database.exec(`DROP TABLE IF EXISTS ${table}`)
  return { database, storage: sqliteStorage(database, { table }) }
}
