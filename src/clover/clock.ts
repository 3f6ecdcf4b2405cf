/** The times that are accepted from Clover, in Unix milliseconds: the years 2000 to 9999, as for expirations. */
const plausible = { from: 946_684_800_000, to: 253_402_300_800_000 }

/** RFC 9110, section 5.6.7: the form that servers must send. `Date.parse` accepts nearly any text. */
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** @internal Unix milliseconds of a `Date` header, the beginning of its second; NaN if there is none, or one of another form. */
export function parseDate (date: string | null): number {
  return date !== null && httpDate.test(date) ? Date.parse(date) : NaN
}

/** Milliseconds by which the times of two answers may differ and still confirm each other. */
const tolerance = 300_000

/**
 * @internal Clover's clock (rule 15).
 *
 * Expirations are Clover's, so they are compared with Clover's clock: the local one, moved by the offset that the `Date` header of
 * Clover's answers shows. A server whose clock is minutes wrong then neither serves dead tokens nor refreshes living ones.
 *
 * After the first answer, a single one cannot move the clock far: if the clock of a machine at Clover, or of a proxy, were a year behind,
 * dead tokens would look alive, and no further call would correct that.
 *
 * Two local clocks are read: the wall clock, which somebody may set back, and the monotonic clock, which may stand still while a machine
 * sleeps. The later of the two is used, since refreshing a token too early is better than using a dead one.
 */
export class CloverClock {
  readonly #wallClock: Reading
  readonly #monotonic: Reading
  #isSet = false
  /** The offset of the last answer that was not accepted; a second one confirms it. */
  #doubted: number | undefined

  /**
   * @param wallClock the local clock, in Unix milliseconds
   * @param monotonic a clock in milliseconds that is never set back
   */
  constructor (wallClock: () => number, monotonic: () => number = wallClock) {
    this.#wallClock = { read: wallClock, offset: 0 }
    this.#monotonic = { read: monotonic, offset: wallClock() - monotonic() }
  }

  /** Unix seconds, with a fraction. */
  now (): number {
    return Math.max(this.#wallClock.read() + this.#wallClock.offset, this.#monotonic.read() + this.#monotonic.offset) / 1000
  }

  /** Sets the clock by the `Date` header of an answer (RFC 9110, section 6.6.1). A header that is missing or implausible changes nothing. */
  observe (date: string | null): void {
    // The header is cut to whole seconds, so the middle of that second is the best guess.
    const server = parseDate(date) + 500
    if (!(server >= plausible.from && server <= plausible.to)) return
    const offset = server - this.#monotonic.read()
    const near = (other: number | undefined) => other !== undefined && Math.abs(offset - other) <= tolerance
    if (this.#isSet && !near(this.#monotonic.offset) && !near(this.#doubted)) {
      this.#doubted = offset
      return
    }
    this.#monotonic.offset = offset
    this.#wallClock.offset = server - this.#wallClock.read()
    this.#isSet = true
    this.#doubted = undefined
  }
}

interface Reading {
  read: () => number
  /** Milliseconds to Clover's time. */
  offset: number
}
