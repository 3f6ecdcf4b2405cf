import { Type } from '@sinclair/typebox'
import { checkOptions, optionsOf, Signal } from '../checks/arguments.js'
import { isEcommerceUrl } from './api-url.js'
import type { Environment } from '../environments.js'
import { invalidOptions } from '../errors.js'
import type { Collection } from './collection.js'
import { cursorPages } from './cursor-pages.js'
import type { MerchantApi } from './merchant-api.js'
import { offsetPages } from './offset-pages.js'
import { periodOf, Time, windowsOf, type Period } from './time-windows.js'

/** Options of `paginate()`. */
export interface PaginateOptions {
  /** Elements of a page: 1 to 1000, or 1 to 100 for the ecommerce API. Default: 100. */
  limit?: number
  /**
   * Only elements from this time on, `since` itself included: a `Date`, or Unix milliseconds. The collection is then read in windows of 90
   * days, the oldest first, the limit of one request for orders, payments and authorizations. Default: no limit of this package's.
   */
  since?: Date | number
  /** Only elements up to this time, `until` itself included: a `Date`, or Unix milliseconds. Default, and at most: Clover's present time. */
  until?: Date | number
  /** The field that `since` and `until` are compared with. Default: `createdTime`, and `created` for the ecommerce API. */
  timeField?: string
  /** Aborts the iteration, which then throws the signal's reason. */
  signal?: AbortSignal
}

const PaginateArgument = optionsOf<PaginateOptions>({
  limit: Type.Integer({ minimum: 1, maximum: 1000, must: 'a whole number from 1 to 1000 (ecommerce: 1 to 100)' }),
  since: Time,
  until: Time,
  timeField: Type.String({ pattern: '^[A-Za-z_.]{1,100}$', must: 'the name of a field' }),
  signal: Signal
})

/** @internal What {@link paginate} needs. */
export interface PagingDependencies {
  api: Pick<MerchantApi, 'url' | 'json'>
  environment: Environment
  clock: { now (): number }
}

/** @internal Backs `paginate()`: the elements of a collection, page by page. */
export async function * paginate<T> (
  { api, environment, clock }: PagingDependencies,
  merchantId: string,
  path: string | URL,
  options: PaginateOptions = {}
): AsyncGenerator<T, void, undefined> {
  const url = api.url(merchantId, path)
  checkOptions('paginate', PaginateArgument, options)
  const period = periodOf(options, clock.now() * 1000)
  const collection: Collection = { url, merchantId, limit: options.limit, get: url => api.json(merchantId, url, options.signal) }
  // The elements are not checked: T is the caller's claim.
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
  if (collection.url.searchParams.has('offset')) throw invalidOptions(['paginate() needs a path without offset if since is given: the offset starts at 0 in each window.'])
  const { field = 'createdTime' } = period
  for (const { since, until } of windowsOf(period)) {
    const url = new URL(collection.url)
    url.searchParams.append('filter', `${field}>=${since}`)
    url.searchParams.append('filter', `${field}<=${until}`)
    for await (const element of offsetPages({ ...collection, url })) {
      // A collection that ignores the filter returns the same elements for each window.
      const time = fieldOf(element, field)
      if (typeof time !== 'number' || (time >= since && time <= until)) yield element
    }
  }
}

function fieldOf (element: unknown, field: string): unknown {
  return typeof element === 'object' && element !== null ? (element as Record<string, unknown>)[field] : undefined
}
