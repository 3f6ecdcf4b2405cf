import t from 'tap'
import { CallSlots } from '../../src/concurrency/call-slots.js'
import { advance, startServer, leap, merchantId, otherMerchantId, patiently, quiet, refused, sleep, unclear } from '../tokens/one-server.js'

/*
 * The limit on the calls that a process has open to Clover.
 */

t.test('calls beyond the limit wait, and are made in order of arrival', async t => {
  const { slots } = startServer(t, { maxCalls: 3 })
  const order: number[] = []
  let open = 0
  let most = 0
  await patiently(Promise.all(Array.from({ length: 20 }, (_, i) => slots.run(async () => {
    order.push(i)
    most = Math.max(most, ++open)
    await sleep(10)
    open--
    return i
  }))))
  t.equal(most, 3)
  t.same(order, [...order].sort((a, b) => a - b))
  await t.rejects(slots.run(async () => { throw new Error('its own') }), { message: 'its own' })
  t.equal(await slots.run(async () => 'and on'), 'and on')
})

t.test('a task that throws at once leaves the queue, and its caller gets the error', async t => {
  const slots = new CallSlots(1)
  await t.rejects(slots.admit(() => { throw new Error('its own') }), { message: 'its own' })
  t.equal(await slots.admit(async () => 'next'), 'next')
})

t.test('a merchant whose refresh waits for a retry does not hold up the others', async t => {
  const { accessTokens, clover, connect, slots } = startServer(t, { maxCalls: 1 })
  const { refreshToken } = await connect()
  await connect(otherMerchantId)
  await leap(1801)
  let open = 0
  clover.intercept = (_call, run, token) => {
    t.equal(++open, 1, 'one call at a time')
    const answer = token === refreshToken ? unclear('status 503', { retryAfter: 5 }) : run()
    open--
    return answer
  }
  const waiting = accessTokens.accessToken(merchantId)
  waiting.catch(() => {})
  await quiet()
  t.equal(clover.count('refresh'), 1)
  t.type(await accessTokens.accessToken(otherMerchantId), 'string', 'without any time passing')
  t.equal(await slots.run(async () => 'a callback, too'), 'a callback, too')
  await advance(30_000, 100)
  await t.rejects(waiting, { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(clover.count('refresh'), 4)
})

t.test('a refresh whose record changes meanwhile continues under its own lease', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  const { accessToken } = await connect()
  await leap(1801)
  clover.intercept = (call, run) => {
    if (clover.count('refresh') > 1 || call !== 'refresh') return run()
    const record = storage.records.get(merchantId)
    if (record) storage.records.set(merchantId, { ...record, revision: 'f'.repeat(32) })
    return refused
  }
  t.not(await accessTokens.accessToken(merchantId), accessToken, 'and does not wait until it has run out')
  t.same(clover.calls, ['refresh', 'refresh'])
})
