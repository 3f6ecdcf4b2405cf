import { isTokenEndpoint, type CallSubject } from './calls.js'
import type { RateLimits, Settings } from './options.js'

/** A limit that a call exceeds: its header, the limit, and for a concurrent limit the seconds to wait. */
export interface LimitMet {
  readonly header: string
  readonly limit: number
  readonly retryAfter?: number
}

/** A call's admission. `met`: the limit that the call exceeds, if any. */
export interface Passage {
  readonly met?: LimitMet
  /** Must be called once when the call's connection is free again. */
  leave (): void
}

interface Rule {
  readonly key: string
  readonly limit: number
  readonly header: string
}

/** Counts by name; a name with count zero uses no memory. */
class Counter {
  readonly #counts = new Map<string, number>()

  of (key: string): number {
    return this.#counts.get(key) ?? 0
  }

  add (key: string, step: 1 | -1): void {
    const count = this.of(key) + step
    if (count === 0) this.#counts.delete(key)
    else this.#counts.set(key, count)
  }
}

const free: Passage = { leave () {} }

/**
 * Clover's rate limits: requests in a second, and concurrent requests, for each app and for each token.
 *
 * A second is a calendar second of the simulator's clock. A refused request counts towards no limit.
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
export class Limits {
  readonly #rules: RateLimits | false
  readonly #tokenEndpoints: boolean
  readonly #now: () => number
  readonly #open = new Counter()
  #counted = new Counter()
  #second = 0

  /** @param now the time in milliseconds */
  constructor (settings: Settings, now: () => number) {
    this.#rules = settings.rateLimits
    this.#tokenEndpoints = settings.unknowns.tokenEndpointsLimited
    this.#now = now
  }

  /** Counts a call, or returns the limit that it exceeds. */
  enter (call: CallSubject): Passage {
    const rules = this.#rules
    if (rules === false || call.appId === undefined) return free
    const isToken = isTokenEndpoint(call.endpoint)
    if (isToken ? !this.#tokenEndpoints : !['merchant', 'rest', 'pakms'].includes(call.endpoint)) return free
    const second = Math.floor(this.#now() / 1000)
    if (second !== this.#second) this.#counted = new Counter()
    this.#second = second

    const app = `app ${call.appId}`
    const token = `token ${call.presented}`
    const perSecond: Rule[] = [{ key: app, limit: rules.appPerSecond, header: 'X-RateLimit-crossTokenLimit' }]
    const atOnce: Rule[] = [{ key: app, limit: rules.appConcurrent, header: 'X-RateLimit-crossTokenConcurrentLimit' }]
    if (!isToken) {
      perSecond.push({ key: token, limit: rules.tokenPerSecond, header: 'X-RateLimit-tokenLimit' })
      atOnce.push({ key: token, limit: rules.tokenConcurrent, header: 'X-RateLimit-tokenConcurrentLimit' })
    }
    const concurrent = atOnce.find(({ key, limit }) => this.#open.of(key) >= limit)
    if (concurrent !== undefined) return { ...free, met: { ...concurrent, retryAfter: rules.retryAfter } }
    const frequent = perSecond.find(({ key, limit }) => this.#counted.of(key) >= limit)
    if (frequent !== undefined) return { ...free, met: frequent }

    for (const { key } of perSecond) this.#counted.add(key, 1)
    for (const { key } of atOnce) this.#open.add(key, 1)
    return { leave: () => { for (const { key } of atOnce) this.#open.add(key, -1) } }
  }

  /** Clears the counters of the current second. Open calls stay counted. */
  clear (): void {
    this.#counted = new Counter()
  }
}
