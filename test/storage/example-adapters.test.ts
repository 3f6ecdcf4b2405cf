import mysql from 'mysql2/promise'
import t from 'tap'
import type { Collection } from 'mongodb'
import { mariadbStorage } from '../../example/adapters/mariadb.js'
import { mongodbStorage } from '../../example/adapters/mongodb.js'
import { storageConformance } from '../../src/testing/conformance/index.js'
import { record } from '../../src/testing/conformance/records.js'
import { findMariadb } from '../helpers/services.js'

/*
 * The adapters that the README shows, as a host would have them.
 */

const { url, skip } = await findMariadb()

t.test('the MariaDB adapter of the README conforms, with a second pool', { skip }, async t => {
  const pools = [1, 2].map(() => mysql.createPool({ uri: url, connectionLimit: 8 })) as [mysql.Pool, mysql.Pool]
  t.teardown(async () => await Promise.all(pools.map(async pool => await pool.end())))
  // The adapter's table has a fixed name, so this run has a database of its own.
  const database = `clover_${process.pid}_${Date.now().toString(36)}`
  await pools[0].query(`create database ${database}`)
  t.teardown(async () => { await pools[0].query(`drop database ${database}`) })
  const own = [1, 2].map(() => mysql.createPool({ uri: url, database, connectionLimit: 8 })) as [mysql.Pool, mysql.Pool]
  t.teardown(async () => await Promise.all(own.map(async pool => await pool.end())))
  await own[0].query(`create table clover_installations (
    merchant_id char(13) character set ascii collate ascii_bin primary key,
    revision char(32) character set ascii collate ascii_bin not null,
    due_at double, document longtext character set utf8mb4 not null, key (due_at)
  )`)
  const cases = storageConformance(() => ({
    storage: mariadbStorage(own[0]), another: mariadbStorage(own[1]), cleanup: () => own[0].query('delete from clover_installations')
  }))
  for (const { name, run } of cases) await t.test(name, run)
  await own[0].query('drop table clover_installations')
  await t.rejects(mariadbStorage(own[0]).put(record(), undefined), { code: 'ER_NO_SUCH_TABLE' }, 'a failure is no answer')
})

interface Entry { _id: string, revision: string, dueAt: number | null, document: string }

/**
 * A stand-in for a collection: no MongoDB can be had where these tests run. It shows that the adapter asks the right things of one, not that
 * MongoDB answers them.
 */
function standIn (): Collection<Entry> {
  const entries = new Map<string, Entry>()
  const matches = (filter: { _id: string, revision?: string }) => {
    const entry = entries.get(filter._id)
    return entry && (filter.revision === undefined || entry.revision === filter.revision) ? entry : undefined
  }
  return {
    findOne: async (filter: { _id: string }) => matches(filter) ?? null,
    insertOne: async (entry: Entry) => {
      if (entries.has(entry._id)) throw Object.assign(new Error('E11000 duplicate key'), { code: 11000 })
      entries.set(entry._id, entry)
    },
    replaceOne: async (filter: { _id: string, revision: string }, entry: Entry) => {
      const found = matches(filter)
      if (found) entries.set(entry._id, entry)
      return { matchedCount: found ? 1 : 0 }
    },
    deleteOne: async (filter: { _id: string, revision?: string }) => ({ deletedCount: matches(filter) && entries.delete(filter._id) ? 1 : 0 }),
    find: ({ _id: { $gt: after }, dueAt: { $not: { $gt: due } } }: { _id: { $gt: string }, dueAt: { $not: { $gt: number } } }) => ({
      sort: () => ({
        limit: (most: number) => ({
          toArray: async () => [...entries.values()]
            .filter(({ _id, dueAt }) => _id > after && !(dueAt !== null && dueAt > due))
            .sort((a, b) => a._id < b._id ? -1 : 1)
            .slice(0, most)
        })
      })
    })
  } as unknown as Collection<Entry>
}

t.test('the MongoDB adapter of the README conforms over a stand-in for a collection', async t => {
  for (const { name, run } of storageConformance(() => mongodbStorage(standIn()))) await t.test(name, run)
  const failing = { insertOne: async () => { throw new Error('down') } } as unknown as Collection<Entry>
  await t.rejects(mongodbStorage(failing).put(record(), undefined), { message: 'down' }, 'a failure is no answer')
})
