import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import { encryptedStorage, postgresStorage, redisStorage, sqliteStorage, type CloverStorage } from '../../src/storage/index.js'
import { after, merchant, record } from '../../src/testing/conformance/records.js'
import { findPostgres, findRedis, uniqueName } from '../harness/services.js'
import { openSqlite } from '../harness/sqlite.js'

interface Damaging {
  storage: Required<CloverStorage>
  /** Replaces a merchant's document with another text. */
  damage (merchantId: string, document: string): Promise<unknown>
}

/** Texts that are not a record: not JSON, or other JSON. */
const damages = ['secret-token', '{"merchantId":"M0', '', 'null', '7', '"secret-token"', '["secret-token"]', '{}', `{"merchantId":"${merchant(1)}"}`, '{"merchantId":7,"revision":"a"}', '{"revision":7}']

/** All records of a listing. */
async function listed (storage: Required<CloverStorage>, query: { dueBefore?: number } = {}) {
  const { items, cursor } = await storage.list({ limit: 100, ...query })
  const rest = cursor === undefined ? [] : (await storage.list({ limit: 100, cursor, ...query })).items
  return [...items, ...rest].sort((a, b) => a.merchantId < b.merchantId ? -1 : 1)
}

async function testDamages (t: Test, { storage, damage }: Damaging): Promise<void> {
  const [first, second, third] = [1, 2, 3].map(number => record({ merchantId: merchant(number), dueAt: number === 2 ? null : number * 100.5 })) as [ReturnType<typeof record>, ReturnType<typeof record>, ReturnType<typeof record>]
  for (const one of [first, second, third]) await storage.put(one, undefined)

  let { revision } = first
  for (const document of damages) {
    await damage(merchant(1), document)
    const damaged = { merchantId: merchant(1), revision, dueAt: 100.5 }
    t.strictSame(await storage.get(merchant(1)), damaged, `what is stored beside ${document}`)
    t.strictSame(await listed(storage), [damaged, second, third], 'the others are listed')
    t.strictSame(await listed(storage, { dueBefore: 200 }), [damaged])

    t.equal(await storage.put(after(first), 'other'), false)
    t.equal(await storage.put(after(first), undefined), false)
    const next = after(first)
    t.equal(await storage.put(next, revision), true, 'it is replaced by its revision')
    t.strictSame(await storage.get(merchant(1)), next)
    revision = next.revision
  }

  await damage(merchant(2), 'damaged')
  t.strictSame(await storage.get(merchant(2)), { merchantId: merchant(2), revision: second.revision, dueAt: null })
  t.equal(await storage.delete(merchant(2), 'other'), false)
  t.equal(await storage.delete(merchant(2), second.revision), true, 'it is deleted by its revision')
  await damage(merchant(1), 'damaged')
  t.equal(await storage.delete(merchant(1)), true, 'and without it')
  t.strictSame(await listed(storage), [third])
}

async function testSealed (t: Test, { storage, damage }: Damaging): Promise<void> {
  const keys = ['new', 'old'].map(id => ({ id, key: randomBytes(32) })) as [{ id: string, key: Buffer }, { id: string, key: Buffer }]
  const sealed = encryptedStorage(storage, { keys: [keys[1]] }) as Required<ReturnType<typeof encryptedStorage>>
  const [first, second] = [1, 2].map(number => record({ merchantId: merchant(number) })) as [ReturnType<typeof record>, ReturnType<typeof record>]
  for (const one of [first, second]) await sealed.put(one, undefined)
  await damage(merchant(1), 'damaged')
  const damaged = { merchantId: merchant(1), revision: first.revision, dueAt: first.dueAt }
  t.strictSame(await sealed.get(merchant(1)), damaged)
  t.strictSame(await listed(sealed), [damaged, second])
  for (const acceptPlaintext of [false, true]) {
    const rotated = encryptedStorage(storage, { keys, acceptPlaintext })
    t.match(await rotated.reseal(), { done: 2, failed: [merchant(1)] }, 'reseal goes on, and reports it')
    t.strictSame(await storage.get(merchant(1)), damaged, 'and writes nothing in its place')
  }
  t.equal(await sealed.put(after(first), first.revision), true)
}

