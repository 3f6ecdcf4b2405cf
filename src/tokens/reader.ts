import { isCloverError } from '../errors.js'
import type { RecordCache } from './cache.js'
import type { Installation } from './installation.js'
import type { Store } from './store.js'
import { UnderWay } from './under-way.js'
import { within } from './within.js'

/** Milliseconds that a caller waits for the store while a living token is at hand. */
const patience = 1_000

/**
 * @internal Reads records through the cache: one read per merchant at a time, and none that began before the record was written, or the
 * merchant left, is kept.
 */
export class Reader {
  readonly #store: Pick<Store, 'get'>
  readonly #cache: RecordCache | undefined
  readonly #reading = new UnderWay<Promise<Installation | undefined>>()

  constructor (store: Pick<Store, 'get'>, cache: RecordCache | undefined) {
    this.#store = store
    this.#cache = cache
  }

  /** A merchant's record: from the cache if it is recent, else from the store; while that fails, from the cache if its token lives. */
  read (merchantId: string): Promise<Installation | undefined> {
    if (this.#cache === undefined) return this.readStored(merchantId)
    const recent = this.#cache.recent(merchantId)
    return recent ? Promise.resolve(recent) : this.#readThrough(this.#cache, merchantId)
  }

  async #readThrough (cache: RecordCache, merchantId: string): Promise<Installation | undefined> {
    const reading = this.readStored(merchantId)
    const living = cache.living(merchantId)
    if (living === undefined) return reading
    try {
      return await within(reading, patience, () => new Error('late'))
    } catch (error) {
      // A record of another app, or with another key, is no outage.
      if (isCloverError(error) && error.code !== 'FST_CLOVER_STORAGE' && error.code !== 'FST_CLOVER_UNREADABLE') throw error
      const still = cache.living(merchantId)
      if (still === undefined) return reading // the merchant left while the store was silent
      if (still === living) cache.set(living, patience)
      return still
    }
  }

  /** What is stored for a merchant now. */
  readStored (merchantId: string): Promise<Installation | undefined> {
    const current = this.#reading.get(merchantId)
    if (current) return current
    const reading: Promise<Installation | undefined> = this.#store.get(merchantId).then(record => {
      if (!this.#ends(merchantId, reading)) return record // out of date already
      if (record) this.#cache?.set(record)
      else this.#cache?.delete(merchantId)
      return record
    }, (error: unknown) => {
      this.#ends(merchantId, reading)
      throw error
    })
    this.#reading.set(merchantId, reading)
    return reading
  }

  /** Notes that a reading has ended; says whether it was still the one to go by. */
  #ends (merchantId: string, reading: Promise<Installation | undefined>): boolean {
    if (this.#reading.get(merchantId) !== reading) return false
    this.#reading.end(merchantId)
    return true
  }

  /** Takes a record that was just written or read elsewhere. */
  keep (record: Installation): void {
    this.#reading.end(record.merchantId)
    this.#cache?.set(record)
  }

  /** Forgets a merchant, and what a reading under way will bring. */
  drop (merchantId: string): void {
    this.#reading.end(merchantId)
    this.#cache?.delete(merchantId)
  }
}
