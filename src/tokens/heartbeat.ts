import type { Installation } from '../installation.js'
import type { RecordMaker } from './record.js'
import type { Runtime } from '../runtime.js'
import type { Store } from './store.js'

/**
 * @internal How often an attempt renews its record, and how long an unchanged record means that the attempt is dead; both in milliseconds.
 *
 * A renewal takes effect between its beginning and the timeout of the store, and the next one begins when it is answered, or `every` after it
 * began. So while its attempt lives, a record is unchanged for two timeouts of the store at most; the rest of `deadAfter` is for timers that fire
 * late. A process that is stopped for no longer than `deadAfter` without `every` is not taken for dead, if the store is fast.
 */
export function heartbeatOf (storageTimeout: number): { every: number, deadAfter: number } {
  const every = 0.4 * storageTimeout
  return { every, deadAfter: 2 * storageTimeout + every }
}

/** @internal What a {@link Heartbeat} needs. */
export interface HeartbeatDependencies {
  store: Pick<Store, 'get' | 'put'>
  make: Pick<RecordMaker, 'renewed'>
  runtime: Pick<Runtime, 'monotonic' | 'sleep'>
  /** Milliseconds: timeout of a call to the store. */
  storageTimeout: number
  /** Milliseconds for which one lease is renewed at most: no lease lasts longer because of its renewals. */
  longest: number
}

/** The reason of each stop, so that none has to make an exception with its stack: every refresh ends with one. */
const stopped = new Error('The heartbeat has stopped.')

/** The part of an attempt that is renewed. */
interface Renewed {
  /** Names the attempt in its leases. */
  by: string
  /** The record with the lease; the newest version after each renewal. */
  record: Installation
}

/**
 * @internal Renews the record of an attempt while a call to Clover takes long: each renewal writes the same record as a new revision. Other
 * servers can distinguish a slow attempt from a dead one by it, and need not wait for the end of a dead one's lease (rule 7).
 *
 * A renewal expects the revision that the attempt wrote last, so it changes nothing once somebody else has changed the record.
 */
export class Heartbeat {
  readonly #use: HeartbeatDependencies
  readonly #attempt: Renewed
  #stopping: AbortController | undefined
  #running: Promise<void> = Promise.resolve()

  constructor (dependencies: HeartbeatDependencies, attempt: Renewed) {
    this.#use = dependencies
    this.#attempt = attempt
  }

  /** Begins to renew a lease. `since`: when its write began, in monotonic milliseconds. */
  start (since: number): void {
    this.#stopping = new AbortController()
    this.#running = this.#run(since, this.#stopping.signal)
  }

  /** Begins no more renewals. One in progress goes on: the write of a new pair must not wait for it, and is made again if it came later. */
  stop (): void {
    this.#stopping?.abort(stopped)
    this.#stopping = undefined
  }

  /** Stops, and waits for a renewal in progress, for twice the timeout of the store at most. */
  async rest (): Promise<void> {
    this.stop()
    await this.#running
  }

  async #run (since: number, signal: AbortSignal): Promise<void> {
    const { runtime: { monotonic, sleep }, storageTimeout, longest } = this.#use
    const { every } = heartbeatOf(storageTimeout)
    for (let next = since + every; next <= since + longest; next = Math.max(next + every, monotonic())) {
      await sleep(Math.max(0, next - monotonic()), signal, { ref: false })
      // If the store fails, the next renewal tries again.
      if (signal.aborted || !await this.#renew(signal).catch(() => true)) return
    }
  }

  /** Resolves with whether the lease is still this attempt's. */
  async #renew (signal: AbortSignal): Promise<boolean> {
    const { store, make } = this.#use
    const { by, record } = this.#attempt
    const next = make.renewed(record)
    if (await store.put(next, record.revision).catch(() => false)) {
      this.#attempt.record = next
      return true
    }
    if (signal.aborted) return false
    // The outcome is unknown, or something else in the record changed: only the stored lease says whose it is.
    const current = await store.get(record.merchantId)
    if (current?.refreshLease?.by !== by) return false
    this.#attempt.record = current
    return true
  }
}
