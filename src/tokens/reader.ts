import { isCloverError } from '../errors.js'
import type { RecordCache } from './cache.js'
import type { Installation } from '../installation.js'
import type { Store } from './store.js'
import { InProgress } from '../concurrency/in-progress.js'
import { within } from '../concurrency/within.js'

/** Milliseconds that a caller waits for the store if the cache has a token that has not expired. */
const patience = 1_000

/**
 * @internal Reads records through the cache, one read per merchant at a time. A read that began before the record was written, or before the
 * merchant was disconnected, is not cached.
 */
export class Reader {
  readonly #store: Pick<Store, 'get'>
  readonly #cache: RecordCache | undefined
  readonly #reading = new InProgress<Promise<Installation | undefined>>()

  constructor (store: Pick<Store, 'get'>, cache: RecordCache | undefined) {
    this.#store = store
    this.#cache = cache
  }

  /**
   * A merchant's record: from the cache if it is recent, else from the store. If the store fails or is slow, it comes from the cache if its
   * token has not expired (rule 12).
   */
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
      // A record of another app or deployment, or sealed with another key, is no outage.
      if (isCloverError(error) && error.code !== 'FST_CLOVER_STORAGE' && error.code !== 'FST_CLOVER_UNREADABLE') throw error
      const latest = cache.living(merchantId)
      if (latest === undefined) return reading // the merchant was disconnected meanwhile
      if (latest === living) cache.set(living, patience)
      return latest
    }
  }

  /** Reads a merchant's record from the store; callers at the same time share the read. */
  readStored (merchantId: string): Promise<Installation | undefined> {
    const current = this.#reading.get(merchantId)
    if (current) return current
    const reading: Promise<Installation | undefined> = this.#store.get(merchantId).then(record => {
      if (!this.#finish(merchantId, reading)) return record // outdated
      if (record) this.#cache?.set(record)
      else this.#cache?.delete(merchantId)
      return record
    }, (error: unknown) => {
      this.#finish(merchantId, reading)
      throw error
    })
    this.#reading.set(merchantId, reading)
    return reading
  }

  /** Removes a read that has ended. Returns false if it was outdated. */
  #finish (merchantId: string, reading: Promise<Installation | undefined>): boolean {
    if (this.#reading.get(merchantId) !== reading) return false
    this.#reading.end(merchantId)
    return true
  }

  /** Caches a record that was just written, or read by other code. A read in progress is outdated then. */
  keep (record: Installation): void {
    this.#reading.end(record.merchantId)
    this.#cache?.set(record)
  }

  /** Drops a merchant from the cache. A read in progress is outdated then. */
  drop (merchantId: string): void {
    this.#reading.end(merchantId)
    this.#cache?.delete(merchantId)
  }
}
