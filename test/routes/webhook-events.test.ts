import t from 'tap'
import { memoryStorage } from '../../src/storage/index.js'
import type { CloverStorage } from '../../src/storage/contract.js'
import { connect } from '../harness/browser.js'
import { events, highTrust, merchantA, merchantB, type Host } from '../harness/host.js'
import { appEvent, startWebhookHost } from '../harness/webhook.js'
import { adoptable } from '../harness/pairs.js'
import { gate } from '../tokens/one-server.js'

const merchantC = 'MERCHANT0000C'
const order = { objectId: 'O:GHIVJT2ABCRSC', type: 'UPDATE', ts: 1_537_970_958_000 }
const bodyOf = (merchants: object) => ({ appId: highTrust, merchants })

/** The time of a merchant's connection in Unix milliseconds, rounded down to a second. */
async function connectedAt ({ app }: Pick<Host, 'app'>, merchantId: string): Promise<number> {
  return (await app.clover.installation(merchantId))?.connectedAt as number * 1000
}

/** A store that fails on demand. */
function failing (): CloverStorage & { fails: (method: 'get' | 'delete', merchantId: string) => boolean } {
  const inner = memoryStorage()
  const storage = {
    ...inner,
    fails: (_method: 'get' | 'delete', _merchantId: string) => false,
    get: async (merchantId: string) => {
      if (storage.fails('get', merchantId)) throw new Error('the database is down')
      return inner.get(merchantId)
    },
    put: inner.put.bind(inner),
    delete: async (merchantId: string, expected?: string) => {
      if (storage.fails('delete', merchantId)) throw new Error('the database is down')
      return inner.delete(merchantId, expected)
    }
  }
  return storage
}

t.test('each event of each merchant, connected or not, reaches onEvent once, in order and with all its fields', async t => {
  const { clover, told, browser, storage } = await startWebhookHost(t)
  await connect(browser(), clover, merchantA)
  const stock = { objectId: 'IS:2VDC10SDM27M0', type: 'UPDATE', ts: 5, stockCount: 7 }
  const { status } = await clover.sendWebhooks({
    [merchantA]: [order, stock, appEvent('UPDATE', 6)] as never[],
    [merchantB]: [appEvent('CREATE', 7), { objectId: 'no colon', type: 'RENAME', ts: 8 }, { objectId: ':x', type: 'DELETE', ts: 9 }, { objectId: 'A:OTHERAPP00000', type: 'DELETE', ts: 10 }] as never[]
  })
  t.equal(status, 200)
  t.same(told.events, [
    { merchantId: merchantA, ...order, kind: 'O', id: 'GHIVJT2ABCRSC', raw: order },
    { merchantId: merchantA, objectId: stock.objectId, type: 'UPDATE', ts: 5, kind: 'IS', id: '2VDC10SDM27M0', raw: stock },
    { merchantId: merchantA, ...appEvent('UPDATE', 6), kind: 'A', id: highTrust, raw: appEvent('UPDATE', 6) },
    { merchantId: merchantB, ...appEvent('CREATE', 7), kind: 'A', id: highTrust, raw: appEvent('CREATE', 7) },
    { merchantId: merchantB, objectId: 'no colon', type: 'RENAME', ts: 8, kind: '', id: 'no colon', raw: { objectId: 'no colon', type: 'RENAME', ts: 8 } },
    { merchantId: merchantB, objectId: ':x', type: 'DELETE', ts: 9, kind: '', id: 'x', raw: { objectId: ':x', type: 'DELETE', ts: 9 } },
    { merchantId: merchantB, objectId: 'A:OTHERAPP00000', type: 'DELETE', ts: 10, kind: 'A', id: 'OTHERAPP00000', raw: { objectId: 'A:OTHERAPP00000', type: 'DELETE', ts: 10 } }
  ])
  t.same(told.disconnected, [])
  t.ok(await storage.get(merchantA))
})

t.test('the reply does not wait for onEvent, and its error is only logged', async t => {
  const never = await startWebhookHost(t, { options: { onEvent: () => new Promise(() => {}) } })
  t.equal((await never.post(bodyOf({ [merchantA]: [order] }))).status, 200)
  let calls = 0
  const throwing = await startWebhookHost(t, { options: { onEvent: () => { calls++; throw new Error('mine') } } })
  t.equal((await throwing.post(bodyOf({ [merchantA]: [order, order], [merchantB]: [order] }))).status, 200)
  t.equal(calls, 3)
  t.match(throwing.logs.join(''), 'fastify-clover: onEvent threw')
  const none = await startWebhookHost(t, { options: { onEvent: undefined } as object })
  t.equal((await none.post(bodyOf({ [merchantA]: [order] }))).status, 200)
})

