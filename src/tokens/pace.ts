import type { Runtime } from './runtime.js'

/** @internal */
export interface PaceOptions {
  /** Requests a second. */
  rate: number
  runtime: Pick<Runtime, 'now' | 'sleep'>
}

/** Milliseconds that a timer may be late without costing any of the rate: as many as between two requests, within these bounds. */
const lateness = { least: 20, most: 100 }

/** Seconds that a refusal for too many requests pauses everything at most, whatever Clover asks for. */
const longestPause = 60

/** Milliseconds between two requests at most, once what is left is to be finished soon. */
const hurriedInterval = 50

/** How many times slower than asked for it goes at most, while Clover says that it is too fast. */
const slowest = 16

/**
 * @internal Lets requests leave evenly, so many a second, first come first served.
 *
 * Clover's limit is for the whole app. When Clover says that it is met, everything waits, and goes on slower than before until nothing is
 * refused any more: whoever else uses the app has a right to its share too.
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
export class Pacer {
  readonly #rate: number
  readonly #runtime: Pick<Runtime, 'now' | 'sleep'>
  #line: Promise<void> = Promise.resolve()
  /** Local Unix milliseconds: nothing leaves before. */
  #next = 0
  #pausedUntil = 0
  /** Refusals in a row. */
  #strikes = 0
  #slowness = 1
  #isHurried = false
  #wake = new AbortController()

  constructor ({ rate, runtime }: PaceOptions) {
    this.#rate = rate
    this.#runtime = runtime
  }

  /** Resolves when the next request may leave. */
  turn (): Promise<void> {
    this.#line = this.#line.then(() => this.#wait())
    return this.#line
  }

  /** Counts requests that leave without a turn of their own. */
  charge (requests: number): void {
    this.#next += requests * this.#interval
  }

  /** Clover says that it is too much: waits for the seconds that it asks for, at least one, twice as long each time. */
  slowDown (retryAfter = 0): void {
    const { now } = this.#runtime
    // Requests that left before the pause may all be refused: that counts once.
    if (now() >= this.#pausedUntil) {
      this.#strikes++
      this.#slowness = Math.min(slowest, this.#slowness * 2)
    }
    if (this.#isHurried) return
    const seconds = Math.min(longestPause, Math.max(retryAfter, 2 ** (this.#strikes - 1)))
    this.#pausedUntil = Math.max(this.#pausedUntil, now() + seconds * 1000)
  }

  /** Clover answered: back to the full rate, little by little. */
  ease (): void {
    if (this.#runtime.now() < this.#pausedUntil) return
    this.#strikes = 0
    this.#slowness = Math.max(1, this.#slowness * 0.98)
  }

  /** Ends the pause, and makes no more, nor one of a slow pace: a pair may be in hand, and a server that closes waits no longer than it must. */
  hurry (): void {
    this.#isHurried = true
    this.#pausedUntil = 0
    this.#next = Math.min(this.#next, this.#runtime.now() + this.#interval)
    this.#wake.abort()
    this.#wake = new AbortController()
  }

  get #interval (): number {
    const interval = 1000 / this.#rate * this.#slowness
    return this.#isHurried ? Math.min(interval, hurriedInterval) : interval
  }

  async #wait (): Promise<void> {
    const { now, sleep } = this.#runtime
    for (let wait = this.#left(); wait > 0; wait = this.#left()) await sleep(Math.ceil(wait), this.#wake.signal)
    const lost = Math.min(lateness.most, Math.max(lateness.least, this.#interval))
    this.#next = Math.max(this.#next, now() - lost) + this.#interval
  }

  #left (): number {
    return Math.max(this.#next, this.#pausedUntil) - this.#runtime.now()
  }
}
