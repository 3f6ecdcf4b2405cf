import { Value } from '@sinclair/typebox/value'
import { Served } from './caller-route.js'
import type { Fate, Measures } from './measures.js'
import type { Shops } from './shops.js'

/** Milliseconds between two callers of a shop while somebody watches. */
const pace = 500
/** The most callers of a shop that wait at once while somebody watches. */
const mostWaiting = 40

/** Calls the app at its address, as the browsers of a shop's staff would. */
export class Callers {
  readonly #use: { address: () => string, key: string, shops: Shops, measures: Measures }
  readonly #waiting = new Map<string, number>()

  /** @param use `address`: the origin in front of the servers */
  constructor (use: { address: () => string, key: string, shops: Shops, measures: Measures }) {
    this.#use = use
  }

  /** Sends callers as long as `isWatched`. Ends with the signal. */
  start (isWatched: () => boolean, signal: AbortSignal): void {
    const timer = setInterval(() => {
      if (!isWatched()) return
      for (const merchantId of this.#use.shops.ids) if ((this.#waiting.get(merchantId) ?? 0) < mostWaiting) this.call(merchantId).catch(() => {})
    }, pace)
    signal.addEventListener('abort', () => clearInterval(timer))
  }

  /** Sends one caller; resolves with its fate, which is counted. Undefined: the shop is not connected. */
  async call (merchantId: string): Promise<{ fate: Fate, waited: number, status: number | null } | undefined> {
    const { shops, measures } = this.#use
    this.#waiting.set(merchantId, (this.#waiting.get(merchantId) ?? 0) + 1)
    try {
      const before = await shops.livingToken(merchantId)
      const served = await this.#ask(merchantId)
      // A Clover that refuses everything does not say that a token has ended. If none lived, that token was handed out, as the server could not know.
      const isToken = served !== undefined && served.status !== 401 &&
        (before !== undefined || (served.status !== null && served.status < 500) || await shops.livingToken(merchantId) !== undefined)
      if (isToken) {
        measures.count('served', served.waited)
        return { fate: 'served', ...served }
      }
      // A shop that was disconnected meanwhile is called no more.
      if (!shops.ids.includes(merchantId)) return undefined
      // A token lived if the stored one did, all the time.
      const after = await shops.livingToken(merchantId)
      const fate = before !== undefined && before === after ? 'failed' : 'without'
      measures.count(fate)
      return { fate, waited: 0, status: null }
    } finally {
      this.#waiting.set(merchantId, (this.#waiting.get(merchantId) ?? 1) - 1)
    }
  }

  async #ask (merchantId: string): Promise<Served | undefined> {
    const { address, key } = this.#use
    try {
      const response = await fetch(`${address()}/lab/caller/${merchantId}`, { headers: { authorization: `Bearer ${key}` }, signal: AbortSignal.timeout(60_000) })
      const body: unknown = await response.json()
      return response.ok && Value.Check(Served, body) ? body : undefined
    } catch {
      return undefined
    }
  }
}
