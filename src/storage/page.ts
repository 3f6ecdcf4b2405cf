import type { Installation, ListPage } from './contract.js'
import { fromRow, type StoredRow } from './document.js'

/** A row of a listing. */
export interface ListRow extends StoredRow {
  merchantId: string
}

/** A page, with `cursor` only where there is one. */
export function pageOf (items: Installation[], cursor: string | undefined): ListPage {
  return cursor === undefined ? { items } : { items, cursor }
}

/**
 * A page of rows that were read in the order of their merchant ids, whose cursor is the last id.
 *
 * Unlike an offset, a key stays where it is when records before it come and go: none is skipped. A damaged document is listed as a
 * `DamagedInstallation`: nobody would notice a merchant whom a listing leaves out.
 */
export function keysetPage (rows: ListRow[], limit: number): ListPage {
  return pageOf(rows.map(row => fromRow(row, row.merchantId)), rows.length < limit ? undefined : rows.at(-1)?.merchantId)
}
