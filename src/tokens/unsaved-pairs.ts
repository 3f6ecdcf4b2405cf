import { backoff } from '../concurrency/backoff.js'
import type { Notify } from '../events/table.js'
import type { Installation } from '../installation.js'
import type { Runtime } from '../runtime.js'
import type { PairWriter } from './pair-writer.js'
import type { RefreshGoal, UnsavedPair } from './refresh-types.js'

/** @internal What {@link UnsavedPairs} needs. */
export interface UnsavedPairsDependencies {
  pairs: Pick<PairWriter, 'save'>
  runtime: Pick<Runtime, 'sleep' | 'jitter'>
  notify: Notify
  /** Called with each record that was stored. */
  onRecord: (record: Installation) => void
}

interface Entry {
  pair: UnsavedPair
  /** The write in progress. */
  attempt?: Promise<void>
  /** Ends the pause before the next write. */
  wake: AbortController
  /** Resolves once the pair is written or dropped. */
  done: Promise<void>
}

/** Between two writes of a pair, in milliseconds. */
const pauses = { first: 50, longest: 2_000 }

/**
 * @internal The pairs that Clover gave and the store has not accepted yet. Each may be its merchant's only pair that works. So it serves
 * callers from memory, and the write is retried until the store accepts it or has a newer record.
 */
export class UnsavedPairs {
  readonly #use: UnsavedPairsDependencies
  readonly #entries = new Map<string, Entry>()
  #closed = false

  constructor (dependencies: UnsavedPairsDependencies) {
    this.#use = dependencies
  }

  get size (): number {
    return this.#entries.size
  }

  get (merchantId: string): Installation | undefined {
    return this.#entries.size === 0 ? undefined : this.#entries.get(merchantId)?.pair.next
  }

  add (pair: UnsavedPair): void {
    if (this.#closed) {
      this.#use.notify({ type: 'pair-abandoned', merchantId: pair.next.merchantId })
      return
    }
    const entry: Entry = { pair, wake: new AbortController(), done: Promise.resolve() }
    this.#entries.set(pair.next.merchantId, entry)
    entry.done = this.#retry(entry)
  }

  drop (merchantId: string): void {
    this.#entries.get(merchantId)?.wake.abort()
    this.#entries.delete(merchantId)
  }

  /**
   * Tries to write the merchant's pair at once, if there is one. Resolves with its record if that serves the goal although the store
   * still fails, and with undefined if no pair is unsaved any more. Otherwise rejects with the error of the store.
   */
  async saveNow (merchantId: string, goal: RefreshGoal): Promise<Installation | undefined> {
    const entry = this.#entries.get(merchantId)
    if (entry === undefined) return undefined
    try {
      await this.#attempt(entry)
      return undefined
    } catch (error) {
      if (goal.enough(entry.pair.next)) return entry.pair.next
      throw error
    }
  }

  /** Ends the pauses, so that every pair is written now. */
  hurry (): void {
    for (const { wake } of this.#entries.values()) wake.abort()
  }

  /** Resolves once every present pair is written or dropped. */
  async allSaved (): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ done }) => done))
  }

  /** Ends all writing, and names the merchants whose pairs are lost with the process. */
  close (): void {
    this.#closed = true
    for (const { pair, wake } of this.#entries.values()) {
      this.#use.notify({ type: 'pair-abandoned', merchantId: pair.next.merchantId })
      wake.abort()
    }
    this.#entries.clear()
  }

  async #retry (entry: Entry): Promise<void> {
    const { sleep, jitter } = this.#use.runtime
    const { merchantId } = entry.pair.next
    const isUnsaved = () => this.#entries.get(merchantId) === entry && !this.#closed
    for (let round = 0; isUnsaved(); round++) {
      await sleep(backoff(pauses, round, jitter), entry.wake.signal)
      if (!isUnsaved()) return
      if (entry.wake.signal.aborted) entry.wake = new AbortController()
      await this.#attempt(entry).catch(() => {}) // logged when the pair was added; tried again
    }
  }

  #attempt (entry: Entry): Promise<void> {
    entry.attempt ??= this.#write(entry).finally(() => { delete entry.attempt })
    return entry.attempt
  }

  async #write (entry: Entry): Promise<void> {
    const { pairs, notify, onRecord } = this.#use
    const { merchantId } = entry.pair.next
    const stored = await pairs.save(entry.pair)
    if (this.#entries.get(merchantId) !== entry) return // dropped meanwhile
    this.#entries.delete(merchantId)
    if (stored === undefined) return
    notify({ type: 'pair-written', merchantId })
    onRecord(stored)
  }
}
