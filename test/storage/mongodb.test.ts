import type { Collection } from 'mongodb'
import t from 'tap'
import { durabilityOf } from '../../src/storage/durability.js'
import { mongodbStorage, type MongodbCollection, type MongodbEntry } from '../../src/storage/index.js'
import { merchant, record } from '../../src/testing/conformance/records.js'
import { conforms } from './conforms.js'

interface Filter { _id: string | { $gt: string }, revision?: string, dueAt?: { $lte: number } }

/**
 * A stand-in for a collection: no MongoDB can be had where these tests run. It shows that the adapter asks the right things of one, not that MongoDB
 * answers them.
 */
function standIn () {
  const entries = new Map<string, MongodbEntry>()
  const options: unknown[] = []
  const indexes: unknown[] = []
  const matching = ({ _id, revision }: Filter) => {
    const entry = typeof _id === 'string' ? entries.get(_id) : undefined
    return entry && (revision === undefined || entry.revision === revision) ? entry : undefined
  }
  const collection: MongodbCollection = {
    findOne: async (filter, given) => { options.push(given); return matching(filter as Filter) ?? null },
    insertOne: async (entry: MongodbEntry, given) => {
      options.push(given)
      if (entries.has(entry._id)) throw Object.assign(new Error('E11000 duplicate key'), { code: 11000 })
      entries.set(entry._id, entry)
    },
    replaceOne: async (filter, entry: MongodbEntry, given) => {
      options.push(given)
      const found = matching(filter as Filter)
      if (found) entries.set(entry._id, entry)
      return { matchedCount: found ? 1 : 0 }
    },
    deleteOne: async (filter, given) => {
      options.push(given)
      const found = matching(filter as Filter)
      return { deletedCount: found && entries.delete(found._id) ? 1 : 0 }
    },
    find: (filter, given) => {
      options.push(given)
      const { _id, dueAt: due } = filter as { _id: { $gt: string }, dueAt?: { $lte: number } }
      const { limit } = given as { limit: number }
      const found = [...entries.values()].filter(entry => entry._id > _id.$gt && (due === undefined || (entry.dueAt !== null && entry.dueAt <= due.$lte)))
      return { toArray: async () => found.sort((a, b) => a._id < b._id ? -1 : 1).slice(0, limit) }
    },
    createIndex: async fields => { indexes.push(fields) }
  }
  return { collection, entries, options, indexes }
}

t.test('conforms over a stand-in for a collection, not over a MongoDB', async t => {
  await conforms(t, () => mongodbStorage(standIn().collection))
})

t.test('reads and writes say how durable they must be, whatever the client\'s settings are', async t => {
  const { collection, options, indexes } = standIn()
  const storage = mongodbStorage(collection)
  await storage.setup()
  t.same(indexes, [{ dueAt: 1 }])
  const first = record()
  await storage.put(first, undefined)
  await storage.put({ ...first, revision: 'b'.repeat(32) }, first.revision)
  await storage.delete(first.merchantId)
  const writing = { writeConcern: { w: 'majority', journal: true } }
  t.same(options.splice(0), [writing, writing, writing])
  await storage.get(first.merchantId)
  await storage.list({ limit: 5 })
  t.match(options, [{ readPreference: 'primary', readConcern: { level: 'majority' } }, { readPreference: 'primary', readConcern: { level: 'majority' } }])
})

t.test('a failure is no answer, and a damaged document concerns one merchant', async t => {
  const { collection, entries } = standIn()
  const storage = mongodbStorage({ ...collection, insertOne: async () => { throw new Error('down') } })
  await t.rejects(storage.put(record(), undefined), { message: 'down' })
  entries.set(merchant(1), { _id: merchant(1), revision: 'a', dueAt: 5, document: '{' })
  t.same(await storage.get(merchant(1)), { merchantId: merchant(1), revision: 'a', dueAt: 5 })
  t.same((await storage.list({ limit: 1 })).items, [{ merchantId: merchant(1), revision: 'a', dueAt: 5 }])
})

t.test('another client is refused, and the type of a Collection is accepted', async t => {
  for (const client of [undefined, {}, { findOne () {} }]) t.throws(() => mongodbStorage(client as unknown as MongodbCollection), { name: 'TypeError', message: /^mongodbStorage: the first argument must be a Collection/ })
  const accept = (collection: Collection<MongodbEntry>) => mongodbStorage(collection)
  t.type(accept, 'function')
})

t.test('it says that it cannot be asked how durable it is, since it asks for that itself with each write', async t => {
  t.same(await durabilityOf(mongodbStorage(standIn().collection))?.(), { store: 'MongoDB', servers: [] })
})
