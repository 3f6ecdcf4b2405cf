import t from 'tap'
import { merchantId, other, start, simulator, ask, post, get, high, low, verifier, codeChallenge, refresh, refreshed } from './simulator-calls.js'

t.test('it serves every origin that the plugin needs, with two apps and three merchants', async t => {
  const clover = await simulator(t)
  t.match(clover.origin, /^http:\/\/localhost:\d+$/)
  const { origin } = clover
  t.same(clover.environment, { name: 'simulator', authorize: origin, api: origin, legacy: origin, ecommerce: origin })
  t.same(clover.apps.map(app => [app.id, app.secret === false]), [['SIMULATORAPP1', false], ['SIMULATORAPP2', true]])
  t.equal(clover.merchants.length, 3)
  for (const { id } of [...clover.merchants, ...clover.apps, ...clover.merchants.flatMap(merchant => merchant.employees)]) t.match(id, /^[A-Z0-9]{13}$/)
})

t.test('a code is exchanged once, for a pair with expirations in Unix seconds', async t => {
  const clover = await simulator(t)
  const { code, ...rest } = clover.authorize({ merchantId })
  t.same(rest, { merchant_id: merchantId, employee_id: 'ROBINREYES001', client_id: 'SIMULATORAPP1' })
  const first = await post(clover, '/oauth/v2/token', { ...high(clover), code })
  t.equal(first.status, 200)
  t.same(Object.keys(first.body), ['access_token', 'access_token_expiration', 'refresh_token', 'refresh_token_expiration'])
  t.equal(first.body.access_token_expiration, start / 1000 + 1800)
  t.equal(first.body.refresh_token_expiration, start / 1000 + 365 * 86_400)
  const second = await post(clover, '/oauth/v2/token', { ...high(clover), code })
  t.match(second, { status: 401, body: { message: 'Failed to validate authentication code.' } })
  t.equal(clover.authorize({ merchantId, employeeId: 'MAYALINDGREN1' }).employee_id, 'MAYALINDGREN1')
})

t.test('of many exchanges of one code, and of many refreshes with one token, one wins', async t => {
  const clover = await simulator(t)
  const { code } = clover.authorize({ merchantId })
  const exchanges = await Promise.all(Array.from({ length: 20 }, () => post(clover, '/oauth/v2/token', { ...high(clover), code })))
  t.equal(exchanges.filter(({ status }) => status === 200).length, 1)
  const pair = clover.connect({ merchantId })
  const refreshes = await Promise.all(Array.from({ length: 20 }, () => refresh(clover, pair.refresh_token)))
  t.equal(refreshes.filter(({ status }) => status === 200).length, 1)
  t.equal(clover.count('refresh', { merchantId, ok: false }), 19)
})

t.test('no_refresh_token gets only an access token', async t => {
  const clover = await simulator(t)
  const { body } = await post(clover, '/oauth/v2/token?no_refresh_token=true', { ...high(clover), code: clover.authorize({ merchantId }).code })
  t.same(Object.keys(body), ['access_token', 'access_token_expiration'])
  t.ok(clover.isLiveAccessToken(String(body.access_token)))
  t.same(clover.liveRefreshTokens(merchantId), [])
  const { code } = clover.authorize({ merchantId })
  t.ok((await post(clover, '/oauth/v2/token?no_refresh_token=false', { ...high(clover), code })).body.refresh_token)
})

t.test('a code is refused when it is expired, of another app, of the v1 flow, unknown, or older than an uninstall', async t => {
  const clover = await simulator(t)
  const exchange = async (code: string, client: object = high(clover)) => (await post(clover, '/oauth/v2/token', { ...client, code })).status
  const { code } = clover.authorize({ merchantId })
  clover.setNow(start + 600_000)
  t.equal(await exchange(code), 401)
  t.equal(await exchange(clover.authorize({ merchantId, appId: low.client_id, codeChallenge }).code), 401)
  t.equal(await exchange(clover.authorize({ merchantId, legacy: true }).code), 401)
  t.equal(await exchange('nonsense'), 401)
  const before = clover.authorize({ merchantId }).code
  clover.uninstall(merchantId)
  clover.install(merchantId)
  t.equal(await exchange(before), 401)
})

t.test('a wrong secret, or an unknown client, is refused and spends nothing', async t => {
  const clover = await simulator(t)
  const { code } = clover.authorize({ merchantId })
  t.equal((await post(clover, '/oauth/v2/token', { ...high(clover), client_secret: 'wrong', code })).status, 401)
  t.equal((await post(clover, '/oauth/v2/token', { client_id: 'SIMULATORAPP1', code })).status, 401)
  t.equal((await post(clover, '/oauth/v2/token', { client_id: 'NOSUCHAPP0000', code })).status, 401)
  t.equal((await refresh(clover, 'x', 'NOSUCHAPP0000')).status, 401)
  t.equal((await post(clover, '/oauth/v2/token', { ...high(clover), code })).status, 200)
})

