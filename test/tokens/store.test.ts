import { inspect } from 'node:util'
import t from 'tap'
import type { CloverStorage } from '../../src/storage/contract.js'
import type { Installation } from '../../src/installation.js'
import { Store, UnreadableRecord } from '../../src/tokens/store.js'
import { startServer, identity, leap, merchantId, patiently, unclear } from './one-server.js'

/*
 * Wrong results and errors of an adapter, and records of other apps.
 */

t.test('a record of another app or environment serves nobody, not even from memory (security 23)', async t => {
  for (const change of [{ appId: 'OTHER00000001' }, { environment: 'europe' }, { merchantId: 'MERCHANT00002' }]) {
    const { accessTokens, storage, connect } = startServer(t)
    const record = await connect()
    await accessTokens.accessToken(merchantId)
    storage.records.set(merchantId, { ...record, ...change })
    await leap(11)
    await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_OTHER_APP', statusCode: 500, merchantId })
  }
})

function storeOver (storage: Partial<Record<keyof CloverStorage, unknown>>): Store {
  const { appId, environment } = identity
  return new Store({ storage: storage as unknown as CloverStorage, appId, environment, timeout: 5_000 })
}

t.test('a wrong result of an adapter is an error of the store', async t => {
  const { storage, connect } = startServer(t)
  const record = await connect()
  for (const junk of [0, '', 'record', [], {}, { ...record, refreshToken: 5 }, { ...record, revision: 'ABC' }]) {
    await t.rejects(storeOver({ get: async () => junk }).get(merchantId), { code: 'FST_CLOVER_UNREADABLE', merchantId })
  }
  t.equal(await storeOver({ get: async () => null }).get(merchantId), undefined)
  t.equal(await storeOver({ get: () => undefined }).get(merchantId), undefined)
  for (const junk of [undefined, null, 1, 'true', {}]) {
    await t.rejects(storeOver({ put: async () => junk }).put(record, record.revision), { code: 'FST_CLOVER_STORAGE', cause: { message: /true or false/ } })
    await t.rejects(storeOver({ delete: async () => junk }).delete(merchantId, record.revision), { code: 'FST_CLOVER_STORAGE' })
  }
  for (const junk of [undefined, null, [], {}, { items: 5 }]) {
    await t.rejects(storeOver({ list: async () => junk }).list({ limit: 5 }), { code: 'FST_CLOVER_STORAGE' })
  }
  t.same(await storeOver({ list: async () => ({ items: [record], cursor: null }) }).list({ limit: 5 }), { items: [record], unusable: [] })
  await t.rejects(storeOver({ get: () => { throw new Error('at once') } }).get(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { message: /at once/ } })
  t.equal(storeOver({}).canList, false)
  t.equal(storeOver(storage).canList, true)
  await t.rejects(storeOver({}).list({ limit: 5 }), { code: 'FST_CLOVER_STORAGE', message: 'The storage adapter failed in list, which it does not have: the reason is in the server\'s log.', cause: { message: /listings need it/ } })
})

t.test('the error of a store contains no token, and keeps its name and code (security 33)', async t => {
  const { connect } = startServer(t)
  const record: Installation = { ...await connect(), spentRefreshToken: 'spent-secret' }
  const store = storeOver({
    put: async (next: Installation) => { throw Object.assign(new TypeError(`cannot insert ${JSON.stringify(next)}`), { code: 'SQLITE_FULL' }) },
    get: async () => { throw 'a string' } // eslint-disable-line no-throw-literal
  })
  const error = await store.put(record, record.revision).catch((error: unknown) => error) as Error & { cause: Error & { code: string } }
  for (const text of [error.message, error.cause.message, error.cause.stack ?? '', JSON.stringify(error)]) {
    for (const secret of [record.accessToken, record.refreshToken ?? '', 'spent-secret']) t.notOk(text.includes(secret))
  }
  t.equal(error.cause.code, 'SQLITE_FULL')
  t.equal(error.cause.name, 'TypeError')
  await t.rejects(store.get(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { message: /a string/ } })
})

t.test('an error that quotes a record which was never read here contains no token either, but its words and codes (security 33)', async t => {
  const { connect } = startServer(t)
  const record = await connect()
  const tokens = ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLW9mLWNhbmFyeQ', 'f'.repeat(10) + '0123456789abcdef', '1b4e28ba-2fa1-11d2-883f-0016d3cca427', 'AbCdEfGhIjKlMnOpQrStUvWx']
  const failing = (error: unknown) => storeOver({ get: async () => { throw error }, list: async () => { throw error } })
  for (const token of tokens) {
    const quoting = Object.assign(new Error(`relation clover_installations_of_mine: the row {"accessToken":"${token}"} and '${encodeURIComponent(token)}' at db-1.internal.example:5432 (42P01)`), { name: `Error of ${token}`, code: `code of ${token}`, detail: token })
    for (const call of [failing(quoting).get(merchantId), failing(quoting).list({ limit: 1 })]) {
      const error = await call.then(() => undefined, (error: unknown) => error) as Error & { cause: Error & { code?: unknown } }
      t.notOk(inspect(error, { depth: 9, showHidden: true }).includes(token.slice(-16)), token)
      t.match(error.cause.message, /^relation clover_installations_of_mine: the row .* at db-1\.internal\.example:5432 \(42P01\)$/)
      t.equal(error.cause.name, 'Error')
      t.equal(error.cause.code, undefined)
    }
  }
  for (const [code, kept] of [[1062, 1062], ['42P01', '42P01'], ['ConditionalCheckFailedException', 'ConditionalCheckFailedException'], [record, undefined], [tokens[1], undefined]] as const) {
    await t.rejects(failing(Object.assign(new Error('down'), { code })).get(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { code: kept } })
  }
  await t.rejects(failing(new Error('x'.repeat(30_000))).get(merchantId), { cause: { message: 'x'.repeat(500) } })
})

