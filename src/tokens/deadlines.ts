interface Waiting {
  reject: (reason: Error) => void
  /** The tick at which it began. */
  since: number
}

/** The ticks in which a deadline is measured: it comes early by one of them at most, and not late, since leases are reckoned by it. */
const ticks = 20

/**
 * @internal Ends promises that take too long, all after the same time.
 *
 * One timer serves all that wait: a timer and a race for each would cost more than a reading of a record from memory. What is waited for
 * goes on.
 */
export class Deadlines {
  readonly #milliseconds: number
  readonly #late: () => Error
  /** Who began first comes first. */
  readonly #waiting = new Set<Waiting>()
  #tick = 0
  #timer: NodeJS.Timeout | undefined

  /** @param late makes the error for whoever waited for some milliseconds */
  constructor (milliseconds: number, late: () => Error) {
    this.#milliseconds = milliseconds
    this.#late = late
  }

  /** Settles as the promise does, or rejects in time. */
  within<T> (promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = { reject, since: this.#tick }
      this.#waiting.add(waiting)
      if (this.#timer === undefined) this.#next()
      // An adapter may be no async function after all, and a value is as good as a promise of it.
      Promise.resolve(promise).then(value => {
        this.#waiting.delete(waiting)
        resolve(value)
      }, error => {
        this.#waiting.delete(waiting)
        reject(error)
      })
    })
  }

  /** The timer holds up no process that has nothing else to do. */
  #next (): void {
    this.#timer = setTimeout(() => this.#look(), this.#milliseconds / ticks).unref()
  }

  #look (): void {
    this.#tick++
    for (const waiting of this.#waiting) {
      if (this.#tick - waiting.since < ticks) break
      this.#waiting.delete(waiting)
      waiting.reject(this.#late())
    }
    this.#timer = undefined
    if (this.#waiting.size > 0) this.#next()
  }
}
