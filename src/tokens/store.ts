import { Compiled } from '../checks/compiled.js'
import { deploymentOfSealed, isCloverError, otherApp, otherDeployment, reasonOf, recordSealed, recordUnreadable, storageFailed, type CloverError } from '../errors.js'
import type { CloverStorage, ListPage, ListQuery } from '../storage/contract.js'
import { durabilityOf, type DurabilityReport } from '../storage/durability.js'
import { Deadlines } from '../concurrency/deadlines.js'
import { Installation, isMerchantId } from '../installation.js'
import type { Deployment } from './deployment.js'
import { storageFailure } from './storage-failure.js'

const form = new Compiled(Installation)

/** @internal The adapter that a {@link Store} wraps, and whose records it serves. */
export interface StoreOptions {
  storage: CloverStorage
  appId: string
  /** The environment's name. */
  environment: string
  /** The deployment of this server. Default: none, so that the records of every deployment are served. */
  deployment?: Pick<Deployment, 'name' | 'serves'> | undefined
  /** Milliseconds after which a call to the adapter counts as failed, its outcome unknown. */
  timeout: number
  /** A clock in milliseconds that is never set back, for the timeout. Default: the process's own. */
  monotonic?: () => number
  /** Called for each record that cannot be read, with the reason. */
  onUnreadable?: (merchantId: string, reason: string) => void
}

/** @internal A stored record that cannot be read: damaged, or sealed with an unknown key. A new authorization replaces it. */
export class UnreadableRecord {
  /**
   * @param revision the stored revision; undefined if it cannot be read either
   * @param deployment the deployment that the record is bound to; undefined if it is not bound, or that cannot be read either
   */
  constructor (readonly cause: CloverError, readonly revision: string | undefined, readonly deployment: string | undefined) {}
}

/** @internal A page of records. */
export interface StorePage {
  items: Installation[]
  /** The records that cannot be used: damaged, sealed with an unknown key, or of another app or deployment. */
  unusable: Array<{ merchantId: string | undefined, reason: string }>
  cursor?: string
}

/**
 * @internal Wraps the host's adapter: each call has a timeout, each failure becomes `FST_CLOVER_STORAGE`, and a record serves only the app
 * and environment that made it, and the deployment that it is bound to.
 */
export class Store {
  readonly #options: StoreOptions
  readonly #deadlines: Deadlines

  constructor (options: StoreOptions) {
    const { timeout, monotonic } = options
    this.#options = options
    this.#deadlines = new Deadlines(timeout, () => new Error(`no answer within ${timeout} ms`), monotonic)
  }

  /** Whether the adapter can list. */
  get canList (): boolean {
    return typeof this.#options.storage.list === 'function'
  }

  /**
   * Reads a merchant's record.
   *
   * @throws FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT, FST_CLOVER_UNREADABLE, FST_CLOVER_SEALED
   */
  async get (merchantId: string): Promise<Installation | undefined> {
    let record: unknown
    try {
      record = await this.#deadlines.within(this.#options.storage.get(merchantId))
      return record === null || record === undefined ? undefined : this.#usable(record, merchantId)
    } catch (error) {
      throw this.#unreadable(error, record, merchantId).cause
    }
  }

  /**
   * Reads a merchant's record, also if it is unreadable.
   *
   * @throws FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT
   */
  async find (merchantId: string): Promise<Installation | UnreadableRecord | undefined> {
    let record: unknown
    try {
      record = await this.#deadlines.within(this.#options.storage.get(merchantId))
      return record === null || record === undefined ? undefined : this.#usable(record, merchantId)
    } catch (error) {
      return this.#unreadable(error, record, merchantId)
    }
  }

  /**
   * Writes a record over the revision `expected`; undefined: only if there is none. Resolves with whether it was written. After a rejection
   * the outcome is unknown: the record may be stored, or may be stored later.
   */
  async put (next: Installation, expected: string | undefined): Promise<boolean> {
    const { merchantId, accessToken, refreshToken, spentRefreshToken } = next
    const secrets = [accessToken, refreshToken, spentRefreshToken]
    const stored: unknown = await this.#call('put', merchantId, storage => storage.put(structuredClone(next), expected), secrets)
    return this.#boolean('put', merchantId, stored)
  }

  /** Deletes a record, with `expected` only that revision. Resolves with whether it was deleted. After a rejection the outcome is unknown. */
  async delete (merchantId: string, expected?: string): Promise<boolean> {
    return this.#boolean('delete', merchantId, await this.#call('delete', merchantId, storage => storage.delete(merchantId, expected)))
  }

