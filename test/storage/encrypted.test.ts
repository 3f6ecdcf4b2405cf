import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { isCloverError } from '../../src/index.js'
import { encryptedStorage, memoryStorage, sqliteStorage, type CloverStorage, type Installation } from '../../src/storage/index.js'
import { storageConformance } from '../../src/testing/conformance/index.js'
import { after, merchant, record } from '../../src/testing/conformance/records.js'
import { openSqlite } from '../helpers/sqlite.js'

const [first, second] = ['2026-01', '2026-11'].map(id => ({ id, key: randomBytes(32) })) as [{ id: string, key: Buffer }, { id: string, key: Buffer }]
const secrets = ['accessToken', 'refreshToken', 'spentRefreshToken'] as const
const tokens = { accessToken: 'CANARY-access', refreshToken: 'CANARY-refresh', spentRefreshToken: 'CANARY-spent' }

/** A merchant's record, sealed into a store, and the record as it is stored. */
async function sealedRecord (storage = memoryStorage()) {
  const plain: Installation = { ...record(), ...tokens }
  await encryptedStorage(storage, { keys: [first] }).put(plain, undefined)
  return { storage, plain, stored: await storage.get(plain.merchantId) as Installation & { sealed?: string } }
}

/** Puts a changed record in the place of the stored one. */
async function replace (storage: CloverStorage, next: Installation) {
  const stored = await storage.get(next.merchantId)
  await storage.put(next, stored?.revision)
}

const refuses = (t: Test, storage: CloverStorage, reason: RegExp) =>
  t.rejects(encryptedStorage(storage, { keys: [first] }).get(merchant(1)), { code: 'FST_CLOVER_SEALED', statusCode: 500, merchantId: merchant(1), message: reason })

t.test('sealed adapters conform', async t => {
  const memory = storageConformance(() => encryptedStorage(memoryStorage(), { keys: [first, second] }))
  for (const { name, run } of memory) await t.test(`memory: ${name}`, run)
  const database = openSqlite(':memory:')
  t.teardown(() => database.close())
  let table = 0
  const sqlite = storageConformance(() => {
    const inner = sqliteStorage(database, { table: `t${++table}` })
    return { storage: encryptedStorage(inner, { keys: [first] }), another: encryptedStorage(inner, { keys: [first] }) }
  })
  for (const { name, run } of sqlite) await t.test(`SQLite: ${name}`, run)
})

t.test('no token is stored in the clear, and metadata is', async t => {
  const { stored, plain } = await sealedRecord()
  t.notMatch(JSON.stringify(stored), 'CANARY')
  const { accessToken, refreshToken, spentRefreshToken, sealed, ...metadata } = stored
  t.match(plain, metadata)
  t.equal(sealed, first.id)
  for (const field of secrets) t.match(stored[field], /^fc1\.2026-01\.[\w-]+$/)
})

t.test('a value that is sealed twice gives two envelopes (security 27)', async t => {
  const { stored } = await sealedRecord()
  const { stored: again } = await sealedRecord()
  for (const field of secrets) t.not(stored[field], again[field])
})

t.test('any flipped bit of nonce, ciphertext or tag fails closed (security 27)', async t => {
  const { storage, stored } = await sealedRecord()
  const [version, id, body = ''] = stored.accessToken.split('.')
  const bytes = Buffer.from(body, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    await replace(storage, { ...stored, accessToken: [version, id, flipped.toString('base64url')].join('.') })
    await refuses(t, storage, /at accessToken: it was changed/)
  }
})

t.test('what is no whole envelope does not open (security 27, 32)', async t => {
  const { storage, stored } = await sealedRecord()
  const [version, id, body = ''] = stored.accessToken.split('.')
  const spare = body.slice(0, -1) + (body.endsWith('A') ? 'B' : String.fromCharCode(body.charCodeAt(body.length - 1) + 1))
  for (const accessToken of [
    'CANARY-plain', '', `${version}.${id}.`, `${version}.${id}.AAAA`, `${version}.${id}.${body}=`, `${version}.${id}.${body} `, `fc2.${id}.${body}`,
    `${version}.${body}`, `${stored.accessToken}.x`, `${version}.${id}.${body.slice(0, 38)}`, `${version}.${id}.${spare}`
  ]) {
    await replace(storage, { ...stored, accessToken })
    await refuses(t, storage, /at accessToken: (it is not sealed|its envelope is damaged|it was changed)/)
  }
})

