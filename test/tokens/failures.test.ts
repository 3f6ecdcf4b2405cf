import t from 'tap'
import { isCloverError } from '../../src/errors.js'
import { advance, startServer, gate, leap, merchantId, otherMerchantId, patiently, quiet, unclear } from './one-server.js'

/*
 * A Clover that is down, slow, or answers with nonsense.
 */

t.test('a valid token is served while Clover is down, and Clover is called less and less', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  clover.intercept = () => unclear('status 503')
  await leap(1441)
  const tokens = new Set<string>()
  for (let i = 0; i < 280; i++) {
    tokens.add(await accessTokens.accessToken(merchantId))
    await advance(1000, 500)
  }
  t.same([...tokens], [accessToken])
  t.ok(clover.count('refresh') >= 6 && clover.count('refresh') <= 30, `${clover.count('refresh')} calls`)
})

t.test('an expired token is an error during the backoff, with the time of the next try', async t => {
  const { accessTokens, refreshes, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = () => unclear('status 503', { retryAfter: 20 })
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 20, headers: { 'retry-after': '20' } })
  t.equal(clover.count('refresh'), 1, 'a wait this long is not sat out')
  await leap(5)
  t.ok(refreshes.isBusyOrBackingOff(merchantId))
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 15 })
  t.equal(clover.count('refresh'), 1)
  await leap(40)
  clover.intercept = (_call, run) => run()
  t.type(await patiently(accessTokens.accessToken(merchantId)), 'string')
})

t.test('a short retry-after is waited for under the lease', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => clover.calls.length > 2 ? run() : unclear('status 429', { retryAfter: 2 })
  const began = Date.now()
  t.type(await patiently(accessTokens.accessToken(merchantId)), 'string')
  t.equal(clover.count('refresh'), 3)
  t.ok(Date.now() - began >= 4000)
})

t.test('without retry-after Clover is called three times under one lease, with growing pauses, and then not for the backoff (security 25)', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  await connect()
  await leap(1801)
  const at: number[] = []
  clover.intercept = () => { at.push(Date.now()); return unclear('status 429') }
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  const [first = 0, second = 0, third = 0] = at
  t.equal(at.length, 3)
  t.ok(third - second > second - first)
  t.ok(storage.records.get(merchantId)?.refreshLease, 'the trace of a refresh that may have happened stays')
})

t.test('waits have jitter, so that servers that failed together do not come back together (security 25)', async t => {
  const pauses = async (jitter: () => number) => {
    const { accessTokens, clover, connect } = startServer(t, { jitter })
    await connect()
    await leap(1801)
    const at: number[] = []
    clover.intercept = () => { at.push(Date.now()); return unclear('status 429') }
    await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
    const error: unknown = await accessTokens.accessToken(merchantId).catch((error: unknown) => error)
    return [...at.slice(1).map((time, index) => time - (at[index] ?? 0)), isCloverError(error) ? error.retryAfter ?? 0 : 0]
  }
  const [short, long] = [await pauses(() => 0), await pauses(() => 0.999)]
  t.equal(short.length, 3)
  short.slice(0, 2).forEach((pause, index) => { t.ok(pause > 0 && pause * 2 < (long[index] ?? 0), `${pause} ms, ${long[index]} ms`) })
})

t.test('backoffs grow with each failure, and end with a success (security 25)', async t => {
  const { refreshes, clover, connect } = startServer(t)
  const { accessToken: old } = await connect()
  clover.intercept = () => unclear('odd', { malformed: true })
  const goal = { force: true, enough: ({ accessToken }: { accessToken: string }) => accessToken !== old }
  const waits: number[] = []
  for (let i = 0; i < 4; i++) {
    await t.rejects(patiently(refreshes.refresh(merchantId, goal)), { code: 'FST_CLOVER_BAD_REPLY' })
    const failedAt = Date.now()
    while (refreshes.isBusyOrBackingOff(merchantId)) await leap(0.1)
    waits.push(Date.now() - failedAt)
    await leap(60)
  }
  t.same(waits, [...waits].sort((a, b) => a - b))
  t.ok(Number(waits[3]) > 4 * Number(waits[0]))
  clover.intercept = (_call, run) => run()
  await patiently(refreshes.refresh(merchantId, goal))
  t.notOk(refreshes.isBusyOrBackingOff(merchantId))
})

t.test('no backoff is longer than half a minute after failures of Clover, and five seconds after those of the store', async t => {
  const { refreshes, clover, storage, connect } = startServer(t, { jitter: () => 0.999 })
  await connect()
  const longestWait = async (code: string): Promise<number> => {
    let longest = 0
    for (let i = 0; i < 12; i++) {
      await t.rejects(patiently(refreshes.refresh(merchantId, { force: true, enough: () => false })), { code })
      const failedAt = Date.now()
      while (refreshes.isBusyOrBackingOff(merchantId)) await leap(0.1)
      longest = Math.max(longest, Date.now() - failedAt)
    }
    return longest
  }
  storage.break()
  const ofStore = await longestWait('FST_CLOVER_STORAGE')
  t.ok(ofStore > 4_900 && ofStore <= 5_100, String(ofStore))
  storage.repair()
  clover.intercept = () => unclear('odd', { malformed: true })
  const ofClover = await longestWait('FST_CLOVER_BAD_REPLY')
  t.ok(ofClover > 29_800 && ofClover <= 30_100, String(ofClover))
})

