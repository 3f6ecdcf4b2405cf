import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { CloverStorage } from '../../src/storage/contract.js'
import { encryptedStorage, memoryStorage } from '../../src/storage/index.js'
import { eventTypes, type DiagnosticsEvent, type DiagnosticsEventType } from '../../src/events/table.js'
import { approve, connect } from '../harness/browser.js'
import { events, highTrust, lowTrust, merchantA, merchantB, ordinaryOptions, startHost, type Host, type HostOptions } from '../harness/host.js'
import { adoptable } from '../harness/pairs.js'

/*
 * Every event is caused for real, at a host with a simulated Clover. The time of these hosts passes by 40 ms with each call to Clover, and at
 * once where the plugin waits.
 */

const seen = new Set<DiagnosticsEventType>()

interface Started extends Host {
  /** The one message of a type. */
  single: <Type extends DiagnosticsEventType>(type: Type) => DiagnosticsEvent<Type>
}

async function start (t: Test, options: HostOptions = {}): Promise<Started> {
  let pass = (_milliseconds: number) => {}
  const host = await startHost(t, {
    ...options,
    runtime: {
      fetch: (...args) => { pass(40); return fetch(...args) },
      sleep: async milliseconds => { pass(milliseconds); await setTimeout(1) },
      jitter: () => 0.5
    }
  })
  pass = milliseconds => host.time.pass(milliseconds)
  const { messages } = host
  return {
    ...host,
    single: <Type extends DiagnosticsEventType>(type: Type) => {
      const found = messages.filter((message): message is DiagnosticsEvent<Type> => message.type === type)
      t.equal(found.length, 1, `one ${type}`)
      seen.add(type)
      return found[0] as DiagnosticsEvent<Type>
    }
  }
}

/** The fields of every message of these hosts. */
const about = { appId: highTrust, environment: 'simulator', merchantId: merchantA }

async function connected (t: Test, options?: HostOptions): Promise<Started> {
  const host = await start(t, options)
  await connect(host.browser(), host.clover, merchantA)
  host.messages.length = 0
  return host
}

t.test('connected: merchant, first time or not, and milliseconds from the exchange to the stored record', async t => {
  const { browser, clover, messages, single, app } = await start(t)
  await connect(browser(), clover, merchantA)
  t.same(single('connected'), { type: 'connected', ...about, isNew: true, duration: 80 })
  t.ok(Object.isFrozen(messages[0]), 'no subscriber can change it for the next')
  messages.length = 0
  await connect(browser(), clover, merchantA)
  t.same(single('connected'), { type: 'connected', ...about, isNew: false, duration: 120 }, 'with the check of the stored pair, which comes after the exchange')
  messages.length = 0
  const pair = clover.connect({ merchantId: merchantB })
  await app.clover.adopt(adoptable(merchantB, pair))
  t.same(single('connected'), { type: 'connected', ...about, merchantId: merchantB, isNew: true }, 'an adopted pair took no exchange')
})

t.test('refreshed: its duration does not depend on Clover\'s clock', async t => {
  const { app, clover, messages, time, single } = await connected(t)
  clover.setNow(() => time.now() + 300_000)
  await app.clover.refresh(merchantA)
  t.same(single('refreshed'), { type: 'refreshed', ...about, duration: 40 })
  t.equal(messages.length, 1)
})

t.test('refresh-refused and recovered: a pair whose answer was lost', async t => {
  const { app, clover, single, messages } = await connected(t)
  clover.fault({ on: 'refresh', kind: 'drop-after' })
  await app.clover.refresh(merchantA)
  t.same(messages.map(({ type }) => type), ['refresh-refused', 'recovered'])
  t.same(single('refresh-refused'), { type: 'refresh-refused', ...about, status: 401, recoveryAvailable: true })
  t.same(single('recovered'), { type: 'recovered', ...about, duration: 3 * 40 + 500 }, 'from the first call on, the pause included')
})

