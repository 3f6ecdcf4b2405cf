import t from 'tap'
import { startServer, gate, merchantId, otherMerchantId, patiently, anotherServer } from './one-server.js'

/*
 * Pairs of an earlier integration.
 */

const code = (name: string) => ({ code: name, verifier: '' })

const adopted = { accessToken: 'theirs-access', accessTokenExpiration: 1_800_001_000, refreshToken: 'theirs', refreshTokenExpiration: 1_830_000_000 }

t.test('a pair of another integration is taken over for its merchant', async t => {
  const { adopt, clover, storage, accessTokens, eventsOf } = startServer(t)
  clover.intercept = (call, run) => call === 'merchant' ? { outcome: 'ok', value: merchantId } : run()
  t.equal(await adopt({ merchantId, ...adopted }), true)
  t.match(storage.records.get(merchantId), adopted)
  t.equal(await accessTokens.accessToken(merchantId), 'theirs-access')
  t.equal(eventsOf('connected').length, 1)
  t.equal(await adopt({ merchantId, ...adopted, refreshToken: 'another' }), false, 'a connected merchant stays as it is')
  t.equal(storage.records.get(merchantId)?.refreshToken, 'theirs')
})

t.test('a callback replaces the pair of a faster one that Clover has refused meanwhile', async t => {
  const { connections, storage, clover, make, clock } = startServer(t)
  const other = anotherServer({ storage, clover })
  clover.intercept = async (call, run) => {
    if (call !== 'exchange') return run()
    clover.intercept = (_call, run) => run()
    await other.connections.connect(merchantId, code('faster'))
    const record = storage.records.get(merchantId)
    if (record) storage.records.set(merchantId, make.marked(record, clock.now()))
    return run()
  }
  await connections.connect(merchantId, code('slower'))
  const stored = storage.records.get(merchantId)
  t.equal(stored?.reauthorizationRequired, undefined)
  t.ok(clover.inner.isLive(stored?.refreshToken))
})

t.test('adopt() resolves with false if the merchant authorized meanwhile', async t => {
  const one = startServer(t)
  const other = anotherServer({ storage: one.storage, clover: one.clover })
  const asked = gate()
  const hold = gate()
  one.clover.intercept = async () => {
    asked.open()
    await hold.promise
    return { outcome: 'ok', value: merchantId }
  }
  const adopting = one.adopt({ merchantId, ...adopted })
  await asked.promise
  one.clover.intercept = (_call, run) => run()
  await patiently(other.connections.connect(merchantId, { code: 'faster', verifier: '' }))
  hold.open()
  t.equal(await adopting, false)
  t.not(one.storage.records.get(merchantId)?.refreshToken, adopted.refreshToken)
  t.same(one.eventsOf('connected'), [])
})

t.test('a marked merchant\'s pair is replaced by an adopted one', async t => {
  const { adopt, clover, storage, connect } = startServer(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, reauthorizationRequired: { since: 1, retryAt: 2 } })
  clover.intercept = () => ({ outcome: 'ok', value: merchantId })
  t.equal(await adopt({ merchantId, ...adopted }), true)
  t.match(storage.records.get(merchantId), adopted)
  t.equal(storage.records.get(merchantId)?.reauthorizationRequired, undefined)
})

t.test('an adopted token of another merchant is refused; an expired one cannot be checked and is taken', async t => {
  const { adopt, clover, storage } = startServer(t)
  clover.intercept = () => ({ outcome: 'ok', value: otherMerchantId })
  await t.rejects(adopt({ merchantId, ...adopted }), { code: 'FST_CLOVER_MERCHANT_MISMATCH' })
  t.equal(storage.records.size, 0)
  t.equal(await adopt({ merchantId, ...adopted, accessTokenExpiration: 1_700_000_000 }), true)
  t.equal(storage.records.get(merchantId)?.refreshToken, 'theirs')
})

t.test('the error for a wrong adoption names the field and never quotes its value', async t => {
  const { adopt, storage } = startServer(t)
  await t.rejects(adopt({ merchantId: 'x', ...adopted }), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  for (const [field, value] of [['accessToken', 'has a\nnewline'], ['refreshToken', ''], ['accessTokenExpiration', 1_800_000_000_000]] as const) {
    const error = await adopt({ merchantId, ...adopted, [field]: value }).catch((error: unknown) => error) as Error & { code: string }
    t.equal(error.code, 'FST_CLOVER_INVALID_OPTIONS')
    t.match(error.message, field)
    t.notMatch(error.message, /newline|theirs|1800000000000/)
  }
  t.equal(storage.records.size, 0)
})
