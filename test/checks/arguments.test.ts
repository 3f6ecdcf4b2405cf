import t from 'tap'
import type { Clover } from '../../src/decorator.js'
import { encryptedStorage, memoryStorage, postgresStorage, redisStorage, sqliteStorage } from '../../src/storage/index.js'
import { storageConformance } from '../../src/testing/index.js'
import { merchantA } from '../harness/host.js'
import { apiHost, orders } from '../api/api-host.js'

const notASignal = { aborted: false } as AbortSignal
/** A value of any type, as a caller without TypeScript may pass it. */
const any = (value: unknown) => value as never

type Misuse = readonly [what: string, use: (clover: Clover) => unknown, sentence: string]

async function first (iterator: AsyncIterable<unknown>): Promise<void> {
  for await (const element of iterator) if (element) return
}

const misuses: Misuse[] = [
  ['NaN as minValidity', clover => clover.accessToken(merchantA, { minValidity: NaN }), 'accessToken(): minValidity must be a number of seconds from 0 to 86400.'],
  ['infinity as minValidity', clover => clover.accessToken(merchantA, { minValidity: Infinity }), 'accessToken(): minValidity must be a number of seconds from 0 to 86400.'],
  ['a text as minValidity', clover => clover.accessToken(merchantA, { minValidity: any('60') }), 'accessToken(): minValidity must be a number of seconds from 0 to 86400.'],
  ['a negative minValidity', clover => clover.accessToken(merchantA, { minValidity: -1 }), 'accessToken(): minValidity must be a number of seconds from 0 to 86400.'],
  ['an empty rejected token', clover => clover.accessToken(merchantA, { rejected: '' }), 'accessToken(): rejected must be the token that Clover refused, as it was handed out.'],
  ['null as rejected', clover => clover.accessToken(merchantA, { rejected: any(null) }), 'accessToken(): rejected must be the token that Clover refused, as it was handed out.'],
  ['a signal that is none', clover => clover.accessToken(merchantA, { signal: notASignal }), 'accessToken(): signal must be an AbortSignal.'],
  ['a misspelt option', clover => clover.accessToken(merchantA, any({ minvalidity: 60 })), 'accessToken(): minvalidity is not an option: did you mean minValidity?'],
  ['options that are a number', clover => clover.accessToken(merchantA, any(60)), 'accessToken(): options must be a plain object.'],
  ['options that are null', clover => clover.accessToken(merchantA, any(null)), 'accessToken(): options must be a plain object.'],
  ['a text as renew', clover => clover.ecommercePublicKey(merchantA, { renew: any('false') }), 'ecommercePublicKey(): renew must be true or false.'],
  ['a text as unusable', clover => first(clover.installations({ unusable: any('yes') })), 'installations(): unusable must be true or false.'],
  ['a limit of 0', clover => first(clover.paginate(merchantA, orders, { limit: 0 })), 'paginate(): limit must be a whole number from 1 to 1000 (ecommerce: 1 to 100).'],
  ['NaN as limit', clover => first(clover.paginate(merchantA, orders, { limit: NaN })), 'paginate(): limit must be a whole number from 1 to 1000 (ecommerce: 1 to 100).'],
  ['a date that is none', clover => first(clover.paginate(merchantA, orders, { since: new Date(NaN) })), 'paginate(): since must be a Date, or Unix milliseconds from the year 2000 on.'],
  ['seconds', clover => first(clover.paginate(merchantA, orders, { since: 1_800_000_000 })), 'paginate(): since must be a Date, or Unix milliseconds from the year 2000 on.'],
  ['a field with a blank', clover => first(clover.paginate(merchantA, orders, { since: new Date(), timeField: 'created time' })), 'paginate(): timeField must be the name of a field.'],
  ['a signal that is none, for pages', clover => first(clover.paginate(merchantA, orders, { signal: notASignal })), 'paginate(): signal must be an AbortSignal.'],
  ['an array for keepAlive', clover => clover.keepAlive(any([])), 'keepAlive(): options must be a plain object.'],
  ['NaN as within', clover => clover.keepAlive({ within: NaN }), 'keepAlive(): within must be a number of seconds from 0 to 31536000.'],
  ['an option named as something that every object has', clover => clover.keepAlive(any({ toString: 1 })), 'keepAlive(): toString is not an option.'],
  ['a misspelt option that must be left out', clover => clover.keepAlive(any({ evry: 1 })), 'keepAlive(): evry is not an option.'],
  ['a signal that is none, for keepAlive', clover => clover.keepAlive({ signal: notASignal }), 'keepAlive(): signal must be an AbortSignal.'],
  ['a text as onProgress', clover => clover.keepAlive({ onProgress: any('log') }), 'keepAlive(): onProgress must be a function.'],
  ['a signal that is none, for diagnose', clover => first(clover.diagnose({ signal: notASignal })), 'diagnose(): signal must be an AbortSignal.'],
  ['a merchant id in small letters, for diagnose', clover => first(clover.diagnose({ merchantId: 'merchant' })), 'The merchant id must be a string of 13 characters from A-Z and 0-9, as Clover gives it.'],
  ['two wrong options', async clover => clover.migrateLegacy([], { rate: NaN, total: -1 }), 'migrateLegacy(): rate must be a number from 0.01 to 1000.\nmigrateLegacy(): total must be a whole number.'],
  ['a merchant id in small letters', clover => clover.accessToken(merchantA.toLowerCase(), { minValidity: NaN }), 'The merchant id must be a string of 13 characters from A-Z and 0-9, as Clover gives it.'],
  ['no path', clover => clover.fetch(merchantA, any(undefined)), 'A merchant\'s token goes only to Clover: give a path such as /v3/merchants/{mId}/orders, or a URL of the environment\'s api or ecommerce origin.'],
  ['a Request instead of a path', clover => clover.fetch(merchantA, any(new Request('https://api.clover.com/v3/merchants'))), 'A Request must be given as the options: fetch(merchantId, path, request).'],
  ['an unknown placeholder', clover => clover.fetch(merchantA, '/v3/merchants/{merchantId}/orders?filter={x}'), 'The path has {merchantId}, which is not replaced: put the value there. Only {mId} is replaced, by the merchant id.'],
  ['no tokens', clover => clover.adopt(any(undefined)), 'The merchant id must be a string of 13 characters from A-Z and 0-9, as Clover gives it.'],
  ['an expiration that is no number', clover => clover.adopt({ merchantId: merchantA, accessToken: 'a', accessTokenExpiration: NaN, refreshToken: 'b', refreshTokenExpiration: 1 }), 'adopt() needs merchantId, accessToken, refreshToken, and their expirations in Unix seconds: accessTokenExpiration is wrong.']
]

