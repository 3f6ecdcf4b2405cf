import pg from 'pg'
import t from 'tap'
import type { CloverStorage, Installation } from '../../src/storage/index.js'
import { storageConformance, type ConformanceOptions, type MakeStorage } from '../../src/testing/conformance/index.js'
import { record } from '../../src/testing/conformance/records.js'
import { findPostgres, uniqueName } from '../harness/services.js'
import { brokenDocuments } from './broken-documents.js'
import { brokenListings } from './broken-listings.js'
import { brokenLocks, unknownOutcomes, waiting, withLock } from './broken-locks.js'
import { brokenWrites } from './broken-writes.js'
import { rightStorage } from './broken.js'

/** The messages of all cases that fail, or of those up to the message looked for. */
async function failures (makeStorage: MakeStorage, options?: ConformanceOptions, lookedFor?: RegExp): Promise<string[]> {
  const messages: string[] = []
  for (const { run } of storageConformance(makeStorage, options)) {
    await run().catch((error: Error) => messages.push(error.message))
    if (messages.some(message => lookedFor?.test(message))) break
  }
  return messages
}

t.test('a correct adapter passes, also a second time', async t => {
  const data = () => {
    const map = new Map()
    return { storage: rightStorage(map), another: rightStorage(map) }
  }
  t.same(await failures(data), [])
  t.same(await failures(async () => data()), [])
})

t.test('a correct adapter may wait for a lock, reject, or reject a write that it has stored', async t => {
  t.same(await failures(waiting), [])
  t.same(await failures(withLock(() => ({}))), [])
  t.same(await failures(unknownOutcomes), [])
})

t.test('each broken adapter fails with a sentence about its defect', async t => {
  for (const { how, says, make, timeout } of [...brokenWrites, ...brokenDocuments, ...brokenListings, ...brokenLocks]) {
    const messages = await failures(make, timeout === undefined ? {} : { timeout }, says)
    t.ok(messages.some(message => says.test(message)), how, { messages })
    for (const message of messages) t.match(message, /^[A-Za-z].+\.$/s, 'a sentence')
  }
})

t.test('a case that cannot be tried is skipped with a reason', async t => {
  const skipped: string[] = []
  const make = () => {
    const { list, ...storage } = rightStorage()
    return storage
  }
  t.same(await failures(make), [], 'also without a test runner')
  const cases = storageConformance(make)
  for (const { run } of cases) await run({ skip: (reason: string) => skipped.push(reason) })
  t.equal(skipped.filter(reason => reason.includes('has no list')).length, cases.filter(({ name }) => name.includes('list')).length)
  t.equal(skipped.filter(reason => reason.includes('second instance')).length, cases.filter(({ name }) => /server|locks the data/.test(name)).length)
  t.ok(cases.length > skipped.length)

  const unlocked: string[] = []
  const data = new Map()
  for (const { run } of storageConformance(() => ({ storage: rightStorage(data), another: rightStorage(data), cleanup: () => data.clear() }))) {
    await run({ skip: (reason: string) => unlocked.push(reason) })
  }
  t.same(unlocked, Array.from({ length: 3 }, () => 'makeStorage returned no lock, so the cases with locked data are skipped.'))
})

t.test('a field that comes back as undefined counts as absent', async t => {
  t.same(await failures(() => {
    const right = rightStorage()
    return {
      ...right,
      async get (merchantId: string) {
        const found = await right.get(merchantId)
        return found && { spentRefreshToken: undefined, ...found } as Installation
      }
    }
  }), [])
})

t.test('a runner that looks at the length of a function does not wait for a callback', async t => {
  for (const { run } of storageConformance(() => rightStorage())) t.equal(run.length, 0)
})

t.test('names are all different', async t => {
  const names = storageConformance(() => rightStorage()).map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
})

t.test('the cleanup runs after a failure and before a skip, and its error does not hide the case\'s error', async t => {
  let cleanups = 0
  const [first] = storageConformance(() => ({ storage: rightStorage(), cleanup: () => { cleanups++ } }))
  await first?.run()
  t.equal(cleanups, 1)

  const broken = { ...rightStorage(), get: async () => { throw new Error('no connection') } }
  const [failing] = storageConformance(() => ({ storage: broken, cleanup: async () => { cleanups++; throw new Error('no cleanup') } }))
  await t.rejects(async () => await failing?.run(), { name: 'ConformanceError', message: /no connection/, cause: { message: 'no connection' } })
  t.equal(cleanups, 2)

  const [clean] = storageConformance(() => ({ storage: rightStorage(), cleanup: () => { throw new Error('no cleanup') } }))
  await t.rejects(async () => await clean?.run(), { message: 'no cleanup' })

  const order: string[] = []
  const two = storageConformance(() => ({ storage: rightStorage(), cleanup: () => order.push('cleanup') })).find(({ name }) => name.includes('visible to another'))
  await t.rejects(async () => await two?.run({ skip: () => { order.push('skip'); throw new Error('as vitest does') } }), { message: 'as vitest does' })
  t.same(order, ['cleanup', 'skip'])
})

