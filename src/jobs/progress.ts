import type { FastifyBaseLogger } from 'fastify'
import type { Runtime } from '../runtime.js'

/** Milliseconds between two reports at least. */
const pause = 1000

/** Seconds over which the rate is averaged. */
const memory = 30

/** @internal Reports the progress of a job to the host, once a second at most. An error of the host is logged, and does not stop the job. */
export class Progress<Report> {
  readonly #runtime: Pick<Runtime, 'monotonic'>
  readonly #log: Pick<FastifyBaseLogger, 'error'>
  readonly #onProgress: ((report: Report) => unknown) | undefined
  #reportedAt: number
  #reportedDone = 0
  /** Items a second; undefined before the first measurement. */
  #rate: number | undefined

  constructor (onProgress: ((report: Report) => unknown) | undefined, runtime: Pick<Runtime, 'monotonic'>, log: Pick<FastifyBaseLogger, 'error'>) {
    this.#onProgress = onProgress
    this.#runtime = runtime
    this.#log = log
    this.#reportedAt = runtime.monotonic()
  }

  /**
   * Reports, unless the last report is less than a second old. `done`: the items that count for the rate. `make` is called with the recent rate, in
   * items a second.
   */
  step (done: number, make: (rate: number) => Report): void {
    if (this.#runtime.monotonic() - this.#reportedAt >= pause) this.report(done, make)
  }

  /** Reports now. */
  report (done: number, make: (rate: number) => Report): void {
    if (this.#onProgress === undefined) return
    const now = this.#runtime.monotonic()
    const seconds = (now - this.#reportedAt) / 1000
    // Where nothing was done, other items were passed over: that says nothing about the rate.
    if (seconds > 0 && done > this.#reportedDone) {
      const rate = (done - this.#reportedDone) / seconds
      const weight = 1 - Math.exp(-seconds / memory)
      this.#rate = this.#rate === undefined ? rate : this.#rate + weight * (rate - this.#rate)
    }
    this.#reportedAt = now
    this.#reportedDone = done
    const failed = (err: unknown) => { this.#log.error({ err }, 'fastify-clover: onProgress threw') }
    try {
      Promise.resolve(this.#onProgress(make(this.#rate ?? 0))).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}
