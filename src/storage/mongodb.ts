import { requireClient, hasMethod } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { fromRow, toDocument } from './document.js'
import { withDurability } from './durability.js'
import { withPlainErrors } from './driver-error.js'
import { pageOf } from './page.js'

/** A record as the adapter keeps it in MongoDB. */
export interface MongodbEntry {
  /** The merchant id. */
  _id: string
  revision: string
  /** Unix seconds. */
  dueAt: number | null
  /** The record as JSON. */
  document: string
}

/** The part of a `Collection` of the package `mongodb` that the adapter uses. */
export interface MongodbCollection {
  /** Resolves with the first document that matches, or null. */
  findOne (filter: object, options: object): Promise<unknown>
  /** Stores a document; rejects if there is one with its `_id`. */
  insertOne (entry: never, options: object): Promise<unknown>
  /** Replaces the first document that matches, and says how many matched. */
  replaceOne (filter: object, entry: never, options: object): Promise<{ matchedCount: number }>
  /** Deletes the first document that matches, and says how many it deleted. */
  deleteOne (filter: object, options: object): Promise<{ deletedCount: number }>
  /** Finds documents. */
  find (filter: object, options: object): {
    /** Reads all of them. */
    toArray (): Promise<unknown[]>
  }
  /** Makes an index, if there is none of these fields. */
  createIndex (fields: { dueAt: 1 }): Promise<unknown>
}

/** On the primary, and only what a majority has: what a read shows is not undone by a failover. */
const reading = { readPreference: 'primary', readConcern: { level: 'majority' } } as const

/** Durable on a majority before it is confirmed, whatever the client's own settings are. */
const writing = { writeConcern: { w: 'majority', journal: true } } as const

/** The code of a key that exists already. */
const duplicateKey = 11_000

/**
 * Keeps installations in a collection of the host's MongoDB, one document for each merchant, through the host's own client.
 *
 * Reads go to the primary with read concern `majority`; writes wait for a majority and its journal, whatever the client's settings are. The merchant id is
 * the `_id`. `setup()` makes the index of `dueAt`; without it listings of due merchants read every document.
 *
 * Its logic is tested over a stand-in, not against a MongoDB: run `storageConformance` of `fastify-clover/testing` against yours.
 *
 * Throws a TypeError for an argument of another type. Does not connect until it is used.
 */
export function mongodbStorage (collection: MongodbCollection): CloverStorageWithSetup {
  const methods = ['findOne', 'insertOne', 'replaceOne', 'deleteOne', 'find', 'createIndex']
  requireClient('mongodbStorage', methods.every(method => hasMethod(collection, method)), 'a Collection of the package mongodb')

  const storage: CloverStorageWithSetup = {
    setup: () => withPlainErrors(async () => { await collection.createIndex({ dueAt: 1 }) }),

    get: merchantId => withPlainErrors(async () => {
      const found = await collection.findOne({ _id: merchantId }, reading)
      return found === null || found === undefined ? undefined : fromRow(found as MongodbEntry, merchantId)
    }),

    async put (next, expected) {
      const { merchantId, revision, dueAt } = next
      const entry: MongodbEntry = { _id: merchantId, revision, dueAt, document: toDocument(next) }
      return await withPlainErrors(async () => {
        if (expected !== undefined) return (await collection.replaceOne({ _id: merchantId, revision: expected }, entry as never, writing)).matchedCount > 0
        return await collection.insertOne(entry as never, writing).then(() => true, (error: unknown) => {
          if (hasCode(error, duplicateKey)) return false
          throw error
        })
      })
    },

    delete: (merchantId, expected) => withPlainErrors(async () => {
      const filter = expected === undefined ? { _id: merchantId } : { _id: merchantId, revision: expected }
      return (await collection.deleteOne(filter, writing)).deletedCount > 0
    }),

    list: ({ cursor = '', limit, dueBefore }) => withPlainErrors(async () => {
      const filter = { _id: { $gt: cursor }, ...(dueBefore !== undefined && { dueAt: { $lte: dueBefore } }) }
      const found = await collection.find(filter, { ...reading, sort: { _id: 1 }, limit }).toArray() as MongodbEntry[]
      return pageOf(found.map(entry => fromRow(entry, String(entry._id))), found.length < limit ? undefined : found.at(-1)?._id)
    })
  }
  return withDurability(storage, async () => ({ store: 'MongoDB', servers: [] }))
}

function hasCode (error: unknown, code: number): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
