import type { TokenPair } from '../clover/wire.js'
import { recordChanged } from '../errors.js'
import type { Notify } from '../events/table.js'
import type { Refreshes } from './refreshes.js'
import type { Installation } from '../installation.js'
import type { Reader } from './reader.js'
import type { RecordMaker } from './record.js'
import { UnreadableRecord, type Store } from './store.js'

/** @internal What {@link Placements} needs. */
export interface PlacementsDependencies {
  store: Pick<Store, 'find' | 'put' | 'delete'>
  reader: Pick<Reader, 'drop'>
  refreshes: Pick<Refreshes, 'drop'>
  clock: { now (): number }
  make: RecordMaker
  notify: Notify
  identity: Pick<Installation, 'appId' | 'environment' | 'flow'>
}

/** @internal A pair of a new authorization, and the state of its write. */
export interface Placement {
  next: Installation
  before: Installation | undefined
  /** The revision that the next write replaces; undefined: there must be no record. */
  expected: string | undefined
  /** A write failed: the store may have done it, or may do it later. */
  isOutcomeUnknown: boolean
  /**
   * Write even if an earlier write of unknown outcome may have been deleted since: the credential spent for this pair cannot be used again.
   */
  overwriteUnknown: boolean
  /** Unix seconds: when Clover first refused the merchant; undefined unless the next write ends a mark. */
  refusedSince: number | undefined
}

/**
 * How often a write is tried while others change the record. A round is lost only if somebody writes between its read and its write, so only a faulty store
 * reaches this limit.
 */
const maxRounds = 10

/** @internal Stores the pairs of new authorizations. */
export class Placements {
  readonly #use: PlacementsDependencies

  constructor (dependencies: PlacementsDependencies) {
    this.#use = dependencies
  }

  /** Prepares the write of a pair that replaces `before`. */
  prepare (merchantId: string, pair: TokenPair, before: Installation | UnreadableRecord | undefined, overwriteUnknown = false): Placement {
    const { make, clock, identity } = this.#use
    const next = make.replacing(make.connected({ merchantId, ...identity }, pair, make.id(), clock.now()), before)
    const expected = before?.revision
    // An unreadable record cannot be compared with a later one.
    const record = before instanceof UnreadableRecord ? undefined : before
    return { next, before: record, expected, isOutcomeUnknown: false, overwriteUnknown, refusedSince: record?.reauthorizationRequired?.since }
  }

  /**
   * Stores a pair over the record that was found, or stops (rule 8). Resolves with false if another authorization was faster. If the store fails it
   * rejects; it may then be called again with the same placement.
   *
   * @throws FST_CLOVER_STORAGE; FST_CLOVER_OTHER_DEPLOYMENT if another deployment has the merchant meanwhile; FST_CLOVER_UNAVAILABLE if the merchant
   * was disconnected meanwhile
   */
  async place (placement: Placement): Promise<boolean> {
    const { store, make } = this.#use
    const { before, overwriteUnknown } = placement
    const { merchantId, connectionId } = placement.next
    let failure: unknown
    for (let round = 1; round <= maxRounds; round++) {
      let isStored = false
      try {
        isStored = await store.put(placement.next, placement.expected)
      } catch (error) {
        placement.isOutcomeUnknown = true
        failure = error
        if (round >= maxRounds) throw error
      }
      const current = isStored ? placement.next : await store.find(merchantId)
      if (current instanceof UnreadableRecord) {
        // A record whose revision is unreadable can be deleted, but not replaced.
        if (current.revision === undefined) await store.delete(merchantId)
        placement.expected = current.revision
        placement.next = make.replacing(placement.next, current)
      } else if (current?.connectionId === connectionId) {
        this.#stored(placement)
        return true
      } else if (current === undefined) {
        // A disconnect came between, or may have: this write must not undo it.
        if (before !== undefined || (placement.isOutcomeUnknown && !overwriteUnknown)) throw failure ?? recordChanged(merchantId)
        placement.expected = undefined
      } else if (isReplaced(current, placement)) {
        placement.expected = current.revision
        placement.next = make.replacing(placement.next, current)
        placement.refusedSince = current.reauthorizationRequired?.since
      } else {
        return false
      }
    }
    throw recordChanged(merchantId)
  }

  #stored ({ next: { merchantId, connectionId }, refusedSince }: Placement): void {
    const { refreshes, reader, notify } = this.#use
    refreshes.drop(merchantId, record => record.connectionId !== connectionId)
    reader.drop(merchantId)
    if (refusedSince !== undefined) notify({ type: 'reconnected', merchantId, since: refusedSince, by: 'authorization' })
  }
}

/**
 * Whether an authorization replaces the record that is stored now. It does so if that record is one of these:
 *
 * - the connection that was found at first, only refreshed meanwhile;
 * - a marked one, unless the outcome of a write of this authorization is unknown: then the marked connection may have replaced that of this
 *   authorization, and have the newer pair;
 * - a v1 token, where the pair that replaces it cannot be had a second time.
 */
function isReplaced (current: Installation, { before, isOutcomeUnknown, overwriteUnknown }: Placement): boolean {
  return current.connectionId === before?.connectionId ||
    (current.reauthorizationRequired !== undefined && !isOutcomeUnknown) ||
    (overwriteUnknown && current.refreshToken === null)
}
