import type { FastifyBaseLogger } from 'fastify'
import type { Runtime } from '../tokens/runtime.js'

/** Milliseconds between two reports at least. */
const pause = 1000

/** Seconds over which the rate is averaged. */
const memory = 30

/** @internal Tells a host how far a job is, once a second at most. A host that throws must not stop the job. */
export class Progress<Report> {
  readonly #runtime: Pick<Runtime, 'now'>
  readonly #log: Pick<FastifyBaseLogger, 'error'>
  readonly #onProgress: ((report: Report) => unknown) | undefined
  #reportedAt: number
  #reportedDone = 0
  /** Items a second; undefined until there was anything to measure. */
  #rate: number | undefined

  constructor (onProgress: ((report: Report) => unknown) | undefined, runtime: Pick<Runtime, 'now'>, log: Pick<FastifyBaseLogger, 'error'>) {
    this.#onProgress = onProgress
    this.#runtime = runtime
    this.#log = log
    this.#reportedAt = runtime.now()
  }

  /** Reports, unless it was done a moment ago. `make` is given the items a second of late. */
  step (done: number, make: (rate: number) => Report): void {
    if (this.#runtime.now() - this.#reportedAt >= pause) this.report(done, make)
  }

  /** Reports now. */
  report (done: number, make: (rate: number) => Report): void {
    if (this.#onProgress === undefined) return
    const now = this.#runtime.now()
    const seconds = (now - this.#reportedAt) / 1000
    if (seconds > 0) {
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
