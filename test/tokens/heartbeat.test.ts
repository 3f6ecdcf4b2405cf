import t from 'tap'
import { heartbeatOf } from '../../src/tokens/heartbeat.js'
import { advance, anotherServer, gate, leap, merchantId, patiently, quiet, refused, startServer, type TestStorage } from './one-server.js'

/*
 * Rule 7: an attempt renews its record while Clover takes long.
 */

/** A server with a connected merchant whose access token has ended. */
async function startStale (t: Parameters<typeof startServer>[0], options: Parameters<typeof startServer>[1] = {}) {
  const server = startServer(t, options)
  const record = await server.connect()
  await leap(1801)
  const answer = gate()
  server.clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const stored = () => server.storage.records.get(merchantId)
  return { ...server, record, answer, stored, puts: () => server.storage.calls.filter(call => call === 'put').length }
}

/** Replaces the next write, which is a renewal. */
function interceptRenewal (storage: TestStorage, write: (run: () => unknown) => unknown): void {
  let isFirst = true
  storage.intercept = async (method, run) => {
    if (method !== 'put' || !isFirst) return run()
    isFirst = false
    return await write(run)
  }
}

t.test('a refresh that Clover answers soon renews nothing', async t => {
  const { accessTokens, answer, puts, storage } = await startStale(t)
  const asked = accessTokens.accessToken(merchantId)
  await advance(1_900)
  answer.open()
  await asked
  t.equal(puts(), 2, 'the lease, and the pair')
  await advance(60_000, 500)
  t.equal(puts(), 2, 'and nothing later')
  t.equal(storage.records.get(merchantId)?.refreshLease, undefined)
})

t.test('a slow one renews its record every two seconds, and its lease ends no later for it', async t => {
  const { accessTokens, answer, puts, stored, record } = await startStale(t)
  const asked = accessTokens.accessToken(merchantId)
  await quiet()
  const leased = stored()
  t.match(leased?.refreshLease, { deadAfter: 12, until: Math.ceil(Date.now() / 1000 + 41.5) })
  await advance(9_900)
  t.equal(puts(), 5)
  t.not(stored()?.revision, leased?.revision)
  t.same({ ...stored(), revision: '' }, { ...leased, revision: '' }, 'the same but for its revision')
  answer.open()
  const token = await asked
  t.not(token, record.accessToken)
  t.equal(stored()?.accessToken, token)
})

t.test('an attempt that gets no answer for ever renews its record no longer than its lease lasts', async t => {
  const { refreshes, puts } = await startStale(t)
  refreshes.refresh(merchantId, { enough: () => false }).catch(() => {})
  await advance(200_000, 500)
  t.equal(puts(), 1 + Math.floor(41.5 / 2))
})

t.test('a low-trust app renews nothing, and its lease lasts until its end', async t => {
  const { accessTokens, answer, puts, stored, storage, clover } = await startStale(t, { trust: 'low' })
  const asked = accessTokens.accessToken(merchantId)
  const other = anotherServer({ trust: 'low', storage, clover })
  await quiet()
  t.notOk(Object.hasOwn(stored()?.refreshLease ?? {}, 'deadAfter'))
  const waiting = other.accessTokens.accessToken(merchantId)
  await advance(25_000, 100)
  t.equal(puts(), 1)
  t.equal(clover.count('refresh'), 1, 'nothing could bring back what a server in a hurry ends')
  answer.open()
  t.equal(await patiently(waiting), await asked)
})

t.test('another server waits for a slow attempt, even where each call to the store takes as long as it may', async t => {
  const { accessTokens, answer, storage, clover, eventsOf } = await startStale(t, { maxWait: 120_000 })
  let puts = 0
  storage.intercept = async (method, run) => {
    if (method === 'get') return run()
    // The longest time between two writes that take effect: at the beginning of a call, and at the end of the next.
    const isEarly = puts++ % 2 === 0
    const early = isEarly ? await run() : undefined
    await new Promise(resolve => { setTimeout(resolve, 4_800) })
    return isEarly ? early : run()
  }
  const other = anotherServer({ storage, clover, maxWait: 120_000 })
  const asked = accessTokens.accessToken(merchantId)
  await quiet()
  const waiting = other.accessTokens.accessToken(merchantId)
  await advance(26_000, 100)
  answer.open()
  const token = await patiently(asked)
  t.equal(await patiently(waiting), token)
  t.same([clover.count('refresh'), clover.count('recover')], [1, 0])
  t.same(eventsOf('pair-held'), [])
})

