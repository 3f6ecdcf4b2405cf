/** An entry of an expiring map. */
export interface Perishable {
  /** Unix seconds from which the entry is not valid any more. */
  until: number
}

/**
 * A map of secrets that expire, in the order in which they were added.
 *
 * Its size is bounded: `add` removes the oldest entries as long as they have expired, or as there are `max` of them.
 */
export class ExpiringMap<T extends Perishable> {
  readonly #entries = new Map<string, T>()
  readonly #now: () => number
  readonly #max: number

  /**
   * @param now the time in milliseconds
   * @param max the most entries, whatever their age
   */
  constructor (now: () => number, max: number) {
    this.#now = now
    this.#max = max
  }

  add (key: string, entry: T): void {
    for (const [oldKey, old] of this.#entries) {
      if (this.#entries.size < this.#max && this.#fresh(old)) break
      this.#entries.delete(oldKey)
    }
    this.#entries.set(key, entry)
  }

  /** The entry, unless it is missing or has expired. */
  get (key: string): T | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && this.#fresh(entry) ? entry : undefined
  }

  /** Removes an entry, and returns it if it had not expired. */
  take (key: string): T | undefined {
    const entry = this.get(key)
    this.#entries.delete(key)
    return entry
  }

  /** Removes the entries that match. Returns how many of them had not expired. */
  remove (matches: (entry: T) => boolean): number {
    let removed = 0
    for (const [key, entry] of this.#entries) {
      if (!matches(entry)) continue
      if (this.#fresh(entry)) removed++
      this.#entries.delete(key)
    }
    return removed
  }

  clear (): void {
    this.#entries.clear()
  }

  #fresh (entry: T): boolean {
    return this.#now() < entry.until * 1000
  }
}
