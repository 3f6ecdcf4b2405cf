import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import fastq from 'fastq'

/** Time and randomness for the retries; tests pass their own. */
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
  /** Monotonic milliseconds: the statement must not run later. */
  until: number
}

/**
 * Milliseconds between two attempts. Random, so that processes do not collide repeatedly; short, because a process that writes continuously leaves
 * only short gaps between its locks.
 */
const [shortestPause, longestPause] = [1, 10]

const realTime: LockTime = { now: () => performance.now(), sleep: milliseconds => sleep(milliseconds), random: Math.random }

/**
 * Runs statements, and retries those that find the database locked, without blocking the process (rule 20).
 *
 * Only the first statement of the queue is retried: a thousand waiting callers cost no more attempts than one. Between two statements the event loop
 * runs once.
 */
export class LockQueue {
  readonly #timeout: number
  readonly #time: LockTime
  readonly #queue = fastq.promise((waiting: Waiting) => this.#retry(waiting), 1)

  /** @param timeout milliseconds for which a locked statement is retried */
  constructor (timeout: number, time: LockTime = realTime) {
    this.#timeout = timeout
    this.#time = time
  }

  /**
   * Runs a statement at once, or after those in the queue. Returns a promise only if it has to wait.
   *
   * Throws or rejects with the statement's error, or with the code `SQLITE_BUSY` if the database stays locked: the statement has then changed nothing
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
      // Checked before each attempt instead of by a timer: if the process was suspended, the caller may have given up long ago.
      if (this.#time.now() >= until) throw this.#timedOut()
      try {
        return statement()
      } catch (error) {
        if (!isLocked(error)) throw error
      }
      await this.#time.sleep(shortestPause + this.#time.random() * (longestPause - shortestPause))
    }
  }

  #timedOut (): Error {
    return Object.assign(new Error(`The SQLite database stayed locked by another connection for ${this.#timeout} ms.`), { code: 'SQLITE_BUSY' })
  }
}

/** SQLite's primary result codes, the low byte of each extended one. Source: https://sqlite.org/rescode.html */
const [busy, locked] = [5, 6]

/** Whether a statement failed because another statement or connection holds a lock. It has then changed nothing and can be retried. */
export function isLocked (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code, errcode } = error as { code?: unknown, errcode?: unknown }
  // node:sqlite
  if (typeof errcode === 'number') return (errcode & 0xff) === busy || (errcode & 0xff) === locked
  // better-sqlite3
  if (typeof code === 'string' && /^SQLITE_(?:BUSY|LOCKED)/.test(code)) return true
  // @photostructure/sqlite: errors of prepared statements have no number, only the text of sqlite3_errmsg.
  return code === 'ERR_SQLITE_ERROR' && /^database (?:\w+ )?is locked/.test(error.message)
}