t.test('a store that cannot be made rejects with its own error', async t => {
  const [first] = storageConformance(async () => { throw new Error('no database') })
  await t.rejects(async () => await first?.run(), { message: 'no database' })
})

const { url: connectionString, skip } = await findPostgres()

t.test('an adapter with a jsonb column conforms, although jsonb refuses U+0000', { skip }, async t => {
  const pool = new pg.Pool({ connectionString, max: 8, options: '-c synchronous_commit=off' })
  t.teardown(async () => await pool.end())
  const make = async () => {
    const table = uniqueName('jsonb')
    await pool.query(`CREATE TABLE ${table} (id text COLLATE "C" PRIMARY KEY, revision text, due_at double precision, document jsonb)`)
    const isOne = async (text: string, values: unknown[]) => (await pool.query(text, values)).rowCount === 1
    const documents = async (text: string, values: unknown[]) => (await pool.query<{ document: Installation }>(text, values)).rows.map(row => row.document)
    const storage: Required<CloverStorage> = {
      get: async id => (await documents(`SELECT document FROM ${table} WHERE id = $1`, [id]))[0],
      async put (next, expected) {
        const values = [next.merchantId, next.revision, next.dueAt, JSON.stringify(next)]
        return expected === undefined
          ? await isOne(`INSERT INTO ${table} VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, values)
          : await isOne(`UPDATE ${table} SET revision = $2, due_at = $3, document = $4 WHERE id = $1 AND revision = $5`, [...values, expected])
      },
      delete: async (id, expected) => await isOne(`DELETE FROM ${table} WHERE id = $1 AND revision = coalesce($2, revision)`, [id, expected]),
      async list ({ cursor = '', limit, dueBefore = Infinity }) {
        const items = await documents(`SELECT document FROM ${table} WHERE id > $1 AND coalesce(due_at, 0) <= $2 ORDER BY id LIMIT $3`, [cursor, dueBefore, limit])
        return items.length < limit ? { items } : { items, cursor: String(items.at(-1)?.merchantId) }
      }
    }
    return { storage, another: storage, cleanup: async () => await pool.query(`DROP TABLE ${table}`) }
  }
  t.same(await failures(make), [])
  const { storage, cleanup } = await make()
  await t.rejects(storage.put({ ...record(), connectionId: '\u0000' }, undefined), { code: '22P05' })
  await t.rejects(storage.put({ ...record(), connectionId: '\ud800' }, undefined), { code: '22P02' })
  await cleanup()
})

t.test('on a real database too, a check and a write in two statements fail', { skip }, async t => {
  const pool = new pg.Pool({ connectionString, max: 8, options: '-c synchronous_commit=off' })
  t.teardown(async () => await pool.end())
  const messages = await failures(async () => {
    const table = uniqueName('naive')
    await pool.query(`CREATE TABLE ${table} (id text PRIMARY KEY, document text)`)
    const find = async (id: string) => {
      const { rows } = await pool.query<{ document: string }>(`SELECT document FROM ${table} WHERE id = $1`, [id])
      return rows[0] && JSON.parse(rows[0].document)
    }
    const storage: CloverStorage = {
      get: find,
      async put (next, expected) {
        if ((await find(next.merchantId))?.revision !== expected) return false
        await pool.query(`INSERT INTO ${table} VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET document = $2`, [next.merchantId, JSON.stringify(next)])
        return true
      },
      async delete (merchantId, expected) {
        if (expected !== undefined && (await find(merchantId))?.revision !== expected) return false
        return (await pool.query(`DELETE FROM ${table} WHERE id = $1`, [merchantId])).rowCount === 1
      }
    }
    return { storage, cleanup: async () => await pool.query(`DROP TABLE ${table}`) }
  })
  t.ok(messages.some(message => /Of 8 puts with the same expected revision at once \d resolved true/.test(message)), 'updates', { messages })
  t.ok(messages.some(message => /Of 8 first records at once \d resolved true/.test(message)), 'inserts', { messages })
  t.ok(messages.some(message => /updates were lost/.test(message)), 'lost updates', { messages })
})
