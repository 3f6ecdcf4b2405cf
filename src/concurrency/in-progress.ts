/** The fewest entries at which those of finished work are swept out. */
const minimumSweep = 1_000

/**
 * @internal The work in progress for each key.
 *
 * A Map whose entries come and go all the time rehashes repeatedly, which costs more than reading a record from memory. So finished entries
 * stay as tombstones, and are swept in bulk.
 */
export class InProgress<T extends object> {
  readonly #entries = new Map<string, T | undefined>()
  #sweepAbove = minimumSweep

  /** How many entries there are, tombstones included. */
  get size (): number {
    return this.#entries.size
  }

  get (key: string): T | undefined {
    return this.#entries.get(key)
  }

  set (key: string, work: T): void {
    this.#entries.set(key, work)
    if (this.#entries.size > this.#sweepAbove) this.#sweep()
  }

  /** Marks the work for a key as finished. */
  end (key: string): void {
    if (this.#entries.get(key) !== undefined) this.#entries.set(key, undefined)
  }

  #sweep (): void {
    for (const [key, work] of this.#entries) {
      if (work === undefined) this.#entries.delete(key)
    }
    // With many keys in progress, each new one must not cause a sweep.
    this.#sweepAbove = Math.max(minimumSweep, 2 * this.#entries.size)
  }
}
