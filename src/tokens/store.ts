import { TypeCompiler } from '@sinclair/typebox/compiler'
import { isCloverError, otherApp, recordSealed, storageFailed } from '../errors.js'
import type { CloverStorage, ListPage, ListQuery } from '../storage/contract.js'
import { Deadlines } from './deadlines.js'
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
  /** Told of each record that does not open, and why. */
  onNotOpened?: (merchantId: string, reason: string) => void
}

/**
 * @internal The host's adapter, seen from the rules: every call ends in time, every failure is `FST_CLOVER_STORAGE`, and a record serves
 * only the app and environment that made it.
 */
export class Store {
  readonly #options: StoreOptions
  readonly #deadlines: Deadlines

  constructor (options: StoreOptions) {
    const { timeout } = options
    this.#options = options
    this.#deadlines = new Deadlines(timeout, () => new Error(`no answer within ${timeout} ms`))
  }

  /** Milliseconds after which a call has ended, one way or the other. */
  get timeout (): number {
    return this.#options.timeout
  }

  /** Whether the adapter can list. */
  get canList (): boolean {
    return typeof this.#options.storage.list === 'function'
  }

  async get (merchantId: string): Promise<Installation | undefined> {
    try {
      const record: unknown = await this.#deadlines.within(this.#options.storage.get(merchantId))
      return record === null || record === undefined ? undefined : this.#opened(this.#own(record, merchantId))
    } catch (error) {
      const failed = failure('get', error, merchantId)
      if (isCloverError(failed, 'FST_CLOVER_SEALED')) this.#options.onNotOpened?.(merchantId, failed.message)
      throw failed
    }
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

  /** A page of records of this app and environment. The tokens of one that does not open are sealed in it. */
  async list (query: ListQuery): Promise<{ items: Installation[], cursor?: string }> {
    const { items, ...rest } = await this.#page(query)
    return { items: items.map((record?: Installation) => this.#own(record, record?.merchantId)), ...rest }
  }

  /** The same without the records that are of no use, such as those that do not open: one must not keep the others from being served. */
  async listUsable (query: ListQuery): Promise<{ items: Installation[], cursor?: string, unusable: number }> {
    const { items, ...rest } = await this.#page(query)
    const usable = items.filter((record?: Installation) => {
      try {
        return this.#own(record, record?.merchantId)
      } catch {
        return false
      }
    })
    return { items: usable, unusable: items.length - usable.length, ...rest }
  }

  async #page (query: ListQuery): Promise<ListPage> {
    const page: Partial<ListPage> | undefined = await this.#call('list', undefined, async storage => {
      if (storage.list === undefined) throw new Error('the adapter does not have it, and it is needed for listings')
      return storage.list(query)
    })
    if (!Array.isArray(page?.items)) throw storageFailed('list', 'it must resolve with a page: items and maybe a cursor')
    const { items, cursor } = page
    // Whoever follows it would go round for ever.
    if (typeof cursor === 'string' && cursor === query.cursor) throw storageFailed('list', 'it gave the same cursor as it was given')
    return { items, ...(cursor !== undefined && cursor !== null && { cursor }) }
  }

  async #call<T> (method: string, merchantId: string | undefined, run: (storage: CloverStorage) => Promise<T>, secrets: unknown[] = []): Promise<T> {
    try {
      return await this.#deadlines.within(run(this.#options.storage))
    } catch (error) {
      throw failure(method, error, merchantId, secrets)
    }
  }

  #own (record: unknown, merchantId: string | undefined): Installation {
    if (!fits.Check(record)) {
      throw storageFailed('get', `the record does not have the form of an installation at ${fits.Errors(record).First()?.path || '/'}`, merchantId)
    }
    const { appId, environment } = this.#options
    if (record.merchantId !== merchantId || record.appId !== appId || record.environment !== environment) throw otherApp(String(merchantId))
    return record
  }

  #opened (record: Installation): Installation {
    if ('sealed' in record) throw recordSealed(record.merchantId, 'accessToken', 'it is sealed, and the storage is not wrapped in encryptedStorage')
    return record
  }

  #boolean (method: string, merchantId: string, value: unknown): boolean {
    if (typeof value === 'boolean') return value
    throw storageFailed(method, 'it must resolve with true or false', merchantId)
  }
}

function failure (method: string, error: unknown, merchantId: string | undefined, secrets: unknown[] = []): unknown {
  if (isCloverError(error)) return error // of encryptedStorage: it says what to do
  const reason = withoutSecrets(error instanceof Error ? error.message : String(error), secrets)
  return storageFailed(method, reason, merchantId, Object.assign(new Error(reason), errorName(error)))
}

/** So many characters of tokens in a row, and what makes them no word: what a store quotes of a record is not known here. */
const long = /[\w~+=%-]{20,}/g
const noWord = /\d|[a-z][A-Z]|[A-Z][a-z]/

/** A database's error may quote what it was given, or what it has. */
function withoutSecrets (message: string, secrets: unknown[]): string {
  const known = secrets.reduce<string>(
    (text, secret) => typeof secret === 'string' && secret !== '' ? text.replaceAll(secret, '[redacted]') : text,
    message.slice(0, 10_000)
  )
  return known.replace(long, word => noWord.test(word) ? '[redacted]' : word).slice(0, 500)
}

/** The name and code of the adapter's error, by which an operator finds it in the database's documentation: words, and nothing that could hold a token. */
function errorName (error: unknown): { name?: string, code?: unknown } {
  if (!(error instanceof Error)) return {}
  const code: unknown = 'code' in error ? error.code : undefined
  const isCode = typeof code === 'number' || (typeof code === 'string' && /^(?:[A-Z0-9_]{1,40}|[A-Za-z]{1,60})$/.test(code))
  return { ...(/^[A-Za-z]{1,60}$/.test(error.name) && { name: error.name }), ...(isCode && { code }) }
}
