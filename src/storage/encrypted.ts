import { recordSealed } from '../errors.js'
import { requireMethod } from './arguments.js'
import type { CloverStorage, Installation, ListQuery } from './contract.js'
import { isDamaged } from './document.js'
import { Seal, type DoesNotOpen, type SealingKey } from './seal.js'

/** The options of `encryptedStorage`. */
export interface EncryptedStorageOptions {
  /** The first seals, all open: put a new key first, and take the old one away once `reseal()` has gone through. */
  keys: readonly SealingKey[]
  /**
   * `true` while a store of plaintext records is taken over: records that say themselves that they are not sealed are read, and sealed at
   * their next write. Whoever can write to the database can then plant tokens, so end it once `reseal()` has gone through.
   */
  acceptPlaintext?: boolean
}

/** How far `reseal()` is. */
export interface ResealProgress {
  /** Records looked at. */
  done: number
  /** Records sealed anew. */
  resealed: number
  /** Records that changed meanwhile: whoever wrote them has sealed them. */
  skipped: number
  /** Merchants whose record does not open, or whose document is damaged. */
  failed: string[]
}

/** The options of `reseal()`. */
export interface ResealOptions {
  /** Called after each page. */
  onProgress?: (progress: ResealProgress) => void
  /** Stops after the record under way; what was sealed stays sealed, and another run goes on. */
  signal?: AbortSignal
}

/** A storage adapter whose tokens are sealed. */
export interface EncryptedStorage extends CloverStorage {
  /**
   * Seals every record with the first key that is not sealed with it yet, page by page, beside running servers.
   *
   * Rejects if the adapter has no `list`, as the adapter does, or with the signal's reason.
   */
  reseal (options?: ResealOptions): Promise<ResealProgress>
}

/** The fields that hold secrets. The rest stays readable, so that listing works. */
const secretFields = ['accessToken', 'refreshToken', 'spentRefreshToken'] as const

/** The mark of a sealed record, kept in it: whether it is sealed is never guessed from what a token looks like. */
const mark = 'sealed'
type Stored = Installation & { [mark]?: unknown }

const pageSize = 100

/**
 * Wraps an adapter so that the tokens in its records are sealed with AES-256-GCM.
 *
 * Each envelope is bound to its merchant, app, environment and field: one that is copied elsewhere does not open there. A record that does
 * not open is `FST_CLOVER_SEALED`; a listing leaves its tokens sealed and goes on. What an adapter gives in place of a record whose document
 * is damaged is passed on as it is.
 *
 * Throws a TypeError for keys or an adapter that will not do.
 */
export function encryptedStorage (storage: CloverStorage, { keys, acceptPlaintext = false }: EncryptedStorageOptions): EncryptedStorage {
  for (const method of ['get', 'put', 'delete']) requireMethod('encryptedStorage', storage, method, 'a storage adapter')
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
      throw recordSealed(record.merchantId, field, (error as DoesNotOpen).message)
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

  /** The record keeps its revision, since what it says is the same: a refresh under way is not disturbed. */
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

  return {
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
    async reseal ({ onProgress, signal } = {}) {
      const progress: ResealProgress = { done: 0, resealed: 0, skipped: 0, failed: [] }
      let cursor: string | undefined
      do {
        signal?.throwIfAborted()
        const page = await list({ limit: pageSize, ...(cursor !== undefined && { cursor }) })
        for (const record of page.items) {
          signal?.throwIfAborted()
          await resealRecord(record, progress)
        }
        cursor = page.cursor
        onProgress?.({ ...progress, failed: [...progress.failed] })
      } while (cursor !== undefined)
      return progress
    }
  }
}
