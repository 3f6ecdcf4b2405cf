import type { FastifyInstance } from 'fastify'
import type { Runtime } from './runtime.js'

/** @internal Work that a closing server waits for. */
export interface Drainable {
  /** Resolves once everything in progress is finished, and after the given milliseconds at the latest. Must not reject. */
  drain (milliseconds: number): Promise<unknown>
}

/** The share of Fastify's `pluginTimeout` that a hook uses: the rest is for timers that fire late. */
const usedShare = 0.9

/**
 * @internal The shutdown of one registration, with one deadline for all waiting (rule 17). The deadline is set when the server begins to
 * close.
 */
export class Shutdown {
  readonly #monotonic: Runtime['monotonic']
  readonly #controller = new AbortController()
  #endsAt = Infinity
  /** Milliseconds from the beginning to the deadline. */
  readonly timeout: number

  constructor ({ monotonic }: Pick<Runtime, 'monotonic'>, timeout: number) {
    this.#monotonic = monotonic
    this.timeout = timeout
  }

  /** Aborted when the server begins to close: long work then starts nothing new. */
  get signal (): AbortSignal {
    return this.#controller.signal
  }

  /** Milliseconds until the deadline, negative after it; Infinity while the server is not closing. */
  timeLeft (): number {
    return this.#endsAt - this.#monotonic()
  }

  /** Waits for the work until the deadline, and for `atMost` milliseconds. The first call sets the deadline. */
  async drain (work: readonly Drainable[], atMost = Infinity): Promise<void> {
    this.#endsAt = Math.min(this.#endsAt, this.#monotonic() + this.timeout)
    this.#controller.abort()
    const milliseconds = Math.max(0, Math.min(atMost, this.timeLeft()))
    await Promise.all(work.map(part => part.drain(milliseconds)))
  }

  /**
   * Adds the hooks in which a host waits for the work, and then calls `close` (rule 19).
   *
   * The first drain is in `preClose`, since the host may close its store in an `onClose` that it registered later, which Fastify runs
   * earlier. Fastify gives each `preClose` hook its `pluginTimeout` (0: no limit), rejects `app.close()` if one takes longer, and skips
   * those that follow; so there are as many hooks as the whole time needs. The last drain is in `onClose`, which has no limit: requests
   * that were still being answered may have started refreshes.
   */
  addHooks (fastify: FastifyInstance, work: readonly Drainable[], close: () => void): void {
    const share = usedShare * (fastify.initialConfig.pluginTimeout || Infinity)
    for (let planned = 0; planned < this.timeout; planned += share) {
      fastify.addHook('preClose', () => this.drain(work, share))
    }
    fastify.addHook('onClose', async () => {
      await this.drain(work)
      close()
    })
  }
}
