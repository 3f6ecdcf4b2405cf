import t from 'tap'
import { advance, startServer, gate, leap, merchantId, otherMerchantId, patiently, quiet, refused, anotherServer, unclear } from './one-server.js'

/*
 * How long a server waits for the lease of another one.
 */

t.test('a recovery without an answer ends the attempt, and the lease stays', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = call => call === 'refresh' ? refused : unclear('odd', { malformed: true })
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_BAD_REPLY' })
  t.same(clover.calls, ['refresh', 'recover'])
  t.ok(storage.records.get(merchantId)?.refreshLease)
})

t.test('a server waits for another server\'s refresh, but not for ever', async t => {
  const one = startServer(t)
  const { accessTokens, storage, clover, connect } = one
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const other = anotherServer({ storage, clover })
  const first = accessTokens.accessToken(merchantId)
  await quiet()
  const second = other.accessTokens.accessToken(merchantId)
  await advance(3000)
  answer.open()
  t.equal(await patiently(second), await first)
  t.equal(clover.count('refresh'), 1)
  // Another server extends its lease again and again.
  const record = storage.records.get(merchantId)
  await leap(1801)
  storage.intercept = (_method, run) => {
    storage.records.set(merchantId, { ...record, refreshLease: { by: 'somebody', until: Date.now() / 1000 + 30 } } as NonNullable<typeof record>)
    return run()
  }
  const waiting = other.refreshes.refresh(merchantId, { enough: () => false })
  waiting.catch(() => {})
  await advance(85_000, 500)
  await t.rejects(waiting, { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('a server whose clock is ten minutes wrong serves no dead token and refreshes no living one', async t => {
  for (const skew of [-600_000, 600_000]) {
    const { accessTokens, clover, clock, connect } = startServer(t, { skew })
    const { accessToken } = await connect()
    t.ok(Math.abs(clock.now() - Date.now() / 1000) < 2, 'Clover\'s clock is known from its first answer')
    await leap(1400)
    t.equal(await accessTokens.accessToken(merchantId), accessToken)
    await quiet()
    t.equal(clover.count('refresh'), 0)
    await leap(402)
    t.not(await patiently(accessTokens.accessToken(merchantId)), accessToken)
    t.equal(clover.count('refresh'), 1)
  }
})

t.test('a server that starts with a slow clock does not wait ten minutes for a lease of a server that died', async t => {
  const { storage, clover, connect } = startServer(t)
  const record = await connect()
  await leap(1801)
  storage.records.set(merchantId, { ...record, refreshLease: { by: 'the dead', until: Date.now() / 1000 + 30 } })
  const slow = anotherServer({ storage, clover, skew: -600_000 })
  const waiting = slow.refreshes.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== record.accessToken })
  await advance(39_000, 500)
  t.equal(clover.count('refresh'), 0)
  await advance(3_000, 500)
  t.not((await waiting).accessToken, record.accessToken)
})

t.test('a clock that is corrected while another server refreshes neither breaks its lease nor ends the wait', async t => {
  for (const skew of [-50_000, -3_600_000]) {
    const { storage, clover, accessTokens, connect } = startServer(t)
    await connect()
    await leap(1801)
    const answer = gate()
    clover.intercept = async (call, run) => { if (call === 'refresh') await answer.promise; return run() }
    const first = accessTokens.accessToken(merchantId)
    await quiet()
    const slow = anotherServer({ storage, clover, skew })
    const second = slow.refreshes.refresh(merchantId, { enough: ({ spentRefreshToken }) => spentRefreshToken !== undefined })
    await advance(100)
    await patiently(slow.connections.connect(otherMerchantId, { code: 'code-of-another', verifier: '' })) // Clover's first answer
    await advance(5_000, 100)
    t.equal(clover.count('refresh'), 1, 'the token is not spent twice')
    answer.open()
    t.equal((await patiently(second)).accessToken, await first)
    t.same([clover.count('refresh'), clover.count('recover')], [1, 0])
  }
})

t.test('a process continues its own lease once Clover answers again, and does not wait for its end', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = () => unclear('status 503')
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(clover.count('refresh'), 3)
  const lease = storage.records.get(merchantId)?.refreshLease
  t.ok(Number(lease?.until) - Date.now() / 1000 > 30, 'the lease would last')
  await leap(2)
  await t.rejects(patiently(accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(clover.count('refresh'), 4, 'later tries are single ones')
  t.equal(storage.records.get(merchantId)?.refreshLease?.by, lease?.by)
  clover.intercept = (_call, run) => run()
  await leap(3)
  const began = Date.now()
  t.type(await patiently(accessTokens.accessToken(merchantId)), 'string')
  t.ok(Date.now() - began < 43_500, 'it lasts no longer than one written now')
  t.equal(storage.records.get(merchantId)?.refreshLease, undefined)
})

t.test('a process still waits for the lease of another server', async t => {
  const first = startServer(t)
  await first.connect()
  const second = anotherServer({ storage: first.storage, clover: first.clover, maxWait: 60_000 })
  await leap(1801)
  first.clover.intercept = () => unclear('status 503')
  await t.rejects(patiently(first.accessTokens.accessToken(merchantId)), { code: 'FST_CLOVER_UNAVAILABLE' })
  first.clover.intercept = (_call, run) => run()
  const waiting = second.accessTokens.accessToken(merchantId)
  await advance(5_000)
  t.equal(first.clover.count('refresh'), 3)
  t.type(await patiently(waiting), 'string')
})

t.test('a lease that no server could have written does not hold up the merchant for years', async t => {
  const { storage, clover, accessTokens, connect } = startServer(t, { maxWait: 60_000 })
  const record = await connect()
  await leap(1801)
  storage.records.set(merchantId, { ...record, refreshLease: { by: 'a server whose clock was wrong', until: 4_000_000_000 } })
  const began = Date.now()
  t.not(await patiently(accessTokens.accessToken(merchantId)), record.accessToken)
  t.ok(Date.now() - began < 43_500, 'it lasts no longer than one written now')
  t.equal(clover.count('refresh'), 1)
  t.equal(storage.records.get(merchantId)?.refreshLease, undefined)
})

t.test('a server that closes begins no refresh, and does not wait for another server\'s', async t => {
  let isClosing = false
  const { accessTokens, refreshes, clover, storage, connect } = startServer(t, { isClosing: () => isClosing, maxCalls: 1 })
  const record = await connect()
  await connect(otherMerchantId)
  await leap(1801)

  await t.test('a refresh that waits in the queue', async t => {
    const answer = gate()
    clover.intercept = async (_call, run) => { await answer.promise; return run() }
    const first = accessTokens.accessToken(merchantId)
    const second = accessTokens.accessToken(otherMerchantId)
    second.catch(() => {})
    await quiet()
    isClosing = true
    answer.open()
    t.type(await first, 'string', 'the refresh in progress is finished')
    await t.rejects(second, { code: 'FST_CLOVER_CLOSING' })
    t.equal(clover.count('refresh'), 1)
    t.equal(storage.records.get(otherMerchantId)?.refreshLease, undefined)
  })

  await t.test('a refresh that waits for another server', async t => {
    isClosing = false
    await leap(3600)
    const current = storage.records.get(merchantId) ?? record
    storage.records.set(merchantId, { ...current, refreshLease: { by: 'another', until: Date.now() / 1000 + 30 } })
    const waiting = refreshes.refresh(merchantId, { enough: () => false })
    waiting.catch(() => {})
    await advance(1_000)
    isClosing = true
    await advance(1_000)
    await t.rejects(waiting, { code: 'FST_CLOVER_CLOSING' })
  })

  await t.test('a refresh that would be retried', async t => {
    isClosing = false
    await leap(3600)
    clover.calls.length = 0
    clover.intercept = () => { isClosing = true; return unclear('status 503') }
    await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_UNAVAILABLE' })
    t.equal(clover.count('refresh'), 1)
  })
})
