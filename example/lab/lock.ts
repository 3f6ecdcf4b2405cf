import { setTimeout as sleep } from 'node:timers/promises'
import type { DatabaseSyncInstance } from '@photostructure/sqlite'

/** Locks an SQLite database against writers for some seconds, or until the signal, as a backup or a migration would. */
export async function lockFor (database: DatabaseSyncInstance, seconds: number, signal: AbortSignal): Promise<void> {
  // Tried again and again, since a statement that waits would stop this process, and everything in it.
  while (!begin(database) && !signal.aborted) await sleep(10)
  await sleep(seconds * 1000, undefined, { signal }).catch(() => {})
  if (database.isTransaction) database.exec('ROLLBACK')
}

function begin (database: DatabaseSyncInstance): boolean {
  try {
    database.exec('BEGIN IMMEDIATE')
    return true
  } catch {
    return false
  }
}