t.test('refresh-failed: the reason, and the duration of all tries', async t => {
  const { app, clover, single, messages } = await connected(t)
  clover.fault({ on: 'refresh', kind: 'status', status: 503, times: Infinity })
  await t.rejects(app.clover.refresh(merchantA), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.same(single('refresh-failed'), { type: 'refresh-failed', ...about, duration: 3 * 40 + 500 + 1000, reason: '/oauth/v2/refresh: status 503' })
  t.equal(messages.length, 1)
})

t.test('odd-reply: a refresh reply without the documented form, whose refresh token is kept', async t => {
  const { app, clover, storage, logs, single, messages } = await connected(t)
  clover.fault({ on: 'refresh', kind: 'reply', body: (genuine: unknown) => ({ ...genuine as object, refresh_token_expiration: 'next year' }) })
  await app.clover.refresh(merchantA)
  t.same(messages.map(({ type }) => type), ['odd-reply', 'refreshed'])
  t.match(single('odd-reply'), { ...about, reason: /^\/oauth\/v2\/refresh: \/refresh_token_expiration: Expected number/ })
  t.match(logs.filter(line => line.includes('odd-reply')).map(line => JSON.parse(line)), [{ level: 40, clover: { event: 'odd-reply', merchantId: merchantA } }])
  t.ok(clover.isLive((await storage.get(merchantA))?.refreshToken ?? ''))
})

t.test('reauthorization-required: since, retryAt, and first only for the first mark', async t => {
  const { app, clover, time, single, messages } = await connected(t)
  clover.uninstall(merchantA)
  await t.rejects(app.clover.refresh(merchantA), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  const { since, retryAt, ...rest } = single('reauthorization-required')
  t.same(rest, { type: 'reauthorization-required', ...about, first: true })
  t.ok(Math.abs(since - time.now() / 1000) < 2)
  t.ok(retryAt >= since + 60)
  messages.length = 0
  await t.rejects(app.clover.refresh(merchantA), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.match(single('reauthorization-required'), { since, first: false })
})

t.test('reconnected: since when Clover had refused the merchant, and by refresh or authorization', async t => {
  const { app, clover, browser, storage, single, messages } = await connected(t)
  clover.fault({ on: 'refresh', kind: 'status', status: 401 })
  clover.fault({ on: 'recovery', kind: 'status', status: 401 })
  await t.rejects(app.clover.refresh(merchantA), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  const since = (await storage.get(merchantA))?.reauthorizationRequired?.since
  messages.length = 0
  await app.clover.refresh(merchantA)
  t.same(single('reconnected'), { type: 'reconnected', ...about, since, by: 'refresh' })
  clover.uninstall(merchantA)
  await t.rejects(app.clover.refresh(merchantA), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  messages.length = 0
  await connect(browser(), clover, merchantA)
  t.match(single('reconnected'), { type: 'reconnected', ...about, by: 'authorization' })
})

t.test('storage-failed: a background refresh, with the error of the adapter', async t => {
  const inner = memoryStorage()
  let isDown = false
  const storage = { ...inner, put: (...args: Parameters<typeof inner.put>) => isDown ? Promise.reject(new Error('the database is down')) : inner.put(...args) }
  const { app, time, single, messages } = await connected(t, { options: { storage } })
  time.pass(27 * 60_000)
  isDown = true
  await app.clover.accessToken(merchantA)
  while (messages.length === 0) await setTimeout(1)
  t.match(single('storage-failed'), { type: 'storage-failed', ...about, reason: /failed in put.*\(the database is down\)/ })
})

t.test('exchange-refused: the status, and the merchant that the browser named', async t => {
  const { browser, clover, single } = await start(t)
  const stranger = browser()
  await stranger.visit(approve(clover, await stranger.visit(`/clover/launch?merchant_id=${merchantA}`), { edit: { code: 'made-up-1' } }))
  t.same(single('exchange-refused'), { type: 'exchange-refused', ...about, status: 401 })
})

t.test('state-refused: the reason, and the merchant that the browser named', async t => {
  const { clover, browser, messages } = await start(t)
  const { code } = clover.authorize({ merchantId: merchantA })
  await browser().visit(`/clover/callback?code=${code}&merchant_id=${merchantA}`)
  await browser().visit(`/clover/callback?code=${code}&state=forged.0.x`)
  const launch = await browser().visit(`/clover/launch?merchant_id=${merchantA}`)
  await browser().visit(approve(clover, launch))
  const merchant = browser()
  await merchant.visit(approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`), { merchantId: merchantB }))
  const { merchantId, ...registration } = about
  const notThisBrowsers = 'the state is not this browser\'s, is too old, or was used'
  t.same(messages, [
    { type: 'state-refused', ...about, reason: 'no state' },
    { type: 'state-refused', ...registration, reason: notThisBrowsers },
    { type: 'state-refused', ...about, reason: notThisBrowsers },
    { type: 'state-refused', ...about, reason: 'the launch was for another merchant' }
  ])
  seen.add('state-refused')
})

t.test('merchant-mismatch: Clover\'s answer about the token', async t => {
  for (const foreignMerchant of [401, 404] as const) {
    const { clover, browser, single, messages } = await start(t, { simulator: { unknowns: { foreignMerchant } } })
    const evil = browser()
    const callback = approve(clover, await evil.visit('/clover/launch'), { merchantId: merchantB, edit: { merchant_id: merchantA } })
    t.equal((await evil.visit(callback)).statusCode, 403)
    t.same(single('merchant-mismatch'), { type: 'merchant-mismatch', ...about, reason: `Clover answers ${foreignMerchant} to the token at /v3/merchants/{mId}` })
    t.equal(messages.length, 1)
  }
  const { clover, browser, single } = await start(t)
  clover.fault({ on: 'merchant', kind: 'reply', body: { id: merchantB } })
  await connect(browser(), clover, merchantA)
  t.same(single('merchant-mismatch'), { type: 'merchant-mismatch', ...about, reason: 'the token is another merchant\'s' })
})

t.test('disconnected: the merchant', async t => {
  const { app, single, messages } = await connected(t)
  t.equal(await app.clover.disconnect(merchantA), true)
  t.equal(await app.clover.disconnect(merchantA), false)
  t.same(single('disconnected'), { type: 'disconnected', ...about })
  t.equal(messages.length, 1)
})

t.test('record-not-opened: a sealed record that was moved to another merchant, or whose key is not known', async t => {
  const inner = memoryStorage()
  const old = { id: '2026-01', key: Buffer.alloc(32, 1) }
  const first = await connected(t, { options: { storage: encryptedStorage(inner, { keys: [old] }), cache: false } })
  const stored = await inner.get(merchantA)
  if (!stored) throw new Error('not stored')
  await inner.put({ ...stored, merchantId: merchantB }, undefined)
  await t.rejects(first.app.clover.accessToken(merchantB), { code: 'FST_CLOVER_SEALED' })
  const moved = first.single('record-not-opened')
  t.same({ ...moved, reason: '' }, { type: 'record-not-opened', ...about, merchantId: merchantB, reason: '' })
  t.match(moved.reason, /does not open at accessToken: it was changed, or belongs to another merchant/)
  t.match(first.logs.map(line => JSON.parse(line)).filter(({ clover }) => clover?.event === 'record-not-opened'), [
    { level: 50, clover: { merchantId: merchantB, reason: moved.reason }, msg: 'fastify-clover: the stored record of a merchant cannot be read' }
  ])
  const listed: unknown[] = []
  for await (const { merchantId } of first.app.clover.installations()) listed.push(merchantId)
  t.same(listed, [merchantA], 'a listing goes on without it')
  for await (const item of first.app.clover.installations({ unusable: true })) if ('unusable' in item) listed.push(item)
  t.match(listed, [merchantA, { merchantId: merchantB, unusable: /none of its keys opens it/ }])

  const second = await start(t, { options: { storage: encryptedStorage(inner, { keys: [{ id: '2026-11', key: Buffer.alloc(32, 2) }] }) } })
  await t.rejects(second.app.clover.refresh(merchantA), { code: 'FST_CLOVER_SEALED' })
  t.match(second.single('record-not-opened').reason, /its key '2026-01' is not among the keys/)
  second.messages.length = 0
  const unwrapped = await start(t, { options: { storage: { ...inner } } })
  await t.rejects(unwrapped.app.clover.accessToken(merchantA), { code: 'FST_CLOVER_SEALED' })
  t.match(unwrapped.single('record-not-opened').reason, /not wrapped in encryptedStorage/)
})

t.test('a broken record that a thousand requests read is reported once in ten minutes', async t => {
  const inner = memoryStorage()
  const { app, messages, time, logs } = await connected(t, { options: { storage: encryptedStorage(inner, { keys: [{ id: 'a', key: Buffer.alloc(32, 1) }] }), cache: false } })
  const stored = await inner.get(merchantA)
  if (!stored) throw new Error('not stored')
  for (const merchantId of [merchantA, merchantB]) await inner.put({ ...stored, merchantId, refreshToken: stored.accessToken }, merchantId === merchantA ? stored.revision : undefined)
  const ask = async (merchantId: string) => t.rejects(app.clover.accessToken(merchantId), { code: 'FST_CLOVER_SEALED' })
  for (let i = 0; i < 1000; i++) await app.clover.accessToken(merchantA).catch(() => {})
  await ask(merchantB)
  await ask(merchantB)
  t.same(messages.map(message => [message.type, 'merchantId' in message && message.merchantId]), [['record-not-opened', merchantA], ['record-not-opened', merchantB]])
  t.equal(events(logs).filter(({ event }) => event === 'record-not-opened').length, 2)
  time.pass(600_000)
  await ask(merchantA)
  t.equal(messages.length, 3)
})

t.test('pair-held, pair-written, pair-dropped and pair-abandoned: the fate of tokens that could not be stored', async t => {
  const inner = memoryStorage()
  const state = { isDown: false }
  const storage: CloverStorage = {
    get: inner.get,
    put: async (next, expected) => {
      if (state.isDown) throw new Error('the database is down')
      return inner.put(next, expected)
    },
    delete: inner.delete
  }
  const { app, browser, clover, single, messages } = await connected(t, { options: { storage } })
  const refreshWithoutStoring = async () => {
    messages.length = 0
    clover.fault({ on: 'refresh', kind: 'reply', body: (genuine: unknown) => { state.isDown = true; return genuine as object } })
    await app.clover.refresh(merchantA)
    t.same(single('refreshed'), { type: 'refreshed', ...about, duration: 40 }, 'Clover did refresh')
    t.match(single('pair-held'), { ...about, reason: /failed in put.*\(the database is down\)/ })
  }
  const repair = async () => {
    const count = messages.length
    state.isDown = false
    while (messages.length === count) await setTimeout(1)
  }
  await refreshWithoutStoring()
  await repair()
  t.same(single('pair-written'), { type: 'pair-written', ...about })
  await refreshWithoutStoring()
  await inner.delete(merchantA)
  await repair()
  t.same(single('pair-dropped'), { type: 'pair-dropped', ...about })
  await connect(browser(), clover, merchantA)
  await refreshWithoutStoring()
  await app.close()
  t.same(single('pair-abandoned'), { type: 'pair-abandoned', ...about })
})

t.test('webhook-refused and webhook-verification: requests at the webhook route', async t => {
  const { app, single } = await start(t, { options: clover => ({ routes: { ...ordinaryOptions(clover).routes, webhook: { auth: 'an-auth-code-of-Clover' } } }) })
  const post = async (payload: object) => (await app.inject({ method: 'POST', url: '/clover/webhook', payload })).statusCode
  t.equal(await post({ appId: highTrust, merchants: {} }), 401)
  t.same(single('webhook-refused'), { type: 'webhook-refused', appId: highTrust, environment: 'simulator', reason: 'it has no X-Clover-Auth' })
  t.equal(await post({ verificationCode: '1b4e28ba-2fa1-11d2-883f-0016d3cca427' }), 200)
  t.same(single('webhook-verification'), { type: 'webhook-verification', appId: highTrust, environment: 'simulator', isTold: false })
})

t.test('the messages of two registrations in one process differ in app and environment', async t => {
  const first = await connected(t)
  const second = await connected(t, { appId: lowTrust })
  first.messages.length = 0
  await first.app.clover.refresh(merchantA)
  await second.app.clover.refresh(merchantA)
  t.match(first.messages, [{ type: 'refreshed', appId: highTrust, environment: 'simulator' }, { type: 'refreshed', appId: lowTrust }])
})

t.test('each event was caused here', async t => {
  t.same(eventTypes.filter(type => !seen.has(type)), [])
})
