import { isEcommerceUrl } from '../clover/api-url.js'
import type { Environment } from '../environments.js'
import { invalidOptions } from '../errors.js'
import { cursorPages } from './cursor-pages.js'
import type { MerchantApi } from './merchant-api.js'
import { offsetPages } from './offset-pages.js'
import { periodOf, windowsOf, type Period } from './time-windows.js'

/** Options of `paginate()`. */
export interface PaginateOptions {
  /** Elements of a page: 1 to 1000, or 1 to 100 for the ecommerce API, the most that Clover gives; 100 by default. */
  limit?: number
  /**
   * Only elements from this time on, `since` itself included: a `Date`, or Unix milliseconds. The collection is then read in windows of 90
   * days, the oldest first, since Clover gives no more of orders, payments and authorizations in one request.
   */
  since?: Date | number
  /** Only elements up to this time, `until` itself included: a `Date`, or Unix milliseconds. Clover's present time by default, and at most. */
  until?: Date | number
  /** The field that `since` and `until` are compared with; `createdTime` by default, and `created` for the ecommerce API. */
  timeField?: string
  /** Ends the iteration with its reason. */
  signal?: AbortSignal
}

/** @internal */
export interface PagingDependencies {
  api: Pick<MerchantApi, 'url' | 'json'>
  environment: Environment
  clock: { now (): number }
}

/** @internal A collection, and how a page of it is read. */
export interface Collection {
  url: URL
  merchantId: string
  /** Elements of a page, as the caller wants. */
  limit: number | undefined
  /** The body of a page; undefined if it is not JSON. */
  get (url: URL): Promise<unknown>
}

/** @internal Backs `paginate()`: the elements of a collection, page by page. */
export async function * paginate<T> ({ api, environment, clock }: PagingDependencies, merchantId: string, path: string | URL, options: PaginateOptions = {}): AsyncGenerator<T, void, undefined> {
  const url = api.url(merchantId, path)
  const period = periodOf(options, clock.now() * 1000)
  const collection: Collection = { url, merchantId, limit: options.limit, get: url => api.json(merchantId, url, options.signal) }
  // The elements are not checked: T is what the caller expects.
  yield * (isEcommerceUrl(environment, url) ? ecommerceElements(collection, period) : elements(collection, period)) as AsyncGenerator<T, void, undefined>
}

/** Source: https://docs.clover.com/docs/get-charges */
function ecommerceElements (collection: Collection, period: Period | undefined): AsyncGenerator {
  if (period !== undefined) {
    const { field = 'created', since, until } = period
    collection.url.searchParams.set(`${field}.gte`, String(since))
    collection.url.searchParams.set(`${field}.lte`, String(until))
  }
  return cursorPages(collection)
}

/** Source: https://docs.clover.com/docs/limits-added-to-calls-to-payments-and-orders-endpoints, https://docs.clover.com/docs/applying-filters */
async function * elements (collection: Collection, period: Period | undefined): AsyncGenerator {
  if (period === undefined) return yield * offsetPages(collection)
  if (collection.url.searchParams.has('offset')) throw invalidOptions(['paginate() needs a path without offset where since is given: each window is counted from 0.'])
  const { field = 'createdTime' } = period
  for (const { since, until } of windowsOf(period)) {
    const url = new URL(collection.url)
    url.searchParams.append('filter', `${field}>=${since}`)
    url.searchParams.append('filter', `${field}<=${until}`)
    for await (const element of offsetPages({ ...collection, url })) {
      // A collection that does not know the filter gives the same elements in each window.
      const time = fieldOf(element, field)
      if (typeof time !== 'number' || (time >= since && time <= until)) yield element
    }
  }
}

function fieldOf (element: unknown, field: string): unknown {
  return typeof element === 'object' && element !== null ? (element as Record<string, unknown>)[field] : undefined
}
