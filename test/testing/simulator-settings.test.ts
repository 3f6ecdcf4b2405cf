import { request as httpRequest } from 'node:http'
import t from 'tap'
import { cloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'
import { merchantId, start, simulator, refresh, refreshed } from './simulator-calls.js'

t.test('any well-formed merchant id is accepted, and thousands can be added', async t => {
  const clover = await simulator(t)
  t.ok(clover.isLive(clover.connect({ merchantId: 'BRANDNEW00001' }).refresh_token))
  t.equal(clover.merchants.at(-1)?.id, 'BRANDNEW00001')
  const ids = clover.addMerchants(2000)
  t.equal(new Set(ids).size, 2000)
  t.equal(clover.merchants.length, 2004)
  t.equal(clover.addMerchant({ id: 'NAMEDNAMED001', name: 'Named' }).name, 'Named')
  t.same(clover.liveRefreshTokens('NEVERSEEN0001'), [])
  t.same(clover.liveRefreshTokens('NAMEDNAMED001'), [])
  for (const bad of ['', 'lowercase0001', 'SHORT', 'TOOLONG0000001', 'FERNFILTER001\n']) {
    t.throws(() => clover.connect({ merchantId: bad }), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
  }
  t.throws(() => clover.connect({ merchantId, appId: 'NOSUCHAPP0000' }), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
  t.throws(() => clover.addMerchant({ id: 'NAMEDNAMED001' }), /two merchants/)
  t.throws(() => clover.addMerchant({ id: 'bad' }), /merchant\.id/)
})

t.test('reset clears tokens and counters, and keeps apps, merchants and time', async t => {
  const clover = await simulator(t)
  const pair = clover.connect({ merchantId: 'BRANDNEW00001' })
  await refreshed(clover, pair.refresh_token)
  clover.fault({ on: 'refresh', kind: 'drop-before' })
  clover.reset()
  t.same([clover.calls, clover.count('refresh'), clover.openCalls, clover.maxOpenCalls], [[], 0, 0, 0])
  t.notOk(clover.isLiveAccessToken(pair.access_token))
  t.same(clover.liveRefreshTokens('BRANDNEW00001'), [])
  t.equal((await refresh(clover, pair.refresh_token)).status, 401)
  t.equal(clover.merchants.length, 4)
  t.equal(clover.now(), start)
})

const probed = {
  probedAt: '2026-02-03T04:05:06.000Z',
  version: '1.0.0',
  environment: 'sandbox',
  trust: 'high',
  unknowns: { accessTokenDiesAtRefresh: true },
  measured: { accessTokenLifetime: 900, refreshTokensPerMerchant: 1 },
  experiments: [{ name: 'refresh', outcome: 'settled' }, { name: 'launch', outcome: 'skipped', reason: 'not chosen' }],
  facts: [{ experiment: 'refresh', name: 'refreshTokenWorksOnce', value: true }]
}

t.test('a report of the probe is taken for the unknowns, and what it measured for options that are left out', async t => {
  for (const [options, lifetime] of [[{}, 900], [{ accessTokenLifetime: 60 }, 60]] as const) {
    const clover = await simulator(t, { unknowns: probed, ...options })
    const first = clover.connect({ merchantId })
    t.equal(first.access_token_expiration, clover.now() / 1000 + lifetime)
    await refreshed(clover, first.refresh_token)
    t.notOk(clover.isLiveAccessToken(first.access_token))
    clover.connect({ merchantId })
    t.equal(clover.liveRefreshTokens(merchantId).length, 1)
  }
  const { measured, ...older } = probed
  const clover = await simulator(t, { unknowns: older })
  t.equal(clover.connect({ merchantId }).access_token_expiration, clover.now() / 1000 + 1800, 'without measurements the defaults hold')
})

t.test('wrong options are refused by name', async t => {
  const refused: [unknown, RegExp][] = [
    [{ port: -1 }, /options\.port/],
    [{ nonsense: 1 }, /options\.nonsense/],
    [{ apps: [] }, /options\.apps/],
    [{ apps: [{ id: 'x' }] }, /options\.apps\.0\.id/],
    [{ apps: [{ id: 'AAAAAAAAAAAAA' }, { id: 'AAAAAAAAAAAAA' }] }, /two apps/],
    [{ apps: [{ siteUrl: 'http://evil.example' }] }, /app\.siteUrl/],
    [{ apps: [{ launchUrl: 'nonsense' }] }, /app\.launchUrl/],
    [{ merchants: [{ id: merchantId }, { id: merchantId }] }, /two merchants/],
    [{ merchants: [{ employees: [] }] }, /options\.merchants\.0\.employees/],
    [{ accessTokenLifetime: 0 }, /options\.accessTokenLifetime/],
    [{ unknowns: { recovery: 'twice' } }, /options\.unknowns\.recovery/],
    [{ unknowns: { nonsense: true } }, /options\.unknowns\.nonsense/],
    [{ unknowns: 'nonsense' }, /options\.unknowns/],
    [{ unknowns: { ...probed, unknowns: { recovery: 'twice' } } }, /options\.unknowns\.unknowns\.recovery/],
    [{ unknowns: { ...probed, unknowns: { nonsense: true } } }, /options\.unknowns\.unknowns\.nonsense/],
    [{ unknowns: { ...probed, measured: { accessTokenLifetime: 0 } } }, /options\.unknowns\.measured\.accessTokenLifetime/],
    [{ unknowns: { ...probed, trust: 'some' } }, /options\.unknowns\.trust/],
    [{ unknowns: { unknowns: {} } }, /options\.unknowns\.probedAt/],
    [{ rateLimits: { appPerSecond: 0 } }, /options\.rateLimits/],
    [{ now: 5 }, /options\.now/],
    [{ random: 'x' }, /options\.random/],
    [{ latency: -1 }, /options\.latency/]
  ]
  for (const [options, message] of refused) {
    await t.rejects(cloverSimulator(options as SimulatorOptions), { code: 'FST_CLOVER_SIMULATOR_MISUSE', message })
  }
})

t.test('the given options are not changed, and defaults are filled in', async t => {
  const options = { apps: [{ secret: 'given' }], merchants: [{ name: 'Only' }] }
  const clover = await simulator(t, options)
  t.same(options, { apps: [{ secret: 'given' }], merchants: [{ name: 'Only' }] })
  t.match(clover.apps, [{ secret: 'given', id: /^[A-Z0-9]{13}$/ }])
  t.match(clover.merchants, [{ name: 'Only', employees: [{ name: 'Owner' }] }])
})

t.test('two simulators cannot have one port, and a closed one has no origin', async t => {
  const clover = await simulator(t)
  await t.rejects(cloverSimulator({ port: Number(new URL(clover.origin).port) }), { code: 'EADDRINUSE' })
  const closed = await cloverSimulator()
  await closed.close()
  t.throws(() => closed.origin, { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
})

t.test('the REST API works with an odd Host header', async t => {
  const clover = await simulator(t)
  const { access_token: token } = clover.connect({ merchantId })
  const status = await new Promise(resolve => {
    httpRequest(`${clover.origin}/v3/merchants/${merchantId}`, { headers: { host: 'evil.example', authorization: `Bearer ${token}`, 'user-agent': 'Mozilla/5.0' } }, response => {
      response.resume()
      resolve(response.statusCode)
    }).end()
  })
  t.equal(status, 200)
})
