import type { Installation } from '../installation.js'
import { readPages } from '../storage/page.js'
import type { Store } from '../tokens/store.js'

/** @internal All records of the store, in numbers. */
export interface Listing {
  /** Temporary records do not count. */
  count: number
  /** The records that no deployment is named in. */
  unbound: number
  /** The reasons why records cannot be used, without the merchant's id: how many have it, and one of them. */
  unusable: Map<string, { number: number, example: string }>
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

/** @internal How the made-up token of a temporary record begins. */
export const temporaryToken = 'none-'

/** The most reasons that are kept. */
const mostReasons = 5

/** @internal Reads all records, page by page, and removes temporary ones that were left behind. @throws FST_CLOVER_STORAGE */
export async function readAll ({ store, clock, throwIfStopped }: ListingContext, merchantId: string): Promise<Listing> {
  const listing: Listing = { count: 0, unusable: new Map(), numberOfUnusable: 0, revisions: [], unbound: 0 }
  for await (const page of readPages(from => store.list({ limit: 100, ...from }))) {
    throwIfStopped()
    for (const record of page.items) {
      if (record.merchantId === merchantId) listing.revisions.push(record.revision)
      if (!isTemporary(record)) {
        listing.count++
        if (record.deployment === undefined) listing.unbound++
      } else if (record.updatedAt < clock.now() - leftBehind) await store.delete(record.merchantId, record.revision)
    }
    listing.count += page.unusable.length
    listing.numberOfUnusable += page.unusable.length
    for (const { merchantId = 'an unknown merchant', reason } of page.unusable) {
      const alike = reason.replaceAll(`merchant ${merchantId}`, 'this merchant')
      const known = listing.unusable.get(alike)
      if (known) known.number++
      else if (listing.unusable.size < mostReasons) listing.unusable.set(alike, { number: 1, example: merchantId })
    }
  }
  return listing
}

/** Whether a record is of a diagnosis: with anything else in it, it is a merchant's, however unlikely the id. */
function isTemporary ({ merchantId, accessToken, refreshToken }: Installation): boolean {
  return temporary.test(merchantId) && refreshToken === null && accessToken.startsWith(temporaryToken)
}