t.test('SQLite: a damaged document affects only its merchant', async t => {
  for (const [index, test] of [testDamages, testSealed].entries()) {
    const database = openSqlite(join(t.testdir(), `${index}.db`))
    t.teardown(() => database.close())
    await test(t, {
      storage: sqliteStorage(database),
      damage: async (merchantId, document) => database.prepare('UPDATE clover_installations SET document = ? WHERE merchant_id = ?').run(document, merchantId)
    })
  }
})

t.test('SQLite: a document of bytes, and a time that is not a number, count as damaged too', async t => {
  const database = openSqlite(':memory:')
  const storage = sqliteStorage(database)
  const first = record()
  await storage.put(first, undefined)
  database.prepare('UPDATE clover_installations SET document = ?, due_at = ?').run(Buffer.from(JSON.stringify(first)), 'never')
  t.strictSame(await storage.get(first.merchantId), { merchantId: first.merchantId, revision: first.revision, dueAt: null })
})

const postgres = await findPostgres()

t.test('PostgreSQL: a damaged document affects only its merchant', { skip: postgres.skip }, async t => {
  const pool = new pg.Pool({ connectionString: postgres.url })
  t.teardown(async () => await pool.end())
  for (const test of [testDamages, testSealed]) {
    const table = uniqueName('damaged')
    await test(t, {
      storage: postgresStorage(pool, { table }),
      damage: (merchantId, document) => pool.query(`UPDATE ${table} SET document = $2 WHERE merchant_id = $1`, [merchantId, document])
    })
    await pool.query(`DROP TABLE ${table}`)
  }
})

const { url, skip } = await findRedis()
const redis = new Redis(url, { lazyConnect: true })
t.teardown(() => redis.disconnect())

/** A prefix whose keys go when the test ends. */
function ownPrefix (t: Test): string {
  const prefix = `${uniqueName('damaged')}:`
  t.teardown(async () => { for (const number of [1, 2, 3, 4]) await redis.del(prefix + merchant(number)) })
  return prefix
}

t.test('Redis: a damaged document affects only its merchant', { skip }, async t => {
  for (const test of [testDamages, testSealed]) {
    const prefix = ownPrefix(t)
    await test(t, { storage: redisStorage(redis, { prefix }), damage: (merchantId, document) => redis.hset(prefix + merchantId, 'document', document) })
  }
})

t.test('Redis: a hash without fields, and a key that is not a hash, can be read, replaced and deleted', { skip }, async t => {
  const prefix = ownPrefix(t)
  const storage = redisStorage(redis, { prefix })
  const healthy = record({ merchantId: merchant(3) })
  await storage.put(healthy, undefined)
  const write = {
    hash: (key: string) => redis.hset(key, 'other', 'field'),
    string: (key: string) => redis.set(key, 'secret-token'),
    list: (key: string) => redis.lpush(key, 'secret-token')
  }
  for (const [kind, make] of Object.entries(write)) {
    for (const number of [1, 2]) await make(prefix + merchant(number))
    const damaged = [1, 2].map(number => ({ merchantId: merchant(number), revision: '', dueAt: null }))
    t.strictSame(await listed(storage), [...damaged, healthy], kind)
    t.strictSame(await storage.get(merchant(1)), damaged[0])
    t.strictSame((await listed(storage, { dueBefore: 1e12 })).map(({ merchantId }) => merchantId), [merchant(3)])

    t.equal(await storage.put(record(), undefined), false)
    t.equal(await storage.put(record(), 'other'), false)
    const first = record()
    t.equal(await storage.put(first, ''), true, 'its revision is empty')
    t.strictSame(await storage.get(merchant(1)), first)
    t.equal(await storage.delete(merchant(2), 'other'), false)
    t.equal(await storage.delete(merchant(2), ''), true)
    t.equal(await storage.delete(merchant(1)), true)
  }
  t.equal(await storage.delete(merchant(4), ''), false)
  t.equal(await storage.put(record({ merchantId: merchant(4) }), ''), false)
})

t.test('Redis: a time that is not a number does not end a listing of due records', { skip }, async t => {
  const prefix = ownPrefix(t)
  const storage = redisStorage(redis, { prefix })
  const first = record({ dueAt: 5 })
  await storage.put(first, undefined)
  await redis.hset(prefix + first.merchantId, 'due_at', 'never')
  t.strictSame(await listed(storage, { dueBefore: 10 }), [first], 'it may be due')
})
