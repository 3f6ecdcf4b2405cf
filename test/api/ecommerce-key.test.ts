import t from 'tap'
import { memoryStorage } from '../../src/storage/index.js'
import { merchantA, merchantB, startHost } from '../harness/host.js'
import { connect as visit } from '../harness/browser.js'
import { apiHost } from './api-host.js'
import { until } from '../harness/waiting.js'

const keyOf = (reply: unknown, change: object) => ({ ...reply as object, ...change })

t.test('the key is requested once, and stored in the merchant\'s record for every server', async t => {
  const storage = memoryStorage()
  const host = await apiHost(t, { options: { storage } })
  const token = await host.connect()
  const key = await host.app.clover.ecommercePublicKey(merchantA)
  t.match(key, /^[0-9a-f]{32}$/)
  t.match(host.clover.calls.at(-1), { endpoint: 'pakms', presented: token })
  t.equal((await host.storage.get(merchantA))?.ecommercePublicKey, key)
  t.equal(await host.app.clover.ecommercePublicKey(merchantA), key)
  const other = await apiHost(t, { simulator: host.clover, options: { storage: { get: storage.get, put: storage.put, delete: storage.delete } }, runtime: { wallClock: host.time.now } })
  t.equal(await other.app.clover.ecommercePublicKey(merchantA, {}), key)
  t.equal(host.clover.count('pakms'), 1)
  await host.connect(merchantB)
  t.not(await host.app.clover.ecommercePublicKey(merchantB), key)
  t.notMatch(await host.app.clover.installation(merchantA), { ecommercePublicKey: String }, 'no summary has it')
})

