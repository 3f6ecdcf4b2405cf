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

/** A page of records. */
export interface ListPage {
  /** The records of this page. */
  items: Installation[]
  /** Where the next page begins, in a form of the adapter's own; absent: this page is the last one. */
  cursor?: string
}

/**
 * Stores installations: write one, or take an adapter from `fastify-clover/storage`.
 *
 * An adapter keeps the whole record as one JSON document, and beside it `merchantId` (the key), `revision` and `dueAt` as columns
 * of their own. A JSONB column works: no string that the plugin writes has the character U+0000 or a lone surrogate. If a document cannot be read,
 * `get` and `list` should return the columns instead of the record: `{ merchantId, revision, dueAt }`.
 *
 * The plugin gives each call five seconds. After that, and if the method rejects, the call counts as failed and its outcome as unknown: it may have
 * taken effect, or may do so later, and the plugin reads the record to find out. Each method rejects if the database does not answer. Calls come at
 * the same time, also for one merchant, and from several servers.
 */
export interface CloverStorage {
  /**
   * Reads a merchant's record; undefined or null if there is none. Must see the latest write: read from the primary, outside the host's transactions.
   * Each call returns a new object, which the caller may change.
   */
  get (merchantId: string): Promise<Installation | null | undefined>
  /**
   * Stores `next` if the stored record's `revision` is still `expected` (undefined: nothing is stored). Resolves with whether it did. Must be atomic
   * across all processes that share the store, and durable once resolved. The whole record is stored in the place of the one before, with the fields
   * that the adapter does not know. `next` is neither changed nor kept: its owner may change it later.
   */
  put (next: Installation, expected: string | undefined): Promise<boolean>
  /** Deletes a merchant's record if its `revision` is still `expected` (undefined: any revision). Resolves with whether it did. */
  delete (merchantId: string, expected?: string): Promise<boolean>
  /** Optional, needed for listings and keep-alive: pages of records in any order, each record at least once, and each a new object. */
  list? (query: ListQuery): Promise<ListPage>
}

/** A ready adapter whose database needs a table first. */
export interface CloverStorageWithSetup extends CloverStorage {
  /**
   * Creates the table if it does not exist, as the first use does, and checks one that does; MongoDB: creates the index, which only this does. May be called
   * at any time, by several servers at once.
   */
  setup (): Promise<void>
  list (query: ListQuery): Promise<ListPage>
}
