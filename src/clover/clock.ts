/** The times that can be Clover's, in Unix milliseconds: those that an expiration may have, too. */
const plausible = { from: 946_684_800_000, to: 253_402_300_800_000 }

/** RFC 9110, section 5.6.7: the form that servers must send. `Date.parse` alone would read a year out of nearly anything. */
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** Milliseconds by which two answers may differ and still tell the same time. */
const tolerance = 300_000

/**
 * @internal Time as Clover sees it.
 *
 * Expirations are Clover's, so they are compared with Clover's clock: the local one, moved by the offset that the `Date` header of
 * Clover's answers shows. A server whose clock is minutes wrong then neither serves dead tokens nor refreshes living ones.
 *
 * One answer alone does not move the clock far, once there was one: a machine at Clover, or a proxy on the way, whose own time is a year
 * behind would make dead tokens look alive, and then no call would be made any more that could put it right.
 *
 * Two local clocks are read: the wall clock, which somebody may set back, and the time that has gone by, which stands still while a
 * machine sleeps. The later of the two is believed, since a token that is refreshed too early is better than a dead one.
 */
export class CloverClock {
  readonly #wall: Reading
  readonly #elapsed: Reading
  #isSet = false
  /** The offset of an answer that was not believed. */
  #doubted: number | undefined

  /**
   * @param wall the local clock, in Unix milliseconds
   * @param elapsed milliseconds on a clock that nobody sets
   */
  constructor (wall: () => number, elapsed: () => number = wall) {
    this.#wall = { read: wall, offset: 0 }
    this.#elapsed = { read: elapsed, offset: wall() - elapsed() }
  }

  /** Unix seconds, with a fraction. */
  now (): number {
    return Math.max(this.#wall.read() + this.#wall.offset, this.#elapsed.read() + this.#elapsed.offset) / 1000
  }

  /** Takes note of the `Date` header (RFC 9110, section 6.6.1) of an answer; one that is missing or cannot be right changes nothing. */
  observe (date: string | null): void {
    // The header is cut to whole seconds, so the middle of that second is the best guess.
    const server = (date !== null && httpDate.test(date) ? Date.parse(date) : NaN) + 500
    if (!(server >= plausible.from && server <= plausible.to)) return
    const offset = server - this.#elapsed.read()
    const near = (other: number | undefined) => other !== undefined && Math.abs(offset - other) <= tolerance
    if (this.#isSet && !near(this.#elapsed.offset) && !near(this.#doubted)) {
      this.#doubted = offset
      return
    }
    this.#elapsed.offset = offset
    this.#wall.offset = server - this.#wall.read()
    this.#isSet = true
    this.#doubted = undefined
  }
}

interface Reading {
  read: () => number
  /** Milliseconds to Clover's time. */
  offset: number
}
