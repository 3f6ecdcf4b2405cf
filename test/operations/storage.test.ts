import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { withDurability, type DurabilityReport } from '../../src/storage/durability.js'
import { encryptedStorage, memoryStorage, type Installation } from '../../src/storage/index.js'
import { merchantA, merchantB, startClover } from '../harness/host.js'
import { Time } from '../harness/time.js'
import { rightStorage, type Data } from '../testing/broken.js'
import { brokenWrites } from '../testing/broken-writes.js'
import { breaking, lookAt as lookAtOne, storageChecks } from './broken-store.js'
import { collect, complaints, startDoctorHost, type DoctorHostOptions } from './doctor-host.js'

const simulator = await startClover(t, new Time())

/** The findings about a store, with the Clover of this file. */
const lookAt: typeof lookAtOne = async (t, storage, more) => await lookAtOne(t, storage, { simulator, ...more })

/** The error that a broken store gets, and the checks that are not tried then. Nothing is left in it. */
async function breaks (t: Test, check: string, message: RegExp, how: Parameters<typeof breaking>[0], isEmpty = true): Promise<void> {
  const { storage, data } = breaking(how)
  const { findings } = await lookAt(t, storage)
  t.match(findings[check], { status: 'error', message, fix: /./, link: /README\.md#/ }, how.toString())
  t.equal(complaints(findings).filter(text => text.startsWith('storage') || text.startsWith('records')).length, 1, 'one error')
  const later = storageChecks.slice(storageChecks.indexOf(check) + 1)
  for (const name of later) t.equal(findings[name]?.status, 'not-checked', name)
  if (isEmpty) t.equal(data.size, 0, 'nothing is left')
}

t.test('a store that keeps the contract passes, and is as it was before', async t => {
  for (const storage of [memoryStorage(), rightStorage(), encryptedStorage(memoryStorage(), { keys: [{ id: 'one', key: randomBytes(32) }] })]) {
    const { findings, diagnose, connect } = await lookAt(t, storage)
    for (const check of storageChecks) t.equal(findings[check]?.status, 'ok', check)
    await connect()
    const before = await storage.list?.({ limit: 10 })
    t.match((await diagnose()).records, { status: 'ok', message: /: 1\.$/ })
    t.same(await storage.list?.({ limit: 10 }), before)
  }
})

t.test('a store may add fields to a record', async t => {
  const right = rightStorage()
  const { findings } = await lookAt(t, {
    ...right,
    get: async merchantId => {
      const record = await right.get(merchantId)
      return record && Object.assign(Object.create(null) as object, record, { _id: 7 })
    }
  })
  for (const check of storageChecks) t.equal(findings[check]?.status, 'ok', check)
})

t.test('a store that inserts wrongly', async t => {
  await breaks(t, 'storage-inserts', /does not insert/, () => ({ put: async () => false }))
  await breaks(t, 'storage-inserts', /over another/, (right, data) => ({ put: (next, expected) => right.put(next, expected ?? data.get(next.merchantId)?.revision) }))
  const { storage, data } = breaking(right => ({ put: async (next, expected) => { await right.put(next, expected); return undefined as never } }))
  const { findings } = await lookAt(t, storage)
  t.match(findings, { 'storage-inserts': { status: 'error', message: /true or false/ }, 'storage-deletes': { status: 'error', message: /may still be there/ } })
  t.equal(data.size, 0)
})

t.test('a store whose reads do not show the last write', async t => {
  await breaks(t, 'storage-reads', /does not show what was written/, () => ({ get: async () => undefined }))
  let reads = 0
  await breaks(t, 'storage-reads', /a replica or a cache/, right => ({ get: async merchantId => ++reads % 4 === 0 ? undefined : await right.get(merchantId) }))
  await breaks(t, 'storage-reads', /changes what it keeps/, right => ({
    get: async merchantId => {
      const record = await right.get(merchantId)
      return record && { ...record, connectedAt: record.connectedAt + 1 }
    }
  }))
  await breaks(t, 'storage-reads', /made by another app or environment/, right => ({
    get: async merchantId => {
      const record = await right.get(merchantId)
      return record && { ...record, appId: 'ANOTHER' }
    }
  }))
  const kept = new Map<string, Installation>()
  await breaks(t, 'storage-updates', /does not show what was written/, right => ({
    get: async merchantId => {
      const record = kept.get(merchantId) ?? await right.get(merchantId)
      if (record) kept.set(merchantId, record)
      return record
    }
  }))
  let isDeleted = false
  let last: Installation | null | undefined
  await breaks(t, 'storage-deletes', /does not show what was written/, right => ({
    get: async merchantId => isDeleted ? last : (last = await right.get(merchantId)),
    delete: async (merchantId, expected) => {
      const done = await right.delete(merchantId, expected)
      isDeleted ||= done
      return done
    }
  }))
})

t.test('a store that does not compare revisions', async t => {
  await breaks(t, 'storage-updates', /is not the expected one/, (right, data) => ({ put: (next, expected) => right.put(next, expected && data.get(next.merchantId)?.revision) }))
  await breaks(t, 'storage-updates', /does not write over the revision/, right => ({ put: async (next, expected) => expected === undefined && await right.put(next, expected) }))
  const seen = new Map<string, string[]>()
  await breaks(t, 'storage-updates', /is not the expected one/, (right, data) => ({
    put: async (next, expected) => {
      const former = seen.get(next.merchantId) ?? []
      seen.set(next.merchantId, [...former, next.revision])
      const isFormer = expected !== undefined && former.includes(expected)
      return await right.put(next, isFormer ? data.get(next.merchantId)?.revision : expected)
    }
  }))
})

t.test('a store that lists or deletes wrongly', async t => {
  await breaks(t, 'storage-lists', /lacks a record/, () => ({ list: async () => ({ items: [] }) }))
  await breaks(t, 'storage-lists', /The store does not work: cannot list/, () => ({ list: async () => { throw new Error('cannot list') } }))
  await breaks(t, 'storage-deletes', /is not the expected one/, right => ({ delete: merchantId => right.delete(merchantId) }))
  await breaks(t, 'storage-deletes', /does not delete a record by its revision/, right => ({ delete: async (merchantId, expected) => expected === undefined && await right.delete(merchantId) }))
  await breaks(t, 'storage-deletes', /that is gone/, right => ({ delete: async (merchantId, expected) => await right.delete(merchantId, expected) || expected === undefined }))
})

t.test('every adapter whose writes are broken in one process, as the conformance cases find it, is found here too', async t => {
  // What only a race, a crash or another process shows is for the conformance cases.
  const plain = /upsert|overwrites|says true to all|says false to all|updates nothing|resolves nothing|what the driver gave|unique-key|only knows whether/
  const cases = brokenWrites.filter(({ how }) => plain.test(how))
  t.ok(cases.length >= 8, String(cases.length))
  for (const { how, make } of cases) {
    const made = await make()
    const { findings } = await lookAt(t, 'storage' in made ? made.storage : made)
    t.ok(complaints(findings).some(text => text.startsWith('storage-')), how)
  }
})

t.test('an adapter without list is not listed, and in order otherwise', async t => {
  const { list: _, ...storage } = rightStorage()
  const { findings } = await lookAt(t, storage, { options: { storage, keepAlive: false } })
  t.match(findings, { 'storage-lists': { status: 'not-checked' }, records: { status: 'not-checked' }, 'storage-deletes': { status: 'ok' } })
})

t.test('a store that is down is reported once, without a token', async t => {
  const down = async () => { throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' }) }
  const { findings } = await lookAt(t, { get: down, put: down, delete: down, list: down })
  t.match(findings['storage-inserts'], { status: 'error', message: 'The store does not work: connect ECONNREFUSED 127.0.0.1:5432.' })
  t.match(findings['storage-reads'], { status: 'not-checked' })
  t.match(findings['storage-deletes'], { status: 'not-checked' }, 'nothing was written')
})

t.test('records that no deployment is named in are a warning, and reasons are reported once', async t => {
  const storage = memoryStorage()
  const host = await startDoctorHost(t, { listens: false, options: { storage, callTimeout: 300, keepAlive: false } })
  await host.connect()
  const record = await storage.get(merchantA) as Installation
  const other = (i: number, changes: object) => storage.put({ ...record, merchantId: `MERCHANT1000${i}`, ...changes }, undefined)
  const named = await startDoctorHost(t, { listens: false, simulator: host.clover, options: { storage: { ...storage }, callTimeout: 300, deployment: 'production' } })
  t.match((await named.diagnose()).records, { status: 'warning', message: '1 of 1 records are not bound to the deployment production yet: a copy of the store would be served.' })
  await other(1, { deployment: 'production' })
  t.match((await host.diagnose()).records, { status: 'ok' }, 'without the option there is nothing to bind')
  for (const i of [2, 3]) await other(i, { deployment: 'staging' })
  for (const i of [4, 5, 6]) await other(i, { appId: `OTHERAPP0000${i}` })
  const { message = '' } = (await named.diagnose()).records ?? {}
  t.match(message, /^5 of 7 records cannot be used\. 2, such as that of MERCHANT1000[23]: .*another deployment.* 3, such as that of MERCHANT1000[456]: .*another app/)
  t.ok(message.length < 900, message)
})

t.test('a failure that quotes the record tells no token', async t => {
  let token = ''
  const { storage } = breaking(() => ({
    put: async next => {
      token = next.accessToken
      throw new Error(`duplicate key: (${next.merchantId}, ${next.accessToken})`)
    }
  }))
  const { findings } = await lookAt(t, storage)
  t.ok(token.length > 20)
  t.notMatch(JSON.stringify(findings), token)
})

t.test('each record that cannot be used is counted, and some are named', async t => {
  const old = { id: 'old', key: randomBytes(32) }
  const inner = memoryStorage()
  const { connect, diagnose } = await lookAt(t, encryptedStorage(inner, { keys: [old] }))
  await connect(merchantA)
  await connect(merchantB)
  t.match((await diagnose()).records, { status: 'ok', message: /: 2\.$/ })
  const { findings } = await lookAt(t, encryptedStorage(inner, { keys: [{ id: 'new', key: randomBytes(32) }] }))
  t.match(findings.records, { status: 'error', message: /^2 of 2 records cannot be used\. 2, such as that of MERCHANT0000A: The record of this merchant does not open .*is sealed/, fix: /keys that sealed them/ })
  t.equal(findings['storage-deletes']?.status, 'ok', 'the store itself is in order')
  const data: Data = new Map()
  for (let i = 10; i < 40; i++) data.set(`MERCHANT000${i}`, { merchantId: `MERCHANT000${i}`, revision: 'x', dueAt: null } as Installation)
  const damaged = await lookAt(t, rightStorage(data))
  t.match(damaged.findings.records, { status: 'error', message: /^30 of 30 records cannot be used\. 30, such as that of MERCHANT00010: The stored record of this merchant / })
  t.notMatch(damaged.findings.records?.message, /MERCHANT00013/)
  const right = rightStorage()
  const nameless = await lookAt(t, { ...right, list: async query => ({ items: [null as never, ...(await right.list(query)).items] }) })
  t.match(nameless.findings.records, { status: 'error', message: /without an id/ })
})

t.test('the durability of each kind of store, by what it says', async t => {
  const judge = async (report: DurabilityReport | Error | undefined, more: DoctorHostOptions = {}) => {
    const storage = report === undefined ? rightStorage() : withDurability(rightStorage(), async () => { if (report instanceof Error) throw report; return report })
    const host = await startDoctorHost(t, { simulator, listens: false, options: { storage, callTimeout: 300 }, ...more })
    return (await collect(host.app.clover.diagnose())).filter(({ check }) => check === 'storage-durability').map(({ status, message }) => `${status}: ${message}`)
  }
  const one = (store: string, settings: Record<string, string>) => judge({ store, servers: [settings] })
  t.match(await judge(undefined), [/^not-checked: This storage adapter cannot be asked/])
  t.match(await judge({ store: 'MongoDB', servers: [] }), [/^not-checked: MongoDB cannot be asked/])
  t.match(await judge(new Error('permission denied for canary-password-0123456789abcdef')), [/^not-checked: .*permission denied for \[redacted\]\.$/])
  t.match(await one('PostgreSQL', { synchronous_commit: 'local', fsync: 'on', is_replica: 'no' }), [/^ok: /])
  t.match(await one('MySQL', { innodb_flush_log_at_trx_commit: '1', log_bin: '0', sync_binlog: '0' }), [/^ok: /])
  t.match(await one('MySQL', { innodb_flush_log_at_trx_commit: '1', log_bin: '1', sync_binlog: '1' }), [/^ok: /])
  t.match(await one('MySQL', { innodb_flush_log_at_trx_commit: '2', log_bin: '0', sync_binlog: '0' }), [/^warning: MySQL has innodb_flush_log_at_trx_commit 2/])
  t.match(await one('MySQL', { innodb_flush_log_at_trx_commit: '0', log_bin: '1', sync_binlog: '0' }), [/^error: MySQL has innodb_flush_log_at_trx_commit 0/])
  t.match(await one('MySQL', { innodb_flush_log_at_trx_commit: '1', log_bin: '1', sync_binlog: '0' }), [/^warning: MySQL has sync_binlog 0/])
  const redis = { appendonly: 'yes', appendfsync: 'always', 'maxmemory-policy': 'noeviction' }
  t.match(await judge({ store: 'Redis', servers: [redis, redis] }), [/^ok: Redis keeps what it has confirmed \(appendonly yes, appendfsync always, maxmemory-policy noeviction\)\.$/])
  t.match(await judge({ store: 'Redis', servers: [redis, { ...redis, appendonly: 'no' }] }), [/^error: Redis has appendonly no/], 'one server of several')
  t.match(await one('another', { mode: 'safe' }), [/^ok: /])
})

t.test('memoryStorage is for trials', async t => {
  const { diagnose } = await startDoctorHost(t, { listens: false })
  t.match((await diagnose())['storage-durability'], { status: 'ok', message: /memoryStorage/ })
  const production = await startDoctorHost(t, { listens: false, options: ({ clover }) => ({ environment: { ...clover.environment, name: 'europe' } }) })
  t.match((await production.diagnose())['storage-durability'], { status: 'error', message: /until the process ends/ })
})