t.test('an error of encryptedStorage comes through as it is', async t => {
  const sealed = Object.assign(new Error('does not open'), { code: 'FST_CLOVER_SEALED' })
  await t.rejects(storeOver({ get: async () => { throw sealed } }).get(merchantId), sealed)
})

t.test('a store that changes its arguments, or returns its own objects, does no harm', async t => {
  const { connect } = startServer(t)
  const record = await connect()
  const given: Installation[] = []
  const store = storeOver({ put: async (next: Installation) => { given.push(next); return true } })
  await store.put(record, undefined)
  t.not(given[0], record)
  t.same(given[0], record)
})

t.test('fields that a later version added are kept by every write', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  const record = await connect()
  storage.records.set(merchantId, Object.assign({ ...record }, { later: { kept: true } }))
  await patiently(accessTokens.refresh(merchantId))
  t.match(storage.records.get(merchantId), { later: { kept: true } })
  clover.intercept = () => unclear('503')
  await t.rejects(patiently(accessTokens.refresh(merchantId)))
  t.match(storage.records.get(merchantId), { later: { kept: true }, refreshLease: {} })
})

t.test('a sealed record is not taken for a plain one (security 32)', async t => {
  const { accessTokens, storage, connect } = startServer(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, sealed: '2026-11' } as Installation)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_SEALED', message: /not wrapped in encryptedStorage/ })
})

t.test('a sealed record that cannot be opened can be disconnected, and is gone then', async t => {
  const { accessTokens, disconnects, storage, eventsOf, connect } = startServer(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, sealed: '2026-11' } as Installation)
  t.equal(await disconnects.disconnect(merchantId), true)
  t.equal(eventsOf('disconnected').length, 1)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a listing whose cursor does not move is an error at once', async t => {
  const stuck = storeOver({ list: async () => ({ items: [], cursor: 'a' }) })
  t.same(await stuck.list({ limit: 1 }), { items: [], unusable: [], cursor: 'a' })
  t.same(await stuck.list({ limit: 1, cursor: 'b' }), { items: [], unusable: [], cursor: 'a' })
  await t.rejects(stuck.list({ limit: 1, cursor: 'a' }), { code: 'FST_CLOVER_STORAGE', cause: { message: /same cursor/ } })
  t.same(await storeOver({ list: async () => ({ items: [] }) }).list({ limit: 1 }), { items: [], unusable: [] }, 'the last page has none')
})

t.test('the last page of a listing has no cursor, whatever the adapter says in its place', async t => {
  const { store, storage } = startServer(t)
  for (const end of [{}, { cursor: undefined }, { cursor: null }]) {
    storage.intercept = async () => ({ items: [], ...end })
    t.same(Object.keys(await store.list({ limit: 10 })).sort(), ['items', 'unusable'])
  }
  storage.intercept = async () => ({ items: [], cursor: 'next' })
  t.equal((await store.list({ limit: 10 })).cursor, 'next')
})

t.test('a listed record that cannot be used is named by its merchant id if it has one, and only a damaged one is reported', async t => {
  const { connect } = startServer(t)
  const record = await connect()
  const reported: string[] = []
  const odd = [{ ...record, merchantId: 'not an id', accessToken: 7 }, { ...record, merchantId: 7 }, null, 'text', { ...record, appId: 'OTHER00000001' }, { ...record, accessToken: 7 }]
  const { appId, environment } = identity
  const store = new Store({ storage: { list: async () => ({ items: odd }) } as never, appId, environment, timeout: 5_000, onUnreadable: merchantId => { reported.push(merchantId) } })
  const { items, unusable } = await store.list({ limit: 10 })
  t.same(items, [])
  t.same(unusable.map(({ merchantId }) => merchantId), [undefined, undefined, undefined, undefined, merchantId, merchantId])
  t.match(unusable[0]?.reason, 'The stored record of merchant without an id cannot be read (it does not have the form of an installation at /')
  t.match(unusable[2]?.reason, 'at /)')
  t.match(unusable[5]?.reason, 'at /accessToken)')
  t.same(reported, [merchantId], 'a record of another app is not damaged')
})

t.test('a damaged record has its revision only if that is a text', async t => {
  for (const [revision, expected] of [['abc', 'abc'], ['', undefined], [7, undefined], [null, undefined], [undefined, undefined]]) {
    const found = await storeOver({ get: async () => ({ revision }) }).find(merchantId)
    t.ok(found instanceof UnreadableRecord)
    t.equal(found?.revision, expected)
  }
  t.equal((await storeOver({ get: async () => 'text' }).find(merchantId))?.revision, undefined)
})
