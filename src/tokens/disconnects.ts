import { invalidMerchantId, isCloverError, storageFailed } from '../errors.js'
import type { Notify } from './events.js'
import type { Flights } from './flights.js'
import { isMerchantId, type Installation } from './installation.js'
import type { Reader } from './reader.js'
import { UnreadableRecord, type Store } from './store.js'

/** @internal */
export interface DisconnectOptions {
  store: Pick<Store, 'find' | 'delete'>
  reader: Pick<Reader, 'drop'>
  flights: Pick<Flights, 'drop'>
  notify: Notify
}

/** The most times that a delete is tried while others change the record. */
const maxRounds = 10

/** The most merchants whose delete has an unknown outcome that are remembered. */
const mostUnknown = 1_000

/** @internal Merchants who leave. */
export class Disconnects {
  readonly #use: DisconnectOptions
  /** Merchants whose record was read, and whose delete failed: it may have happened, or may still happen. */
  readonly #unknown = new Set<string>()

  constructor (options: DisconnectOptions) {
    this.#use = options
  }

  /**
   * Forgets a merchant; resolves with whether there was anything to forget. A connection made meanwhile stays.
   *
   * A record that was read and is gone afterwards counts as forgotten, whoever deleted it: a delete may succeed although its answer is lost.
   *
   * @param connectedBefore only a merchant who last authorized before this second, in Unix seconds by Clover's clock, is forgotten
   * @throws FST_CLOVER_INVALID_MERCHANT_ID, FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP; FST_CLOVER_SEALED where `connectedBefore` is given
   */
  async disconnect (merchantId: string, connectedBefore = Infinity): Promise<boolean> {
    if (!isMerchantId(merchantId)) throw invalidMerchantId()
    const { store, reader, flights } = this.#use
    const first = await store.find(merchantId)
    if (first === undefined) {
      reader.drop(merchantId)
      return this.#unknown.has(merchantId) && this.#forgotten(merchantId)
    }
    this.#unknown.delete(merchantId)
    if (first instanceof UnreadableRecord) {
      // Another server may have the key, and with it the time of this connection.
      if (connectedBefore !== Infinity && isCloverError(first.cause, 'FST_CLOVER_SEALED')) throw first.cause
    } else if (lastAuthorized(first) >= connectedBefore) {
      return false
    }
    const isForgotten = await this.#delete(merchantId, first, connectedBefore).finally(() => reader.drop(merchantId))
    if (isForgotten === undefined) return false
    // Not earlier: a pair that is not stored yet may be the only trace of a merchant who stays connected.
    flights.drop(merchantId, record => first instanceof UnreadableRecord || record.connectionId === first.connectionId)
    return isForgotten && this.#forgotten(merchantId)
  }

  /**
   * Deletes by revision: a delete that arrives late must not hit a newer connection. Resolves with true once the record is gone, with false
   * if another connection has taken its place, and with undefined if the same connection is newer than what ends it.
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
    if (this.#unknown.size >= mostUnknown) this.#unknown.clear()
    this.#unknown.add(merchantId)
  }

  #forgotten (merchantId: string): true {
    this.#unknown.delete(merchantId)
    this.#use.notify({ type: 'disconnected', merchantId })
    return true
  }
}

/** Unix seconds by Clover's clock: when the merchant last went through an authorization. */
function lastAuthorized ({ connectedAt, returnedAt = 0 }: Installation): number {
  return Math.max(connectedAt, returnedAt)
}
