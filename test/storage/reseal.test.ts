import t from 'tap'
import { encryptedStorage, memoryStorage, type CloverStorage, type Installation } from '../../src/storage/index.js'
import { after, merchant, record } from '../../src/testing/conformance/records.js'
import { first, second, tokens, sealedRecord, replace } from './sealed-records.js'

t.test('reseal seals all records, changes no revision, and does nothing the second time (security 30)', async t => {
  const inner = memoryStorage()
  const old = encryptedStorage(inner, { keys: [first] })
  const records = Array.from({ length: 250 }, (_, index) => ({ ...record({ merchantId: merchant(index) }), ...tokens }))
  for (const each of records) await old.put(each, undefined)
  const rotated = encryptedStorage(inner, { keys: [second, first] })
  const seen: number[] = []
  t.same(await rotated.reseal({ onProgress: ({ done }) => seen.push(done) }), { done: 250, resealed: 250, skipped: 0, failed: [] })
  t.equal(seen.at(-1), 250)
  t.ok(seen.length > 1, 'page by page')
  const onlyNew = encryptedStorage(inner, { keys: [second] })
  for (const each of records) t.same(await onlyNew.get(each.merchantId), each)
  t.same(await rotated.reseal(), { done: 250, resealed: 0, skipped: 0, failed: [] })
})

t.test('reseal does not overwrite a write of a running server, and reports records that do not open', async t => {
  const { storage, plain, stored } = await sealedRecord()
  const damaged = { ...record({ merchantId: merchant(2) }), accessToken: 'fc1.2026-01.damaged', sealed: 'x' }
  await storage.put(damaged, undefined)
  const racing: CloverStorage = {
    ...storage,
    put: async (next, expected) => {
      await encryptedStorage(storage, { keys: [second, first] }).put(after(plain), plain.revision)
      return await storage.put(next, expected)
    }
  }
  t.same(await encryptedStorage(racing, { keys: [second, first] }).reseal(), { done: 2, resealed: 0, skipped: 1, failed: [merchant(2)] })
  t.not((await storage.get(plain.merchantId))?.revision, stored.revision)
})

t.test('reseal can be stopped and started again', async t => {
  const inner = memoryStorage()
  for (let index = 0; index < 250; index++) await encryptedStorage(inner, { keys: [first] }).put(record({ merchantId: merchant(index) }), undefined)
  const rotated = encryptedStorage(inner, { keys: [second, first] })
  const controller = new AbortController()
  await t.rejects(rotated.reseal({ signal: controller.signal, onProgress: () => controller.abort() }), { name: 'AbortError' })
  const rest = await rotated.reseal()
  t.ok(rest.resealed > 0 && rest.resealed < 250)
  t.same(await rotated.reseal(), { done: 250, resealed: 0, skipped: 0, failed: [] })
  await t.rejects(rotated.reseal({ signal: AbortSignal.abort() }), { name: 'AbortError' })
})

t.test('an adapter without list has none when wrapped, and cannot be resealed', async t => {
  const { list, ...inner } = memoryStorage()
  const wrapped = encryptedStorage(inner, { keys: [first] })
  t.equal(wrapped.list, undefined)
  await t.rejects(wrapped.reseal(), { message: /has no list/ })
})

t.test('a listing goes on over a record that does not open', async t => {
  const { storage, plain } = await sealedRecord()
  await storage.put({ ...record({ merchantId: merchant(2) }), accessToken: 'CANARY' }, undefined)
  const page = await encryptedStorage(storage, { keys: [first] }).list?.({ limit: 10 })
  t.same(page?.items.map(({ merchantId }) => merchantId).sort(), [merchant(1), merchant(2)])
  t.same(page?.items.find(({ merchantId }) => merchantId === plain.merchantId), plain)
})

t.test('reseal marks a sealed record that lacks the mark', async t => {
  const { storage, stored } = await sealedRecord()
  const { sealed, ...unmarked } = stored
  await replace(storage, unmarked)
  t.same(await encryptedStorage(storage, { keys: [first] }).reseal(), { done: 1, resealed: 1, skipped: 0, failed: [] })
  t.match(await storage.get(stored.merchantId), { sealed: first.id })
})

t.test('reseal counts a damaged document as failed, and leaves it', async t => {
  const storage = memoryStorage()
  const { merchantId, revision, dueAt } = record()
  const puts: unknown[] = []
  const damaged = { ...storage, list: async () => ({ items: [{ merchantId, revision, dueAt } as Installation] }), put: async (next: Installation) => puts.push(next) > 0 }
  t.same(await encryptedStorage(damaged, { keys: [first] }).reseal(), { done: 1, resealed: 0, skipped: 0, failed: [merchantId] })
  t.same(puts, [])
})

t.test('reseal stops before the first page, and after the record in progress', async t => {
  await t.rejects(encryptedStorage(memoryStorage(), { keys: [first] }).reseal({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  const { storage } = await sealedRecord()
  await encryptedStorage(storage, { keys: [first] }).put(record({ merchantId: merchant(2) }), undefined)
  const controller = new AbortController()
  const queries: unknown[] = []
  let puts = 0
  const stopping: CloverStorage = {
    ...storage,
    list: async query => { queries.push(Object.keys(query)); return storage.list(query) },
    put: async (next, expected) => { puts++; controller.abort(); return storage.put(next, expected) }
  }
  await t.rejects(encryptedStorage(stopping, { keys: [second, first] }).reseal({ signal: controller.signal }), { name: 'AbortError' })
  t.equal(puts, 1)
  t.same(queries, [['limit']], 'the first page is asked for without a cursor')
})
