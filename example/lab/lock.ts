import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../database.js'

/**
 * Locks the SQLite file against writers for some seconds, or until the signal, as a backup or a migration would. It has a connection of its own, so that
 * others of this process can read.
 */
export async function lockFor (file: string, seconds: number, signal: AbortSignal): Promise<void> {
  const { database } = openDatabase(file, {})
  // A statement that waits would stop this process, and everything in it: it is tried again instead.
  database.exec('PRAGMA busy_timeout = 0')
  const begin = () => {
    try {
      database.exec('BEGIN IMMEDIATE')
      return true
    } catch {
      return false
    }
  }
  while (!begin() && !signal.aborted) await sleep(10)
  await sleep(seconds * 1000, undefined, { signal }).catch(() => {})
  database.close()
}
