import { closing } from '../errors.js'
import type { Runtime } from '../runtime.js'
import { CallSlots } from '../concurrency/call-slots.js'

/**
 * @internal The long jobs of a process. They get at most half of its calls to Clover, so that handlers need not wait long behind them, and
 * they end when the server closes.
 */
export class Jobs {
  /** A call of a job takes one of these, and then one of the process's slots. */
  readonly slots: Pick<CallSlots, 'run'>
  readonly #runtime: Pick<Runtime, 'sleep'>
  readonly #closing: AbortSignal
  readonly #open = new Set<Promise<unknown>>()

  /**
   * @param maxCalls the calls to Clover that the process has open at once
   * @param closing aborted when the server begins to close: jobs then begin nothing new
   */
  constructor (maxCalls: number, runtime: Pick<Runtime, 'sleep'>, closing: AbortSignal) {
    this.slots = new CallSlots(Math.max(1, Math.floor(maxCalls / 2)))
    this.#runtime = runtime
    this.#closing = closing
  }

  /**
   * Returns the signal that ends a job: it is aborted when the server closes, or with any of the given signals.
   *
   * @throws FST_CLOVER_CLOSING if the server is closing already
   */
  begin (...signals: Array<AbortSignal | undefined>): AbortSignal {
    if (this.#closing.aborted) throw closing()
    const others = signals.filter(signal => signal !== undefined)
    // Each combined signal stays with the one of the process for a while.
    return others.length === 0 ? this.#closing : AbortSignal.any([this.#closing, ...others])
  }

  /** Settles as the work does. A closing server waits for it. */
  async track<T> (work: Promise<T>): Promise<T> {
    const settled = work.then(() => {}, () => {})
    this.#open.add(settled)
    try {
      return await work
    } finally {
      this.#open.delete(settled)
    }
  }

  /** Resolves once all tracked work is finished, and after the given milliseconds at the latest. */
  async drain (milliseconds: number): Promise<void> {
    const deadline = new AbortController()
    await Promise.race([Promise.all(this.#open), this.#runtime.sleep(milliseconds, deadline.signal)])
    deadline.abort()
  }
}
