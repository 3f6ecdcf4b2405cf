import { readPages } from '../storage/page.js'
import type { Store, StorePage } from '../tokens/store.js'

/** @internal All records of the store, in numbers. */
export interface Listing {
  /** Temporary records do not count. */
  count: number
  /** The first records that cannot be used. */
  unusable: StorePage['unusable']
  numberOfUnusable: number
  /** The revisions that were listed for the merchant who was looked for. */
  revisions: string[]
}

interface ListingContext {
  store: Pick<Store, 'list' | 'delete'>
  clock: { now (): number }
  throwIfStopped (): void
}

/** The merchant id of a temporary record. No id of a real merchant begins like this: Clover's are random. */
const temporary = /^DIAGNOSE[0-9A-F]{5}$/

/** Seconds after which a temporary record counts as left behind by a process that died. */
const leftBehind = 600

/** The most unusable records that are kept. */
const mostKept = 10

/** @internal Reads all records, page by page, and removes temporary ones that were left behind. @throws FST_CLOVER_STORAGE */
export async function readAll ({ store, clock, throwIfStopped }: ListingContext, merchantId: string): Promise<Listing> {
  const listing: Listing = { count: 0, unusable: [], numberOfUnusable: 0, revisions: [] }
  for await (const page of readPages(from => store.list({ limit: 100, ...from }))) {
    throwIfStopped()
    for (const record of page.items) {
      if (record.merchantId === merchantId) listing.revisions.push(record.revision)
      if (!temporary.test(record.merchantId)) listing.count++
      else if (record.updatedAt < clock.now() - leftBehind) await store.delete(record.merchantId, record.revision)
    }
    listing.count += page.unusable.length
    listing.numberOfUnusable += page.unusable.length
    listing.unusable.push(...page.unusable.slice(0, mostKept - listing.unusable.length))
  }
  return listing
}
