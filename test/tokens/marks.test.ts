import t from 'tap'
import { advance, bench, leap, merchantId, patiently, quiet, refused, server, unclear } from './bench.js'

/*
 * Merchants who must authorize again: how a record is marked, and what becomes of the mark.
 */

t.test('an hour in which Clover says 401 to everybody leaves everybody connected, at few calls', async t => {
  const { keeper, clover, eventsOf, storage, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = () => refused
  for (let minute = 0; minute < 60; minute++) {
    for (let i = 0; i < 5; i++) await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED', statusCode: 409 })
    await leap(60)
  }
  t.ok(clover.count('refresh') <= 8, `${clover.count('refresh')} refreshes`)
  const marks = eventsOf('reauthorization-required')
  t.same(marks.map(mark => mark.type === 'reauthorization-required' && mark.first), marks.map((_, i) => i === 0), 'only the first is news')
  clover.intercept = (_call, run) => run()
  await leap(3600)
  t.type(await patiently(keeper.accessToken(merchantId)), 'string')
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
})

t.test('a mark waits a minute, then ever twice as long, up to a day', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = () => refused
  const waits: number[] = []
  for (let i = 0; i < 16; i++) {
    await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
    const { retryAt = 0 } = storage.records.get(merchantId)?.reauthorizationRequired ?? {}
    waits.push(retryAt - Math.floor(Date.now() / 1000))
    const calls = clover.calls.length
    await leap(retryAt - Date.now() / 1000 - 0.5)
    await t.rejects(keeper.accessToken(merchantId))
    t.equal(clover.calls.length, calls, 'no call before')
    await leap(1)
  }
  t.ok(Math.abs(Number(waits[0]) - 60) <= 1)
  for (let i = 2; i < 16; i++) t.ok(Number(waits[i]) <= 86_401 && (Number(waits[i]) >= 86_399 || Number(waits[i]) >= 1.9 * Number(waits[i - 1])), `${waits[i]}`)
})

t.test('an operator\'s refresh tries a marked merchant at once', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = () => refused
  await t.rejects(keeper.accessToken(merchantId))
  t.ok(storage.records.get(merchantId)?.reauthorizationRequired)
  clover.intercept = (_call, run) => run()
  t.equal((await keeper.refresh(merchantId)).reauthorizationRequired, undefined)
  t.type(await keeper.accessToken(merchantId), 'string')
})

t.test('a marked merchant whose token lives is served', async t => {
  const { keeper, clover, connect } = bench(t)
  const { accessToken } = await connect()
  clover.intercept = () => refused
  await t.rejects(keeper.refresh(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  for (let i = 0; i < 10; i++) t.equal(await keeper.accessToken(merchantId), accessToken)
})

t.test('in low trust nothing is recovered', async t => {
  const { keeper, clover, connect } = bench(t, { trust: 'low' })
  await connect()
  await leap(1801)
  clover.intercept = () => refused
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.same(clover.calls, ['refresh'])
})

t.test('a v1 token never ages; refused, it is asked for its merchant before it is marked', async t => {
  const { clover, storage, eventsOf, connect } = bench(t)
  const record = await connect()
  const { accessToken } = record
  storage.records.set(merchantId, { ...record, flow: 'v1', refreshToken: null, refreshTokenExpiration: null, accessTokenExpiration: null })
  const reset = server({ storage, clover })
  await leap(300 * 86_400)
  t.equal(await reset.keeper.accessToken(merchantId), accessToken)
  await quiet()
  t.same(clover.calls, [])
  clover.intercept = () => ({ outcome: 'ok', value: merchantId })
  t.equal(await reset.keeper.accessToken(merchantId, { rejected: accessToken }), accessToken, 'a missing permission is not a dead token')
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
  clover.intercept = () => unclear('status 503')
  await t.rejects(reset.keeper.accessToken(merchantId, { rejected: accessToken }), { code: 'FST_CLOVER_UNAVAILABLE' })
  clover.intercept = () => refused
  await t.rejects(reset.keeper.accessToken(merchantId, { rejected: accessToken }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.ok(storage.records.get(merchantId)?.reauthorizationRequired)
  t.equal(reset.eventsOf('reauthorization-required').length, 1)
  const calls = clover.calls.length
  await t.rejects(reset.keeper.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(clover.calls.length, calls)
  await leap(61)
  t.equal(await reset.keeper.accessToken(merchantId), accessToken, 'after a while it is tried again')
  await t.rejects(reset.keeper.accessToken(merchantId, { rejected: accessToken }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(reset.eventsOf('reauthorization-required').filter(event => event.type === 'reauthorization-required' && event.first).length, 1)
  await t.rejects(reset.keeper.refresh(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(eventsOf('reauthorization-required').length, 0)
})

t.test('a token without a refresh token that ends must be authorized again; a mark that others replace is not set', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, refreshToken: null, refreshTokenExpiration: null })
  await leap(1801)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  await leap(20)
  storage.intercept = async (method, run) => method === 'put' ? false : run()
  clover.intercept = () => refused
  await t.rejects(keeper.accessToken(merchantId, { rejected: record.accessToken }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
})

t.test('a v1 token that Clover refused', async t => {
  const legacy = async (trustMerchantId: boolean) => {
    const parts = bench(t, { trustMerchantId, maxWait: 200 })
    const record = await parts.connect()
    parts.storage.records.set(merchantId, { ...record, flow: 'v1', refreshToken: null, refreshTokenExpiration: null, accessTokenExpiration: null })
    await leap(11)
    return { ...parts, rejected: record.accessToken }
  }

  await t.test('without the Read merchant permission is not asked for, and stays for the others', async t => {
    const { keeper, clover, rejected } = await legacy(true)
    await t.rejects(keeper.accessToken(merchantId, { rejected }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
    t.equal(clover.count('merchant'), 0)
    t.equal(await keeper.accessToken(merchantId), rejected)
  })

  await t.test('is kept where the answer is not about the token', async t => {
    const { keeper, clover, rejected } = await legacy(false)
    clover.intercept = () => ({ outcome: 'refused', status: 403, recoveryAvailable: false })
    t.equal(await keeper.accessToken(merchantId, { rejected }), rejected)
  })

  await t.test('is asked for once for all who want to know, and no longer than they wait', async t => {
    const { keeper, clover, rejected } = await legacy(false)
    clover.intercept = () => new Promise(() => {})
    const controller = new AbortController()
    const all = Array.from({ length: 30 }, () => keeper.accessToken(merchantId, { rejected }).catch((error: unknown) => error))
    const impatient = keeper.accessToken(merchantId, { rejected, signal: controller.signal })
    impatient.catch(() => {})
    await advance(50)
    controller.abort()
    await t.rejects(impatient, { name: 'AbortError' })
    await advance(200)
    for (const error of await Promise.all(all)) t.match(error, { code: 'FST_CLOVER_UNAVAILABLE' })
    t.equal(clover.count('merchant'), 1)
  })
})

t.test('whoever must launch is told where, connected before or not', async t => {
  const { keeper } = bench(t, { launchUrl: id => `https://shop.example/launch?merchant_id=${id}` })
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED', launchUrl: `https://shop.example/launch?merchant_id=${merchantId}` })
})
