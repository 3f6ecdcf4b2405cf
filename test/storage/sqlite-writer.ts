/*
 * A server process of its own: on a word from its parent opens the SQLite file given, counts up in one record with get and put, and
 * says how often it stored. Its first call makes the table if it is not there.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import Database from 'libsql'
import { sqliteStorage } from '../../src/storage/index.js'
import { after, record } from '../../src/testing/conformance/records.js'

const [, , file = '', times = '0'] = process.argv
process.send?.('ready')
await once(process, 'message')

const database = new Database(file, { timeout: 20_000 })
database.exec('PRAGMA synchronous = OFF') // the locks are what is tried, not the disk
const storage = sqliteStorage(database)
const first = record({ updatedAt: 0 })
let stored = 0
while (stored < Number(times)) {
  const read = await storage.get(first.merchantId)
  const revision = randomUUID().replaceAll('-', '')
  const next = read ? after(read, { revision, updatedAt: read.updatedAt + 1 }) : { ...first, revision, updatedAt: 1 }
  if (await storage.put(next, read?.revision)) stored++
}
database.close()
process.send?.({ stored })
process.disconnect()
