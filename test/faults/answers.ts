/** Holds Clover's answers back until they are released. */
export class Answers {
  readonly #unsaved: Array<() => void> = []
  #isReleased = false

  /** How many answers wait. */
  get waiting (): number {
    return this.#unsaved.length
  }

  /** For the server's runtime. */
  readonly fetch: typeof fetch = async (url, init) => {
    const response = await fetch(url, init)
    if (!this.#isReleased) await new Promise<void>(resolve => { this.#unsaved.push(resolve) })
    return response
  }

  /** Holds the answers that come from now on. */
  hold (): void {
    this.#isReleased = false
  }

  /** Lets all answers through, those that wait too. */
  release (): void {
    this.#isReleased = true
    for (const release of this.#unsaved.splice(0)) release()
  }
}