t.test('an uninstall disconnects the merchant, and calls onDisconnect', async t => {
  const host = await startWebhookHost(t)
  const { app, clover, told, browser, storage, time } = host
  for (const merchantId of [merchantA, merchantB]) await connect(browser(), clover, merchantId)
  await app.clover.accessToken(merchantA)
  time.pass(60_000)
  clover.uninstall(merchantA)
  t.equal((await clover.sendWebhook({ merchantId: merchantA })).status, 200)
  t.equal(await storage.get(merchantA), undefined)
  await t.rejects(app.clover.accessToken(merchantA), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.same(told, { events: [], disconnected: [merchantA], codes: [] })
  t.match(events(host.logs).find(({ event }) => event === 'disconnected'), { merchantId: merchantA })
  t.ok(await app.clover.accessToken(merchantB))
  t.equal((await clover.sendWebhook({ merchantId: merchantA })).status, 200, 'the same once more finds nobody')
  t.equal((await clover.sendWebhook({ merchantId: merchantC })).status, 200, 'nor does one of a merchant who never came')
  t.same(told.disconnected, [merchantA])
})

t.test('an uninstall that is not later than the second of the connection does not undo it', async t => {
  const host = await startWebhookHost(t)
  const { clover, told, browser, storage, post } = host
  await connect(browser(), clover, merchantA)
  const second = await connectedAt(host, merchantA)
  for (const late of [0, second - 86_400_000, second - 1, second, second + 999]) {
    t.equal((await post(bodyOf({ [merchantA]: [appEvent('DELETE', late)] }))).status, 200)
    t.ok(await storage.get(merchantA), String(late - second))
  }
  t.same(told.disconnected, [])
  await post(bodyOf({ [merchantA]: [appEvent('DELETE', second + 1000), appEvent('CREATE', second), appEvent('DELETE', 0)] }))
  t.equal(await storage.get(merchantA), undefined)
  t.same(told.disconnected, [merchantA], 'once, by the latest of them')
})

t.test('if an uninstall and a new installation arrive late, the merchant who came back stays connected', async t => {
  const host = await startWebhookHost(t)
  const { app, clover, browser, told, time } = host
  await connect(browser(), clover, merchantA)
  time.pass(60_000)
  const left = clover.now()
  clover.uninstall(merchantA)
  time.pass(10_000)
  await connect(browser(), clover, merchantA)
  const { status } = await clover.sendWebhooks({ [merchantA]: [appEvent('DELETE', left), appEvent('CREATE', left + 5000)] })
  t.equal(status, 200)
  t.ok(clover.isLiveAccessToken(await app.clover.accessToken(merchantA)))
  t.match([told.disconnected, told.events.map(({ type }) => type)], [[], ['CREATE']])
})

t.test('a late uninstall does not disconnect a merchant whose old access token still worked, so that the pair was kept', async t => {
  const host = await startWebhookHost(t, { simulator: { unknowns: { accessTokenSurvivesUninstall: true, refreshSurvivesUninstall: true } } })
  const { app, clover, browser, told, time, storage } = host
  await connect(browser(), clover, merchantA)
  const before = await storage.get(merchantA)
  time.pass(60_000)
  const left = clover.now()
  clover.uninstall(merchantA)
  time.pass(10_000)
  await connect(browser(), clover, merchantA)
  t.equal((await storage.get(merchantA))?.connectionId, before?.connectionId, 'a returning visit')
  await clover.sendWebhook({ merchantId: merchantA, events: [appEvent('DELETE', left)] })
  t.ok(await app.clover.accessToken(merchantA))
  t.same(told.disconnected, [])
  await clover.sendWebhook({ merchantId: merchantA, events: [appEvent('DELETE', clover.now() + 1000)] })
  t.same(told.disconnected, [merchantA])
})

t.test('times are compared by Clover\'s clock, even if the server\'s clock is wrong', async t => {
  for (const wrong of [-3_600_000, 3_600_000]) {
    const host = await startWebhookHost(t, { runtime: { wallClock: () => Date.now() + wrong }, simulator: { now: Date.now } })
    const { clover, browser, storage, post } = host
    await connect(browser(), clover, merchantA)
    await post(bodyOf({ [merchantA]: [appEvent('DELETE', Date.now() - 5000)] }))
    t.ok(await storage.get(merchantA), 'an uninstall of before is late')
    await post(bodyOf({ [merchantA]: [appEvent('DELETE', Date.now() + 5000)] }))
    t.equal(await storage.get(merchantA), undefined)
  }
})

t.test('an uninstall during a refresh is final: the new pair does not bring the merchant back (security 34)', async t => {
  const host = await startWebhookHost(t)
  const { app, clover, browser, storage, time, told } = host
  await connect(browser(), clover, merchantA)
  time.pass(31 * 60_000)
  clover.fault({ on: 'refresh', kind: 'latency', ms: 300 })
  const waiting = app.clover.accessToken(merchantA)
  waiting.catch(() => {})
  while (clover.openCalls === 0) await new Promise(resolve => setImmediate(resolve))
  t.ok((await storage.get(merchantA))?.refreshLease, 'the refresh is in progress')
  t.equal((await clover.sendWebhook({ merchantId: merchantA })).status, 200)
  t.equal(await storage.get(merchantA), undefined)
  await t.rejects(waiting, { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal(clover.count('refresh', { ok: true }), 1, 'Clover gave a pair')
  t.equal(await storage.get(merchantA), undefined)
  await t.rejects(app.clover.accessToken(merchantA), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.same(told.disconnected, [merchantA])
  t.ok(events(host.logs).some(({ event }) => event === 'pair-dropped'))
})

t.test('an uninstall during the write of a refresh deletes the written record', async t => {
  const storage = failing()
  const host = await startWebhookHost(t, { options: { storage } })
  const { app, clover, browser, time } = host
  await connect(browser(), clover, merchantA)
  time.pass(60_000)
  const refreshed = gate()
  const { delete: remove } = storage
  let deletes = 0
  storage.delete = async (merchantId, expected) => {
    if (++deletes === 1) {
      await app.clover.refresh(merchantA)
      refreshed.open()
    }
    return remove(merchantId, expected)
  }
  t.equal((await clover.sendWebhook({ merchantId: merchantA })).status, 200)
  await refreshed.promise
  t.equal(deletes, 2)
  t.equal(await storage.get(merchantA), undefined)
})

t.test('while the store fails an uninstall is answered with 503, and takes effect when Clover sends it again', async t => {
  for (const method of ['get', 'delete'] as const) {
    const storage = failing()
    const host = await startWebhookHost(t, { options: { storage } })
    const { app, clover, browser, time, told, post } = host
    for (const merchantId of [merchantA, merchantB, merchantC]) await connect(browser(), clover, merchantId)
    time.pass(60_000)
    const body = bodyOf({ [merchantA]: [order, appEvent('DELETE', time.now())], [merchantB]: [order, appEvent('DELETE', time.now())], [merchantC]: [order] })
    storage.fails = (failing, merchantId) => failing === method && merchantId === merchantA
    const failed = await post(body)
    t.match([failed.status, JSON.parse(failed.body)], [503, { code: 'FST_CLOVER_STORAGE' }])
    t.notMatch(failed.body, 'the database is down')
    t.equal(await storage.get(merchantB), undefined, 'the others are handled')
    t.same([told.disconnected, told.events.map(({ merchantId }) => merchantId)], [[merchantB], [merchantA, merchantB, merchantC]])

    t.equal((await post(body)).status, 503, 'and once more')
    storage.fails = () => false
    t.ok(await storage.get(merchantA))
    const other = { ...order, ts: order.ts + 1 }
    t.equal((await post(bodyOf({ ...body.merchants, [merchantC]: [order, other] }))).status, 200)
    await t.rejects(app.clover.accessToken(merchantA), { code: 'FST_CLOVER_NOT_CONNECTED' })
    t.same(told.disconnected, [merchantB, merchantA])
    t.same(told.events.map(({ merchantId, ts }) => [merchantId, ts - order.ts]), [[merchantA, 0], [merchantB, 0], [merchantC, 0], [merchantC, 1]], 'no event was passed on twice')

    await post(bodyOf({ [merchantC]: [order] }))
    t.equal(told.events.length, 5, 'what was answered with 200 is not remembered')
  }
})

t.test('a record of another app, or a sealed one, stays and the reply is not 200; a damaged one is deleted', async t => {
  const storage = failing()
  const host = await startWebhookHost(t, { options: { storage } })
  const { clover, browser, time } = host
  await connect(browser(), clover, merchantA)
  time.pass(60_000)
  const record = await storage.get(merchantA)
  const { get } = storage
  for (const [fields, status] of [[{ appId: 'OTHERAPP00000' }, 500], [{ sealed: { key: 'x' } }, 500], [{ accessToken: '' }, 200]] as const) {
    storage.get = async () => ({ ...record, ...fields }) as typeof record
    t.equal((await clover.sendWebhook({ merchantId: merchantA })).status, status)
    t.equal(await get(merchantA) === undefined, status === 200)
  }
  t.same(host.told.disconnected, [merchantA])
})

t.test('a body of another app is refused and has no effect', async t => {
  const { clover, browser, storage, told, logs, post, time } = await startWebhookHost(t)
  await connect(browser(), clover, merchantA)
  time.pass(60_000)
  const merchants = { [merchantA]: [order, appEvent('DELETE', time.now())] }
  for (const appId of ['OTHERAPP00000', highTrust.toLowerCase()]) {
    const { status, body } = await post({ appId, merchants })
    t.match([status, JSON.parse(body)], [400, { statusCode: 400, code: 'FST_CLOVER_WEBHOOK', message: /^appId belongs to another app/ }])
  }
  t.same(told, { events: [], disconnected: [], codes: [] })
  t.ok(await storage.get(merchantA))
  t.match(events(logs).find(({ event }) => event === 'webhook-refused'), { reason: 'it is for another app' })
})

t.test('malformed bodies are a 400 and have no effect; unknown fields are ignored', async t => {
  const { clover, browser, storage, told, post, time, logs } = await startWebhookHost(t)
  await connect(browser(), clover, merchantA)
  time.pass(60_000)
  const uninstall = appEvent('DELETE', time.now())
  const odd: unknown[] = [
    null, [], 7, '"text"', {}, { merchants: {} }, { appId: highTrust }, { appId: 7, merchants: {} }, { appId: highTrust, merchants: [uninstall] }, { appId: highTrust, merchants: null },
    bodyOf({ [merchantA]: uninstall }), bodyOf({ [merchantA]: [uninstall, null] }), bodyOf({ [merchantA]: [{ ...uninstall, ts: String(uninstall.ts) }] }), bodyOf({ [merchantA]: [{ ...uninstall, ts: -1 }] }),
    bodyOf({ [merchantA]: [{ ...uninstall, objectId: undefined }] }), bodyOf({ [merchantA]: [{ ...uninstall, objectId: ['A'] }] }), bodyOf({ [merchantA]: [{ ...uninstall, type: 7 }] }),
    bodyOf({ [merchantA]: [{ ...uninstall, objectId: 'x'.repeat(257) }] }),
    `{"appId":"${highTrust}","merchants":{"__proto__":{"${merchantA}":[]}}}`,
    `{"appId":"${highTrust}","__proto__":{"merchants":{}},"merchants":{}}`,
    `{"appId":"${highTrust}","merchants":{"${merchantA}":[{"objectId":"O:X","type":"UPDATE","ts":1,"constructor":{"prototype":{"polluted":1}}}]}}`
  ]
  for (const body of odd) t.equal((await post(body)).status, 400, JSON.stringify(body))
  t.ok(await storage.get(merchantA))
  t.equal(Reflect.get({}, 'polluted'), undefined)
  const ids = ['merchant00001', 'SHORT', `${merchantA}B`, `${merchantA}\n`, '', 'toString', 'constructor']
  t.equal((await post({ more: 1, ...bodyOf({ ...Object.fromEntries(ids.map(id => [id, [{ ...uninstall, anything: 1 }]])), [merchantB]: [] }) })).status, 200)
  t.same(told, { events: [], disconnected: [], codes: [] }, 'a key that is no merchant id is nobody')
  t.equal((await post(bodyOf({ toString: 7, [merchantA]: [{ ...uninstall, anything: { more: 1 } }] }))).status, 200)
  t.same(told.disconnected, [merchantA])
  t.notMatch(logs.join(''), 'anything')
})

t.test('a body with many uninstalls disconnects all merchants, a few at a time', async t => {
  const storage = failing()
  const { post, told, clover, app, time } = await startWebhookHost(t, { options: { storage, dangerouslyTrustMerchantId: true } })
  const ids = Array.from({ length: 60 }, (_value, index) => `MANY${String(index).padStart(9, '0')}`)
  for (const merchantId of ids) {
    const pair = clover.connect({ merchantId })
    await app.clover.adopt(adoptable(merchantId, pair))
  }
  time.pass(60_000)
  let open = 0
  let most = 0
  const { get } = storage
  storage.get = async merchantId => {
    most = Math.max(most, ++open)
    await new Promise(resolve => setImmediate(resolve))
    open--
    return get(merchantId)
  }
  t.equal((await post(bodyOf(Object.fromEntries(ids.map(id => [id, [appEvent('DELETE', time.now())]]))))).status, 200)
  t.same(told.disconnected.sort(), ids)
  t.equal(most, 8)
})
