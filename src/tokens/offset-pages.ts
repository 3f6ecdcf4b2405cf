import { isDeepStrictEqual } from 'node:util'
import { badReply, invalidOptions } from '../errors.js'
import type { Collection } from './pages.js'

/**
 * @internal The elements of a collection that Clover pages by `limit` and `offset`.
 *
 * Source: https://docs.clover.com/dev/docs/paginating-elements
 */
export async function * offsetPages ({ url, merchantId, limit, get }: Collection): AsyncGenerator {
  const { searchParams } = url
  const size = limit ?? Number(searchParams.get('limit') ?? 100)
  let offset = Number(searchParams.get('offset') ?? 0)
  if (!Number.isInteger(size) || size < 1 || size > 1000) throw invalidOptions(['paginate() needs a limit from 1 to 1000.'])
  if (!Number.isInteger(offset) || offset < 0) throw invalidOptions(['paginate() needs an offset that is a whole number.'])
  searchParams.set('limit', String(size))
  let before: unknown[] = []
  while (true) {
    searchParams.set('offset', String(offset))
    const elements = elementsOf(await get(url))
    if (elements === undefined) throw badReply(`GET ${url.pathname}: there are no elements`, merchantId)
    // A collection that Clover gives whole, whatever the offset, would never end.
    if (elements.length > 0 && isDeepStrictEqual(elements, before)) throw badReply(`GET ${url.pathname}: the same page for another offset`, merchantId)
    before = elements
    yield * elements
    offset += elements.length
    if (isLast(elements.length, size)) return
  }
}

/** A short page is the last one, unless its length looks like a lower limit of Clover's own: one more request costs less than the loss of the rest. */
function isLast (length: number, size: number): boolean {
  return length === 0 || (length < size && length % 100 !== 0)
}

function elementsOf (body: unknown): unknown[] | undefined {
  const elements: unknown = typeof body === 'object' && body !== null && 'elements' in body ? body.elements : undefined
  return Array.isArray(elements) ? elements : undefined
}
