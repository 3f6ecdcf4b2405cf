import { TypeCompiler } from '@sinclair/typebox/compiler'
import { isCloverError, otherApp, recordSealed, storageFailed } from '../errors.js'
import type { CloverStorage, ListPage, ListQuery } from '../storage/contract.js'
import { Installation } from './installation.js'

const fits = TypeCompiler.Compile(Installation)

/** @internal */
export interface StoreOptions {
  storage: CloverStorage
  appId: string
  /** The environment's name. */
  environment: string
  /** Milliseconds after which a call to the adapter counts as failed, its outcome unknown. */
  timeout: number
}

/**
 * @internal The host's adapter, seen from the rules: every call ends in time, every failure is `FST_CLOVER_STORAGE`, and a record serves
 * only the app and environment that made it.
 */
export class Store {
  readonly #options: StoreOptions

  constructor (options: StoreOptions) {
    this.#options = options
  }

  /** Whether the adapter can list. */
  get canList (): boolean {
    return typeof this.#options.storage.list === 'function'
  }

  async get (merchantId: string): Promise<Installation | undefined> {
    const record = await this.#call('get', merchantId, storage => storage.get(merchantId))
    return record === null || record === undefined ? undefined : this.#own(record, merchantId)
  }

  /** Rejects where the outcome is unknown: what was put may be stored, or may be stored later. */
  async put (next: Installation, expected: string | undefined): Promise<boolean> {
    const { merchantId, accessToken, refreshToken, spentRefreshToken } = next
    const secrets = [accessToken, refreshToken, spentRefreshToken]
    const stored: unknown = await this.#call('put', merchantId, storage => storage.put(structuredClone(next), expected), secrets)
    return this.#boolean('put', merchantId, stored)
  }

  async delete (merchantId: string, expected?: string): Promise<boolean> {
    return this.#boolean('delete', merchantId, await this.#call('delete', merchantId, storage => storage.delete(merchantId, expected)))
  }

  /** A page of records of this app and environment. */
  async list (query: ListQuery): Promise<{ items: Installation[], cursor?: string }> {
    const page: Partial<ListPage> | undefined = await this.#call('list', undefined, async storage => {
      if (storage.list === undefined) throw new Error('the adapter does not have it, and it is needed for listings')
      return storage.list(query)
    })
    if (!Array.isArray(page?.items)) throw storageFailed('list', 'it must resolve with a page: items and maybe a cursor')
    const { items, cursor } = page
    return { items: items.map((record?: Installation) => this.#own(record, record?.merchantId)), ...(cursor !== undefined && cursor !== null && { cursor }) }
  }

  async #call<T> (method: string, merchantId: string | undefined, run: (storage: CloverStorage) => Promise<T>, secrets: unknown[] = []): Promise<T> {
    const { storage, timeout } = this.#options
    let timer: NodeJS.Timeout | undefined
    try {
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${timeout} ms`)), timeout)
      })
      return await Promise.race([run(storage), late])
    } catch (error) {
      if (isCloverError(error)) throw error // of encryptedStorage: it says what to do
      const reason = withoutSecrets(error instanceof Error ? error.message : String(error), secrets)
      throw storageFailed(method, reason, merchantId, Object.assign(new Error(reason), errorName(error)))
    } finally {
      clearTimeout(timer)
    }
  }

  #own (record: unknown, merchantId: string | undefined): Installation {
    if (!fits.Check(record)) {
      throw storageFailed('get', `the record does not have the form of an installation at ${fits.Errors(record).First()?.path || '/'}`, merchantId)
    }
    if ('sealed' in record) throw recordSealed(record.merchantId, 'accessToken', 'it is sealed, and the storage is not wrapped in encryptedStorage')
    const { appId, environment } = this.#options
    if (record.merchantId !== merchantId || record.appId !== appId || record.environment !== environment) throw otherApp(merchantId ?? record.merchantId)
    return record
  }

  #boolean (method: string, merchantId: string, value: unknown): boolean {
    if (typeof value === 'boolean') return value
    throw storageFailed(method, 'it must resolve with true or false', merchantId)
  }
}

/** A database's error may quote what it was given. */
function withoutSecrets (message: string, secrets: unknown[]): string {
  return secrets.reduce<string>(
    (text, secret) => typeof secret === 'string' && secret !== '' ? text.replaceAll(secret, '[redacted]') : text,
    message
  ).slice(0, 500)
}

/** The name and code of the adapter's error, by which an operator finds it in the database's documentation. */
function errorName (error: unknown): { name?: string, code?: unknown } {
  if (!(error instanceof Error)) return {}
  return { name: error.name, ...('code' in error && { code: error.code }) }
}
