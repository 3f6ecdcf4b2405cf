import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { memoryStorage } from '../../src/storage/index.js'
import { record } from '../../src/testing/conformance/records.js'
import { findStores, openStore, type StoreAddress } from '../faults/stores.js'
import { bundle } from '../harness/bundle.js'
import { share } from '../harness/share.js'
import { sqliteClients, type SqliteClient } from '../harness/sqlite.js'
import { countUp, type Count, type Told } from './counter.js'

/*
 * Every increment that a put has confirmed must be in the store. With a client that confirms a write without a commit, as libsql does, or an adapter
 * that overwrites a record it has not read, the count is too low.
 */

const processes = 3
/** How often each of them counts. Without a write-ahead log each time takes several waits for the disk. */
const increments = { DELETE: 30, WAL: share(60, 200), others: share(40, 60) }

const [counter = ''] = await bundle(['test/storage/counter.ts'], join('node_modules/.cache/fastify-clover-counter', String(process.pid)))
t.teardown(() => rm(dirname(counter), { recursive: true }))
const { NODE_OPTIONS, NODE_V8_COVERAGE, ...env } = process.env
const counters = Array.from({ length: processes }, () => fork(counter, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: ['--disable-warning=ExperimentalWarning'], env }))
t.teardown(() => counters.forEach(counter => counter.kill()))
await Promise.all(counters.map(async counter => await once(counter, 'message')))

/** Makes one process count. Resolves with the number of confirmed increments. `onRejected` is called when a put rejects. */
function count (counter: ChildProcess, address: StoreAddress, increments: number, onRejected: () => void): Promise<number> {
  return new Promise((resolve, reject) => {
    counter.on('message', function listen (told: Told) {
      if ('rejected' in told) return onRejected()
      counter.off('message', listen)
      if ('confirmed' in told) resolve(told.confirmed)
      else reject(new Error(told.failed))
    })
    counter.send({ address, increments } satisfies Count)
  })
}

/** Makes all processes count, and compares the confirmed increments with the stored number. Another connection's lock ends once a put of each process has rejected. */
async function testCounting (t: Test, address: StoreAddress, increments: number, unlock?: () => unknown): Promise<void> {
  const rejected = new Set<ChildProcess>()
  let rejections = 0
  const confirmed = await Promise.all(counters.map(counter => count(counter, address, increments, () => {
    rejections++
    const isFirst = rejected.size < rejected.add(counter).size
    if (isFirst && rejected.size === processes) unlock?.()
  })))
  const { storage, close } = await openStore(address)
  const stored = await storage.get(record().merchantId)
  await close()
  t.same(confirmed, Array.from({ length: processes }, () => increments))
  t.equal(stored?.updatedAt, processes * increments, `each confirmed increment is stored, and none of the ${rejections} rejected`)
  if (unlock) t.equal(rejected.size, processes, 'each process met the lock')
}

/** Locks a file until the function that it returns is called. */
function lockFile ({ open }: SqliteClient, file: string): () => unknown {
  const stranger = open(file)
  stranger.exec('BEGIN EXCLUSIVE')
  return () => stranger.close()
}

for (const client of sqliteClients()) {
  for (const mode of ['DELETE', 'WAL'] as const) {
    const make = (t: Test) => {
      const file = join(t.testdir(), 'store.db')
      const database = client.open(file)
      database.exec(`PRAGMA journal_mode = ${mode}`)
      database.close()
      return { kind: 'sqlite', file, client: client.name } as const
    }

    t.test(`${client.name}, ${mode}: ${processes} processes lose no update, whatever timeout they have set`, async t => {
      for (const timeout of [undefined, 20]) {
        await t.test(`timeout ${timeout}`, async t => await testCounting(t, { ...make(t), ...(timeout !== undefined && { timeout }) }, increments[mode]))
      }
    })

    t.test(`${client.name}, ${mode}: ${processes} processes lose no update when a stranger locks the file for longer than they wait`, async t => {
      const locked = { ...make(t), timeout: 5_000, lockTimeout: 100 }
      const { storage, close } = await openStore(locked)
      await storage.get('A') // the table is there, as it is when a backup begins
      await close()
      await testCounting(t, locked, increments[mode], lockFile(client, locked.file))
    })
  }
}

for (const { kind, skip, make } of await findStores()) {
  if (kind === 'sqlite') continue
  t.test(`${kind}: ${processes} processes lose no update`, { skip }, async t => await testCounting(t, make(t), increments.others))
}

const [, postgres] = await findStores()

t.test(`postgres: ${processes} processes lose no update when a stranger locks the table for longer than they wait`, { skip: postgres?.skip ?? true }, async t => {
  const address = postgres?.make(t)
  if (address?.kind !== 'postgres') return
  const locked = { ...address, lockTimeout: 100 }
  const { storage, close } = await openStore(locked)
  await storage.get('A')
  await close()
  const stranger = new pg.Client({ connectionString: address.url })
  await stranger.connect()
  await stranger.query('BEGIN')
  await stranger.query(`LOCK TABLE ${address.table} IN ACCESS EXCLUSIVE MODE`)
  await testCounting(t, locked, increments.others, () => stranger.end())
})

t.test('memory: callers in one process lose no update', async t => {
  const storage = memoryStorage()
  const confirmed = await Promise.all(Array.from({ length: 8 }, async () => await countUp(storage, increments.others, reason => t.fail(reason))))
  t.same(confirmed, Array.from({ length: 8 }, () => increments.others))
  t.equal((await storage.get(record().merchantId))?.updatedAt, 8 * increments.others)
})