t.test('an envelope opens in its own place alone (security 28)', async t => {
  const { storage, stored } = await sealedRecord()
  await replace(storage, { ...stored, refreshToken: stored.accessToken })
  await refuses(t, storage, /at refreshToken: it was changed, or belongs to another/)
  for (const change of [{ appId: 'OTHERAPP00001' }, { environment: 'europe' }]) {
    await replace(storage, { ...stored, ...change })
    await refuses(t, storage, /belongs to another/)
  }
  const other = { ...stored, merchantId: merchant(2) }
  await storage.put(other, undefined)
  await t.rejects(encryptedStorage(storage, { keys: [first] }).get(merchant(2)), { code: 'FST_CLOVER_SEALED', merchantId: merchant(2) })
})

t.test('an unknown key is named by its id and nothing else (security 29)', async t => {
  const { storage } = await sealedRecord()
  const error: unknown = await encryptedStorage(storage, { keys: [second] }).get(merchant(1)).catch((error: unknown) => error)
  t.ok(isCloverError(error, 'FST_CLOVER_SEALED'))
  t.match(error, { message: `The record of merchant ${merchant(1)} does not open at accessToken: its key '2026-01' is not among the keys. Check the keys of encryptedStorage; a record that is beyond repair can be disconnected.` })
  const shown = `${inspect(error, { depth: 9, showHidden: true })} ${JSON.stringify(error)}`
  t.notMatch(shown, 'CANARY')
  t.notMatch(shown, second.key.toString('hex'))
})

t.test('another key of the same id does not open (security 29)', async t => {
  const { storage } = await sealedRecord()
  await t.rejects(encryptedStorage(storage, { keys: [{ id: first.id, key: second.key }] }).get(merchant(1)), { code: 'FST_CLOVER_SEALED' })
})

t.test('the first key seals, all open, and a record is sealed anew at its next write (security 30)', async t => {
  const { storage, plain } = await sealedRecord()
  const rotated = encryptedStorage(storage, { keys: [second, first] })
  t.same(await rotated.get(plain.merchantId), plain)
  const next = after(plain)
  t.ok(await rotated.put(next, plain.revision))
  const stored = await storage.get(plain.merchantId)
  for (const field of secrets) t.match(stored?.[field], /^fc1\.2026-11\./)
  t.same(await encryptedStorage(storage, { keys: [second] }).get(plain.merchantId), next)
})

t.test('reseal goes through all records, changes no revision, and finds nothing to do the second time (security 30)', async t => {
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

t.test('reseal leaves alone what a running server writes meanwhile, and reports what does not open', async t => {
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

t.test('plaintext records open only while they are taken over explicitly (security 32)', async t => {
  const storage = memoryStorage()
  const plain = { ...record(), ...tokens }
  await storage.put(plain, undefined)
  await refuses(t, storage, /it is not sealed/)
  const migrating = encryptedStorage(storage, { keys: [first], acceptPlaintext: true })
  t.same(await migrating.get(plain.merchantId), plain)
  t.same(await migrating.reseal(), { done: 1, resealed: 1, skipped: 0, failed: [] })
  t.same(await encryptedStorage(storage, { keys: [first] }).get(plain.merchantId), plain)

  await t.test('a record that says that it is sealed is never taken for plaintext', async t => {
    const stored = await storage.get(plain.merchantId) as Installation
    await replace(storage, { ...stored, accessToken: 'CANARY-planted' })
    await t.rejects(migrating.get(plain.merchantId), { code: 'FST_CLOVER_SEALED' })
  })
})

t.test('keys are 32 bytes with names of their own (security 31)', async t => {
  const make = (...keys: unknown[]) => () => encryptedStorage(memoryStorage(), { keys: keys as never })
  for (const key of [randomBytes(31), randomBytes(33), 'CANARY', randomBytes(16).toString('hex'), 7, null, 'x'.repeat(44)]) {
    t.throws(make({ id: 'a', key }), { name: 'TypeError', message: /the key 'a' must be 32 bytes/ })
  }
  for (const id of ['', 'a.b', 'x'.repeat(33), 7, undefined]) t.throws(make({ id, key: randomBytes(32) }), { name: 'TypeError', message: /id of 1 to 32/ })
  t.throws(make(), { message: /keys must be an array/ })
  t.throws(make(first, first), { message: /an id of its own/ })
  t.throws(() => encryptedStorage({} as never, { keys: [first] }), { message: /a storage adapter/ })
  const { storage, plain } = await sealedRecord()
  for (const key of [first.key.toString('hex'), first.key.toString('base64'), first.key.toString('base64url')]) {
    t.same(await encryptedStorage(storage, { keys: [{ id: first.id, key }] }).get(merchant(1)), plain)
  }
})

t.test('an adapter that fails, fails as it did', async t => {
  const { storage } = await sealedRecord()
  const broken = { ...storage, get: async () => { throw new Error('down') } }
  await t.rejects(encryptedStorage(broken, { keys: [first] }).get(merchant(1)), { message: 'down' })
  t.equal(await encryptedStorage(memoryStorage(), { keys: [first] }).get(merchant(9)), undefined)
})