t.test('a low-trust app proves itself by its verifier, and a wrong one spends the code', async t => {
  const clover = await simulator(t)
  const code = () => clover.authorize({ merchantId, appId: low.client_id, codeChallenge }).code
  const exchange = (body: object) => post(clover, '/oauth/v2/token', { ...low, ...body })
  t.equal((await exchange({ code: code(), code_verifier: verifier })).status, 200)
  t.equal((await exchange({ code: code() })).status, 400)
  t.equal((await exchange({ code: code(), code_verifier: 'short' })).status, 401)
  const spent = code()
  t.equal((await exchange({ code: spent, code_verifier: 'w'.repeat(43) })).status, 401)
  t.equal((await exchange({ code: spent, code_verifier: verifier })).status, 401)
  t.throws(() => clover.authorize({ merchantId, appId: low.client_id }), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
})

t.test('a refresh token works once, and a new one comes every time', async t => {
  const clover = await simulator(t)
  const first = clover.connect({ merchantId })
  t.ok(clover.isLive(first.refresh_token))
  const second = await refreshed(clover, first.refresh_token)
  t.notOk(clover.isLive(first.refresh_token))
  t.ok(clover.isLive(second.refresh))
  t.same(clover.liveRefreshTokens(merchantId), [second.refresh])
  t.match(await refresh(clover, first.refresh_token), { status: 401, body: { message: 'Invalid refresh token' } })
  t.equal((await refresh(clover, second.refresh, low.client_id)).status, 401, 'another app cannot use it')
  t.ok(clover.isLive(second.refresh), 'nor spend it')
  t.match(await refresh(clover, 'never issued'), { status: 401 })
})

t.test('tokens vary in length, and no two are alike', async t => {
  const clover = await simulator(t)
  const pairs = Array.from({ length: 200 }, () => clover.connect({ merchantId }))
  for (const name of ['access_token', 'refresh_token'] as const) {
    const tokens = pairs.map(pair => pair[name])
    t.equal(new Set(tokens).size, 200)
    t.ok(new Set(tokens.map(token => token.length)).size > 10)
    t.ok(Math.min(...tokens.map(token => token.length)) > 60)
  }
})

t.test('an injected source of randomness makes the same tokens again', async t => {
  const counting = () => { let n = 0; return (size: number) => Uint8Array.from({ length: size }, () => n++ % 251) }
  const [one, two] = [await simulator(t, { random: counting() }), await simulator(t, { random: counting() })]
  t.same(one.connect({ merchantId }), two.connect({ merchantId }))
})

t.test('tokens expire by the injected time', async t => {
  const clover = await simulator(t, { accessTokenLifetime: 10, refreshTokenLifetime: 20, legacyTokenLifetime: 30 })
  const pair = clover.connect({ merchantId })
  const legacy = clover.legacyToken({ merchantId })
  const alive = () => [clover.isLiveAccessToken(pair.access_token), clover.isLive(pair.refresh_token), clover.isLiveAccessToken(legacy)]
  clover.setNow(start + 9_999)
  t.same(alive(), [true, true, true])
  clover.setNow(start + 10_000)
  t.same(alive(), [false, true, true])
  clover.setNow(() => start + 20_000)
  t.same(alive(), [false, false, true])
  t.equal((await refresh(clover, pair.refresh_token)).status, 401)
  t.equal(clover.now(), start + 20_000)
  clover.setNow(start + 30_000)
  t.same(alive(), [false, false, false])
  t.equal((await get(clover, `/v3/merchants/${merchantId}`, pair.access_token)).status, 401)
  t.throws(() => clover.setNow(NaN), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
})

t.test('a v1 token is migrated to a code of the v2 flow', async t => {
  const clover = await simulator(t)
  const token = clover.legacyToken({ merchantId })
  const migrate = (body: object) => post(clover, '/oauth/token/migrate_v2', { merchant_uuid: merchantId, app_uuid: 'SIMULATORAPP1', auth_token: token, ...body })
  const { status, body } = await migrate({})
  t.equal(status, 200)
  t.equal(body.expiration, start / 1000 + 600)
  const exchanged = await post(clover, '/oauth/v2/token', { ...high(clover), code: body.authorization_code })
  t.equal(exchanged.status, 200)
  t.ok(clover.isLiveAccessToken(token))
  t.equal((await migrate({ merchant_uuid: other })).status, 401)
  t.equal((await migrate({ app_uuid: low.client_id, code_challenge: codeChallenge })).status, 401)
  t.equal((await migrate({ auth_token: 'nonsense' })).status, 401)
})

t.test('a low-trust migration needs a challenge, and its code the verifier', async t => {
  const clover = await simulator(t, { unknowns: { legacyTokenDiesAtMigration: true } })
  const token = clover.legacyToken({ merchantId, appId: low.client_id })
  const migrate = (body: object) => post(clover, '/oauth/token/migrate_v2', { merchant_uuid: merchantId, app_uuid: low.client_id, auth_token: token, ...body })
  t.equal((await migrate({})).status, 400)
  const { body } = await migrate({ code_challenge: codeChallenge })
  t.equal((await post(clover, '/oauth/v2/token', { ...low, code: body.authorization_code, code_verifier: verifier })).status, 200)
  t.notOk(clover.isLiveAccessToken(token), 'unknown: the v1 token may die')
})

t.test('v1: a legacy code gets a token without expiration, once', async t => {
  const clover = await simulator(t)
  const exchange = (code: string, client: Record<string, string> = high(clover)) => get(clover, `/oauth/token?${String(new URLSearchParams({ ...client, code }))}`)
  const { code } = clover.authorize({ merchantId, legacy: true })
  t.equal((await exchange(code, { ...high(clover), client_secret: 'wrong' })).status, 401)
  const { status, body } = await exchange(code)
  t.equal(status, 200)
  t.same(Object.keys(body), ['access_token'])
  t.equal((await get(clover, `/v3/merchants/${merchantId}`, String(body.access_token))).status, 200)
  t.equal((await exchange(code)).status, 401)
  t.equal((await exchange(clover.authorize({ merchantId }).code)).status, 401, 'a v2 code is not for v1')
  const lowCode = clover.authorize({ merchantId, appId: low.client_id, legacy: true }).code
  t.equal((await exchange(lowCode, { ...low, client_secret: 'any' })).status, 401)
  t.equal((await exchange('x', { client_id: 'NOSUCHAPP0000', client_secret: 'x' })).status, 401)
})

t.test('the token endpoints accept only JSON, in its documented form', async t => {
  const clover = await simulator(t)
  for (const path of ['/oauth/v2/token', '/oauth/v2/refresh', '/oauth/v2/recovery', '/oauth/token/migrate_v2']) {
    const form = await ask(clover.origin + path, { method: 'POST', body: new URLSearchParams({ client_id: 'x' }) })
    t.match(form, { status: 415, body: { message: 'Unsupported Media Type' } })
    t.equal((await ask(clover.origin + path, { method: 'POST', body: 'text' })).status, 415)
    t.equal((await ask(clover.origin + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' })).status, 400)
    t.equal((await ask(clover.origin + path, { method: 'POST', headers: { 'content-type': 'application/json' } })).status, 400)
    t.equal((await post(clover, path, {})).status, 400)
    t.equal((await get(clover, path)).status, 404)
  }
  t.equal((await refresh(clover, '')).status, 400)
  t.equal((await post(clover, '/oauth/v2/refresh', { client_id: 'SIMULATORAPP1', refresh_token: 7 })).status, 400, 'a number is no string')
  t.equal((await get(clover, '/oauth/token?client_id=SIMULATORAPP1')).status, 400)
  t.equal((await fetch(`${clover.origin}/oauth/token?client_id=a&client_secret=b&code=c`, { method: 'HEAD' })).status, 404)
})

t.test('access tokens can be ended before their time, and the refresh token lives on', async t => {
  const clover = await simulator(t)
  const first = clover.connect({ merchantId })
  const second = clover.connect({ merchantId })
  const others = [clover.connect({ merchantId: other }), clover.connect({ merchantId, appId: low.client_id })]
  t.equal(clover.endAccessTokens(merchantId), 2)
  for (const { access_token: token } of [first, second]) t.equal((await get(clover, `/v3/merchants/${merchantId}`, token)).status, 401)
  for (const { access_token: token } of others) t.ok(clover.isLiveAccessToken(token), 'those of another merchant and of another app live')
  t.equal(clover.endAccessTokens(merchantId, low.client_id), 1)
  const { body } = await refresh(clover, first.refresh_token)
  t.ok(clover.isLiveAccessToken(String(body.access_token)))
  clover.setNow(start + 1_800_000)
  t.equal(clover.endAccessTokens(merchantId), 0, 'one that has expired does not count')
  t.equal(clover.endAccessTokens('NEVERSEEN0001'), 0)
})
