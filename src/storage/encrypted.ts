import { Type } from '@sinclair/typebox'
import { Callback, optionsOf, requireOptions, Signal } from '../checks/arguments.js'
import { recordSealed } from '../errors.js'
import { requireMethod } from './arguments.js'
import type { CloverStorage, Installation, ListQuery } from './contract.js'
import { isDamaged } from './document.js'
import { durabilityOf, withDurability } from './durability.js'
import { readPages } from './page.js'
import { Seal, type DoesNotOpen, type SealingKey } from './seal.js'

/** The options of `encryptedStorage`. */
export interface EncryptedStorageOptions {
  /**
   * The first key seals; every key opens. To rotate, add the new key in second place on every server, then move it to first place on every server, and
   * remove the old one when `reseal()` has finished. A server without a key cannot read what another server sealed with it (`FST_CLOVER_SEALED`).
   */
  keys: readonly SealingKey[]
  /**
   * `true` during the migration of a plaintext store: records without the mark of a sealed one are read as they are, and sealed at their next write.
   * Anybody who can write to the database can then plant tokens, so remove the option when `reseal()` has finished. Default: `false`.
   */
  acceptPlaintext?: boolean
}

/** The progress of `reseal()`. */
export interface ResealProgress {
  /** Records read. */
  done: number
  /** Records sealed with the first key. */
  resealed: number
  /** Records that another server wrote, and so sealed, in the meantime. */
  skipped: number
  /** The ids of merchants whose record does not open, or whose document is damaged. */
  failed: string[]
}

/** The options of `reseal()`. */
export interface ResealOptions {
  /** Called after each page. */
  onProgress?: (progress: ResealProgress) => void
  /** Stops after the current record. Sealed records stay sealed; a later run does the rest. */
  signal?: AbortSignal
}

const Options = optionsOf<EncryptedStorageOptions>({
  keys: Type.Unsafe<readonly SealingKey[]>({ ...Type.Array(Type.Unknown(), { minItems: 1 }), must: 'an array of { id, key }, the first of which seals' }),
  acceptPlaintext: Type.Boolean({ must: 'true or false' })
})

const ResealArgument = optionsOf<ResealOptions>({ onProgress: Callback(), signal: Signal })

/** A storage adapter whose tokens are sealed. */
export interface EncryptedStorage extends CloverStorage {
  /**
   * Seals with the first key every record that is not sealed with it yet, page by page. Servers may run at the same time.
   *
   * Rejects if the adapter has no `list`, with the adapter's errors, or with the signal's reason.
   */
  reseal (options?: ResealOptions): Promise<ResealProgress>
}

/** The sealed fields. The others stay readable, so that listing works. */
const secretFields = ['accessToken', 'refreshToken', 'spentRefreshToken'] as const

/** The field that marks a record as sealed: the form of a token is never used to guess that. */
const mark = 'sealed'
type Stored = Installation & { [mark]?: unknown }

const pageSize = 100

/**
 * Wraps an adapter so that the tokens in its records are sealed with AES-256-GCM.
 *
 * Each envelope is bound to its merchant, app, environment and field, and does not open in another place. `get` rejects with `FST_CLOVER_SEALED` if a
 * record does not open; `list` returns it with its tokens sealed. A damaged record of the adapter is passed on unchanged.
 *
 * Throws a TypeError for invalid keys or an invalid adapter.
 */
export function encryptedStorage (storage: CloverStorage, options: EncryptedStorageOptions): EncryptedStorage {
  for (const method of ['get', 'put', 'delete']) requireMethod('encryptedStorage', storage, method, 'a storage adapter')
  requireOptions('encryptedStorage', Options, options)
  const { keys, acceptPlaintext = false } = Object(options) as EncryptedStorageOptions
  const seal = new Seal(keys)

  function sealed (record: Installation): Installation {
    const result: Stored = { ...record, [mark]: seal.keyId }
    for (const field of secretFields) {
      const value = record[field]
      if (typeof value === 'string') result[field] = seal.seal(value, { ...record, field })
    }
    return result
  }

  function opened ({ [mark]: keyId, ...record }: Stored): Installation {
    if (keyId === undefined && acceptPlaintext) return record
    for (const field of secretFields) {
      const value = record[field]
      if (typeof value === 'string') record[field] = open(value, field, record)
    }
    return record
  }

  function open (value: string, field: string, record: Installation): string {
    try {
      return seal.open(value, { ...record, field })
    } catch (error) {
      throw recordSealed(record.merchantId, field, (error as DoesNotOpen).message, record.deployment)
    }
  }

  function openedIfPossible (record: Stored): Installation {
    try {
      return opened(record)
    } catch {
      return record
    }
  }

  function list (query: ListQuery) {
    if (storage.list === undefined) throw new Error('encryptedStorage: the adapter has no list.')
    return storage.list(query)
  }

  /** Keeps the record's revision, since its content is the same: a refresh in progress can still write. */
  async function resealRecord (record: Stored, progress: ResealProgress): Promise<void> {
    progress.done++
    if (isDamaged(record)) {
      progress.failed.push(record.merchantId)
      return
    }
    if (record[mark] !== undefined && secretFields.every(field => typeof record[field] !== 'string' || seal.isCurrent(record[field]))) return
    let plain: Installation
    try {
      plain = opened(record)
    } catch {
      progress.failed.push(record.merchantId)
      return
    }
    progress[await storage.put(sealed(plain), record.revision) ? 'resealed' : 'skipped']++
  }

  const result: EncryptedStorage = {
    async get (merchantId) {
      const record = await storage.get(merchantId)
      return record && opened(record)
    },
    put: (next, expected) => storage.put(sealed(next), expected),
    delete: (merchantId, expected) => storage.delete(merchantId, expected),
    ...(storage.list && {
      list: async (query: ListQuery) => {
        const { items, ...rest } = await list(query)
        return { items: items.map(openedIfPossible), ...rest }
      }
    }),
    async reseal (options = {}) {
      requireOptions('reseal', ResealArgument, options)
      const { onProgress, signal } = options
      const progress: ResealProgress = { done: 0, resealed: 0, skipped: 0, failed: [] }
      const pages = readPages(async from => {
        signal?.throwIfAborted()
        return await list({ limit: pageSize, ...from })
      })
      for await (const { items } of pages) {
        for (const record of items) {
          signal?.throwIfAborted()
          await resealRecord(record, progress)
        }
        onProgress?.({ ...progress, failed: [...progress.failed] })
      }
      return progress
    }
  }
  const durability = durabilityOf(storage)
  return durability ? withDurability(result, durability) : result
}
