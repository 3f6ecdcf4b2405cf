import type { CloverStorage, Installation } from 'fastify-clover'
import type { Collection } from 'mongodb'

interface Entry { _id: string, revision: string, dueAt: number | null, document: string }

/* Use write concern { w: 'majority', j: true } and read concern 'linearizable' or 'majority', on the primary. */
export function mongodbStorage (collection: Collection<Entry>): CloverStorage {
  const entry = (next: Installation): Entry => ({ _id: next.merchantId, revision: next.revision, dueAt: next.dueAt, document: JSON.stringify(next) })
  const falseIfDuplicate = (error: { code?: number }) => {
    if (error.code === 11000) return false
    throw error
  }

  return {
    get: async merchantId => {
      const found = await collection.findOne({ _id: merchantId })
      return found && JSON.parse(found.document)
    },

    put: (next, expected) => expected === undefined
      ? collection.insertOne(entry(next)).then(() => true, falseIfDuplicate)
      : collection.replaceOne({ _id: next.merchantId, revision: expected }, entry(next)).then(({ matchedCount }) => matchedCount === 1),

    delete: async (merchantId, expected) => {
      const { deletedCount } = await collection.deleteOne(expected === undefined ? { _id: merchantId } : { _id: merchantId, revision: expected })
      return deletedCount === 1
    },

    list: async ({ cursor = '', limit, dueBefore = Number.MAX_VALUE }) => {
      const found = await collection.find({ _id: { $gt: cursor }, dueAt: { $not: { $gt: dueBefore } } }).sort({ _id: 1 }).limit(limit).toArray()
      const items = found.map(({ document }) => JSON.parse(document))
      const last = found.at(-1)
      return last === undefined || found.length < limit ? { items } : { items, cursor: last._id }
    }
  }
}
