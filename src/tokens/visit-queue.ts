import type { Timing } from '../concurrency/deadline.js'
import { closing, tooManyVisits } from '../errors.js'
import { Pacer } from './pace.js'
import type { Runtime } from './runtime.js'
import { within } from './within.js'

/** @internal */
export interface VisitQueueOptions {
  /** The most tasks that run at once. */
  atOnce: number
  /** The most tasks that begin in a second; they begin evenly. */
  rate: number
  /** The most tasks that wait. */
  mostWaiting: number
  /** The most milliseconds that a task waits. */
  maxWait: number
  /** `now`: milliseconds on a clock that is never set back. */
  runtime: Pick<Runtime, 'now' | 'sleep'>
  /** Aborted when the server begins to close: the tasks that wait then do not run. */
  closing: AbortSignal
  timing?: Timing
}

/**
 * @internal The queue of the calls to Clover that a visitor causes.
 *
 * Anybody can send a made-up code, and each costs a call to Clover. In the queue of the refreshes, a few thousand of them would hold up every
 * refresh, and exceed Clover's limit for the app. Here they wait for each other only: few at once, so many a second, and for so long. Whoever is one
 * too many gets an error with the seconds after which to try again.
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
export class VisitQueue {
  readonly #options: VisitQueueOptions
  readonly #pacer: Pacer
  /** What starts or ends each task that waits, in order of arrival. */
  readonly #waiting = new Map<symbol, { start: () => void, end: (error: Error) => void }>()
  #open = 0

  constructor (options: VisitQueueOptions) {
    this.#options = options
    this.#pacer = new Pacer(options)
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
      await this.#pacer.turn()
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
      // Its turn may have come in the same moment.
      if (!this.#waiting.delete(ticket)) this.#leave()
      throw error
    }
  }

  /** Hands the place to the one that has waited longest. */
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

  /** Those who wait need at least this long. */
  #tooMany (): Error {
    return tooManyVisits(this.#waiting.size / this.#options.rate)
  }
}
