import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { isCloverError } from '../../src/index.js'
import { encryptedStorage, memoryStorage, sqliteStorage, type Installation } from '../../src/storage/index.js'
import { after, merchant, record } from '../../src/testing/conformance/records.js'
import { openSqlite } from '../harness/sqlite.js'
import { conforms } from './conforms.js'
import { first, second, secrets, tokens, sealedRecord, replace, refuses } from './sealed-records.js'

t.test('sealed adapters conform', async t => {
  await conforms(t, () => encryptedStorage(memoryStorage(), { keys: [first, second] }))
  const database = openSqlite(':memory:')
  t.teardown(() => database.close())
  let table = 0
  await conforms(t, () => {
    const inner = sqliteStorage(database, { table: `t${++table}` })
    return { storage: encryptedStorage(inner, { keys: [first] }), another: encryptedStorage(inner, { keys: [first] }) }
  })
})

t.test('no token is stored in plaintext, but metadata is', async t => {
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

t.test('an incomplete envelope does not open (security 27, 32)', async t => {
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

t.test('an envelope opens only in its own place (security 28)', async t => {
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

t.test('the error for an unknown key has only the key\'s id (security 29)', async t => {
  const { storage } = await sealedRecord()
  const error: unknown = await encryptedStorage(storage, { keys: [second] }).get(merchant(1)).catch((error: unknown) => error)
  t.ok(isCloverError(error, 'FST_CLOVER_SEALED'))
  t.match(error, { message: `The record of merchant ${merchant(1)} does not open at accessToken: its key '2026-01' is not among the keys of this server: add a new key in second place on every server before any server has it first, and keep an old key until reseal() has finished. Check the keys of encryptedStorage; a record that is beyond repair can be disconnected.` })
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

t.test('plaintext records open only with acceptPlaintext (security 32)', async t => {
  const storage = memoryStorage()
  const plain = { ...record(), ...tokens }
  await storage.put(plain, undefined)
  await refuses(t, storage, /it is not sealed/)
  const migrating = encryptedStorage(storage, { keys: [first], acceptPlaintext: true })
  t.same(await migrating.get(plain.merchantId), plain)
  t.same(await migrating.reseal(), { done: 1, resealed: 1, skipped: 0, failed: [] })
  t.same(await encryptedStorage(storage, { keys: [first] }).get(plain.merchantId), plain)

  await t.test('a record with the mark of a sealed one is never read as plaintext', async t => {
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

t.test('errors of the wrapped adapter are passed on', async t => {
  const { storage } = await sealedRecord()
  const broken = { ...storage, get: async () => { throw new Error('down') } }
  await t.rejects(encryptedStorage(broken, { keys: [first] }).get(merchant(1)), { message: 'down' })
  t.equal(await encryptedStorage(memoryStorage(), { keys: [first] }).get(merchant(9)), undefined)
})

t.test('a key is changed in three deployments, while old and new servers run side by side (security 41)', async t => {
  const memory = memoryStorage()
  const server = (...keys: Array<typeof first>) => encryptedStorage(memory, { keys })
  const steps: Array<[before: Array<typeof first>, after: Array<typeof first>]> = [[[first], [first, second]], [[first, second], [second, first]], [[second, first], [second]]]
  const ids = Array.from({ length: 20 }, (_, i) => merchant(i + 1))
  for (const [i, merchantId] of ids.entries()) await server(first).put({ ...record(), ...tokens, merchantId, revision: i.toString(16).padStart(32, '0') }, undefined)
  let writes = 0
  for (const [before, now] of steps) {
    const servers = [server(...before), server(...now)]
    for (const merchantId of ids) {
      for (const one of [...servers, ...servers]) {
        const current = await one.get(merchantId)
        t.match(current, tokens, 'each server reads what the other wrote')
        const next = { ...current as Installation, revision: `${(++writes).toString(16)}`.padStart(32, 'f') }
        t.ok(await one.put(next, current?.revision))
      }
    }
    if (now[0] === second && now.length === 2) t.match(await server(...now).reseal(), { done: 20, failed: [] })
  }
  t.match(await server(second).get(merchant(1)), tokens)
})

t.test('without the first deployment, a server without the new key gets an error that says so, and loses no merchant', async t => {
  const { storage, plain } = await sealedRecord()
  const next = encryptedStorage(storage, { keys: [second, first] })
  await next.put({ ...plain, revision: 'f'.repeat(32) }, plain.revision)
  await refuses(t, storage, /its key '2026-11' is not among the keys of this server: add a new key in second place on every server before any server has it first/)
  t.match(await next.get(plain.merchantId), tokens)
})

t.test('a record without a refresh token is sealed, opened, and found sealed the next time', async t => {
  const storage = memoryStorage()
  const sealed = encryptedStorage(storage, { keys: [first] })
  const { spentRefreshToken, ...rest } = record()
  const v1: Installation = { ...rest, accessToken: 'CANARY', refreshToken: null }
  await sealed.put(v1, undefined)
  t.match(await storage.get(v1.merchantId), { accessToken: /^fc1/, refreshToken: null })
  t.same(await sealed.get(v1.merchantId), v1)
  t.same(await sealed.reseal(), { done: 1, resealed: 0, skipped: 0, failed: [] })
})

t.test('wrong options of sealing are refused by name', async t => {
  t.throws(() => encryptedStorage(memoryStorage(), { keys: [first], acceptPlaintext: 'yes' as never }), { name: 'TypeError', message: /acceptPlaintext/ })
  await t.rejects(encryptedStorage(memoryStorage(), { keys: [first] }).reseal({ onProgress: 7 as never }), { message: /reseal.*onProgress/s })
  const make = (key: unknown) => () => encryptedStorage(memoryStorage(), { keys: [{ id: 'a', key: key as string }] })
  t.throws(make(`${first.key.toString('base64')}\n`), { message: /must not begin or end with a space or line break/ })
  for (const key of [Array<number>(32).fill(1), `${'x'.repeat(43)}!`, `${'0'.repeat(63)}g`]) t.throws(make(key), { message: /must be 32 bytes/ })
})

t.test('an empty text has an envelope of its own', async t => {
  const storage = memoryStorage()
  const sealed = encryptedStorage(storage, { keys: [first] })
  await sealed.put({ ...record(), accessToken: '' }, undefined)
  t.match(await storage.get(merchant(1)), { accessToken: /^fc1/ })
  t.equal((await sealed.get(merchant(1)))?.accessToken, '')
})
