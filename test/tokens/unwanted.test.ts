import t from 'tap'
import { Unwanted } from '../../src/tokens/refresh-types.js'
import { advance, startServer, TestClover, gate, leap, merchantId, otherMerchantId, patiently, quiet, sleep, unclear } from './one-server.js'

/*
 * Callers who leave before their refresh is begun.
 */

/** A Clover that takes a second for each refresh, and gives no usable answer. */
function slowAndUseless (clover: TestClover): void {
  clover.intercept = async () => {
    await sleep(1000)
    return unclear('odd', { malformed: true })
  }
}

t.test('30 operators who have left make no more calls to Clover than one', async t => {
  const { accessTokens, clover, connect } = startServer(t, { maxWait: 2000 })
  await connect()
  slowAndUseless(clover)
  const operators = Array.from({ length: 30 }, () => accessTokens.refresh(merchantId))
  const outcomes = Promise.allSettled(operators)
  await advance(3000)
  t.ok((await outcomes).every(({ status }) => status === 'rejected'))
  await advance(40_000, 100)
  t.equal(clover.count('refresh'), 1, 'they share one refresh and its failure')
})

t.test('an operator shares another operator\'s refresh, and repeats a handler\'s once', async t => {
  const { accessTokens, clover, connect } = startServer(t, { maxWait: 60_000 })
  await connect()
  await leap(1801)
  slowAndUseless(clover)
  const handler = accessTokens.accessToken(merchantId)
  await quiet()
  const operators = Array.from({ length: 30 }, () => accessTokens.refresh(merchantId))
  const outcomes = await patiently(Promise.allSettled([handler, ...operators]))
  t.ok(outcomes.every(({ status }) => status === 'rejected'))
  t.equal(clover.count('refresh'), 2)
})

/** Another merchant's call takes the only slot until the test opens the gate. */
async function full (one: ReturnType<typeof startServer>) {
  await one.connect(otherMerchantId)
  await one.connect()
  await leap(1801)
  const answer = gate()
  one.clover.intercept = async (_call, run) => {
    await answer.promise
    return run()
  }
  const other = one.accessTokens.accessToken(otherMerchantId)
  other.catch(() => {})
  await quiet()
  return { open: () => { answer.open() } }
}

for (const [how, leave] of [['wait no longer', undefined], ['abort', new AbortController()]] as const) {
  t.test(`a refresh is not begun once all who wanted it ${how}`, async t => {
    const one = startServer(t, { maxCalls: 1, maxWait: 2000 })
    const { open } = await full(one)
    const callers = Array.from({ length: 3 }, () => one.accessTokens.accessToken(merchantId, leave && { signal: leave.signal }))
    const outcomes = Promise.allSettled(callers)
    await advance(100)
    leave?.abort()
    await advance(2500)
    t.ok((await outcomes).every(({ status }) => status === 'rejected'))
    const { revision } = one.storage.records.get(merchantId) ?? {}
    open()
    await advance(1000)
    t.equal(one.clover.count('refresh'), 1, 'the other merchant\'s only')
    t.equal(one.storage.records.get(merchantId)?.revision, revision, 'no lease was written')
    t.notOk(one.refreshes.isBusyOrBackingOff(merchantId), 'it counts as no failure')
    t.type(await patiently(one.accessTokens.accessToken(merchantId)), 'string')
  })
}

t.test('a refresh is begun for the caller who still waits, also if others left', async t => {
  const one = startServer(t, { maxCalls: 1, maxWait: 30_000 })
  const { open } = await full(one)
  const leave = new AbortController()
  const first = one.accessTokens.accessToken(merchantId, { signal: leave.signal })
  await quiet()
  const second = one.accessTokens.accessToken(merchantId)
  leave.abort()
  await t.rejects(first)
  await quiet()
  open()
  t.type(await patiently(second), 'string')
  t.equal(one.clover.count('refresh'), 2)
})

t.test('the one who still waits keeps the place in the line of the one who left', async t => {
  const one = startServer(t, { maxCalls: 1 })
  await one.connect('MERCHANT00003')
  const { open } = await full(one)
  const leave = new AbortController()
  const first = one.accessTokens.accessToken(merchantId, { signal: leave.signal })
  await quiet()
  const third = one.accessTokens.accessToken('MERCHANT00003')
  const second = one.accessTokens.accessToken(merchantId)
  await quiet()
  leave.abort()
  await t.rejects(first)
  const done: string[] = []
  open()
  await patiently(Promise.all([second.then(() => done.push('second')), third.then(() => done.push('third'))]))
  t.same(done, ['second', 'third'])
})

t.test('a caller who comes while a refresh is given up begins another', async t => {
  const one = startServer(t, { maxCalls: 1 })
  const { open } = await full(one)
  const leave = new AbortController()
  const first = one.accessTokens.accessToken(merchantId, { signal: leave.signal })
  await quiet()
  leave.abort()
  await t.rejects(first)
  const late = one.accessTokens.accessToken(merchantId)
  await quiet()
  open()
  t.type(await patiently(late), 'string')
  t.equal(one.clover.count('refresh'), 2)
})

t.test('a caller who comes at the moment at which a refresh is given up begins another', async t => {
  const one = startServer(t)
  await one.connect()
  await leap(1801)
  const run = one.protocol.run.bind(one.protocol)
  const leave = new AbortController()
  let late: Promise<string> | undefined
  one.protocol.run = async () => {
    one.protocol.run = run
    leave.abort()
    late = one.accessTokens.accessToken(merchantId)
    await quiet()
    throw new Unwanted()
  }
  await t.rejects(one.accessTokens.accessToken(merchantId, { signal: leave.signal }))
  t.type(await patiently(late as Promise<string>), 'string')
  t.equal(one.clover.count('refresh'), 1)
})

t.test('a background refresh is begun although no caller waits', async t => {
  const { accessTokens, clover, connect } = startServer(t, { maxCalls: 1 })
  await connect()
  await leap(1500)
  await accessTokens.accessToken(merchantId)
  await advance(500)
  t.equal(clover.count('refresh'), 1)
})

t.test('a refresh without callers does not even read the record', async t => {
  const { protocol, storage, connect } = startServer(t)
  await connect()
  const error: unknown = await protocol.run(merchantId, { enough: () => false, isWanted: () => false }).catch((error: unknown) => error)
  t.ok(error instanceof Unwanted)
  t.same(storage.calls, [])
})
