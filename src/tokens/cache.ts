import { LRUCache } from 'lru-cache'
import { remaining, requiredValidity } from './freshness.js'
import type { Installation } from './installation.js'

/** @internal */
export interface CacheOptions {
  /** The most records kept. */
  max: number
  /** Milliseconds until the store is asked again. */
  ttl: number
  minValidity: number
  refreshAhead: number
  /** Milliseconds on a clock that is never set back. */
  now: () => number
  /** Unix seconds by Clover's clock. */
  clock: { now (): number }
}

interface Entry {
  record: Installation
  /** By `now`: the store is asked again from then on. */
  askAgainAt: number
  /** Unix seconds by Clover's clock: until then the token is handed out without a second thought. */
  easyUntil: number
}

/** @internal Records that were read lately, bounded in number and time. */
export class RecordCache {
  readonly #entries: LRUCache<string, Entry>
  readonly #options: CacheOptions
  #closed = false

  constructor (options: CacheOptions) {
    this.#options = options
    this.#entries = new LRUCache({ max: options.max })
  }

  /** The access token, if it needs neither a look into the store nor a refresh: the path of nearly every call. */
  easyToken (merchantId: string): string | undefined {
    const entry = this.#entries.get(merchantId)
    if (entry === undefined || this.#options.now() >= entry.askAgainAt || this.#options.clock.now() >= entry.easyUntil) return undefined
    return entry.record.accessToken
  }

  /** A record that need not be read again yet. */
  recent (merchantId: string): Installation | undefined {
    const entry = this.#entries.get(merchantId)
    return entry !== undefined && this.#options.now() < entry.askAgainAt ? entry.record : undefined
  }

  /** A record whose access token lives, however long ago it was read: for when the store does not answer. */
  living (merchantId: string): Installation | undefined {
    const entry = this.#entries.peek(merchantId)
    if (entry === undefined) return undefined
    if (remaining(entry.record, this.#options.clock.now()) > 0) return entry.record
    this.#entries.delete(merchantId)
    return undefined
  }

  /** Keeps a record for `ttl`, or for fewer milliseconds. */
  set (record: Installation, ttl = this.#options.ttl): void {
    if (this.#closed) return
    const { minValidity, refreshAhead, now } = this.#options
    const { accessTokenExpiration, updatedAt, confirmAt = Infinity } = record
    const lifetime = accessTokenExpiration === null ? 0 : accessTokenExpiration - updatedAt
    const margin = Math.max(requiredValidity(record, minValidity), lifetime * refreshAhead)
    const freshUntil = accessTokenExpiration === null ? Infinity : accessTokenExpiration - margin
    const easyUntil = record.reauthorizationRequired ? 0 : Math.min(freshUntil, confirmAt)
    this.#entries.set(record.merchantId, { record, askAgainAt: now() + ttl, easyUntil })
  }

  delete (merchantId: string): void {
    this.#entries.delete(merchantId)
  }

  /** Forgets everything, and keeps nothing from now on: a reading may still be under way. */
  close (): void {
    this.#closed = true
    this.#entries.clear()
  }
}
