import t from 'tap'
import { isCloverError } from '../../src/errors.js'
import { advance, bench, gate, leap, merchantId, otherMerchantId, patiently, quiet, refused, server, unclear } from './bench.js'

t.test('a living token is served while Clover is down, and Clover is asked ever less', async t => {
  const { keeper, clover, connect } = bench(t)
  const { accessToken } = await connect()
  clover.intercept = () => unclear('status 503')
  await leap(1441)
  for (let i = 0; i < 280; i++) {
    t.equal(await keeper.accessToken(merchantId), accessToken)
    await advance(1000, 500)
  }
  t.ok(clover.count('refresh') >= 6 && clover.count('refresh') <= 30, `${clover.count('refresh')} calls`)
})

t.test('a dead token is an error in the meantime, which says when to come again', async t => {
  const { keeper, flights, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = () => unclear('status 503', { retryAfter: 20 })
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 20, headers: { 'retry-after': '20' } })
  t.equal(clover.count('refresh'), 1, 'a wait this long is not sat out')
  await leap(5)
  t.ok(flights.isOccupied(merchantId))
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 15 })
  t.equal(clover.count('refresh'), 1)
  await leap(40)
  clover.intercept = (_call, run) => run()
  t.type(await patiently(keeper.accessToken(merchantId)), 'string')
})

