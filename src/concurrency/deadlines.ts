import { lateness } from './deadline.js'

/** A waiter, linked to the one before and the one after it, in order of arrival. */
interface Waiting {
  reject: ((reason: Error) => void) | undefined
  /** The tick at which it began. */
  since: number
  before: Waiting | undefined
  after: Waiting | undefined
}

/**
 * The number of ticks in a timeout. It fires one to two ticks early, never late: the length of a lease assumes this bound. The last tick is
 * the grace after a late timer: see `#onTick()`.
 */
const ticks = 50

/**
 * @internal Rejects promises that take too long, all with the same timeout.
 *
 * One timer serves all waiters: a timer and a race for each would cost more than reading a record from memory. The waiters are in a linked
 * list, since a Set whose entries come and go all the time rehashes repeatedly. The work behind a promise goes on after its timeout.
 */
export class Deadlines {
  readonly #milliseconds: number
  readonly #late: () => Error
  /** The waiter that began first. */
  #first: Waiting | undefined
  #last: Waiting | undefined
  #tick = 0
  #timer: NodeJS.Timeout | undefined
  /** When the timer is due, in monotonic milliseconds. */
  #due = 0
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
    const waiting: Waiting = { reject, since: this.#tick, before: this.#last, after: undefined }
    if (this.#last) this.#last.after = waiting
    else this.#first = waiting
    this.#last = waiting
    if (this.#timer === undefined) this.#next()
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
  #next (): void {
    const length = this.#milliseconds / ticks
    this.#due = this.#monotonic() + length
    this.#timer = setTimeout(() => this.#onTick(), length).unref()
  }

  /**
   * Rejects the waiters whose time is over. A timer that fires late fires before Node reads its sockets, where the store's answer may be:
   * then waiters whose time has just ended get one more tick.
   */
  #onTick (): void {
    this.#tick++
    const most = this.#monotonic() - this.#due > lateness ? ticks : ticks - 1
    for (let first = this.#first; first && this.#tick - first.since >= most; first = this.#first) {
      const { reject } = first
      this.#leave(first)
      reject?.(this.#late())
    }
    this.#timer = undefined
    if (this.#first) this.#next()
  }
}
