/** A stopped clock that a test moves. Milliseconds. */
export class Time {
  #now = Date.now()
  readonly now = (): number => this.#now

  pass (milliseconds: number): void {
    this.#now += milliseconds
  }
}

/** Time that runs by itself, many times faster than real time, for everything that waits. */
export class FastTime extends Time {
  readonly #began = performance.now()
  readonly #from = Date.now()
  readonly #factor: number
  #passed = 0
  override readonly now = (): number => Math.floor(this.#from + this.#passed + (performance.now() - this.#began) * this.#factor)

  constructor (factor: number) {
    super()
    this.#factor = factor
  }

  override pass (milliseconds: number): void {
    this.#passed += milliseconds
  }
}
