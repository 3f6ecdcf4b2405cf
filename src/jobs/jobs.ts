import { closing } from '../errors.js'
import type { Runtime } from '../tokens/runtime.js'
import { Slots } from '../tokens/slots.js'

/**
 * @internal The long work of a process: at most half of its calls to Clover, so that handlers never wait behind it for long, and an end
 * when the server closes.
 */
export class Jobs {
  /** Taken before one of the process's own slots. */
  readonly slots: Pick<Slots, 'run'>
  readonly #runtime: Pick<Runtime, 'sleep'>
  readonly #closing: AbortSignal
  readonly #open = new Set<Promise<unknown>>()

  /**
   * @param maxCalls the calls to Clover that the process has open at once
   * @param closing aborted when the server begins to close: jobs then begin nothing new
   */
  constructor (maxCalls: number, runtime: Pick<Runtime, 'sleep'>, closing: AbortSignal) {
    this.slots = new Slots(Math.max(1, Math.floor(maxCalls / 2)))
    this.#runtime = runtime
    this.#closing = closing
  }

  /** A signal for a job's end: the server closes, or any of the given signals says so. Throws `FST_CLOVER_CLOSING` if it is closing already. */
  begin (...signals: Array<AbortSignal | undefined>): AbortSignal {
    if (this.#closing.aborted) throw closing()
    return AbortSignal.any([this.#closing, ...signals.filter(signal => signal !== undefined)])
  }

  /** Work that must be finished before the server is closed. */
  async track<T> (work: Promise<T>): Promise<T> {
    const settled = work.then(() => {}, () => {})
    this.#open.add(settled)
    try {
      return await work
    } finally {
      this.#open.delete(settled)
    }
  }

  /** Resolves once all tracked work is finished, and after so many milliseconds at the latest. */
  async drain (milliseconds: number): Promise<void> {
    const deadline = new AbortController()
    await Promise.race([Promise.all(this.#open), this.#runtime.sleep(milliseconds, deadline.signal)])
    deadline.abort()
  }
}
