import type { Timing } from './deadline.js'
import { closing, tooManyVisits } from '../errors.js'
import { RateLimiter } from './rate-limiter.js'
import type { Runtime } from '../runtime.js'
import { within } from './within.js'

/** @internal The limits of a {@link VisitQueue}, and what it needs. */
export interface VisitQueueOptions {
  /** The most tasks that run at once. */
  atOnce: number
  /** The most tasks that begin in a second; they begin evenly. */
  rate: number
  /** The most tasks that wait. */
  mostWaiting: number
  /** The most milliseconds that a task waits. */
  maxWait: number
  runtime: Pick<Runtime, 'monotonic' | 'sleep'>
  /** Aborted when the server begins to close: the tasks that wait then do not run. */
  closing: AbortSignal
  timing?: Timing
}

/**
 * @internal The queue for calls to Clover that a visitor causes (rule 24).
 *
 * Anybody can send a made-up code, and each costs a call to Clover. In the queue of the refreshes, a few thousand of them would hold up every
 * refresh, and exceed Clover's limit for the app. Here they wait only for each other, with limits on how many run, start and wait, and for how long.
 * A task beyond the limits gets an error with `retryAfter` in seconds.
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
export class VisitQueue {
  readonly #options: VisitQueueOptions
  readonly #limiter: RateLimiter
  /** The functions that start or end each waiting task, in order of arrival. */
  readonly #waiting = new Map<symbol, { start: () => void, end: (error: Error) => void }>()
  #open = 0

  constructor (options: VisitQueueOptions) {
    this.#options = options
    this.#limiter = new RateLimiter(options)
    options.closing.addEventListener('abort', () => { for (const { end } of this.#waiting.values()) end(closing()) })
  }

  /**
   * Runs a task once it is its turn; resolves or rejects as the task does.
   *
   * @throws FST_CLOVER_UNAVAILABLE if too many wait, or if the turn does not come in time; FST_CLOVER_CLOSING. The task does not run then
   */
  async run<T> (task: () => Promise<T>): Promise<T> {
    await this.#turn()
    try {
      await this.#limiter.turn()
      return await task()
    } finally {
      this.#leave()
    }
  }

  async #turn (): Promise<void> {
    const { atOnce, mostWaiting, maxWait, timing, closing: { aborted } } = this.#options
    if (this.#open < atOnce) {
      this.#open++
      return
    }
    if (aborted) throw closing()
    if (this.#waiting.size >= mostWaiting) throw this.#tooMany()
    const ticket = Symbol('visit')
    const turn = new Promise<void>((resolve, reject) => { this.#waiting.set(ticket, { start: resolve, end: reject }) })
    try {
      await within(turn, maxWait, () => this.#tooMany(), undefined, timing)
    } catch (error) {
      // Its turn may have come at the same moment.
      if (!this.#waiting.delete(ticket)) this.#leave()
      throw error
    }
  }

  /** Gives the place to the task that has waited longest. */
  #leave (): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#open--
      return
    }
    const [ticket, { start }] = next
    this.#waiting.delete(ticket)
    start()
  }

  /** `retryAfter`: the waiting tasks need at least this long. */
  #tooMany (): Error {
    return tooManyVisits(this.#waiting.size / this.#options.rate)
  }
}
