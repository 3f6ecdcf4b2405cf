import type { Installation } from '../tokens/installation.js'

export type { Installation }

/** What `list` is asked for. */
export interface ListQuery {
  /** The `cursor` of the page before; absent for the first page. Opaque: made by the adapter. */
  cursor?: string
  /** The most records that a page may hold; pages may be shorter. */
  limit: number
  /** A hint, in Unix seconds: records whose `dueAt` is null or later may be left out. */
  dueBefore?: number
}

/** A page of records; no `cursor`: the last page. */
export interface ListPage {
  items: Installation[]
  cursor?: string
}

/**
 * Where installations are kept: implemented by the host, or taken from `fastify-clover/storage`.
 *
 * An adapter keeps the whole record as one JSON document, and beside it `merchantId` (the key), `revision` and `dueAt` as columns
 * of their own. Each method rejects if the database does not answer; the plugin then finds out for itself what was stored. In place of a
 * record whose document cannot be read, `get` and `list` should give what these columns say: `{ merchantId, revision, dueAt }`.
 */
export interface CloverStorage {
  /**
   * What is stored for a merchant, or undefined (null is taken for it). Must read what was last written: on the primary, and
   * outside the host's transactions.
   */
  get (merchantId: string): Promise<Installation | null | undefined>
  /**
   * Stores `next` if the stored record's `revision` is still `expected` (undefined: nothing is stored), and says whether it did.
   * Must be atomic across every process that shares the store, and durable once resolved.
   */
  put (next: Installation, expected: string | undefined): Promise<boolean>
  /** Forgets a merchant if the stored revision is still `expected` (undefined: whatever it is), and says whether anything was forgotten. */
  delete (merchantId: string, expected?: string): Promise<boolean>
  /** Optional, needed for listings and keep-alive: pages of records in any order, each record at least once. */
  list? (query: ListQuery): Promise<ListPage>
}

/** A ready adapter that needs something made in its database first. `setup` may be called at any time, by several servers at once. */
export interface CloverStorageWithSetup extends CloverStorage {
  /** Makes the table if it is not there. Also done on first use. */
  setup (): Promise<void>
  list (query: ListQuery): Promise<ListPage>
}
