/** Entries of work that has ended are swept out when there are so many. */
const untidy = 1_000

/**
 * @internal What is under way for each key.
 *
 * A Map whose entries come and go all the time makes its table anew again and again, which costs more than a reading of a record from
 * memory. So an entry stays when its work has ended, without it, until there are too many.
 */
export class UnderWay<T extends object> {
  readonly #entries = new Map<string, T | undefined>()
  #most = untidy

  /** How many entries there are, with those whose work has ended. */
  get size (): number {
    return this.#entries.size
  }

  get (key: string): T | undefined {
    return this.#entries.get(key)
  }

  set (key: string, work: T): void {
    this.#entries.set(key, work)
    if (this.#entries.size > this.#most) this.#sweep()
  }

  /** Forgets what is under way for a key. */
  end (key: string): void {
    if (this.#entries.get(key) !== undefined) this.#entries.set(key, undefined)
  }

  #sweep (): void {
    for (const [key, work] of this.#entries) {
      if (work === undefined) this.#entries.delete(key)
    }
    // Many at once must not be looked through for each that comes.
    this.#most = Math.max(untidy, 2 * this.#entries.size)
  }
}