t.test('a renewal that is refused for another change of the record goes on from that record', async t => {
  const { accessTokens, answer, storage, stored, make, puts, events } = await startStale(t)
  const asked = accessTokens.accessToken(merchantId)
  await advance(1_000)
  const record = stored()
  if (record === undefined) return t.fail('no record')
  storage.records.set(merchantId, make.withEcommerceKey(record, 'key'))
  await advance(4_000)
  t.equal(puts(), 3, 'the lease, a renewal that is refused, and one that is not')
  answer.open()
  await asked
  t.equal(puts(), 4, 'the pair is written over what was read')
  t.match(stored(), { ecommercePublicKey: 'key', accessToken: await asked })
  t.same(events.map(({ type }) => type), ['refreshed'])
})

for (const change of ['a lease of another server', 'a disconnect']) {
  t.test(`once its lease is lost by ${change}, an attempt renews nothing`, async t => {
    const { refreshes, answer, storage, stored, make, puts, record } = await startStale(t)
    const asked = refreshes.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== record.accessToken })
    asked.catch(() => {})
    await quiet()
    const leased = stored() ?? record
    if (change === 'a disconnect') storage.records.delete(merchantId)
    else storage.records.set(merchantId, make.leased(leased, 'another', Date.now() / 1000 + 30))
    await advance(20_000, 100)
    t.equal(puts(), 2, 'the lease, and one try to renew it')
    answer.open()
    await patiently(asked).catch(() => {})
    if (change === 'a disconnect') t.equal(stored(), undefined)
    else t.not(stored()?.accessToken, record.accessToken)
  })
}

t.test('a store that fails meanwhile ends the renewals only until it works again', async t => {
  const { accessTokens, answer, storage, stored, puts, clover } = await startStale(t)
  const asked = accessTokens.accessToken(merchantId)
  await quiet()
  storage.break()
  await advance(5_000)
  t.equal(puts(), 3)
  storage.repair()
  const { revision } = stored() ?? {}
  await advance(2_000)
  t.not(stored()?.revision, revision)
  // A write of unknown outcome: it is done, and the attempt does not learn of it.
  storage.intercept = async (method, run) => {
    const result = await run()
    if (method === 'put') throw new Error('the connection broke')
    return result
  }
  await advance(2_000)
  storage.repair()
  const before = puts()
  answer.open()
  t.equal(await asked, stored()?.accessToken)
  t.equal(puts(), before + 1)
  t.equal(clover.count('refresh'), 1)
})

t.test('a pair does not wait for a renewal in progress, and is written over it', async t => {
  const { accessTokens, answer, storage, stored, eventsOf } = await startStale(t)
  const asked = accessTokens.accessToken(merchantId)
  await advance(1_900)
  const renewal = gate()
  interceptRenewal(storage, async run => {
    const result = await run()
    await renewal.promise
    return result
  })
  await advance(200)
  answer.open()
  const token = await asked
  t.equal(stored()?.accessToken, token, 'although the renewal has no answer yet')
  t.equal(stored()?.confirmAt, undefined)
  renewal.open()
  await advance(5_000)
  t.equal(stored()?.accessToken, token)
  t.same(eventsOf('pair-dropped'), [])
})

t.test('a renewal that fails once the pair is there reads nothing', async t => {
  const { accessTokens, answer, storage, stored } = await startStale(t)
  const asked = accessTokens.accessToken(merchantId)
  await advance(1_900)
  const renewal = gate()
  interceptRenewal(storage, () => renewal.promise)
  await advance(200)
  answer.open()
  const token = await asked
  const calls = storage.calls.length
  renewal.fail(new Error('the connection broke'))
  await advance(5_000)
  t.equal(storage.calls.length, calls)
  t.equal(stored()?.accessToken, token)
})

t.test('the next call to Clover and the mark wait for a renewal in progress', async t => {
  const { accessTokens, storage, stored, clover, puts } = await startStale(t)
  const pass = (milliseconds: number) => new Promise(resolve => { setTimeout(resolve, milliseconds) })
  clover.intercept = async () => {
    await pass(2_100)
    return refused
  }
  storage.intercept = async (method, run) => {
    const result = await run()
    // Every second write is a renewal: it is in progress when Clover answers.
    if (method === 'put' && puts() % 2 === 0) await pass(1_500)
    return result
  }
  const asked = accessTokens.accessToken(merchantId)
  await t.rejects(patiently(asked), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.same(clover.calls, ['refresh', 'recover'])
  t.equal(puts(), 5, 'a lease and a renewal for each call, and the mark')
  t.ok(stored()?.reauthorizationRequired)
})

t.test('the time without a renewal is longer than a living attempt can be silent', async t => {
  for (const timeout of [400, 5_000]) {
    const { every, deadAfter } = heartbeatOf(timeout)
    t.ok(every < timeout)
    t.ok(deadAfter > 2 * timeout, 'a renewal at the beginning of a call, and the next at the end of one')
  }
  t.same(heartbeatOf(5_000), { every: 2_000, deadAfter: 12_000 })
})
