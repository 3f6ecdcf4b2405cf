import { requireMerchantId } from '../checks/arguments.js'
import { isCloverError, storageFailed } from '../errors.js'
import type { Notify } from '../events/table.js'
import type { Refreshes } from './refreshes.js'
import { type Installation } from '../installation.js'
import type { Reader } from './reader.js'
import { UnreadableRecord, type Store } from './store.js'

/** @internal What {@link Disconnects} needs. */
export interface DisconnectsDependencies {
  store: Pick<Store, 'find' | 'delete'>
  reader: Pick<Reader, 'drop'>
  refreshes: Pick<Refreshes, 'drop'>
  notify: Notify
}

/**
 * How often a delete is tried while others change the record. A round is lost only if somebody writes between its read and its delete, so only a faulty
 * store reaches this limit.
 */
const maxRounds = 10

/** The most deletes of unknown outcome that are remembered. */
const mostUnknownDeletes = 1_000

/** @internal Disconnects merchants. */
export class Disconnects {
  readonly #use: DisconnectsDependencies
  /** Merchants whose delete failed: the store may have done it, or may do it later. */
  readonly #unknownDeletes = new Set<string>()

  constructor (dependencies: DisconnectsDependencies) {
    this.#use = dependencies
  }

  /**
   * Deletes a merchant's record. Resolves with whether there was one. A connection made meanwhile stays (rule 10).
   *
   * A record that was read and is gone afterwards counts as deleted, whoever deleted it: a delete may succeed although its answer is lost.
   *
   * @param connectedBefore Unix seconds by Clover's clock: a merchant who authorized at this time or later stays connected
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT; FST_CLOVER_SEALED where
   * `connectedBefore` is given
   */
  async disconnect (merchantId: string, connectedBefore = Infinity): Promise<boolean> {
    requireMerchantId(merchantId)
    const { store, reader, refreshes } = this.#use
    const first = await store.find(merchantId)
    if (first === undefined) {
      reader.drop(merchantId)
      return this.#unknownDeletes.has(merchantId) && this.#disconnected(merchantId)
    }
    this.#unknownDeletes.delete(merchantId)
    if (first instanceof UnreadableRecord) {
      // Another server may have the key, and with it the time of this connection.
      if (connectedBefore !== Infinity && isCloverError(first.cause, 'FST_CLOVER_SEALED')) throw first.cause
    } else if (lastAuthorized(first) >= connectedBefore) {
      return false
    }
    const isDeleted = await this.#delete(merchantId, first, connectedBefore).finally(() => reader.drop(merchantId))
    if (isDeleted === undefined) return false
    // Only after the delete: the unsaved pair of a merchant who stays connected may be the only one that works.
    refreshes.drop(merchantId, record => first instanceof UnreadableRecord || record.connectionId === first.connectionId)
    return isDeleted && this.#disconnected(merchantId)
  }

  /**
   * Deletes by revision: a delete that arrives late must not hit a newer connection. Resolves with true once the record is gone, with false
   * if another connection has replaced it, and with undefined if the merchant authorized again in the same connection.
   */
  async #delete (merchantId: string, first: Installation | UnreadableRecord, connectedBefore: number): Promise<boolean | undefined> {
    const { store } = this.#use
    let { revision } = first
    for (let round = 0; round < maxRounds; round++) {
      let failure: unknown
      try {
        if (await store.delete(merchantId, revision)) return true
      } catch (error) {
        failure = error
        this.#remember(merchantId)
      }
      const current = await store.find(merchantId)
      if (current === undefined) return true
      if (!(current instanceof UnreadableRecord)) {
        if (first instanceof UnreadableRecord || current.connectionId !== first.connectionId) return false
        if (current.visitId !== first.visitId || lastAuthorized(current) >= connectedBefore) return undefined
      }
      if (failure) throw failure
      revision = current.revision
    }
    throw storageFailed('delete', 'it refuses to delete although the revision is the stored one', merchantId)
  }

  #remember (merchantId: string): void {
    if (this.#unknownDeletes.size >= mostUnknownDeletes) this.#unknownDeletes.clear()
    this.#unknownDeletes.add(merchantId)
  }

  #disconnected (merchantId: string): true {
    this.#unknownDeletes.delete(merchantId)
    this.#use.notify({ type: 'disconnected', merchantId })
    return true
  }
}

/** Unix seconds by Clover's clock: when the merchant last went through an authorization. */
function lastAuthorized ({ connectedAt, returnedAt = 0 }: Installation): number {
  return Math.max(connectedAt, returnedAt)
}
