/** A seeded source of odd things: the same seed and number make the same case. */
export class Random {
  #state: number

  constructor (seed: number, index = 0) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0
    for (let warm = 0; warm < 3; warm++) this.#next()
  }

  /** From 0 up to n, n excluded. */
  int (n: number): number {
    return Math.floor(this.#next() / 2 ** 32 * n)
  }

  chance (share: number): boolean {
    return this.#next() / 2 ** 32 < share
  }

  pick<T> (...list: readonly T[]): T {
    return list[this.int(list.length)] as T
  }

  some<T> (list: readonly T[], most: number): T[] {
    return Array.from({ length: list.length === 0 ? 0 : this.int(most + 1) }, () => this.pick(...list))
  }

  /** Characters up to a code, without lone surrogates, which no browser sends. */
  text (longest: number, highest = 0x2fff): string {
    return Array.from({ length: this.int(longest + 1) }, () => String.fromCodePoint(this.int(highest) + 1)).join('').replace(/\p{Surrogate}/gu, '')
  }

  /** Text that has caused trouble somewhere. */
  nasty (): string {
    return this.chance(0.5) ? this.text(30) : this.pick(...troublemakers)
  }

  /** A text with something changed. */
  mutated (text: string): string {
    const at = this.int(text.length + 1)
    return this.pick(
      () => text.slice(0, at),
      () => text.slice(at),
      () => text.slice(0, at) + this.nasty() + text.slice(at),
      () => text.slice(0, at) + this.nasty() + text.slice(at + 1),
      () => text + text,
      () => text.toLowerCase(),
      () => text.replace(/[.=]/, this.nasty()),
      () => [...text].reverse().join('')
    )()
  }

  /** Any value that JSON has. */
  json (depth = 3): unknown {
    const leaf = [() => null, () => this.chance(0.5), () => this.int(1000) - 500, () => this.pick(0, -0, 1e308, -1, 0.5, 2 ** 53, 4_000_000_000), () => this.nasty()]
    if (depth === 0) return this.pick(...leaf)()
    return this.pick<() => unknown>(
      ...leaf,
    () => Array.from({ length: this.int(4) }, () => this.json(depth - 1)),
    () => Object.fromEntries(Array.from({ length: this.int(4) }, () => [this.nasty(), this.json(depth - 1)]))
    )()
  }

  /** 32 bits (mulberry32). */
  #next (): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

const troublemakers = ['', '//evil.example', '/\\evil', '/%2f%2fevil', '/ok?a=b#c', '\u0000', '\r\nset-cookie: a=b', '<script>alert(1)</script>', '"><img src=x>', '[object Object]', '__proto__', 'constructor', 'prototype', 'toString', '%', '%ff', '%00',
  'null', 'undefined', 'NaN', 'true', '1e999', '-1', '0', 'MERCHANT00001', 'merchant00001', 'SIMULATORAPP1', 'SIMULATORAPP2', 'access_denied', 'x'.repeat(257), 'x'.repeat(3000), '.', '..', '....', '=', ';', ',', '"', '\u202e', '\ufeff', 'é'.repeat(60)]
