import t, { type Test } from 'tap'
import type { Installation } from '../../src/installation.js'
import { advance, startServer, gate, leap, merchantId, patiently, quiet, refused, anotherServer, unclear, type ServerOptions } from './one-server.js'

/*
 * The events of a refused merchant who works again, and of failures in background refreshes.
 */

const code = (name: string) => ({ code: name, verifier: '' })
const now = () => Date.now() / 1000

/** A merchant whom Clover has refused, and whose next try has come. */
async function marked (t: Test, options?: ServerOptions) {
  const one = startServer(t, options)
  const { reauthorizationRequired } = await one.mark()
  await leap(1801)
  const reconnected = () => one.eventsOf('reconnected')
  return { ...one, reconnected, since: reauthorizationRequired?.since, stored: () => one.storage.records.get(merchantId) as Installation }
}
type Marked = Awaited<ReturnType<typeof marked>>

const refreshes: Record<string, (all: Marked) => Promise<unknown>> = {
  'the next caller\'s refresh': ({ accessTokens }) => accessTokens.accessToken(merchantId),
  'an operator\'s refresh': ({ accessTokens }) => accessTokens.refresh(merchantId),
  'a recovery': async ({ accessTokens, clover, stored }) => {
    clover.inner.refresh(stored().refreshToken ?? '')
    await accessTokens.accessToken(merchantId)
  },
  'a visit that refreshes the pair': ({ connections }) => connections.connect(merchantId, code('reconnecting-visit')),
  'a refresh whose write fails, but happened': async ({ accessTokens, storage }) => {
    let puts = 0
    storage.intercept = async (method, run) => {
      const answer = await run()
      if (method === 'put' && ++puts === 2) throw new Error('reset')
      return answer
    }
    await accessTokens.accessToken(merchantId)
    await advance(3_000)
  },
  'a refresh whose pair is stored a second later': async ({ accessTokens, storage, clover, reconnected }) => {
    clover.intercept = (_call, run) => { storage.break('put'); return run() }
    await accessTokens.accessToken(merchantId)
    await advance(1_000)
    if (reconnected().length > 0) throw new Error('the mark is still stored')
    storage.repair()
    await advance(3_000)
  },
  'a refresh that is written over a lease of another server': async ({ accessTokens, storage, clover, make, stored }) => {
    clover.intercept = (_call, run) => {
      storage.records.set(merchantId, make.leased(stored(), 'another server', now() + 40))
      return run()
    }
    await accessTokens.accessToken(merchantId)
  }
}

for (const [name, refresh] of Object.entries(refreshes)) {
  t.test(`a refused merchant works again by ${name}: reported once`, async t => {
    const all = await marked(t)
    await refresh(all)
    t.same(all.reconnected(), [{ type: 'reconnected', merchantId, since: all.since, by: 'refresh' }])
    t.equal(all.stored().reauthorizationRequired, undefined)
    all.storage.repair()
    all.clover.intercept = (_call, run) => run()
    await leap(1801)
    await all.accessTokens.accessToken(merchantId)
    await all.accessTokens.refresh(merchantId)
    t.equal(all.reconnected().length, 1)
  })
}

