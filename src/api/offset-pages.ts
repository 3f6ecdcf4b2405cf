import { isDeepStrictEqual } from 'node:util'
import { badReply, invalidOptions } from '../errors.js'
import type { Collection } from './collection.js'

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
    if (elements === undefined) throw badReply(`GET ${url.pathname}: the reply has no elements`, merchantId)
    // Without this check a collection that ignores the offset would never end.
    if (elements.length > 0 && isDeepStrictEqual(elements, before)) throw badReply(`GET ${url.pathname}: two offsets gave the same page`, merchantId)
    before = elements
    yield * elements
    offset += elements.length
    if (isLast(elements.length, size)) return
  }
}

/** Whether a page is the last: it is short, and its length is no multiple of 100, which could be a lower limit of Clover's. An extra request is cheap. */
function isLast (length: number, size: number): boolean {
  return length === 0 || (length < size && length % 100 !== 0)
}

function elementsOf (body: unknown): unknown[] | undefined {
  const elements: unknown = typeof body === 'object' && body !== null && 'elements' in body ? body.elements : undefined
  return Array.isArray(elements) ? elements : undefined
}
