import type { Timing } from '../../src/concurrency/deadline.js'

/** Timers that fire when a test moves the time. */
export class VirtualTiming implements Timing {
  #now = 0
  readonly #timers = new Set<{ at: number, run: () => void }>()

  readonly monotonic = (): number => this.#now

  readonly after = (milliseconds: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + milliseconds, run }
    this.#timers.add(timer)
    return () => { this.#timers.delete(timer) }
  }

  /** The number of set timers. */
  get size (): number {
    return this.#timers.size
  }

  /** Moves the time; every timer fires on time. */
  pass (milliseconds: number): void {
    const end = this.#now + milliseconds
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#now = next.at
      this.#fire(next)
    }
    this.#now = end
  }

  /** Moves the time as if the process was stopped; then the due timers fire late. */
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
