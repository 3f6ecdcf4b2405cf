import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import fastq from 'fastq'

/** What the retries take from the world: tests give their own. */
export interface LockTime {
  /** Monotonic milliseconds. */
  now (): number
  /** Resolves after some milliseconds. */
  sleep (milliseconds: number): Promise<unknown>
  /** A number from 0 up to 1. */
  random (): number
}

interface Waiting {
  statement: () => unknown
  /** Monotonic milliseconds after which the statement must not run any more. */
  until: number
}

/**
 * Milliseconds between two attempts. Random, so that processes do not keep colliding; short, because a process that writes all the time leaves
 * only short gaps between its locks.
 */
const [shortestPause, longestPause] = [1, 10]

const realTime: LockTime = { now: () => performance.now(), sleep: milliseconds => sleep(milliseconds), random: Math.random }

/**
 * Runs statements, and tries those that find the database locked again, without blocking the process.
 *
 * Only the first of those that wait is tried: a thousand callers cost no more attempts than one. Between two statements the event loop
 * turns once.
 */
export class LockQueue {
  readonly #timeout: number
  readonly #time: LockTime
  readonly #queue = fastq.promise((waiting: Waiting) => this.#retry(waiting), 1)

  /** `timeout`: milliseconds for which a locked statement is tried again. */
  constructor (timeout: number, time: LockTime = realTime) {
    this.#timeout = timeout
    this.#time = time
  }

  /**
   * Runs a statement at once, or after those that already wait; gives a promise only if it has to wait.
   *
   * Throws or rejects as the statement throws, or with the code `SQLITE_BUSY` if the database stays locked: the statement has then changed nothing,
   * and will not run later.
   */
  run<T> (statement: () => T): T | Promise<T> {
    if (this.#queue.idle()) {
      try {
        return statement()
      } catch (error) {
        if (!isLocked(error)) throw error
      }
    }
    return this.#queue.push({ statement, until: this.#time.now() + this.#timeout }) as Promise<T>
  }

  async #retry ({ statement, until }: Waiting): Promise<unknown> {
    while (true) {
      await nextTurn()
      // Looked at before each attempt, and not by a timer: after a pause of the process the caller may have given up long ago.
      if (this.#time.now() >= until) throw this.#gaveUp()
      try {
        return statement()
      } catch (error) {
        if (!isLocked(error)) throw error
      }
      await this.#time.sleep(shortestPause + this.#time.random() * (longestPause - shortestPause))
    }
  }

  #gaveUp (): Error {
    return Object.assign(new Error(`The SQLite database stayed locked by another connection for ${this.#timeout} ms.`), { code: 'SQLITE_BUSY' })
  }
}

/** SQLite's primary result codes, the low byte of each extended one. Source: https://sqlite.org/rescode.html */
const [busy, locked] = [5, 6]

/** Whether a statement failed because another statement or connection holds a lock: then it has changed nothing and can be tried again. */
export function isLocked (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code, errcode } = error as { code?: unknown, errcode?: unknown }
  // node:sqlite
  if (typeof errcode === 'number') return (errcode & 0xff) === busy || (errcode & 0xff) === locked
  // better-sqlite3
  if (typeof code === 'string' && /^SQLITE_(?:BUSY|LOCKED)/.test(code)) return true
  // @photostructure/sqlite gives errors of prepared statements no number, but the text of sqlite3_errmsg.
  return code === 'ERR_SQLITE_ERROR' && /^database (?:\w+ )?is locked/.test(error.message)
}
