import type { Installation } from '../installation.js'

export type { Installation }

/** The query of `list`. */
export interface ListQuery {
  /** The `cursor` of the previous page; absent for the first page. Only the adapter interprets it. */
  cursor?: string
  /** The most records that a page may hold; pages may be shorter. */
  limit: number
  /**
   * Unix seconds: return at least all records with `dueAt <= dueBefore`; others are optional. Absent: return all records.
   */
  dueBefore?: number
}

/** A page of records. Without `cursor` it is the last one. */
export interface ListPage {
  items: Installation[]
  cursor?: string
}

/**
 * Stores installations: write one, or take an adapter from `fastify-clover/storage`.
 *
 * An adapter keeps the whole record as one JSON document, and beside it `merchantId` (the key), `revision` and `dueAt` as columns
 * of their own. A JSONB column works: no string that the plugin writes has the character U+0000 or a lone surrogate. Each method rejects if the
 * database does not answer; the plugin then finds out by itself whether a write was stored. If a document cannot be read, `get` and `list` should
 * return the columns instead of the record: `{ merchantId, revision, dueAt }`.
 */
export interface CloverStorage {
  /**
   * Reads a merchant's record; undefined or null if there is none. Must see the latest write: read from the primary, outside the host's transactions.
   */
  get (merchantId: string): Promise<Installation | null | undefined>
  /**
   * Stores `next` if the stored record's `revision` is still `expected` (undefined: nothing is stored). Resolves with whether it did. Must be atomic
   * across all processes that share the store, and durable once resolved.
   */
  put (next: Installation, expected: string | undefined): Promise<boolean>
  /** Deletes a merchant's record if its `revision` is still `expected` (undefined: any revision). Resolves with whether it did. */
  delete (merchantId: string, expected?: string): Promise<boolean>
  /** Optional, needed for listings and keep-alive: pages of records in any order, each record at least once. */
  list? (query: ListQuery): Promise<ListPage>
}

/** A ready adapter whose database needs a table first. */
export interface CloverStorageWithSetup extends CloverStorage {
  /** Creates the table if it does not exist. Also done on first use. May be called at any time, by several servers at once. */
  setup (): Promise<void>
  list (query: ListQuery): Promise<ListPage>
}