t.test('a merchant whom Clover refuses again and again is reported each time that it works again, and not in between', async t => {
  const { accessTokens, clover, reconnected, eventsOf, since } = await marked(t)
  clover.intercept = () => refused
  await t.rejects(accessTokens.refresh(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  await t.rejects(accessTokens.refresh(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.same(reconnected(), [])
  clover.intercept = (_call, run) => run()
  await accessTokens.refresh(merchantId)
  clover.intercept = () => refused
  await t.rejects(accessTokens.refresh(merchantId))
  const again = now()
  await leap(1801)
  clover.intercept = (_call, run) => run()
  await accessTokens.accessToken(merchantId)
  t.match(reconnected(), [{ since }, { since: again }])
  t.match(eventsOf('reauthorization-required'), [{ first: false }, { first: false }, { first: true }])
})

t.test('a mark that another server sets while a new pair waits to be stored ends with it', async t => {
  const { accessTokens, storage, clover, make, clock, connect, eventsOf } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await accessTokens.accessToken(merchantId)
  storage.records.set(merchantId, make.marked(storage.records.get(merchantId) as Installation, clock.now()))
  storage.repair()
  await advance(3_000)
  t.match(eventsOf('reconnected'), [{ since: Math.floor(clock.now() - 3), by: 'refresh' }])
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
})

t.test('a pair that is dropped, since the merchant left, ends no mark', async t => {
  const { accessTokens, storage, clover, reconnected } = await marked(t)
  clover.intercept = (_call, run) => { storage.records.clear(); return run() }
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
  await quiet()
  t.same(reconnected(), [])
})

t.test('a refused merchant who authorizes again is reported once', async t => {
  for (const outcome of ['stored', 'fails, but happened', 'marked again meanwhile'] as const) {
    const { connections, storage, clover, make, clock, mark, eventsOf, stored } = { ...startServer(t), stored: () => storage.records.get(merchantId) as Installation }
    await mark()
    const since = stored().reauthorizationRequired?.since
    let puts = 0
    clover.intercept = (call, run) => {
      if (call === 'exchange' && outcome === 'marked again meanwhile') storage.records.set(merchantId, make.marked(stored(), clock.now()))
      return run()
    }
    storage.intercept = async (method, run) => {
      const answer = await run()
      if (method === 'put' && ++puts === 1 && outcome === 'fails, but happened') throw new Error('reset')
      return answer
    }
    t.same(await connections.connect(merchantId, code(`again-${outcome}`), true), { isNew: false })
    t.same(eventsOf('reconnected'), [{ type: 'reconnected', merchantId, since, by: 'authorization' }], outcome)
    await connections.connect(merchantId, code(`once-more-${outcome}`))
    t.equal(eventsOf('reconnected').length, 1)
  }
})

t.test('a merchant whom another server has reconnected before a new authorization is stored is not reported twice', async t => {
  const { connections, storage, clover, mark, eventsOf } = startServer(t)
  await mark()
  const other = anotherServer({ storage, clover })
  clover.intercept = async (call, run) => {
    if (call === 'exchange') await other.accessTokens.refresh(merchantId)
    return run()
  }
  t.same(await connections.connect(merchantId, code('after-another'), true), { isNew: false })
  t.same(other.eventsOf('reconnected').length, 1)
  t.same(eventsOf('reconnected'), [])
})

t.test('nothing is reported of merchants who were not refused', async t => {
  const { accessTokens, connections, connect, disconnects, eventsOf, clover } = startServer(t)
  await connect()
  await accessTokens.refresh(merchantId)
  await leap(1801)
  clover.inner.refresh((await connect()).refreshToken ?? '')
  await accessTokens.refresh(merchantId)
  await connections.connect(merchantId, code('an-ordinary-visit'))
  await disconnects.disconnect(merchantId)
  await connections.connect(merchantId, code('a-new-one'))
  t.same(eventsOf('reconnected'), [])
})

t.test('a refresh that nobody waits for and that fails in the store is reported, with the reason', async t => {
  const { accessTokens, storage, connect, eventsOf } = startServer(t)
  const { accessToken } = await connect()
  await leap(1700)
  storage.break('put')
  t.equal(await accessTokens.accessToken(merchantId), accessToken, 'the caller has a token')
  await patiently(quiet())
  t.match(eventsOf('storage-failed'), [{ merchantId, reason: /failed in put.*the database is down/ }])
  t.equal(await accessTokens.accessToken(merchantId), accessToken)
  await quiet()
  t.equal(eventsOf('storage-failed').length, 1, 'while it is backed off, it is not tried')
})

t.test('a failure of Clover is no failure of the store', async t => {
  const { accessTokens, clover, connect, eventsOf } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = () => unclear('status 503')
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.same(eventsOf('storage-failed'), [])
})

t.test('the check of a v1 token that Clover refused does not mark the token of a new authorization', async t => {
  const { accessTokens, storage, clover, connect, eventsOf } = startServer(t)
  const record: Installation = { ...await connect(), flow: 'v1', refreshToken: null, refreshTokenExpiration: null, accessTokenExpiration: null }
  storage.records.set(merchantId, record)
  await leap(11)
  const answer = gate()
  const asked: string[] = []
  clover.intercept = async (_call, _run, token) => {
    asked.push(token)
    if (token !== record.accessToken) return { outcome: 'ok', value: merchantId }
    await answer.promise
    return refused
  }
  const old = accessTokens.accessToken(merchantId, { rejected: record.accessToken })
  old.catch(() => {})
  await quiet()
  const newer = { ...record, accessToken: 'newer', connectionId: 'f'.repeat(32), revision: 'f'.repeat(32) }
  storage.records.set(merchantId, newer)
  const another = accessTokens.accessToken(merchantId, { rejected: 'newer' })
  await quiet()
  answer.open()
  t.equal(await another, 'newer', 'its own check says that a permission is missing, and not the token')
  await t.rejects(old, { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.same(asked, [record.accessToken, 'newer'])
  t.same(storage.records.get(merchantId), newer)
  t.same(eventsOf('reauthorization-required'), [])
})
