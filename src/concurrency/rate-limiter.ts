import type { Runtime } from '../runtime.js'

/** @internal The rate of a {@link RateLimiter}, and what it needs. */
export interface RateLimiterOptions {
  /** Requests a second. */
  rate: number
  runtime: Pick<Runtime, 'monotonic' | 'sleep'>
}

/** Milliseconds by which a timer may be late without lowering the rate: the interval between two requests, within these bounds. */
const lateness = { least: 20, most: 100 }

/** The longest pause after a 429 in seconds, whatever its `retry-after` says. */
const longestPause = 60

/** The longest interval between two requests after `hurry()`, in milliseconds. */
const hurriedInterval = 50

/** The largest factor by which the rate is lowered after 429s. */
const slowest = 16

/**
 * @internal Spaces requests evenly, at a rate per second, first come, first served.
 *
 * Clover's limit is for the whole app. After a 429 all requests pause, and then continue more slowly until nothing is refused any more: other
 * servers of the app need a share of the limit too.
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
export class RateLimiter {
  readonly #rate: number
  readonly #runtime: Pick<Runtime, 'monotonic' | 'sleep'>
  #queue: Promise<void> = Promise.resolve()
  /** Monotonic milliseconds: no request starts before. */
  #next = 0
  /** Monotonic milliseconds. */
  #pausedUntil = 0
  /** Calls of `slowDown()` in a row. */
  #refusals = 0
  #slowness = 1
  #isHurried = false
  #wake = new AbortController()

  constructor ({ rate, runtime }: RateLimiterOptions) {
    this.#rate = rate
    this.#runtime = runtime
  }

  /** Resolves when the next request may start. */
  turn (): Promise<void> {
    this.#queue = this.#queue.then(() => this.#wait())
    return this.#queue
  }

  /** Counts requests that are made without a turn of their own. */
  charge (requests: number): void {
    this.#next += requests * this.#interval
  }

  /** Call it after a 429 or an outage: pauses for `retryAfter` seconds, or for one second that doubles with each call in a row, whichever is longer. */
  slowDown (retryAfter = 0): void {
    const { monotonic } = this.#runtime
    // Requests that were made before the pause may all be refused: that counts once.
    if (monotonic() >= this.#pausedUntil) {
      this.#refusals++
      this.#slowness = Math.min(slowest, this.#slowness * 2)
    }
    if (this.#isHurried) return
    const seconds = Math.min(longestPause, Math.max(retryAfter, 2 ** (this.#refusals - 1)))
    this.#pausedUntil = Math.max(this.#pausedUntil, monotonic() + seconds * 1000)
  }

  /** Call it after a usable answer: returns to the full rate little by little. */
  ease (): void {
    if (this.#runtime.monotonic() < this.#pausedUntil) return
    this.#refusals = 0
    this.#slowness = Math.max(1, this.#slowness * 0.98)
  }

  /** Drops the current pause, makes no further ones, and limits the interval: when a server closes, the requests that are left must end soon. */
  hurry (): void {
    this.#isHurried = true
    this.#pausedUntil = 0
    this.#next = Math.min(this.#next, this.#runtime.monotonic() + this.#interval)
    this.#wake.abort()
    this.#wake = new AbortController()
  }

  get #interval (): number {
    const interval = 1000 / this.#rate * this.#slowness
    return this.#isHurried ? Math.min(interval, hurriedInterval) : interval
  }

  async #wait (): Promise<void> {
    const { monotonic, sleep } = this.#runtime
    for (let wait = this.#timeLeft(); wait > 0; wait = this.#timeLeft()) await sleep(Math.ceil(wait), this.#wake.signal)
    const grace = Math.min(lateness.most, Math.max(lateness.least, this.#interval))
    this.#next = Math.max(this.#next, monotonic() - grace) + this.#interval
  }

  #timeLeft (): number {
    return Math.max(this.#next, this.#pausedUntil) - this.#runtime.monotonic()
  }
}