t.test('a short wait that Clover asks for is sat out under the lease', async t => {
  const { keeper, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => clover.calls.length > 2 ? run() : unclear('status 429', { retryAfter: 2 })
  const began = Date.now()
  t.type(await patiently(keeper.accessToken(merchantId)), 'string')
  t.equal(clover.count('refresh'), 3)
  t.ok(Date.now() - began >= 4000)
})

t.test('without a named wait Clover is asked three times under one lease, ever later, and then left alone (security 25)', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  await connect()
  await leap(1801)
  const at: number[] = []
  clover.intercept = () => { at.push(Date.now()); return unclear('status 429') }
  await t.rejects(patiently(keeper.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  const [first = 0, second = 0, third = 0] = at
  t.equal(at.length, 3)
  t.ok(third - second > second - first)
  t.ok(storage.records.get(merchantId)?.refreshLease, 'the trace of a refresh that may have happened stays')
})

t.test('waits have jitter, so that servers that failed together do not come back together (security 25)', async t => {
  const pauses = async (jitter: () => number) => {
    const { keeper, clover, connect } = bench(t, { jitter })
    await connect()
    await leap(1801)
    const at: number[] = []
    clover.intercept = () => { at.push(Date.now()); return unclear('status 429') }
    await t.rejects(patiently(keeper.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
    const error: unknown = await keeper.accessToken(merchantId).catch((error: unknown) => error)
    return [...at.slice(1).map((time, index) => time - (at[index] ?? 0)), isCloverError(error) ? error.retryAfter ?? 0 : 0]
  }
  const [short, long] = [await pauses(() => 0), await pauses(() => 0.999)]
  t.equal(short.length, 3)
  short.slice(0, 2).forEach((pause, index) => { t.ok(pause > 0 && pause * 2 < (long[index] ?? 0), `${pause} ms, ${long[index]} ms`) })
})

t.test('backoffs grow with each failure, and end with a success (security 25)', async t => {
  const { flights, clover, connect } = bench(t)
  const { accessToken: old } = await connect()
  clover.intercept = () => unclear('odd', { malformed: true })
  const goal = { force: true, enough: ({ accessToken }: { accessToken: string }) => accessToken !== old }
  const waits: number[] = []
  for (let i = 0; i < 4; i++) {
    await t.rejects(patiently(flights.refresh(merchantId, goal)), { code: 'FST_CLOVER_BAD_REPLY' })
    const failedAt = Date.now()
    while (flights.isOccupied(merchantId)) await leap(0.1)
    waits.push(Date.now() - failedAt)
    await leap(60)
  }
  t.same(waits, [...waits].sort((a, b) => a - b))
  t.ok(Number(waits[3]) > 4 * Number(waits[0]))
  clover.intercept = (_call, run) => run()
  await patiently(flights.refresh(merchantId, goal))
  t.notOk(flights.isOccupied(merchantId))
})

t.test('merchants fail each on their own', async t => {
  const { keeper, clover, connect } = bench(t)
  await connect()
  await connect(otherMerchantId)
  await leap(1801)
  let first = ''
  clover.intercept = (_call, run, token) => { first ||= token; return token === first ? unclear('odd', { malformed: true }) : run() }
  await t.rejects(patiently(keeper.accessToken(merchantId)), { code: 'FST_CLOVER_BAD_REPLY' })
  t.type(await patiently(keeper.accessToken(otherMerchantId)), 'string')
})

t.test('the failures of more than ten thousand merchants are not all remembered', async t => {
  const { flights, storage } = bench(t)
  storage.break()
  const id = (i: number) => `MERCHANT${String(i).padStart(5, '0')}`
  for (let i = 0; i <= 10_000; i++) await flights.refresh(id(i), { enough: () => true }).catch(() => {})
  t.notOk(flights.isOccupied(id(0)))
  t.ok(flights.isOccupied(id(1)))
  t.ok(flights.isOccupied(id(10_000)))
})

t.test('a malformed reply stores nothing of it', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  const before = await connect()
  await leap(1801)
  clover.intercept = () => unclear('/oauth/v2/refresh: /access_token: Required property', { malformed: true })
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY', statusCode: 502, merchantId })
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' }, 'during the backoff, too')
  const after = storage.records.get(merchantId)
  t.equal(after?.refreshToken, before.refreshToken)
  t.equal(after?.accessToken, before.accessToken)
  t.equal(clover.count('refresh'), 1)
})

t.test('after a malformed reply, which may have spent the token, the merchant is recovered', async t => {
  const { keeper, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { run(); return unclear('odd', { malformed: true }) }
  await t.rejects(keeper.accessToken(merchantId))
  clover.intercept = (_call, run) => run()
  await leap(60)
  t.type(await patiently(keeper.accessToken(merchantId)), 'string')
  t.equal(eventsOf('refresh-refused').length, 1)
  t.equal(eventsOf('recovered').length, 1)
})

t.test('of an odd reply the refresh token is kept, and the next refresh presents it', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  const before = await connect()
  await leap(1801)
  const next = gate<string>()
  clover.intercept = (_call, run, token) => {
    if (clover.calls.length > 1) { next.open(token); return run() }
    const answer = run() as { value: { refreshToken: string } }
    return { outcome: 'odd', reason: 'no access token', value: { refreshToken: answer.value.refreshToken } }
  }
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' })
  const kept = storage.records.get(merchantId)
  t.not(kept?.refreshToken, before.refreshToken)
  t.equal(kept?.accessToken, before.accessToken)
  t.equal(kept?.updatedAt, before.updatedAt)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' }, 'it counts as a failure, so that not every call spends a token')
  t.equal(clover.count('refresh'), 1)
  await leap(31)
  t.type(await keeper.accessToken(merchantId), 'string')
  t.equal(await next.promise, kept?.refreshToken)
})

t.test('an operator is told that an odd reply brought no new access token', async t => {
  const { keeper, clover, connect } = bench(t)
  await connect()
  clover.intercept = (_call, run) => {
    const answer = run() as { value: { refreshToken: string } }
    return { outcome: 'odd', reason: 'no access token', value: { refreshToken: answer.value.refreshToken } }
  }
  await t.rejects(patiently(keeper.refresh(merchantId)), { code: 'FST_CLOVER_BAD_REPLY' })
})

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

t.test('a recovery without an answer ends the try, and the lease stays', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = call => call === 'refresh' ? refused : unclear('odd', { malformed: true })
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' })
  t.same(clover.calls, ['refresh', 'recover'])
  t.ok(storage.records.get(merchantId)?.refreshLease)
})

t.test('another server\'s refresh is waited for, and not for ever', async t => {
  const one = bench(t)
  const { keeper, storage, clover, connect } = one
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const other = server({ storage, clover })
  const first = keeper.accessToken(merchantId)
  await quiet()
  const second = other.keeper.accessToken(merchantId)
  await advance(3000)
  answer.open()
  t.equal(await patiently(second), await first)
  t.equal(clover.count('refresh'), 1)
  // A lease that somebody extends again and again.
  const record = storage.records.get(merchantId)
  await leap(1801)
  storage.intercept = (_method, run) => {
    storage.records.set(merchantId, { ...record, refreshLease: { by: 'somebody', until: Date.now() / 1000 + 30 } } as NonNullable<typeof record>)
    return run()
  }
  const waiting = other.flights.refresh(merchantId, { enough: () => false })
  waiting.catch(() => {})
  await advance(82_000, 500)
  await t.rejects(waiting, { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('a server whose clock is ten minutes wrong serves no dead token and refreshes no living one', async t => {
  for (const skew of [-600_000, 600_000]) {
    const { keeper, clover, clock, connect } = bench(t, { skew })
    const { accessToken } = await connect()
    t.ok(Math.abs(clock.now() - Date.now() / 1000) < 2, 'Clover\'s clock is known from its first answer')
    await leap(1400)
    t.equal(await keeper.accessToken(merchantId), accessToken)
    await quiet()
    t.equal(clover.count('refresh'), 0)
    await leap(402)
    t.not(await patiently(keeper.accessToken(merchantId)), accessToken)
    t.equal(clover.count('refresh'), 1)
  }
})

t.test('a server that starts with a slow clock does not wait ten minutes for a lease of a server that died', async t => {
  const { storage, clover, connect } = bench(t)
  const record = await connect()
  await leap(1801)
  storage.records.set(merchantId, { ...record, refreshLease: { by: 'the dead', until: Date.now() / 1000 + 30 } })
  const slow = server({ storage, clover, skew: -600_000 })
  const waiting = slow.flights.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== record.accessToken })
  await advance(39_000, 500)
  t.equal(clover.count('refresh'), 0)
  await advance(3_000, 500)
  t.not((await waiting).accessToken, record.accessToken)
})

t.test('a refresh that fails after its merchant left does not hold up the merchant who came back', async t => {
  const { connections, flights, clover, connect } = bench(t)
  const before = await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (call, run) => {
    if (call !== 'refresh') return run()
    await answer.promise
    return unclear('odd', { malformed: true })
  }
  const waiting = flights.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== before.accessToken })
  await quiet()
  t.equal(await connections.disconnect(merchantId), true)
  const { accessToken } = await connect()
  answer.open()
  t.equal((await waiting).accessToken, accessToken)
  t.notOk(flights.isOccupied(merchantId))
})

t.test('a clock that is set right while another server refreshes neither breaks its lease nor ends the waiting', async t => {
  for (const skew of [-50_000, -3_600_000]) {
    const { storage, clover, keeper, connect } = bench(t)
    await connect()
    await leap(1801)
    const answer = gate()
    clover.intercept = async (call, run) => { if (call === 'refresh') await answer.promise; return run() }
    const first = keeper.accessToken(merchantId)
    await quiet()
    const slow = server({ storage, clover, skew })
    const second = slow.flights.refresh(merchantId, { enough: ({ spentRefreshToken }) => spentRefreshToken !== undefined })
    await advance(100)
    await patiently(slow.connections.connect(otherMerchantId, { code: 'code-of-another', verifier: '' })) // Clover's first answer
    await advance(5_000, 100)
    t.equal(clover.count('refresh'), 1, 'the token is not spent twice')
    answer.open()
    t.equal((await patiently(second)).accessToken, await first)
    t.same([clover.count('refresh'), clover.count('recover')], [1, 0])
  }
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

t.test('an error of the storage is one of the plugin', async t => {
  const { keeper, storage, connect } = bench(t, { cache: false })
  await connect()
  storage.break()
  const error = await keeper.accessToken(merchantId).catch((error: unknown) => error)
  t.ok(isCloverError(error, 'FST_CLOVER_STORAGE'))
})

t.test('a process goes on under its own lease once Clover is well again, and does not wait for its end', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = () => unclear('status 503')
  await t.rejects(patiently(keeper.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(clover.count('refresh'), 3)
  const lease = storage.records.get(merchantId)?.refreshLease
  t.ok(Number(lease?.until) - Date.now() / 1000 > 30, 'the lease would last')
  await leap(2)
  await t.rejects(patiently(keeper.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(clover.count('refresh'), 4, 'later tries are single ones')
  t.equal(storage.records.get(merchantId)?.refreshLease?.by, lease?.by)
  clover.intercept = (_call, run) => run()
  await leap(3)
  const began = Date.now()
  t.type(await patiently(keeper.accessToken(merchantId)), 'string')
  t.ok(Date.now() - began < 42_000, 'it lasts no longer than one written now')
  t.equal(storage.records.get(merchantId)?.refreshLease, undefined)
})

t.test('somebody else\'s lease is waited for all the same', async t => {
  const first = bench(t)
  await first.connect()
  const second = server({ storage: first.storage, clover: first.clover, maxWait: 60_000 })
  await leap(1801)
  first.clover.intercept = () => unclear('status 503')
  await t.rejects(patiently(first.keeper.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  first.clover.intercept = (_call, run) => run()
  const waiting = second.keeper.accessToken(merchantId)
  await advance(5_000)
  t.equal(first.clover.count('refresh'), 3)
  t.type(await patiently(waiting), 'string')
})

t.test('a lease that no server could have written does not hold up the merchant for years', async t => {
  const { storage, clover, keeper, connect } = bench(t, { maxWait: 60_000 })
  const record = await connect()
  await leap(1801)
  storage.records.set(merchantId, { ...record, refreshLease: { by: 'a server whose clock was wrong', until: 4_000_000_000 } })
  const began = Date.now()
  t.not(await patiently(keeper.accessToken(merchantId)), record.accessToken)
  t.ok(Date.now() - began < 42_000, 'it lasts no longer than one written now')
  t.equal(clover.count('refresh'), 1)
  t.equal(storage.records.get(merchantId)?.refreshLease, undefined)
})

t.test('a retry-after of a day does not take a merchant off for a day', async t => {
  const { keeper, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = () => unclear('status 503', { retryAfter: 86_400 })
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_UNAVAILABLE' })
  clover.intercept = (_call, run) => run()
  await leap(61)
  t.type(await patiently(keeper.accessToken(merchantId)), 'string')
})

t.test('pairs without a living token are not asked for at every call', async t => {
  const { keeper, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => {
    const answer = run() as { value: object }
    return { ...answer, value: { ...answer.value, accessTokenExpiration: Date.now() / 1000 - 5 } }
  }
  for (let i = 0; i < 20; i++) await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' })
  t.equal(clover.count('refresh'), 1)
})

t.test('a server that closes begins no refresh, and waits for nobody else\'s', async t => {
  let isClosing = false
  const { keeper, flights, clover, storage, connect } = bench(t, { isClosing: () => isClosing, maxCalls: 1 })
  const record = await connect()
  await connect(otherMerchantId)
  await leap(1801)

  await t.test('one that stands in line', async t => {
    const answer = gate()
    clover.intercept = async (_call, run) => { await answer.promise; return run() }
    const first = keeper.accessToken(merchantId)
    const second = keeper.accessToken(otherMerchantId)
    second.catch(() => {})
    await quiet()
    isClosing = true
    answer.open()
    t.type(await first, 'string', 'what is under way is finished')
    await t.rejects(second, { code: 'FST_CLOVER_CLOSING' })
    t.equal(clover.count('refresh'), 1)
    t.equal(storage.records.get(otherMerchantId)?.refreshLease, undefined)
  })

  await t.test('one that waits for another server', async t => {
    isClosing = false
    await leap(3600)
    const current = storage.records.get(merchantId) ?? record
    storage.records.set(merchantId, { ...current, refreshLease: { by: 'another', until: Date.now() / 1000 + 30 } })
    const waiting = flights.refresh(merchantId, { enough: () => false })
    waiting.catch(() => {})
    await advance(1_000)
    isClosing = true
    await advance(1_000)
    await t.rejects(waiting, { code: 'FST_CLOVER_CLOSING' })
  })

  await t.test('one that would ask again', async t => {
    isClosing = false
    await leap(3600)
    clover.calls.length = 0
    clover.intercept = () => { isClosing = true; return unclear('status 503') }
    await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_UNAVAILABLE' })
    t.equal(clover.count('refresh'), 1)
  })
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
