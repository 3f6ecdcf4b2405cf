import type { FlightOptions } from './flights.js'
import type { Installation } from './installation.js'
import type { HeldPair, RefreshGoal } from './refresh-types.js'

interface Holding {
  pair: HeldPair
  /** The try to write it that is under way. */
  attempt?: Promise<void>
  /** Ends the pause before the next try. */
  wake: AbortController
  /** Resolves once the pair is written or dropped. */
  done: Promise<void>
}

/** Milliseconds between two tries to write a pair, at most. */
const longestPause = 2_000

/**
 * @internal The pairs that Clover gave and the store did not take. Each is the only trace of a living token, so it serves the merchant
 * from memory, and its write is tried again until the store says what became of it.
 */
export class HeldPairs {
  readonly #options: FlightOptions
  readonly #holdings = new Map<string, Holding>()
  #closed = false

  constructor (options: FlightOptions) {
    this.#options = options
  }

  get size (): number {
    return this.#holdings.size
  }

  get (merchantId: string): Installation | undefined {
    return this.#holdings.size === 0 ? undefined : this.#holdings.get(merchantId)?.pair.next
  }

  add (pair: HeldPair): void {
    if (this.#closed) {
      this.#options.notify({ type: 'pair-abandoned', merchantId: pair.next.merchantId })
      return
    }
    const holding: Holding = { pair, wake: new AbortController(), done: Promise.resolve() }
    this.#holdings.set(pair.next.merchantId, holding)
    holding.done = this.#keepTrying(holding)
  }

  drop (merchantId: string): void {
    this.#holdings.get(merchantId)?.wake.abort()
    this.#holdings.delete(merchantId)
  }

  /**
   * Tries to write the merchant's pair at once, if there is one. Resolves with its record if that serves the goal although the store
   * still fails, and with undefined once nothing is held; rejects as the store does otherwise.
   */
  async settleNow (merchantId: string, goal: RefreshGoal): Promise<Installation | undefined> {
    const holding = this.#holdings.get(merchantId)
    if (holding === undefined) return undefined
    try {
      await this.#attempt(holding)
      return undefined
    } catch (error) {
      if (goal.enough(holding.pair.next)) return holding.pair.next
      throw error
    }
  }

  /** Tries every write now. */
  hurry (): void {
    for (const { wake } of this.#holdings.values()) wake.abort()
  }

  /** Resolves once every pair that is held now is written or dropped. */
  async settled (): Promise<void> {
    await Promise.all([...this.#holdings.values()].map(holding => holding.done))
  }

  /** Ends all trying, and names the merchants whose pairs go down with the process. */
  close (): void {
    this.#closed = true
    for (const { pair, wake } of this.#holdings.values()) {
      this.#options.notify({ type: 'pair-abandoned', merchantId: pair.next.merchantId })
      wake.abort()
    }
    this.#holdings.clear()
  }

  async #keepTrying (holding: Holding): Promise<void> {
    const { sleep, jitter } = this.#options.runtime
    const { merchantId } = holding.pair.next
    const isHeld = () => this.#holdings.get(merchantId) === holding && !this.#closed
    for (let round = 0; isHeld(); round++) {
      await sleep(Math.min(longestPause, 50 * 2 ** round) * (0.5 + jitter() / 2), holding.wake.signal)
      if (!isHeld()) return
      if (holding.wake.signal.aborted) holding.wake = new AbortController()
      await this.#attempt(holding).catch(() => {}) // said in the log when it began; tried again
    }
  }

  #attempt (holding: Holding): Promise<void> {
    holding.attempt ??= this.#write(holding).finally(() => { delete holding.attempt })
    return holding.attempt
  }

  async #write (holding: Holding): Promise<void> {
    const { protocol, notify, onRecord } = this.#options
    const { merchantId } = holding.pair.next
    const stored = await protocol.settle(holding.pair)
    if (this.#holdings.get(merchantId) !== holding) return // dropped meanwhile
    this.#holdings.delete(merchantId)
    if (stored === undefined) return
    notify({ type: 'pair-written', merchantId })
    onRecord(stored)
  }
}
