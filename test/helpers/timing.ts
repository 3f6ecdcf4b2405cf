import type { Timing } from '../../src/concurrency/deadline.js'

/** Timers that run when a test lets time pass. */
export class VirtualTiming implements Timing {
  #now = 0
  readonly #timers = new Set<{ at: number, run: () => void }>()

  readonly now = (): number => this.#now

  readonly after = (milliseconds: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + milliseconds, run }
    this.#timers.add(timer)
    return () => { this.#timers.delete(timer) }
  }

  /** How many timers are set. */
  get size (): number {
    return this.#timers.size
  }

  /** Lets some milliseconds pass; every timer fires on time. */
  pass (milliseconds: number): void {
    const end = this.#now + milliseconds
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#now = next.at
      this.#fire(next)
    }
    this.#now = end
  }

  /** Lets some milliseconds pass in which the process does not run; then the timers that are due fire, late. */
  stall (milliseconds: number): void {
    this.#now += milliseconds
    const due = [...this.#timers].filter(({ at }) => at <= this.#now)
    for (const timer of due) this.#fire(timer)
  }

  #next (end: number) {
    return [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  }

  #fire (timer: { at: number, run: () => void }): void {
    if (this.#timers.delete(timer)) timer.run()
  }
}