t.test('the failure of one merchant does not hold up another', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  await connect()
  await connect(otherMerchantId)
  await leap(1801)
  let first = ''
  clover.intercept = (_call, run, token) => { first ||= token; return token === first ? unclear('odd', { malformed: true }) : run() }
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_BAD_REPLY' })
  t.type(await patiently(accessTokens.accessToken(otherMerchantId)), 'string')
})

t.test('at most ten thousand failures are remembered', async t => {
  const { refreshes, storage } = startServer(t)
  storage.break()
  const id = (i: number) => `MERCHANT${String(i).padStart(5, '0')}`
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0 // nobody looks at the traces of so many errors
  for (let i = 0; i <= 10_000; i++) await refreshes.refresh(id(i), { enough: () => true }).catch(() => {})
  Error.stackTraceLimit = stackTraceLimit
  t.notOk(refreshes.isBusyOrBackingOff(id(0)))
  t.ok(refreshes.isBusyOrBackingOff(id(1)))
  t.ok(refreshes.isBusyOrBackingOff(id(10_000)))
})

t.test('nothing of a malformed reply is stored', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  const before = await connect()
  await leap(1801)
  clover.intercept = () => unclear('/oauth/v2/refresh: /access_token: Required property', { malformed: true })
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY', statusCode: 502, merchantId })
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' }, 'during the backoff, too')
  const after = storage.records.get(merchantId)
  t.equal(after?.refreshToken, before.refreshToken)
  t.equal(after?.accessToken, before.accessToken)
  t.equal(clover.count('refresh'), 1)
})

t.test('after a malformed reply, which may have spent the token, the merchant is recovered', async t => {
  const { accessTokens, clover, eventsOf, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { run(); return unclear('odd', { malformed: true }) }
  await t.rejects(accessTokens.accessToken(merchantId))
  clover.intercept = (_call, run) => run()
  await leap(60)
  t.type(await patiently(accessTokens.accessToken(merchantId)), 'string')
  t.equal(eventsOf('refresh-refused').length, 1)
  t.equal(eventsOf('recovered').length, 1)
})

t.test('the refresh token of an odd reply is kept, and the next refresh presents it', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  const before = await connect()
  await leap(1801)
  const next = gate<string>()
  clover.intercept = (_call, run, token) => {
    if (clover.calls.length > 1) { next.open(token); return run() }
    const answer = run() as { value: { refreshToken: string } }
    return { outcome: 'odd', reason: 'no access token', value: { refreshToken: answer.value.refreshToken } }
  }
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' })
  const kept = storage.records.get(merchantId)
  t.not(kept?.refreshToken, before.refreshToken)
  t.equal(kept?.accessToken, before.accessToken)
  t.equal(kept?.updatedAt, before.updatedAt)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' }, 'it counts as a failure, so that not every call spends a token')
  t.equal(clover.count('refresh'), 1)
  await leap(31)
  t.type(await accessTokens.accessToken(merchantId), 'string')
  t.equal(await next.promise, kept?.refreshToken)
})

t.test('refresh() rejects if an odd reply has no new access token', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  await connect()
  clover.intercept = (_call, run) => {
    const answer = run() as { value: { refreshToken: string } }
    return { outcome: 'odd', reason: 'no access token', value: { refreshToken: answer.value.refreshToken } }
  }
  await t.rejects(patiently(accessTokens.refresh(merchantId)), { code: 'FST_CLOVER_BAD_REPLY' })
})

t.test('a refresh that fails after its merchant left does not hold up the merchant who came back', async t => {
  const { disconnects, refreshes, clover, connect } = startServer(t)
  const before = await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (call, run) => {
    if (call !== 'refresh') return run()
    await answer.promise
    return unclear('odd', { malformed: true })
  }
  const waiting = refreshes.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== before.accessToken })
  await quiet()
  t.equal(await disconnects.disconnect(merchantId), true)
  const { accessToken } = await connect()
  answer.open()
  t.equal((await waiting).accessToken, accessToken)
  t.notOk(refreshes.isBusyOrBackingOff(merchantId))
})

t.test('an error of the storage adapter becomes FST_CLOVER_STORAGE', async t => {
  const { accessTokens, storage, connect } = startServer(t, { cache: false })
  await connect()
  storage.break()
  const error = await accessTokens.accessToken(merchantId).catch((error: unknown) => error)
  t.ok(isCloverError(error, 'FST_CLOVER_STORAGE'))
})

t.test('a retry-after of a day does not block a merchant for a day', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = () => unclear('status 503', { retryAfter: 86_400 })
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_UNAVAILABLE' })
  clover.intercept = (_call, run) => run()
  await leap(61)
  t.type(await patiently(accessTokens.accessToken(merchantId)), 'string')
})

t.test('pairs without a valid access token do not cause a refresh at every call', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => {
    const answer = run() as { value: object }
    return { ...answer, value: { ...answer.value, accessTokenExpiration: Date.now() / 1000 - 5 } }
  }
  for (let i = 0; i < 20; i++) await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' })
  t.equal(clover.count('refresh'), 1)
})
