import { lateness } from '../concurrency/deadline.js'

/** Who waits, between the one that began before and the one that began after. */
interface Waiting {
  reject: ((reason: Error) => void) | undefined
  /** The tick at which it began. */
  since: number
  before: Waiting | undefined
  after: Waiting | undefined
}

/**
 * The ticks in which a deadline is measured. It comes one to two ticks early, and not late: the length of a lease is computed from it. The
 * last tick is the grace after a late timer: see `#look()`.
 */
const ticks = 50

/**
 * @internal Ends promises that take too long, all after the same time.
 *
 * One timer serves all that wait: a timer and a race for each would cost more than a reading of a record from memory. They wait in a linked
 * list, since a Set of which one leaves as often as one comes makes its table anew all the time. What is waited for goes on.
 */
export class Deadlines {
  readonly #milliseconds: number
  readonly #late: () => Error
  /** Who began first comes first. */
  #first: Waiting | undefined
  #last: Waiting | undefined
  #tick = 0
  #timer: NodeJS.Timeout | undefined
  /** When the timer is due, by `now`. */
  #due = 0
  readonly #now: () => number

  /**
   * @param late makes the error for whoever waited for some milliseconds
   * @param now milliseconds on a clock that is never set back
   */
  constructor (milliseconds: number, late: () => Error, now: () => number = () => performance.now()) {
    this.#milliseconds = milliseconds
    this.#late = late
    this.#now = now
  }

  /** Settles as the promise does, or rejects in time. */
  within<T> (promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = this.#enter(reject)
      // An adapter may be no async function after all, and a value is as good as a promise of it.
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

  /** Once for each: who has left for being late leaves no second time. */
  #leave (waiting: Waiting): void {
    if (waiting.reject === undefined) return
    const { before, after } = waiting
    if (before) before.after = after
    else this.#first = after
    if (after) after.before = before
    else this.#last = before
    // Nothing of the list hangs on what the collector has not found yet.
    waiting.reject = waiting.before = waiting.after = undefined
  }

  /** The timer holds up no process that has nothing else to do. */
  #next (): void {
    const length = this.#milliseconds / ticks
    this.#due = this.#now() + length
    this.#timer = setTimeout(() => this.#look(), length).unref()
  }

  /**
   * Ends those whose time is over. A timer that fires late fires before Node reads its sockets, in which the store's answer may lie: then those
   * whose time is just over wait for one more tick.
   */
  #look (): void {
    this.#tick++
    const most = this.#now() - this.#due > lateness ? ticks : ticks - 1
    for (let first = this.#first; first && this.#tick - first.since >= most; first = this.#first) {
      const { reject } = first
      this.#leave(first)
      reject?.(this.#late())
    }
    this.#timer = undefined
    if (this.#first) this.#next()
  }
}
