import { badReply, invalidOptions } from '../errors.js'
import type { Collection } from './collection.js'

/**
 * @internal The elements of a collection of the ecommerce API, which is paged by `limit` and `starting_after`.
 *
 * Source: https://docs.clover.com/docs/ecommerce-paginating-requests
 */
export async function * cursorPages ({ url, merchantId, limit, get }: Collection): AsyncGenerator {
  const { searchParams } = url
  const size = limit ?? Number(searchParams.get('limit') ?? 100)
  if (!Number.isInteger(size) || size < 1 || size > 100) throw invalidOptions(['paginate() needs a limit from 1 to 100 for the ecommerce API.'])
  if (searchParams.has('ending_before')) throw invalidOptions(['paginate() needs a path without ending_before: it pages forward by starting_after.'])
  // In Clover's examples a page begins with the cursor's element itself, so a page of one element would have nothing new.
  searchParams.set('limit', String(Math.max(2, size)))
  const cursors = new Set<string>()
  let cursor = searchParams.get('starting_after') ?? undefined
  while (true) {
    const page = pageOf(await get(url))
    if (page === undefined) throw badReply(`GET ${url.pathname}: the reply has no data and has_more`, merchantId)
    const { data, hasMore } = page
    yield * cursor !== undefined && idOf(data[0]) === cursor ? data.slice(1) : data
    if (!hasMore) return
    cursor = idOf(data.at(-1))
    if (cursor === undefined || cursors.has(cursor)) throw badReply(`GET ${url.pathname}: has_more is true, but the last element has no new id`, merchantId)
    cursors.add(cursor)
    searchParams.set('starting_after', cursor)
  }
}

function pageOf (body: unknown): { data: unknown[], hasMore: boolean } | undefined {
  const { data, has_more: hasMore } = Object(body) as { data?: unknown, has_more?: unknown }
  return Array.isArray(data) && typeof hasMore === 'boolean' ? { data, hasMore } : undefined
}

function idOf (element: unknown): string | undefined {
  const { id } = Object(element) as { id?: unknown }
  return typeof id === 'string' ? id : undefined
}
