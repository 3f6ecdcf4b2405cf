import { lateness } from './deadline.js'

/** A waiter, linked to the one before and the one after it, in order of arrival. */
interface Waiting {
  reject: ((reason: Error) => void) | undefined
  /** When it began, in monotonic milliseconds. */
  since: number
  before: Waiting | undefined
  after: Waiting | undefined
}

/** How often the clock is looked at while something waits: so many times in a timeout. */
const ticks = 50

/**
 * @internal Rejects promises that take too long, all with the same timeout.
 *
 * One timer serves all waiters: a timer and a race for each would cost more than reading a record from memory. The waiters are in a linked
 * list, since a Set whose entries come and go all the time rehashes repeatedly. The work behind a promise goes on after its timeout.
 *
 * While the process runs, a promise is rejected at most one tick before its timeout and never after it: the length of a lease assumes this
 * bound. Where timers are late, it is the clock that counts, not the number of ticks: on a busy machine a timeout stays what it says, and
 * ends at the first look at the clock after it.
 */
export class Deadlines {
  readonly #milliseconds: number
  readonly #late: () => Error
  /** The waiter that began first. */
  #first: Waiting | undefined
  #last: Waiting | undefined
  /** When the clock was last looked at, in monotonic milliseconds. */
  #looked = 0
  #timer: NodeJS.Timeout | undefined
  readonly #monotonic: () => number

  /**
   * @param milliseconds the timeout
   * @param late makes the error of a promise that timed out
   * @param monotonic a clock in milliseconds that is never set back
   */
  constructor (milliseconds: number, late: () => Error, monotonic: () => number = () => performance.now()) {
    this.#milliseconds = milliseconds
    this.#late = late
    this.#monotonic = monotonic
  }

  /** Settles as the promise does, or rejects after the timeout. */
  within<T> (promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = this.#enter(reject)
      // An adapter may return a plain value instead of a promise.
      Promise.resolve(promise).then(value => {
        this.#leave(waiting)
        resolve(value)
      }, error => {
        this.#leave(waiting)
        reject(error)
      })
    })
  }

  #enter (reject: (reason: Error) => void): Waiting {
    const waiting: Waiting = { reject, since: this.#monotonic(), before: this.#last, after: undefined }
    if (this.#last) this.#last.after = waiting
    else this.#first = waiting
    this.#last = waiting
    if (this.#timer === undefined) this.#next(waiting.since)
    return waiting
  }

  /** Unlinks a waiter. One that timed out is unlinked already. */
  #leave (waiting: Waiting): void {
    if (waiting.reject === undefined) return
    const { before, after } = waiting
    if (before) before.after = after
    else this.#first = after
    if (after) after.before = before
    else this.#last = before
    // Without its links, a waiter that is not collected yet keeps no others in memory.
    waiting.reject = waiting.before = waiting.after = undefined
  }

  /** Starts the timer of the next tick. It does not keep the process alive. */
  #next (now: number): void {
    this.#looked = now
    this.#timer = setTimeout(() => this.#onTick(), this.#milliseconds / ticks).unref()
  }

  /**
   * Rejects the waiters whose time is over. A timer that fires late fires before Node reads its sockets, where the store's answer may be:
   * then only those are rejected whose time was over at the tick before, since Node has read its sockets in between (rule 21).
   */
  #onTick (): void {
    const now = this.#monotonic()
    const length = this.#milliseconds / ticks
    const isLate = now - this.#looked > length + lateness
    // Up to one tick early rather than late.
    const began = (isLate ? this.#looked : now) + length - this.#milliseconds
    for (let first = this.#first; first && first.since <= began; first = this.#first) {
      const { reject } = first
      this.#leave(first)
      reject?.(this.#late())
    }
    this.#timer = undefined
    if (this.#first) this.#next(now)
  }
}