t.test('every public function refuses a wrong argument with a sentence, and nothing is sent', async t => {
  const { app, clover, connect } = await apiHost(t)
  await connect()
  const before = clover.calls.length
  for (const [what, use, message] of misuses) {
    await t.rejects(Promise.resolve().then(() => use(app.clover)), { code: /^FST_CLOVER_(INVALID_OPTIONS|INVALID_MERCHANT_ID|FOREIGN_URL)$/, message }, what)
  }
  for (const name of ['accessToken', 'refresh', 'installation', 'disconnect', 'ecommercePublicKey'] as const) {
    for (const merchantId of [undefined, null, 13, '', 'MERCHANT0000A\n', ['MERCHANT0000A']]) {
      await t.rejects<unknown>(app.clover[name](any(merchantId)), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' }, `${name}(${JSON.stringify(merchantId)})`)
    }
  }
  t.equal(clover.calls.length, before)
})

t.test('options that are undefined, or have undefined fields, count as left out', async t => {
  const { app, connect } = await apiHost(t)
  await connect()
  const token = await app.clover.accessToken(merchantA)
  t.equal(await app.clover.accessToken(merchantA, any({ minValidity: undefined, rejected: undefined, signal: undefined })), token)
  t.equal(await app.clover.accessToken(merchantA, any(undefined)), token)
  t.equal(await app.clover.accessToken(merchantA, Object.assign(Object.create(null), { minValidity: 0 })), token)
})

t.test('storage adapters refuse options that they do not have: with a misspelt prefix, merchants would be stored elsewhere', t => {
  const pool = { query: async () => ({ rows: [] }) }
  const redis = { call: async () => null, sendCommand: async () => null }
  const database = { prepare: () => ({}), exec: () => {} }
  const key = { id: 'one', key: '0'.repeat(64) }
  const wrong: Array<[() => unknown, string]> = [
    [() => postgresStorage(any(pool), any({ tableName: 'merchants' })), 'postgresStorage: tableName is not an option.'],
    [() => postgresStorage(any(pool), any('merchants')), 'postgresStorage: options must be a plain object.'],
    [() => postgresStorage(any(pool), { table: 'a.b.c' }), 'postgresStorage: table must be a name of letters, digits and underscores, at most 63 of them, or two such names as schema.table.'],
    [() => redisStorage(any(redis), any({ keyPrefix: 'shop:' })), 'redisStorage: keyPrefix is not an option.'],
    [() => redisStorage(any(redis), { prefix: '' }), 'redisStorage: prefix must be a string of 1 to 200 characters.'],
    [() => sqliteStorage(any(database), { lockTimeout: NaN }), 'sqliteStorage: lockTimeout must be a number of milliseconds from 0 to 60000.'],
    [() => sqliteStorage(any(database), any({ table: 'a"b', timeout: 5 })), 'sqliteStorage: table must be a name of letters, digits and underscores, at most 63 of them.\nsqliteStorage: timeout is not an option.'],
    [() => encryptedStorage(memoryStorage(), { keys: [key], acceptPlaintext: any('false') }), 'encryptedStorage: acceptPlaintext must be true or false.'],
    [() => encryptedStorage(memoryStorage(), any({ keys: [] })), 'encryptedStorage: keys must be an array of { id, key }, the first of which seals.'],
    [() => encryptedStorage(memoryStorage(), { keys: [{ id: 'a', key: `${'0'.repeat(64)}\n` }] }), 'encryptedStorage: the key \'a\' must not begin or end with a space or line break, which a file often has at its end: trim it.'],
    [() => encryptedStorage(memoryStorage(), any(undefined)), 'encryptedStorage: keys must be an array of { id, key }, the first of which seals.'],
    [() => encryptedStorage(memoryStorage(), any({ keys: [null] })), 'encryptedStorage: each of keys needs an id of 1 to 32 letters, digits, _ and -.']
  ]
  for (const [use, message] of wrong) t.throws(use, { name: 'TypeError', message })
  t.end()
})

t.test('reseal checks its options', async t => {
  const storage = encryptedStorage(memoryStorage(), { keys: [{ id: 'one', key: '0'.repeat(64) }] })
  await t.rejects(storage.reseal({ signal: notASignal }), { name: 'TypeError', message: 'reseal: signal must be an AbortSignal.' })
  await t.rejects(storage.reseal(any({ onprogress: () => {} })), { name: 'TypeError', message: 'reseal: onprogress is not an option: did you mean onProgress?' })
})

t.test('storageConformance checks its arguments before it makes the cases', async t => {
  t.throws(() => storageConformance(any(memoryStorage())), { name: 'TypeError', message: 'storageConformance: the first argument must be a function that makes a store.' })
  t.throws(() => storageConformance(memoryStorage, { timeout: NaN }), { name: 'TypeError', message: 'storageConformance: timeout must be a number of milliseconds from 1 to 600000.' })
})
