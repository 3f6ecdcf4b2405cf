import t from 'tap'
import { advance, anotherServer, leap, merchantId, patiently, startServer, TestStorage } from './one-server.js'

/*
 * Rule 7: how soon another server has a token after one was killed in the worst moment, between Clover's answer and the write.
 */

/** Spends the token, and is killed before the answer: nothing that it does reaches the store any more. */
async function killed (t: Parameters<typeof startServer>[0], after = 0) {
  const storage = new TestStorage()
  const victim = startServer(t, { storage })
  const record = await victim.connect()
  await leap(1801)
  victim.clover.intercept = async (_call, run) => {
    run()
    return new Promise(() => {})
  }
  victim.accessTokens.accessToken(merchantId).catch(() => {})
  await advance(after)
  // Not with the storage of the survivors, which has the same records.
  storage.intercept = () => new Promise(() => {})
  victim.clover.intercept = (_call, run) => run()
  victim.clover.calls.length = 0
  const survivors = new TestStorage()
  for (const [id, stored] of storage.records) survivors.records.set(id, stored)
  return { clover: victim.clover, storage: survivors, record }
}

for (const after of [0, 2_050, 9_990]) {
  t.test(`${after} ms after its call began: another server has a token in less than fifteen seconds, with one recovery`, async t => {
    const { clover, storage, record } = await killed(t, after)
    const other = anotherServer({ clover, storage })
    const began = Date.now()
    const token = await patiently(other.accessTokens.accessToken(merchantId))
    const passed = Date.now() - began
    t.not(token, record.accessToken)
    t.equal(storage.records.get(merchantId)?.accessToken, token)
    t.same(clover.calls, ['refresh', 'recover'])
    t.ok(passed >= 12_000, 'the attempt may live')
    t.ok(passed < 15_000, `${passed} ms`)
    t.type(storage.records.get(merchantId)?.confirmAt, 'number', 'the pair is doubtful')
  })
}

t.test('callers with little patience are told when to come again, and get a token as soon', async t => {
  const { clover, storage } = await killed(t)
  const other = anotherServer({ clover, storage, maxWait: 1_000 })
  const began = Date.now()
  for (let token: string | undefined; token === undefined;) {
    token = await patiently(other.accessTokens.accessToken(merchantId)).catch(async (error: { code: string, retryAfter: number }) => {
      t.match(error, { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 1 })
      await advance(1000 * error.retryAfter, 100)
      return undefined
    })
    if (Date.now() - began > 60_000) return t.fail('no token')
  }
  t.ok(Date.now() - began < 15_000, `${Date.now() - began} ms`)
  t.same(clover.calls, ['refresh', 'recover'])
})

t.test('an outage of the store is no silence: the attempt may be about to store its pair', async t => {
  const { clover, storage } = await killed(t)
  const other = anotherServer({ clover, storage, maxWait: 60_000 })
  const first = other.accessTokens.accessToken(merchantId)
  first.catch(() => {})
  await advance(3_000, 100)
  storage.break()
  await t.rejects(patiently(first), { code: 'FST_CLOVER_STORAGE' })
  await advance(20_000, 100)
  storage.repair()
  const second = other.accessTokens.accessToken(merchantId)
  await advance(11_900, 100)
  t.same(clover.calls, [])
  t.type(await patiently(second), 'string')
})

t.test('a lease without a heartbeat, as a server of an earlier version writes it, is waited for', async t => {
  const { clover, storage } = await killed(t)
  const stored = storage.records.get(merchantId)
  const { deadAfter, ...refreshLease } = stored?.refreshLease ?? { by: '', until: 0 }
  storage.records.set(merchantId, { ...stored, refreshLease } as NonNullable<typeof stored>)
  const other = anotherServer({ clover, storage, maxWait: 60_000 })
  const waiting = other.accessTokens.accessToken(merchantId)
  await advance(40_000, 100)
  t.same(clover.calls, [])
  t.type(await patiently(waiting), 'string')
})