t.test('the key survives refreshes, a mark and recovery, and is gone after a new authorization', async t => {
  const host = await apiHost(t)
  await host.connect()
  const key = await host.app.clover.ecommercePublicKey(merchantA)
  await host.app.clover.refresh(merchantA)
  host.clover.fault({ on: 'refresh', kind: 'drop-after' })
  await host.app.clover.refresh(merchantA)
  t.match(await host.storage.get(merchantA), { recovered: true, ecommercePublicKey: key })
  host.clover.fault({ on: ['refresh', 'recovery'], kind: 'status', status: 401, times: 3 })
  await t.rejects(host.app.clover.refresh(merchantA), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal((await host.storage.get(merchantA))?.ecommercePublicKey, key)
  await visit(host.browser(), host.clover, merchantA)
  t.equal((await host.storage.get(merchantA))?.ecommercePublicKey, undefined)
  t.equal(await host.app.clover.ecommercePublicKey(merchantA), key, 'asked for anew')
  t.equal(host.clover.count('pakms'), 2)
})

t.test('renew requests the key again and replaces it', async t => {
  const host = await apiHost(t)
  await host.connect()
  const first = await host.app.clover.ecommercePublicKey(merchantA)
  host.clover.fault({ on: 'pakms', kind: 'reply', body: genuine => keyOf(genuine, { apiAccessKey: 'another' }) })
  t.equal(await host.app.clover.ecommercePublicKey(merchantA), first)
  t.equal(await host.app.clover.ecommercePublicKey(merchantA, { renew: true }), 'another')
  t.equal(await host.app.clover.ecommercePublicKey(merchantA), 'another')
  t.equal((await host.storage.get(merchantA))?.ecommercePublicKey, 'another')
  const revision = (await host.storage.get(merchantA))?.revision
  host.clover.fault({ on: 'pakms', kind: 'reply', body: genuine => keyOf(genuine, { apiAccessKey: 'another' }) })
  await host.app.clover.ecommercePublicKey(merchantA, { renew: true })
  t.equal((await host.storage.get(merchantA))?.revision, revision, 'the same key is not written again')
})

t.test('many callers at once share one call for each merchant', async t => {
  const host = await apiHost(t, { simulator: { latency: 5 } })
  await host.connect()
  await host.connect(merchantB)
  const keys = await Promise.all(Array.from({ length: 20 }, (_, index) => host.app.clover.ecommercePublicKey(index % 2 ? merchantA : merchantB, { renew: index % 3 === 0 })))
  t.equal(new Set(keys).size, 2)
  t.equal(host.clover.count('pakms'), 2)
})

t.test('if the environment has no ecommerce service, the error says what to do', async t => {
  for (const environment of ['europe', 'latin-america'] as const) {
    const host = await startHost(t, { options: { environment } })
    await t.rejects(host.app.clover.ecommercePublicKey(merchantA), {
      code: 'FST_CLOVER_NO_ECOMMERCE', statusCode: 500, merchantId: merchantA, message: new RegExp(`for the environment ${environment}\\. If there is one now, set its origin in the option environment`)
    })
  }
})

t.test('a key that Clover has disabled is an error, and is not kept', async t => {
  const host = await apiHost(t)
  await host.connect()
  await host.app.clover.ecommercePublicKey(merchantA)
  host.clover.fault({ on: 'pakms', kind: 'reply', body: genuine => keyOf(genuine, { active: false }), times: 2 })
  await t.rejects(host.app.clover.ecommercePublicKey(merchantA, { renew: true }), { code: 'FST_CLOVER_NO_ECOMMERCE', message: /Clover has disabled the key of merchant MERCHANT0000A/ })
  t.notHas(await host.storage.get(merchantA), { ecommercePublicKey: String })
  await t.rejects(host.app.clover.ecommercePublicKey(merchantA), { code: 'FST_CLOVER_NO_ECOMMERCE' })
  t.match(await host.app.clover.ecommercePublicKey(merchantA), /^[0-9a-f]{32}$/, 'once it is enabled')
})

t.test('a reply of another app or merchant, or without a key, is refused and not stored (security 24)', async t => {
  const host = await apiHost(t)
  await host.connect()
  const cases: Array<[object | string, string]> = [
    [{ merchantUuid: merchantB }, 'FST_CLOVER_MERCHANT_MISMATCH'], [{ developerAppUuid: 'ANOTHERAPP001' }, 'FST_CLOVER_BAD_REPLY'],
    [{ apiAccessKey: '' }, 'FST_CLOVER_BAD_REPLY'], [{ apiAccessKey: 'a\nb' }, 'FST_CLOVER_BAD_REPLY'], [{ apiAccessKey: 7 }, 'FST_CLOVER_BAD_REPLY'], [{ active: 'true' }, 'FST_CLOVER_BAD_REPLY'],
    ['<html>', 'FST_CLOVER_BAD_REPLY'], ['', 'FST_CLOVER_BAD_REPLY'], ['null', 'FST_CLOVER_BAD_REPLY']
  ]
  for (const [change, code] of cases) {
    host.clover.fault({ on: 'pakms', kind: 'reply', body: genuine => typeof change === 'string' ? change : keyOf(genuine, change) })
    await t.rejects(host.app.clover.ecommercePublicKey(merchantA), { code, merchantId: merchantA }, JSON.stringify(change))
    t.equal((await host.storage.get(merchantA))?.ecommercePublicKey, undefined)
  }
  for (const [status, code] of [[401, 'FST_CLOVER_PERMISSION'], [404, 'FST_CLOVER_BAD_REPLY']] as const) {
    const fault = host.clover.fault({ on: 'pakms', kind: 'status', status, times: 2 })
    await t.rejects(host.app.clover.ecommercePublicKey(merchantA), { code })
    fault.clear()
  }
  await t.rejects(host.app.clover.ecommercePublicKey(merchantB), { code: 'FST_CLOVER_NOT_CONNECTED', launchUrl: /launch/ })
  await t.rejects(host.app.clover.ecommercePublicKey('short'), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  t.match(await host.app.clover.ecommercePublicKey(merchantA), /^[0-9a-f]{32}$/, 'and the next call asks again')
})

t.test('a refresh in progress is not disturbed: its pair is stored, and the key too', async t => {
  const waiting: Array<() => void> = []
  const host = await apiHost(t, { runtime: { sleep: async () => { await new Promise<void>(resolve => { waiting.push(resolve) }) } } })
  await host.connect()
  host.clover.fault({ on: 'refresh', kind: 'latency', ms: 150 })
  const refresh = host.app.clover.refresh(merchantA)
  await until(() => host.clover.count('refresh') === 1)
  const leased = await host.storage.get(merchantA)
  t.ok(leased?.refreshLease)
  const key = host.app.clover.ecommercePublicKey(merchantA)
  await until(() => waiting.length === 1)
  t.equal((await host.storage.get(merchantA))?.revision, leased?.revision, 'nothing is written over the lease')
  await refresh
  for (const go of waiting) go()
  const stored = await key.then(async () => host.storage.get(merchantA))
  t.match(stored, { ecommercePublicKey: await key, spentRefreshToken: leased?.refreshToken })
  t.ok(host.clover.isLive(String(stored?.refreshToken)), 'the pair of the refresh')
})

t.test('a write of the key during a refresh loses neither the pair nor the key', async t => {
  const storage = memoryStorage()
  let meanwhile = async () => {}
  const racing = { ...storage, put: async (...[next, expected]: Parameters<typeof storage.put>) => { await meanwhile(); return storage.put(next, expected) } }
  const host = await apiHost(t, { options: { storage: racing } })
  await host.connect()
  // The key is read and written by another server just before the new pair is: its revision is another than the refresh holds.
  let isPairNext = false
  meanwhile = async () => {
    if (!isPairNext) { isPairNext = true; return }
    meanwhile = async () => {}
    const current = await storage.get(merchantA)
    if (current) await storage.put({ ...current, ecommercePublicKey: 'racing', revision: 'f'.repeat(32) }, current.revision)
  }
  await host.app.clover.refresh(merchantA)
  const stored = await storage.get(merchantA)
  t.match(stored, { ecommercePublicKey: 'racing', spentRefreshToken: String })
  t.ok(host.clover.isLive(String(stored?.refreshToken)))
})

t.test('a write that loses a race is repeated with the new record', async t => {
  const storage = memoryStorage()
  let races = 3
  const racing = {
    ...storage,
    put: async (...[next, expected]: Parameters<typeof storage.put>) => {
      const current = await storage.get(merchantA)
      if (next.ecommercePublicKey && current && races-- > 0) await storage.put({ ...current, updatedAt: current.updatedAt + 1, revision: String(races).repeat(32) }, current.revision)
      return storage.put(next, expected)
    }
  }
  const host = await apiHost(t, { options: { storage: racing } })
  await host.connect()
  const before = (await storage.get(merchantA))?.updatedAt
  const key = await host.app.clover.ecommercePublicKey(merchantA)
  t.match(await storage.get(merchantA), { ecommercePublicKey: key, updatedAt: Number(before) + 3 })
  t.equal(host.clover.count('pakms'), 1)
})

t.test('a key that cannot be stored is returned, and requested again later', async t => {
  const storage = memoryStorage()
  let isBroken = false
  const host = await apiHost(t, { options: { storage: { ...storage, put: async (next, expected) => { if (isBroken) throw new Error('disk full'); return storage.put(next, expected) } } } })
  await host.connect()
  isBroken = true
  const key = await host.app.clover.ecommercePublicKey(merchantA)
  t.equal(await host.app.clover.ecommercePublicKey(merchantA), key)
  t.equal(host.clover.count('pakms'), 2)
  isBroken = false
  await storage.get(merchantA).then(async record => record && storage.put({ ...record, refreshLease: { by: 'x', until: host.time.now() / 1000 + 3600 }, revision: 'e'.repeat(32) }, record.revision))
  t.equal(await host.app.clover.ecommercePublicKey(merchantA), key, 'although another server refreshes for long')
  t.match(await storage.get(merchantA), { refreshLease: { by: 'x' }, revision: 'e'.repeat(32) })
})

t.test('the key is not stored if the merchant was disconnected or authorized again in the meantime', async t => {
  const host = await apiHost(t)
  await host.connect()
  host.clover.fault({ on: 'pakms', kind: 'latency', ms: 100, times: 2 })
  const key = host.app.clover.ecommercePublicKey(merchantA)
  await until(() => host.clover.count('pakms') === 1)
  await host.app.clover.disconnect(merchantA)
  t.match(await key, /^[0-9a-f]{32}$/)
  t.equal(await host.storage.get(merchantA), undefined)
  await host.connect()
  const second = host.app.clover.ecommercePublicKey(merchantA)
  await until(() => host.clover.count('pakms') === 2)
  await host.app.clover.disconnect(merchantA)
  await host.connect()
  await second
  t.equal((await host.storage.get(merchantA))?.ecommercePublicKey, undefined)
})

t.test('a record of another app is an error, also at the write of the key', async t => {
  const storage = memoryStorage()
  const host = await apiHost(t, { options: { storage } })
  await host.connect()
  host.clover.fault({ on: 'pakms', kind: 'latency', ms: 100 })
  const key = host.app.clover.ecommercePublicKey(merchantA)
  await until(() => host.clover.count('pakms') === 1)
  const record = await storage.get(merchantA)
  if (record) await storage.put({ ...record, appId: 'OTHERAPP', revision: 'd'.repeat(32) }, record.revision)
  await t.rejects(key, { code: 'FST_CLOVER_OTHER_APP' })
})
