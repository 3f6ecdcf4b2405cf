import { LruMap } from 'toad-cache'
import { remaining, usableUntil } from './freshness.js'
import type { Installation } from '../installation.js'

/** @internal The bounds of a {@link RecordCache}, and what it needs to judge a token. */
export interface CacheOptions {
  /** The most records kept. */
  max: number
  /** Milliseconds after which a record is read from the store again. */
  ttl: number
  /** Seconds: minimum validity left on a returned token. */
  minValidity: number
  /** The last part of a token's life, from 0 to 1, in which it is refreshed in the background. */
  refreshAhead: number
  /** Monotonic milliseconds. */
  monotonic: () => number
  /** Unix seconds by Clover's clock. */
  clock: { now (): number }
}

interface Entry {
  record: Installation
  /** Monotonic milliseconds: from then on the record is read from the store again. */
  readAgainAt: number
  /** Unix seconds by Clover's clock: until then the token is handed out without a refresh. */
  usableUntil: number
}

/** @internal Records that were read recently, bounded in number and age. */
export class RecordCache {
  readonly #entries: LruMap<Entry>
  readonly #options: CacheOptions
  #closed = false

  constructor (options: CacheOptions) {
    this.#options = options
    this.#entries = new LruMap(options.max)
  }

  /** The access token, if neither a read of the store nor a refresh is due. Nearly every call ends here. */
  cachedToken (merchantId: string): string | undefined {
    const entry = this.#entries.get(merchantId)
    if (entry === undefined || this.#options.monotonic() >= entry.readAgainAt || this.#options.clock.now() >= entry.usableUntil) return undefined
    return entry.record.accessToken
  }

  /** A record that was read less than `ttl` milliseconds ago. */
  recent (merchantId: string): Installation | undefined {
    const entry = this.#entries.get(merchantId)
    return entry !== undefined && this.#options.monotonic() < entry.readAgainAt ? entry.record : undefined
  }

  /** A record whose access token has not expired, however long ago it was read. It serves while the store does not answer. */
  living (merchantId: string): Installation | undefined {
    const entry = this.#entries.get(merchantId)
    if (entry === undefined) return undefined
    if (remaining(entry.record, this.#options.clock.now()) > 0) return entry.record
    this.#entries.delete(merchantId)
    return undefined
  }

  /** Keeps a record. `ttl` in milliseconds. */
  set (record: Installation, ttl = this.#options.ttl): void {
    if (this.#closed) return
    const { minValidity, refreshAhead, monotonic } = this.#options
    this.#entries.set(record.merchantId, { record, readAgainAt: monotonic() + ttl, usableUntil: usableUntil(record, minValidity, refreshAhead) })
  }

  delete (merchantId: string): void {
    this.#entries.delete(merchantId)
  }

  /** Clears the cache and accepts no more records: a read in progress may still bring one. */
  close (): void {
    this.#closed = true
    this.#entries.clear()
  }
}
