import type { CallFilter, CloverSimulator } from 'fastify-clover/testing'

/**
 * What became of a caller: it got a token, or it got none although one lived, or while none lived. Where Clover does not answer, a caller has got a token if
 * the stored one lived before or after the call.
 */
export type Fate = 'served' | 'failed' | 'without'

/** Calls to Clover's token endpoints, by the simulator's count, and the fates of callers. */
export interface Numbers {
  exchanges: number
  refreshes: number
  recoveries: number
  served: number
  failed: number
  without: number
}

/** Numbers from a moment on. */
export interface Watch extends Numbers {
  /** Milliseconds that the slowest caller waited for its token. */
  slowest: number
}

/** The newest seconds that are kept. */
export const secondsKept = 180

/** Counts what the chart shows. */
export class Measures {
  /** The numbers of each of the last seconds, oldest first. */
  readonly seconds: Numbers[] = []
  readonly #simulator: CloverSimulator
  readonly #fates = { served: 0, failed: 0, without: 0 }
  readonly #watches = new Set<{ slowest: number }>()
  #last: Numbers

  constructor (simulator: CloverSimulator) {
    this.#simulator = simulator
    this.#last = this.totals
  }

  /** The numbers since the start. */
  get totals (): Numbers {
    return this.#totalsOf({})
  }

  /** Counts a caller. `waited`: milliseconds for its token. */
  count (fate: Fate, waited = 0): void {
    this.#fates[fate]++
    for (const watch of this.#watches) watch.slowest = Math.max(watch.slowest, waited)
  }

  /** Ends a second, and returns its numbers. */
  tick (): Numbers {
    const totals = this.totals
    const second = since(totals, this.#last)
    this.#last = totals
    this.seconds.push(second)
    if (this.seconds.length > secondsKept) this.seconds.shift()
    return second
  }

  /** Begins to watch; the function returned ends it with the numbers since. With a merchant, calls to Clover count for this one only. */
  watch (about: CallFilter = {}): () => Watch {
    const begin = this.#totalsOf(about)
    const watch = { slowest: 0 }
    this.#watches.add(watch)
    return () => {
      this.#watches.delete(watch)
      return { ...since(this.#totalsOf(about), begin), ...watch }
    }
  }

  #totalsOf (about: CallFilter): Numbers {
    return {
      exchanges: this.#simulator.count('token', about),
      refreshes: this.#simulator.count('refresh', about),
      recoveries: this.#simulator.count('recovery', about),
      ...this.#fates
    }
  }
}

function since (numbers: Numbers, before: Numbers): Numbers {
  const names = Object.keys(before) as Array<keyof Numbers>
  return Object.fromEntries(names.map(name => [name, numbers[name] - before[name]])) as unknown as Numbers
}
