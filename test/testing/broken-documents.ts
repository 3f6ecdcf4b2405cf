import type { Installation } from '../../src/storage/index.js'
import { broken, storing, type Broken, type Fields } from './broken.js'

/** Adapters that do not give back what was put. */
export const brokenDocuments: Broken[] = [
  broken('get throws for a merchant who is absent', /get rejected with "no rows": get must resolve undefined or null/, (right, data) => ({
    async get (merchantId: string) {
      if (!data.has(merchantId)) throw new Error('no rows')
      return await right.get(merchantId)
    }
  })),
  broken('get rejects with something other than an error', /get rejected with "odd"/, () => ({ get: () => Promise.reject('odd') })), // eslint-disable-line prefer-promise-reject-errors
  broken('get gives the document as text', /get resolved a string: it must resolve the record/, right => ({
    get: async (merchantId: string) => JSON.stringify(await right.get(merchantId))
  })),
  broken('get gives rows', /get resolved an array/, right => ({ get: async (merchantId: string) => [await right.get(merchantId)] })),
  broken('get gives live references', /get returned a live reference/, (_, data) => ({ get: async (merchantId: string) => data.get(merchantId) })),
  broken('get gives nothing', /get finds no record of merchant/, () => ({ get: async () => undefined })),
  broken('a shallow copy from get', /get returned a live reference/, (_, data) => ({
    get: async (merchantId: string) => data.has(merchantId) ? { ...data.get(merchantId) } : undefined
  })),
  broken('put keeps a reference', /put keeps a reference/, (_, data) => ({
    async put (next: Installation, expected?: string) {
      if (data.get(next.merchantId)?.revision !== expected) return false
      data.set(next.merchantId, next)
      return true
    }
  })),
  broken('put writes into its argument', /put changed its argument: a field _id came back/, right => ({
    put: (next: Fields, expected?: string) => { next._id = 1; return right.put(next, expected) }
  })),
  broken('a cache in each instance', /does not see what the first has put \(a cache/, right => {
    const cache = new Map<string, unknown>()
    return {
      async get (merchantId: string) {
        if (!cache.has(merchantId)) cache.set(merchantId, await right.get(merchantId))
        return structuredClone(cache.get(merchantId))
      },
      async put (next: Installation, expected?: string) {
        const stored = await right.put(next, expected)
        if (stored) cache.set(next.merchantId, structuredClone(next))
        return stored
      }
    }
  }),
  storing('unknown fields are dropped', /the field futureObject was lost|the field future was lost/, ({ futureObject, future, ...next }) => next),
  storing('null is left out', /with nulls.*the field accessTokenExpiration was lost/, next => Object.fromEntries(Object.entries(next).filter(([, value]) => value !== null))),
  storing('what is absent comes back as null', /a field spentRefreshToken came back that was never put/, next => ({ spentRefreshToken: null, ...next })),
  storing('records are merged', /put must not merge the two/, (next, before) => ({ ...before, ...next })),
  storing('long values are cut', /100 kB.*the field accessToken came back as a string of 65535 characters instead of a string of 105001 characters/,
    next => ({ ...next, accessToken: next.accessToken.slice(0, 65_535) })),
  storing('large documents are cut', /1 MB.*the field future came back/, next => typeof next.future === 'string' ? { ...next, future: next.future.slice(0, 65_535) } : next),
  storing('numbers lose their fraction', /odd values.*accessTokenExpiration came back as 1900000000 instead of 1900000000.25/,
    next => ({ ...next, accessTokenExpiration: Math.floor(next.accessTokenExpiration ?? 0) })),
  storing('U+0001 is not kept', /odd values/, next => JSON.parse(JSON.stringify(next), (_, value) => typeof value === 'string' ? value.replaceAll('\u0001', '') : value)),
  storing('__proto__ is not kept', /oddFields/, next => next.oddFields ? { ...next, oddFields: Object.assign({}, next.oddFields) } : next),
  storing('lists become objects', /futureList came back as \{"0":1/, next => Array.isArray(next.futureList) ? { ...next, futureList: { ...next.futureList } } : next),
  storing('lists become text', /the field oddStrings came back as "x" instead of \["".{1,60}\.\.\.\.$/s, next => next.oddStrings ? { ...next, oddStrings: 'x' } : next),
  storing('nested fields are added', /the field futureList.1|futureObject: a field added came back/,
    next => next.futureObject ? { ...next, futureObject: { ...next.futureObject as object, added: 1 } } : next),
  broken('merchants kept under a number', /another merchant was changed|resolved false although nothing is stored/, right => {
    const key = (merchantId: string) => String(Number.isNaN(Number(merchantId)) ? merchantId : Number(merchantId))
    return {
      get: (merchantId: string) => right.get(key(merchantId)),
      put: (next: Installation, expected?: string) => right.put({ ...next, merchantId: key(next.merchantId) }, expected)
    }
  }),
  broken('writing one merchant writes another', /The record of another merchant was changed/, (right, data) => ({
    async put (next: Installation, expected?: string) {
      const stored = await right.put(next, expected)
      const other = data.get('ZZZZZZZZZZZZZ')
      if (other && expected !== undefined) other.accessToken = next.accessToken + 'x'
      return stored
    }
  })),
  broken('a store that is not empty', /Nothing has been put \(makeStorage must return an empty store\)/, (_, data) => {
    data.set('M000000000001', { merchantId: 'M000000000001' } as Installation)
    return {}
  }),
  broken('a method is missing', /The adapter has no method delete/, () => ({ delete: undefined })),
  { ...broken('get never settles', /get did not settle within 20 milliseconds/, () => ({ get: () => new Promise(() => {}) })), timeout: 20 }
]