  /** A page of records of this app, environment and deployment. A record that cannot be used must not stop the listing (rule 22). */
  async list (query: ListQuery): Promise<StorePage> {
    const { items, ...rest } = await this.#page(query)
    const page: StorePage = { items: [], unusable: [], ...rest }
    for (const record of items as unknown[]) {
      const id = (record as Partial<Installation> | null | undefined)?.merchantId
      const merchantId = isMerchantId(id) ? id : undefined
      try {
        page.items.push(this.#usable(record, merchantId))
      } catch (error) {
        const reason = reasonOf(error)
        if (merchantId !== undefined && isUnreadable(error)) this.#options.onUnreadable?.(merchantId, reason)
        page.unusable.push({ merchantId, reason })
      }
    }
    return page
  }

  /**
   * What the database says of its durability; undefined if the adapter cannot ask it.
   *
   * @throws FST_CLOVER_STORAGE
   */
  async durability (): Promise<DurabilityReport | undefined> {
    const ask = durabilityOf(this.#options.storage)
    return ask && await this.#call('durability', undefined, ask)
  }

  async #page (query: ListQuery): Promise<ListPage> {
    const page: Partial<ListPage> | undefined = await this.#call('list', undefined, async storage => {
      if (storage.list === undefined) throw storageFailed('list, which it does not have', 'listings need it')
      return storage.list(query)
    })
    if (!Array.isArray(page?.items)) throw storageFailed('list', 'it must resolve with a page: items and maybe a cursor')
    const { items, cursor } = page
    // Following it would never end.
    if (typeof cursor === 'string' && cursor === query.cursor) throw storageFailed('list', 'it gave the same cursor as it was given')
    return { items, ...(cursor !== undefined && cursor !== null && { cursor }) }
  }

  async #call<T> (method: string, merchantId: string | undefined, run: (storage: CloverStorage) => Promise<T>, secrets: unknown[] = []): Promise<T> {
    try {
      return await this.#deadlines.within(run(this.#options.storage))
    } catch (error) {
      throw storageFailure(method, error, merchantId, secrets)
    }
  }

  /**
   * A record as it was read, if it has the form of one and serves this app, environment and deployment (rule 16).
   *
   * @throws FST_CLOVER_UNREADABLE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT, FST_CLOVER_SEALED
   */
  #usable (record: unknown, merchantId: string | undefined): Installation {
    if (!form.accepts(record)) throw recordUnreadable(merchantId ?? 'without an id', `it does not have the form of an installation at ${form.firstError(record).path}`)
    const { appId, environment } = this.#options
    if (record.merchantId !== merchantId || record.appId !== appId || record.environment !== environment) throw otherApp(String(merchantId))
    this.#refuseOther(record.deployment, merchantId)
    if ('sealed' in record) throw recordSealed(merchantId, 'accessToken', 'it is sealed: the storage is not wrapped in encryptedStorage, or none of its keys opens it')
    return record
  }

  /** @throws FST_CLOVER_OTHER_DEPLOYMENT if a record is bound to a deployment whose records this server must not use */
  #refuseOther (bound: string | undefined, merchantId: string): void {
    const { deployment } = this.#options
    if (deployment !== undefined && bound !== undefined && !deployment.serves(bound)) throw otherDeployment(merchantId, bound, deployment.name)
  }

  /**
   * The record that a failed reading leaves, if it is unreadable.
   *
   * @throws FST_CLOVER_STORAGE, FST_CLOVER_OTHER_APP, FST_CLOVER_OTHER_DEPLOYMENT
   */
  #unreadable (error: unknown, record: unknown, merchantId: string): UnreadableRecord {
    const failed = storageFailure('get', error, merchantId)
    if (!isUnreadable(failed)) throw failed
    // A new authorization would replace the record of another deployment, which may be able to read it.
    const deployment = deploymentOfSealed(failed) ?? deploymentIn(record)
    this.#refuseOther(deployment, merchantId)
    this.#options.onUnreadable?.(merchantId, failed.message)
    return new UnreadableRecord(failed, revisionOf(record), deployment)
  }

  #boolean (method: string, merchantId: string, value: unknown): boolean {
    if (typeof value === 'boolean') return value
    throw storageFailed(method, 'it must resolve with true or false', merchantId)
  }
}

function isUnreadable (error: unknown): error is CloverError {
  return isCloverError(error, 'FST_CLOVER_UNREADABLE') || isCloverError(error, 'FST_CLOVER_SEALED')
}

/** The revision of a damaged record, if that much of it is left. */
function revisionOf (record: unknown): string | undefined {
  const revision: unknown = (record as Partial<Installation> | undefined)?.revision
  return typeof revision === 'string' && revision !== '' ? revision : undefined
}

/** The deployment that a damaged record is bound to, if that much of it is left. */
function deploymentIn (record: unknown): string | undefined {
  const deployment: unknown = (record as Partial<Installation> | undefined)?.deployment
  return typeof deployment === 'string' ? deployment : undefined
}
