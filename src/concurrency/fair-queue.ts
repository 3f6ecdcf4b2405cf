import { within } from './within.js'

/** @internal How many tasks run at once. */
export interface FairQueueLimits {
  /** Tasks of one key. */
  each: number
  /** Tasks of all keys. */
  total: number
}

/** @internal How long a task waits for its turn. */
export interface Patience {
  milliseconds: number
  /** The error of a task whose turn did not come in time. */
  late: () => unknown
  signal?: AbortSignal | undefined
}

interface Lane {
  /** Tasks that run. */
  open: number
  /** The functions that start the waiting tasks, in order of arrival. */
  waiting: Map<symbol, () => void>
}

/**
 * @internal Limits how many tasks run at once, of each key and of all. The keys take turns, so that one with a thousand waiting tasks does
 * not hold up another with one. The keys are merchants, and the tasks are calls with their tokens.
 */
export class FairQueue {
  readonly #limits: FairQueueLimits
  /** In the order of turns: a lane goes to the end when one of its tasks starts. */
  readonly #lanes = new Map<string, Lane>()
  #open = 0

  constructor (limits: FairQueueLimits) {
    this.#limits = limits
  }

  /** Runs a task once it is its turn; resolves or rejects as the task does, or rejects if its turn does not come in time. */
  async run<T> (key: string, task: () => Promise<T>, { milliseconds, late, signal }: Patience): Promise<T> {
    const lane = this.#lanes.get(key) ?? { open: 0, waiting: new Map() }
    this.#lanes.set(key, lane)
    const ticket = Symbol(key)
    const turn = new Promise<void>(resolve => { lane.waiting.set(ticket, resolve) })
    this.#next()
    try {
      await within(turn, milliseconds, late, signal)
    } catch (error) {
      // Its turn may have come at the same moment.
      if (lane.waiting.delete(ticket)) this.#forget(key, lane)
      else this.#leave(key, lane)
      throw error
    }
    try {
      return await task()
    } finally {
      this.#leave(key, lane)
    }
  }

  #leave (key: string, lane: Lane): void {
    lane.open--
    this.#open--
    this.#forget(key, lane)
    this.#next()
  }

  #forget (key: string, lane: Lane): void {
    if (lane.open === 0 && lane.waiting.size === 0) this.#lanes.delete(key)
  }

  /** Starts every task that may run now. The same loop reaches a lane again that was moved to the end. */
  #next (): void {
    for (const [key, lane] of this.#lanes) {
      if (this.#open >= this.#limits.total) return
      const [first] = lane.waiting
      if (first === undefined || lane.open >= this.#limits.each) continue
      const [ticket, start] = first
      lane.waiting.delete(ticket)
      lane.open++
      this.#open++
      this.#lanes.delete(key)
      this.#lanes.set(key, lane)
      start()
    }
  }
}
