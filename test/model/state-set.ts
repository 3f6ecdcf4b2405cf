/** States as bytes, each once, numbered as they come: in one growing array, with a hash table of their numbers beside it. */
export class StateSet {
  readonly #width: number
  #bytes: Uint8Array
  #table = new Int32Array(1 << 16).fill(-1)
  #size = 0

  constructor (width: number) {
    this.#width = width
    this.#bytes = new Uint8Array(width << 14)
  }

  get size (): number {
    return this.#size
  }

  /** The bytes of a state: a view, good until the next `add`. */
  at (number: number): Uint8Array {
    return this.#bytes.subarray(number * this.#width, (number + 1) * this.#width)
  }

  /** Returns the number of a state, a new one if it was not there. */
  add (state: Uint8Array): number {
    if (this.#size * 2 > this.#table.length) this.#growTable()
    let slot = hash(state) & (this.#table.length - 1)
    for (let number; (number = this.#table[slot] as number) !== -1; slot = (slot + 1) & (this.#table.length - 1)) {
      if (this.#isAt(number, state)) return number
    }
    this.#table[slot] = this.#size
    if ((this.#size + 1) * this.#width > this.#bytes.length) {
      const larger = new Uint8Array(Math.ceil(this.#bytes.length * 1.5))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    const from = this.#size * this.#width
    for (let i = 0; i < this.#width; i++) this.#bytes[from + i] = state[i] as number
    return this.#size++
  }

  #isAt (number: number, state: Uint8Array): boolean {
    const from = number * this.#width
    for (let i = 0; i < this.#width; i++) if (this.#bytes[from + i] !== state[i]) return false
    return true
  }

  #growTable (): void {
    this.#table = new Int32Array(this.#table.length * 2).fill(-1)
    for (let number = 0; number < this.#size; number++) {
      let slot = hash(this.at(number)) & (this.#table.length - 1)
      while (this.#table[slot] !== -1) slot = (slot + 1) & (this.#table.length - 1)
      this.#table[slot] = number
    }
  }
}

/** FNV-1a, and a last turn so that the low bits depend on all others. */
function hash (bytes: Uint8Array): number {
  let value = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) value = Math.imul(value ^ (bytes[i] as number), 0x01000193)
  return (value ^ (value >>> 15)) >>> 0
}
