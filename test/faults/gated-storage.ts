import type { CloverStorage, Installation } from '../../src/storage/contract.js'

/** A put at which a merchant's refresh is stopped. */
export interface Gate {
  /** Counted from 1, from when the gate is set. Of a refresh: the intent, the pair. Of a recovery: the intent, its extension, the pair. */
  put: number
  /** `during`: it is stopped before, and begins as the process dies. */
  when: 'before' | 'during' | 'after'
}

interface Parked {
  gate: Gate
  puts: number
  reached: () => void
}

/** A store that stops chosen puts of some merchants until the test releases them. */
export class GatedStorage implements CloverStorage {
  readonly #storage: CloverStorage
  readonly #parked = new Map<string, Parked>()
  readonly #dying: Array<() => Promise<boolean>> = []
  readonly #releases: Array<() => void> = []

  constructor (storage: CloverStorage) {
    this.#storage = storage
  }

  /** Stops a merchant at a put; resolves once it has stopped there. */
  park (merchantId: string, gate: Gate): Promise<void> {
    return new Promise(resolve => {
      this.#parked.set(merchantId, { gate, puts: 0, reached: resolve })
    })
  }

  /** Lets all go on that has stopped. */
  release (): void {
    for (const release of this.#releases.splice(0)) release()
  }

  /** Begins the puts that were stopped `during`; nobody will hear of their end. */
  beginDying (): void {
    for (const put of this.#dying) put().catch(() => {})
  }

  get (merchantId: string): Promise<Installation | null | undefined> {
    return this.#storage.get(merchantId)
  }

  async put (next: Installation, expected: string | undefined): Promise<boolean> {
    const put = () => this.#storage.put(next, expected)
    const parked = this.#parked.get(next.merchantId)
    if (parked === undefined || ++parked.puts !== parked.gate.put) return await put()
    const { gate, reached } = parked
    if (gate.when === 'during') this.#dying.push(put)
    if (gate.when === 'after') await put()
    const released = new Promise<void>(resolve => { this.#releases.push(resolve) })
    reached()
    await released
    return gate.when === 'after' ? true : await put()
  }

  delete (merchantId: string, expected?: string): Promise<boolean> {
    return this.#storage.delete(merchantId, expected)
  }
}
