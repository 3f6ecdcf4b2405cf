import type { Installation, ListPage } from './contract.js'
import { fromDocument } from './document.js'

/** What a listing reads of a stored record. */
export interface ListRow {
  merchantId: string
  document: unknown
}

/** A page, with `cursor` only where there is one. */
export function pageOf (items: Installation[], cursor: string | undefined): ListPage {
  return cursor === undefined ? { items } : { items, cursor }
}

/**
 * A page of rows that were read in the order of their merchant ids, whose cursor is the last id.
 *
 * Unlike an offset, a key stays where it is when records before it come and go: none is skipped. Throws on a damaged document:
 * a listing that left a merchant out in silence would let that merchant's tokens expire.
 */
export function keysetPage (rows: ListRow[], limit: number): ListPage {
  const items = rows.map(({ merchantId, document }) => fromDocument(document, merchantId))
  return pageOf(items, rows.length < limit ? undefined : rows.at(-1)?.merchantId)
}
