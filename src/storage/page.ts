import { setImmediate } from 'node:timers/promises'
import type { Installation, ListPage, ListQuery } from './contract.js'
import { fromRow, type StoredRow } from './document.js'

/** A row of a listing. */
export interface ListRow extends StoredRow {
  merchantId: string
}

/** A page, which has the property `cursor` only if there is one. */
export function pageOf (items: Installation[], cursor: string | undefined): ListPage {
  return cursor === undefined ? { items } : { items, cursor }
}

/**
 * A page of rows that are sorted by merchant id. Its cursor is the last id.
 *
 * Unlike with an offset, no record is skipped if records before it are inserted or deleted. A damaged document is listed as a
 * `DamagedInstallation`: a merchant who is missing in a listing would not be noticed.
 */
export function keysetPage (rows: ListRow[], limit: number): ListPage {
  return pageOf(rows.map(row => fromRow(row, row.merchantId)), rows.length < limit ? undefined : rows.at(-1)?.merchantId)
}

/**
 * Reads a listing page by page. `list` gets the property `cursor`, from the second page on. Between two pages the event loop takes a turn: some adapters answer
 * without one, and a long listing would hold up every request.
 */
export async function * readPages<Page extends { cursor?: string | undefined }> (list: (from: Pick<ListQuery, 'cursor'>) => Promise<Page>): AsyncGenerator<Page, void, undefined> {
  let cursor: string | undefined
  do {
    const page = await list(cursor === undefined ? {} : { cursor })
    yield page
    cursor = page.cursor
    if (cursor !== undefined) await setImmediate()
  } while (cursor !== undefined)
}
