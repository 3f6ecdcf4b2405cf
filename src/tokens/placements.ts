import type { TokenPair } from '../clover/wire.js'
import { recordChanged } from '../errors.js'
import type { Notify } from './events.js'
import type { Flights } from './flights.js'
import type { Installation } from './installation.js'
import type { Reader } from './reader.js'
import type { RecordMaker } from './record.js'
import { UnreadableRecord, type Store } from './store.js'

/** @internal */
export interface PlacementOptions {
  store: Pick<Store, 'find' | 'put' | 'delete'>
  reader: Pick<Reader, 'drop'>
  flights: Pick<Flights, 'drop'>
  clock: { now (): number }
  make: RecordMaker
  notify: Notify
  identity: Pick<Installation, 'appId' | 'environment' | 'flow'>
}

/** @internal A pair of a new authorization on its way into the store. */
export interface Placement {
  next: Installation
  before: Installation | undefined
  /** The revision over which it is written next. */
  expected: string | undefined
  /** A write failed and may have happened, or may still happen. */
  isUnknown: boolean
  /**
   * Write even if an earlier write of unknown outcome may have been deleted since: the credential spent for this pair cannot be used again.
   */
  overwriteUnknown: boolean
  /** Unix seconds: since when Clover had refused the merchant, if the next write ends a mark. */
  refusedSince: number | undefined
}

/** The most times that a write is tried while others change the record. */
const maxRounds = 10

/** @internal Stores the pairs of new authorizations. */
export class Placements {
  readonly #use: PlacementOptions

  constructor (options: PlacementOptions) {
    this.#use = options
  }

  /** A pair that is to replace `before`. */
  prepare (merchantId: string, pair: TokenPair, before: Installation | UnreadableRecord | undefined, overwriteUnknown = false): Placement {
    const { make, clock, identity } = this.#use
    const next = make.connected({ merchantId, ...identity }, pair, make.id(), clock.now())
    const expected = before?.revision
    // Nothing of an unreadable record can be compared with what is stored later.
    const record = before instanceof UnreadableRecord ? undefined : before
    return { next, before: record, expected, isUnknown: false, overwriteUnknown, refusedSince: record?.reauthorizationRequired?.since }
  }

  /**
   * Stores a pair. Resolves with false if another authorization was faster. Where the store failed it rejects, and may be called again
   * with the same placement.
   *
   * @throws FST_CLOVER_STORAGE; FST_CLOVER_UNAVAILABLE if a disconnect came between
   */
  async place (placement: Placement): Promise<boolean> {
    const { store } = this.#use
    const { next, before, overwriteUnknown } = placement
    const { merchantId, connectionId } = next
    for (let round = 1; round <= maxRounds; round++) {
      let isStored = false
      try {
        isStored = await store.put(next, placement.expected)
      } catch (error) {
        placement.isUnknown = true
        if (round >= maxRounds) throw error
      }
      const current = isStored ? next : await store.find(merchantId)
      if (current instanceof UnreadableRecord) {
        // Without its revision it can be deleted, but not replaced.
        if (current.revision === undefined) await store.delete(merchantId)
        placement.expected = current.revision
      } else if (current?.connectionId === connectionId) {
        this.#stored(placement)
        return true
      } else if (current === undefined) {
        // A disconnect came between, or may have: it is not undone behind the merchant's back.
        if (before !== undefined || (placement.isUnknown && !overwriteUnknown)) throw recordChanged(merchantId)
        placement.expected = undefined
      } else if (current.connectionId === before?.connectionId || (current.reauthorizationRequired && !placement.isUnknown) || (overwriteUnknown && current.refreshToken === null)) {
        placement.expected = current.revision
        placement.refusedSince = current.reauthorizationRequired?.since
      } else {
        return false
      }
    }
    throw recordChanged(merchantId)
  }

  #stored ({ next: { merchantId, connectionId }, refusedSince }: Placement): void {
    const { flights, reader, notify } = this.#use
    flights.drop(merchantId, record => record.connectionId !== connectionId)
    reader.drop(merchantId)
    if (refusedSince !== undefined) notify({ type: 'reconnected', merchantId, since: refusedSince, by: 'authorization' })
  }
}
