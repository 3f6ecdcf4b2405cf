import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSyncInstance, SqliteModule } from '@photostructure/sqlite'
import { sqliteStorage, type CloverStorage } from 'fastify-clover/storage'
import { BadSettings, type Settings } from './settings.js'

// Node has SQLite from 22.13 on; @photostructure/sqlite is the same for Node 20.
const { DatabaseSync } = (process.getBuiltinModule('node:sqlite') ?? await import('@photostructure/sqlite')) as SqliteModule

/** The table of the real Clover is never emptied: the tokens in it are all that keeps the merchants connected. */
const table = 'clover_installations'

/** Merchants of a simulator have a table of their own: another simulator, which runs on another port, may use the same file. */
export function simulatorTable ({ simulatorPort }: Pick<Settings, 'simulatorPort'>): string {
  return `simulator_${simulatorPort}_installations`
}

interface DatabaseOptions {
  /** The table, if a simulator takes Clover's place. */
  simulatorTable?: string | undefined
  /** Whether a power cut may take the last writes, which then wait for no disk. */
  isTrial?: boolean
}

/** Opens the SQLite file, and the plugin's storage in it. Any number of processes may. */
export function openDatabase (file: string, { simulatorTable, isTrial = false }: DatabaseOptions): { database: DatabaseSyncInstance, storage: CloverStorage } {
  mkdirSync(dirname(file), { recursive: true })
  // The timeout is for the statements below, should another process use the file: the adapter waits for locks by itself.
  const database = new DatabaseSync(file, { timeout: 5_000 })
  // A write blocks this process until the disk has it. In a write-ahead log that is one wait for the disk and not several.
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(`PRAGMA synchronous = ${isTrial ? 'NORMAL' : 'FULL'}`)
  return { database, storage: sqliteStorage(database, { table: simulatorTable ?? table }) }
}

/** Makes sure that the SQLite file can be written. Throws {@link BadSettings}. */
export function checkDatabase (file: string): void {
  try {
    const { database } = openDatabase(file, {})
    database.exec('BEGIN IMMEDIATE; PRAGMA user_version = 1; COMMIT')
    database.close()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new BadSettings(`The SQLite file ${file} cannot be written (${reason}). Name another: DATABASE=/tmp/daybook.sqlite npm start`)
  }
}

/** Forgets the merchants of an earlier simulator on this port, which has forgotten their tokens: called once the port is this process's. */
export function forgetSimulated (settings: Settings): void {
  const { database } = openDatabase(settings.database, {})
  database.exec(`DROP TABLE IF EXISTS ${simulatorTable(settings)}`)
  database.close()
}
