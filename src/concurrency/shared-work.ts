/** @internal Does work once for each key: a call that comes before the work ends shares its outcome. */
export class SharedWork<T> {
  readonly #inProgress = new Map<string, Promise<T>>()

  /** Joins the work in progress for a key, or starts it. Settles as the work does. */
  run (key: string, start: () => Promise<T>): Promise<T> {
    const current = this.#inProgress.get(key)
    if (current) return current
    const work = start().finally(() => { this.#inProgress.delete(key) })
    this.#inProgress.set(key, work)
    return work
  }
}
