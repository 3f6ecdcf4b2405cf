import t from 'tap'
import { advance, startServer, leap, merchantId, patiently, quiet, refused, anotherServer, unclear } from './one-server.js'

/*
 * Merchants who must authorize again: how a record is marked, and how the mark ends.
 */

t.test('an hour in which Clover answers 401 to every call disconnects nobody, and causes few calls', async t => {
  const { accessTokens, clover, eventsOf, storage, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = () => refused
  const outcomes = new Set<unknown>()
  for (let minute = 0; minute < 60; minute++) {
    for (let i = 0; i < 5; i++) outcomes.add(await accessTokens.accessToken(merchantId).catch(({ code, statusCode }: { code: string, statusCode: number }) => `${code} ${statusCode}`))
    await leap(60)
  }
  t.same([...outcomes], ['FST_CLOVER_REAUTHORIZATION_REQUIRED 409'])
  t.ok(clover.count('refresh') <= 8, `${clover.count('refresh')} refreshes`)
  const marks = eventsOf('reauthorization-required')
  t.same(marks.map(mark => mark.type === 'reauthorization-required' && mark.first), marks.map((_, i) => i === 0), 'only the first is news')
  clover.intercept = (_call, run) => run()
  await leap(3600)
  t.type(await patiently(accessTokens.accessToken(merchantId)), 'string')
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
})

t.test('a mark waits a minute, then twice as long each time, up to a day', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = () => refused
  const waits: number[] = []
  for (let i = 0; i < 16; i++) {
    await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
    const { retryAt = 0 } = storage.records.get(merchantId)?.reauthorizationRequired ?? {}
    waits.push(retryAt - Math.floor(Date.now() / 1000))
    const calls = clover.calls.length
    await leap(retryAt - Date.now() / 1000 - 0.5)
    await t.rejects(accessTokens.accessToken(merchantId))
    t.equal(clover.calls.length, calls, 'no call before')
    await leap(1)
  }
  t.ok(Math.abs(Number(waits[0]) - 60) <= 1)
  for (let i = 2; i < 16; i++) t.ok(Number(waits[i]) <= 86_401 && (Number(waits[i]) >= 86_399 || Number(waits[i]) >= 1.9 * Number(waits[i - 1])), `${waits[i]}`)
})

t.test('an operator\'s refresh tries a marked merchant at once', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = () => refused
  await t.rejects(accessTokens.accessToken(merchantId))
  t.ok(storage.records.get(merchantId)?.reauthorizationRequired)
  clover.intercept = (_call, run) => run()
  t.equal((await accessTokens.refresh(merchantId)).reauthorizationRequired, undefined)
  t.type(await accessTokens.accessToken(merchantId), 'string')
})

t.test('a marked merchant whose token is valid is served', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken } = await connect()
  clover.intercept = () => refused
  await t.rejects(accessTokens.refresh(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  for (let i = 0; i < 10; i++) t.equal(await accessTokens.accessToken(merchantId), accessToken)
})

t.test('a low-trust app sends no recovery', async t => {
  const { accessTokens, clover, connect } = startServer(t, { trust: 'low' })
  await connect()
  await leap(1801)
  clover.intercept = () => refused
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.same(clover.calls, ['refresh'])
})

t.test('a v1 token does not expire; after a 401 its merchant is checked before the record is marked', async t => {
  const { clover, storage, eventsOf, connect } = startServer(t)
  const record = await connect()
  const { accessToken } = record
  storage.records.set(merchantId, { ...record, flow: 'v1', refreshToken: null, refreshTokenExpiration: null, accessTokenExpiration: null })
  const reset = anotherServer({ storage, clover })
  await leap(300 * 86_400)
  t.equal(await reset.accessTokens.accessToken(merchantId), accessToken)
  await quiet()
  t.same(clover.calls, [])
  clover.intercept = () => ({ outcome: 'ok', value: merchantId })
  t.equal(await reset.accessTokens.accessToken(merchantId, { rejected: accessToken }), accessToken, 'a missing permission is not a dead token')
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
  clover.intercept = () => unclear('status 503')
  await t.rejects(reset.accessTokens.accessToken(merchantId, { rejected: accessToken }), { code: 'FST_CLOVER_UNAVAILABLE' })
  clover.intercept = () => refused
  await t.rejects(reset.accessTokens.accessToken(merchantId, { rejected: accessToken }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.ok(storage.records.get(merchantId)?.reauthorizationRequired)
  t.equal(reset.eventsOf('reauthorization-required').length, 1)
  const calls = clover.calls.length
  await t.rejects(reset.accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(clover.calls.length, calls)
  await leap(61)
  t.equal(await reset.accessTokens.accessToken(merchantId), accessToken, 'after a while it is tried again')
  await t.rejects(reset.accessTokens.accessToken(merchantId, { rejected: accessToken }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(reset.eventsOf('reauthorization-required').filter(event => event.type === 'reauthorization-required' && event.first).length, 1)
  await t.rejects(reset.accessTokens.refresh(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(eventsOf('reauthorization-required').length, 0)
})

t.test('an expired token without a refresh token requires a new authorization; a mark is not written over a change', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, refreshToken: null, refreshTokenExpiration: null })
  await leap(1801)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  await leap(20)
  storage.intercept = async (method, run) => method === 'put' ? false : run()
  clover.intercept = () => refused
  await t.rejects(accessTokens.accessToken(merchantId, { rejected: record.accessToken }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
})

t.test('a v1 token that Clover refused', async t => {
  const legacy = async (trustMerchantId: boolean) => {
    const parts = startServer(t, { trustMerchantId, maxWait: 200 })
    const record = await parts.connect()
    parts.storage.records.set(merchantId, { ...record, flow: 'v1', refreshToken: null, refreshTokenExpiration: null, accessTokenExpiration: null })
    await leap(11)
    return { ...parts, rejected: record.accessToken }
  }

  await t.test('is not checked without the Read merchant permission, and stays for other callers', async t => {
    const { accessTokens, clover, rejected } = await legacy(true)
    await t.rejects(accessTokens.accessToken(merchantId, { rejected }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
    t.equal(clover.count('merchant'), 0)
    t.equal(await accessTokens.accessToken(merchantId), rejected)
  })

  await t.test('is kept if the answer says nothing about the token', async t => {
    const { accessTokens, clover, rejected } = await legacy(false)
    clover.intercept = () => ({ outcome: 'refused', status: 403, recoveryAvailable: false })
    t.equal(await accessTokens.accessToken(merchantId, { rejected }), rejected)
  })

  await t.test('is checked once for all callers, each of whom waits no longer than its limit', async t => {
    const { accessTokens, clover, rejected } = await legacy(false)
    clover.intercept = () => new Promise(() => {})
    const controller = new AbortController()
    const all = Array.from({ length: 30 }, () => accessTokens.accessToken(merchantId, { rejected }).catch((error: unknown) => error))
    const impatient = accessTokens.accessToken(merchantId, { rejected, signal: controller.signal })
    impatient.catch(() => {})
    await advance(50)
    controller.abort()
    await t.rejects(impatient, { name: 'AbortError' })
    await advance(200)
    for (const error of await Promise.all(all)) t.match(error, { code: 'FST_CLOVER_UNAVAILABLE' })
    t.equal(clover.count('merchant'), 1)
  })
})

t.test('an error that requires a launch has launchUrl, whether the merchant was connected before or not', async t => {
  const { accessTokens } = startServer(t, { launchUrl: id => `https://shop.example/launch?merchant_id=${id}` })
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED', launchUrl: `https://shop.example/launch?merchant_id=${merchantId}` })
})
