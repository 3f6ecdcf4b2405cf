import t from 'tap'
import type { Installation } from '../../src/installation.js'
import { startServer, leap, merchantId, otherMerchantId, patiently, refused, unclear } from './one-server.js'

/*
 * What an authorization reports, and the errors and bounds of its last steps.
 */

const code = (name: string) => ({ code: name, verifier: '' })
const adopted = { accessToken: 'theirs-access', accessTokenExpiration: 1_800_001_000, refreshToken: 'theirs', refreshTokenExpiration: 1_830_000_000 }

t.test('a connection is reported with its duration where a code was exchanged, and without one where not', async t => {
  const { connections, adopt, clover, storage, events } = startServer(t)
  const exchanging = async (call: string, run: () => unknown) => { if (call === 'exchange') await leap(2); return run() }
  clover.intercept = exchanging
  await connections.connect(merchantId, code('first'))
  await connections.connect(merchantId, code('visit'))
  clover.intercept = () => ({ outcome: 'ok', value: merchantId })
  storage.records.clear()
  await connections.connectWithToken(merchantId, 'v1-token')
  storage.records.clear()
  await adopt({ merchantId, ...adopted })
  t.same(events.filter(({ type }) => type === 'connected'), [
    { type: 'connected', merchantId, isNew: true, duration: 2000 },
    { type: 'connected', merchantId, isNew: false, duration: 2000 },
    { type: 'connected', merchantId, isNew: true },
    { type: 'connected', merchantId, isNew: true }
  ])
})

t.test('a token that does not belong to its merchant is reported with what Clover says', async t => {
  for (const [answer, reason] of [[{ outcome: 'ok', value: otherMerchantId }, /another merchant's/], [refused, /answers 401/]] as const) {
    const { connections, clover, eventsOf } = startServer(t)
    clover.intercept = (call, run) => call === 'merchant' ? answer : run()
    await t.rejects(connections.connect(merchantId, code('foreign')))
    t.match(eventsOf('merchant-mismatch'), [{ merchantId, reason }])
  }
})

t.test('an adopted token that ends this very second proves nothing, and is not asked about', async t => {
  const { adopt, clover } = startServer(t)
  t.equal(await adopt({ merchantId, ...adopted, accessTokenExpiration: Date.now() / 1000 }), true)
  t.same(clover.calls, [])
})

t.test('a visit whose stored pair cannot be refreshed ends with the error of the refresh', async t => {
  const { connections, clover, connect } = startServer(t)
  await connect()
  await leap(1801)
  clover.intercept = (call, run) => call === 'refresh' ? unclear('odd', { malformed: true }) : run()
  await t.rejects(patiently(connections.connect(merchantId, code('visit'))), { code: 'FST_CLOVER_BAD_REPLY' })
})

t.test('a pair that never finds its place beside other authorizations is given up after eleven writes', async t => {
  const { connections, storage, connect } = startServer(t)
  const theirs: Installation = { ...await connect(otherMerchantId), merchantId, refreshToken: null }
  storage.calls.length = 0
  storage.intercept = async (method, run) => {
    if (method === 'put') storage.records.set(merchantId, theirs)
    return run()
  }
  await t.rejects(connections.connect(merchantId, code('late')), { code: 'FST_CLOVER_UNAVAILABLE' })
  t.equal(storage.calls.filter(method => method === 'put').length, 11)
})

t.test('a v1 token that another authorization overtook is not put in its place, since it ended nothing at Clover', async t => {
  const { connections, storage, clover, connect } = startServer(t)
  const theirs: Installation = { ...await connect(otherMerchantId), merchantId }
  clover.calls.length = 0
  clover.intercept = () => ({ outcome: 'ok', value: merchantId })
  storage.intercept = async (method, run) => {
    if (method === 'put') storage.records.set(merchantId, theirs)
    return run()
  }
  t.same(await connections.connectWithToken(merchantId, 'v1-token'), { isNew: false })
  t.equal(storage.records.get(merchantId)?.connectionId, theirs.connectionId)
  t.same(clover.calls, ['merchant'])
})
