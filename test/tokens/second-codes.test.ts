import t from 'tap'
import { gate, leap, merchantId, patiently, quiet } from './one-server.js'
import { cluster, code } from './visitors.js'

t.test('a dead pair sends the browser through Clover once more, and that full exchange replaces it', async t => {
  for (const trust of ['high', 'low'] as const) {
    for (const trustMerchantId of [false, true]) {
      const { connections, clover, connect, kill, isAlive, stored, events } = cluster(t, { trust, trustMerchantId })
      const before = await connect()
      kill()
      await leap(1801)
      t.equal(await connections.connect(merchantId, code()), 'needs-full-round')
      t.equal(stored().connectionId, before.connectionId, 'the record is kept until then')
      t.ok(stored().reauthorizationRequired)
      clover.calls.length = 0
      t.equal(await connections.connect(merchantId, code()), 'needs-full-round', 'also for the next, who comes while the pair is known to be dead')
      t.same(clover.calls, trustMerchantId ? ['exchange'] : ['exchange', 'merchant'], 'at no further cost')
      t.same(events('connected'), [], 'nobody is connected yet')
      t.same(await connections.connect(merchantId, code(), true), { isNew: false })
      t.ok(isAlive())
      t.not(stored().connectionId, before.connectionId)
    }
  }
})

t.test('eight second codes at once cause one full exchange', async t => {
  const { connections, clover, connect, kill, isAlive } = cluster(t, { kept: 1 })
  await connect()
  kill()
  await leap(1801)
  t.same(await Promise.all(Array.from({ length: 8 }, () => connections.connect(merchantId, code()))), Array(8).fill('needs-full-round'))
  const withRefreshToken: boolean[] = []
  const { exchange } = clover.inner
  clover.inner.exchange = (name, isFull) => { withRefreshToken.push(isFull); return exchange.call(clover.inner, name, isFull) }
  t.same(await Promise.all(Array.from({ length: 8 }, () => connections.connect(merchantId, code(), true))), Array(8).fill({ isNew: false }))
  t.same(withRefreshToken, [true, ...Array(7).fill(false)])
  t.ok(isAlive())
})

t.test('a second code that finds a working pair keeps it', async t => {
  for (const trustMerchantId of [false, true]) {
    const { connections, clover, connect, stored, isAlive } = cluster(t, { kept: 1, trustMerchantId })
    const { connectionId } = await connect()
    t.same(await connections.connect(merchantId, code(), true), { isNew: false })
    t.equal(stored().connectionId, connectionId)
    t.equal(stored().returnedAt, 1_800_000_000)
    t.same(clover.calls, trustMerchantId ? ['refresh', 'exchange'] : ['merchant', 'exchange', 'merchant'], 'it is checked once')
    t.ok(isAlive())
  }
})

t.test('a second code is not spent, and the visit is a 503, if Clover gives no answer about the stored pair', async t => {
  for (const isExpired of [false, true]) {
    const { connections, clover, connect, isAlive } = cluster(t)
    await connect()
    if (isExpired) await leap(1801)
    clover.intercept = (call, run) => call === 'exchange' ? run() : { outcome: 'unclear', reason: 'status 503', malformed: false }
    await t.rejects(patiently(connections.connect(merchantId, code(), true)), { code: 'FST_CLOVER_UNAVAILABLE' })
    t.equal(clover.count('exchange'), 0)
    t.equal(clover.count('refresh') > 0, isExpired, 'and nothing is refreshed while the token lives')
    t.ok(isAlive())
  }
})

t.test('a record that is damaged while somebody visits sends the browser through Clover once more, which replaces it', async t => {
  const { connections, storage, clover, connect, stored, isAlive } = cluster(t)
  await connect()
  await leap(1801)
  clover.intercept = (call, run) => {
    if (call === 'exchange') storage.records.set(merchantId, { ...stored(), accessToken: '' })
    return run()
  }
  t.equal(await connections.connect(merchantId, code()), 'needs-full-round')
  clover.intercept = (_call, run) => run()
  t.same(await connections.connect(merchantId, code(), true), { isNew: false })
  t.ok(isAlive())
})

t.test('a visit beyond the limit of waiting full exchanges is a 503 with retry-after, and spends no code', async t => {
  const { connections, clover, isAlive } = cluster(t)
  const hold = gate()
  clover.intercept = async (call, run) => { if (call === 'exchange') await hold.promise; return run() }
  const visits = Array.from({ length: 33 }, () => connections.connect(merchantId, code()).then(() => 'connected', (error: { code: string, headers: object }) => error))
  await quiet()
  t.equal(clover.count('exchange'), 1, 'one at a time')
  const late = await visits[32]
  t.match(late, { code: 'FST_CLOVER_UNAVAILABLE', statusCode: 503, headers: { 'retry-after': '5' } })
  hold.open()
  t.same((await Promise.all(visits)).filter(outcome => outcome === 'connected').length, 32)
  t.equal(clover.count('exchange'), 32)
  t.ok(isAlive())
  t.same(await connections.connect(merchantId, code()), { isNew: false }, 'then there is room again')
})
