import t from 'tap'
import type { Installation } from '../../src/installation.js'
import { listed, Summaries } from '../../src/operations/summary.js'
import { installations } from '../../src/tokens/installations.js'
import { day, jobsOf, connectMany, id } from '../jobs/server-jobs.js'
import { leap, merchantId, startServer, type TestStorage } from '../tokens/one-server.js'

type Server = ReturnType<typeof startServer>

function summariesOf (server: Server, closing?: AbortSignal): Summaries {
  return new Summaries({ store: server.store, clock: server.clock, jobs: jobsOf(server, closing && { closing }).jobs })
}

const none = { merchants: 0, connected: 0, dueSoon: 0, doubtful: 0, interrupted: 0, reauthorizationRequired: 0, unusable: 0, nextRefreshTokenExpiration: null }

function change (storage: TestStorage, merchantId: string, fields: Partial<Record<keyof Installation, unknown>>): void {
  storage.records.set(merchantId, { ...storage.records.get(merchantId), ...fields } as Installation)
}

t.test('each merchant counts in one state', async t => {
  const one = startServer(t)
  const { storage } = one
  const summaries = summariesOf(one)
  t.same(await summaries.run(), none)
  await connectMany(one, 11)
  const now = Date.now() / 1000
  t.same(await summaries.run(), { ...none, merchants: 11, connected: 11, nextRefreshTokenExpiration: storage.records.get(id(0))?.refreshTokenExpiration })

  const lease = (until: number) => ({ by: 'another', until })
  const mark = { since: now - 10, retryAt: now + 3600 }
  change(storage, id(1), { refreshTokenExpiration: now + 29 * day, updatedAt: now - 336 * day })
  change(storage, id(2), { confirmAt: now + 600 })
  change(storage, id(3), { refreshLease: lease(now - 1) })
  change(storage, id(4), { reauthorizationRequired: mark, refreshTokenExpiration: now + day })
  change(storage, id(5), { accessToken: 7 })
  change(storage, id(6), { appId: 'ANOTHERAPP000' })
  change(storage, id(7), { refreshLease: lease(now + 20) })
  change(storage, id(8), { reauthorizationRequired: mark, refreshLease: lease(now - 1), confirmAt: now })
  change(storage, id(9), { refreshLease: lease(now - 1), confirmAt: now + 600 })
  change(storage, id(10), { flow: 'v1', refreshToken: null, refreshTokenExpiration: null, accessTokenExpiration: null, dueAt: null })
  t.same(await summaries.run(), {
    merchants: 11,
    connected: 3, // one of v1, and one who is being refreshed
    dueSoon: 1,
    doubtful: 1,
    interrupted: 2,
    reauthorizationRequired: 2,
    unusable: 2,
    nextRefreshTokenExpiration: now + 29 * day
  })
  const states: string[] = []
  for await (const merchant of installations(one.store, {}, record => listed(record, one.clock.now()))) if ('state' in merchant) states.push(String(merchant.state))
  t.same(states.sort(), ['connected', 'connected', 'connected', 'doubtful', 'dueSoon', 'interrupted', 'interrupted', 'reauthorizationRequired', 'reauthorizationRequired'], 'installations() lists them in the same states')
  t.match(await summaries.run({ within: 28 * day }), { dueSoon: 0, connected: 4 })
  t.match(await summaries.run({ within: 170 * day }), { dueSoon: 1 }, 'at most half of a refresh token\'s life')
})

t.test('times go by, and a lease that a wrong clock wrote has expired', async t => {
  const one = startServer(t)
  const { storage } = one
  const summaries = summariesOf(one)
  await one.connect()
  change(storage, merchantId, { refreshLease: { by: 'another', until: Date.now() / 1000 + 20 } })
  t.match(await summaries.run(), { connected: 1 })
  change(storage, merchantId, { refreshTokenExpiration: Date.now() / 1000 + day, updatedAt: Date.now() / 1000 - 364 * day })
  t.match(await summaries.run(), { dueSoon: 1 }, 'a lease hides nothing')
  await leap(21)
  t.match(await summaries.run(), { interrupted: 1 })
  change(storage, merchantId, { refreshLease: { by: 'another', until: Date.now() / 1000 + 10 * day } })
  t.match(await summaries.run(), { interrupted: 1 })
  change(storage, merchantId, { refreshLease: undefined })
  t.match(await summaries.run(), { dueSoon: 1 })
})

t.test('every page is read, and only one is held', async t => {
  const one = startServer(t)
  const summaries = summariesOf(one)
  await connectMany(one, 1_234)
  one.storage.calls.length = 0
  t.match(await summaries.run(), { merchants: 1_234, connected: 1_234 })
  t.same(one.storage.calls, ['list', 'list', 'list'])
})

t.test('a pass ends with its signal and with the server, and a failing store fails it', async t => {
  const one = startServer(t)
  const { storage } = one
  await connectMany(one, 600)
  const caller = new AbortController()
  const server = new AbortController()
  const summaries = summariesOf(one, server.signal)
  storage.intercept = async (_method, run) => { caller.abort(new Error('not needed any more')); return run() }
  await t.rejects(summaries.run({ signal: caller.signal }), { message: 'not needed any more' })
  storage.break('list')
  await t.rejects(summaries.run(), { code: 'FST_CLOVER_STORAGE' })
  storage.intercept = async (_method, run) => { server.abort(); return run() }
  await t.rejects(summaries.run(), { code: 'FST_CLOVER_CLOSING' })
  await t.rejects(summaries.run(), { code: 'FST_CLOVER_CLOSING' })
})

t.test('wrong arguments, and an adapter that cannot list', async t => {
  const one = startServer(t)
  const summaries = summariesOf(one)
  await t.rejects(summaries.run({ within: NaN }), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /summary\(\): within must be a number of seconds/ })
  await t.rejects(summaries.run({ sinal: 1 } as never), { code: 'FST_CLOVER_INVALID_OPTIONS' })
  const { list, ...store } = { list: one.store.list, canList: false }
  t.ok(list)
  await t.rejects(new Summaries({ store: store as never, clock: one.clock, jobs: jobsOf(one).jobs }).run(), { code: 'FST_CLOVER_STORAGE', cause: { message: /summary\(\) needs it/ } })
})
