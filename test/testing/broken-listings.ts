import type { Installation, ListQuery } from '../../src/storage/index.js'
import { broken, sorted, type Broken, type Data, type Fields } from './broken.js'

/** Pages by a field of the record. */
function listBy (data: Data, by: 'revision' | 'dueAt', descending = false) {
  return async ({ cursor, limit }: ListQuery) => {
    const all = descending ? sorted(data, by).reverse() : sorted(data, by)
    const beyond = (one: Fields) => cursor === undefined || (descending ? String(one[by]) < cursor : String(one[by]) > cursor)
    const items = all.filter(beyond).slice(0, limit)
    return items.length < limit ? { items } : { items, cursor: String(items.at(-1)?.[by]) }
  }
}

/** Adapters whose list is wrong. */
export const brokenListings: Broken[] = [
  broken('list gives no page', /list resolved an array: it must resolve \{ items, cursor\? \}/, () => ({ list: async () => [] })),
  broken('list gives nothing', /list resolved undefined/, () => ({ list: async () => undefined })),
  broken('list rejects', /list rejected with "no index": list must resolve a page/, () => ({ list: async () => { throw new Error('no index') } })),
  broken('list gives documents as text', /list gave items that are not records/, (_, data) => ({
    list: async () => ({ items: [...data.values()].map(one => JSON.stringify(one)) })
  })),
  broken('list ignores its limit', /list gave 13 records where the limit was 1/, (_, data) => ({ list: async () => ({ items: [...data.values()] }) })),
  broken('list ends with null', /list gave null as cursor/, right => ({
    list: async (query: ListQuery) => ({ cursor: null, ...await right.list(query) })
  })),
  broken('list never ends', /a cursor with each of 10000 pages/, () => ({ list: async () => ({ items: [], cursor: 'again' }) })),
  broken('list gives the first page only', /list left out 12 of 13 records/, right => ({
    list: async ({ limit }: ListQuery) => ({ items: (await right.list({ limit })).items })
  })),
  broken('list gives what is gone', /list of an empty store gave 1 records/, () => ({
    list: async () => ({ items: [{ merchantId: 'GONE000000000' }] })
  })),
  broken('list gives summaries', /list gave a record other than the one put: the field accessToken was lost/, right => ({
    async list (query: ListQuery) {
      const page = await right.list(query)
      return { ...page, items: page.items.map(({ accessToken, ...rest }) => rest) }
    }
  })),
  broken('list gives more merchants than there are', /gave 14 merchants where 13 are stored/, right => ({
    async list (query: ListQuery) {
      const page = await right.list(query)
      return page.cursor === undefined && query.limit === 100 ? { items: [...page.items, { merchantId: 'GHOST00000000' }] } : page
    }
  })),
  broken('list by offset', /deleted between two pages: list left out .* Page by a key that does not change/, (_, data) => ({
    async list ({ cursor = '0', limit }: ListQuery) {
      const items = sorted(data, 'merchantId').slice(Number(cursor), Number(cursor) + limit)
      return items.length < limit ? { items } : { items, cursor: String(Number(cursor) + limit) }
    }
  })),
  broken('list by offset from the end', /inserted between two pages: list left out|deleted between two pages: list left out/, (_, data) => ({
    async list ({ cursor = '0', limit }: ListQuery) {
      const items = sorted(data, 'merchantId').reverse().slice(Number(cursor), Number(cursor) + limit)
      return items.length < limit ? { items } : { items, cursor: String(Number(cursor) + limit) }
    }
  })),
  broken('list by number of page, counted anew from what is left', /inserted between two pages: list left out/, (_, data) => ({
    async list ({ cursor = '', limit }: ListQuery) {
      const [size = String(data.size), done = '0'] = cursor.split('/').filter(Boolean)
      const start = Number(done) + Math.max(0, data.size - Number(size))
      const items = sorted(data, 'merchantId').slice(start, start + limit)
      return items.length < limit ? { items } : { items, cursor: `${size}/${start + limit}` }
    }
  })),
  broken('list by a field that writes change', /changed between two pages: list left out/, (_, data) => ({ list: listBy(data, 'revision') })),
  broken('list by a field that writes change, descending', /changed between two pages: list left out/, (_, data) => ({ list: listBy(data, 'revision', true) })),
  broken('list with dueBefore gives what is not due', /due before a time were listed: list left out/, right => ({
    async list ({ dueBefore, ...query }: ListQuery) {
      const page = await right.list(query)
      return { ...page, items: page.items.filter(({ dueAt }) => dueBefore === undefined || dueAt === null || dueAt >= dueBefore) }
    }
  })),
  broken('list with dueBefore leaves out what is due at that moment', /due at exactly dueBefore were listed: list left out 4 of 4 records .* Compare dueAt with <=/, right => ({
    async list (query: ListQuery) {
      const page = await right.list(query)
      return { ...page, items: page.items.filter(({ dueAt }) => query.dueBefore === undefined || (dueAt ?? Infinity) < query.dueBefore) }
    }
  })),
  broken('list with dueBefore rounds dueAt down to whole seconds', /due at exactly dueBefore were listed: list left out/, right => ({
    list: (query: ListQuery) => right.list(query.dueBefore === undefined ? query : { ...query, dueBefore: Math.floor(query.dueBefore) })
  })),
  broken('dueAt is kept from the first put', /is dueAt written by each put\?/, right => {
    const first = new Map<string, number | null>()
    return {
      async put (next: Installation, expected?: string) {
        if (expected === undefined) first.set(next.merchantId, next.dueAt)
        return await right.put(next, expected)
      },
      async list ({ dueBefore, ...query }: ListQuery) {
        const page = await right.list(query)
        return { ...page, items: page.items.filter(({ merchantId }) => dueBefore === undefined || (first.get(merchantId) ?? Infinity) <= dueBefore) }
      }
    }
  }),
  broken('listings share their place', /Two listings went on at the same time: list left out/, right => {
    let place: string | undefined
    return {
      async list ({ cursor, ...query }: ListQuery) {
        if (cursor !== undefined && place === undefined) return { items: [] }
        const page = await right.list(cursor === undefined || place === undefined ? query : { ...query, cursor: place })
        place = page.cursor
        return place === undefined ? page : { items: page.items, cursor: 'next' }
      }
    }
  })
]
