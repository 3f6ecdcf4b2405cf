/**
 * @internal Time as Clover sees it.
 *
 * Expirations are Clover's, so they are compared with Clover's clock: the local one, moved by the offset that the `Date` header of
 * Clover's latest answer showed. A server whose clock is minutes wrong then neither serves dead tokens nor refreshes living ones.
 */
export class CloverClock {
  readonly #local: () => number
  #offset = 0

  /** @param local the local clock, in Unix milliseconds */
  constructor (local: () => number) {
    this.#local = local
  }

  /** Unix seconds, with a fraction. */
  now (): number {
    return (this.#local() + this.#offset) / 1000
  }

  /** Takes note of the `Date` header (RFC 9110, section 6.6.1) of an answer; one that is missing or unreadable changes nothing. */
  observe (date: string | null): void {
    const server = date === null ? NaN : Date.parse(date)
    // The header is cut to whole seconds, so the middle of that second is the best guess.
    if (!Number.isNaN(server)) this.#offset = server + 500 - this.#local()
  }
}
