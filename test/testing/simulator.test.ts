import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import t, { type Test } from 'tap'
import { cloverSimulator, type CloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'

const merchantId = 'FERNFILTER001'
const other = 'LARKSTREET001'
const start = 1_800_000_000_000

async function simulator (t: Test, options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const clover = await cloverSimulator({ now: () => start, ...options })
  t.teardown(() => clover.close())
  return clover
}

interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

async function ask (url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...init, headers: { 'user-agent': 'test/1.0', ...init.headers } as Record<string, string> })
  return { status: response.status, headers: response.headers, body: await response.json() as Record<string, unknown> }
}

const post = (clover: CloverSimulator, path: string, body: unknown) =>
  ask(clover.origin + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

const get = (clover: CloverSimulator, path: string, token?: string) =>
  ask(clover.origin + path, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })

function high (clover: CloverSimulator) {
  const app = clover.apps[0]
  if (app === undefined || app.secret === false) throw new Error('no high-trust app')
  return { client_id: app.id, client_secret: app.secret }
}

const low = { client_id: 'SIMULATORAPP2' }
const verifier = 'v'.repeat(43)
const codeChallenge = createHash('sha256').update(verifier).digest('base64url')

const refresh = (clover: CloverSimulator, token: string, appId = 'SIMULATORAPP1') =>
  post(clover, '/oauth/v2/refresh', { client_id: appId, refresh_token: token })
const recover = (clover: CloverSimulator, token: string) => post(clover, '/oauth/v2/recovery', { ...high(clover), recovery_token: token })

const refreshed = async (clover: CloverSimulator, token: string) => {
  const { body } = await refresh(clover, token)
  return { access: String(body.access_token), refresh: String(body.refresh_token) }
}

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

t.test('no_refresh_token gets an access token alone', async t => {
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

t.test('a wrong secret, or a client that is not there, is refused and spends nothing', async t => {
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

t.test('a lost pair is recovered once with the token that was spent for it, and dies', async t => {
  const clover = await simulator(t)
  const first = clover.connect({ merchantId })
  const lost = await refreshed(clover, first.refresh_token)
  t.ok(clover.isRecoverable(first.refresh_token))
  const refused = await refresh(clover, first.refresh_token)
  t.equal(refused.headers.get('x-clover-recovery-available'), 'true')

  const { status, body } = await recover(clover, first.refresh_token)
  t.equal(status, 200)
  t.same(clover.liveRefreshTokens(merchantId), [body.refresh_token])
  t.notOk(clover.isLive(lost.refresh))
  t.notOk(clover.isLiveAccessToken(lost.access))
  t.ok(clover.isLiveAccessToken(String(body.access_token)))

  t.notOk(clover.isRecoverable(first.refresh_token))
  t.match(await recover(clover, first.refresh_token), { status: 401, body: { message: 'Invalid recovery token' } })
  const again = await refresh(clover, first.refresh_token)
  t.equal(again.headers.get('x-clover-recovery-available'), null)
  t.equal((await recover(clover, lost.refresh)).status, 401, 'the lost token is no recovery token')
})

t.test('a recovered pair goes on like any other', async t => {
  const clover = await simulator(t)
  const first = clover.connect({ merchantId })
  await refreshed(clover, first.refresh_token)
  const { body } = await recover(clover, first.refresh_token)
  const next = await refreshed(clover, String(body.refresh_token))
  t.ok(clover.isLive(next.refresh))
  t.equal((await recover(clover, String(body.refresh_token))).status, 200)
})

t.test('the use of the successor ends recovery, and so do two weeks, a low-trust app and another app', async t => {
  const clover = await simulator(t)
  const first = clover.connect({ merchantId })
  const second = await refreshed(clover, first.refresh_token)
  await refreshed(clover, second.refresh)
  t.notOk(clover.isRecoverable(first.refresh_token))
  t.equal((await recover(clover, first.refresh_token)).status, 401)
  t.ok(clover.isRecoverable(second.refresh))
  clover.setNow(start + 14 * 86_400_000 - 1)
  t.ok(clover.isRecoverable(second.refresh))
  clover.setNow(start + 14 * 86_400_000)
  t.notOk(clover.isRecoverable(second.refresh))
  t.equal((await recover(clover, second.refresh)).status, 401)

  const pair = clover.connect({ merchantId, appId: low.client_id })
  t.equal((await refresh(clover, pair.refresh_token, low.client_id)).status, 200)
  t.notOk(clover.isRecoverable(pair.refresh_token))
  t.equal((await refresh(clover, pair.refresh_token, low.client_id)).headers.get('x-clover-recovery-available'), null)
  t.equal((await post(clover, '/oauth/v2/recovery', { ...low, client_secret: 'any', recovery_token: pair.refresh_token })).status, 401)
  t.equal((await recover(clover, pair.refresh_token)).status, 401)
  t.equal((await post(clover, '/oauth/v2/recovery', { ...high(clover), client_secret: 'wrong', recovery_token: second.refresh })).status, 401)
})

t.test('another high-trust app recovers nothing', async t => {
  const clover = await simulator(t, { apps: [{ id: 'AAAAAAAAAAAAA', secret: 'a' }, { id: 'BBBBBBBBBBBBB', secret: 'b' }] })
  const first = clover.connect({ merchantId })
  await refresh(clover, first.refresh_token, 'AAAAAAAAAAAAA')
  const stolen = await post(clover, '/oauth/v2/recovery', { client_id: 'BBBBBBBBBBBBB', client_secret: 'b', recovery_token: first.refresh_token })
  t.equal(stolen.status, 401)
  t.ok(clover.isRecoverable(first.refresh_token))
})

t.test('unknown: recovery may be reusable until the recovered pair is used', async t => {
  const clover = await simulator(t, { unknowns: { recovery: 'reusable' } })
  const first = clover.connect({ merchantId })
  await refreshed(clover, first.refresh_token)
  const lost = String((await recover(clover, first.refresh_token)).body.refresh_token)
  const held = String((await recover(clover, first.refresh_token)).body.refresh_token)
  t.same(clover.liveRefreshTokens(merchantId), [held])
  t.notOk(clover.isLive(lost))
  await refreshed(clover, held)
  t.notOk(clover.isRecoverable(first.refresh_token))
})

t.test('unknown: the use of the access token may end recovery', async t => {
  for (const recoveryEndsWith of ['refresh-token', 'either-token'] as const) {
    const clover = await simulator(t, { unknowns: { recoveryEndsWith } })
    const first = clover.connect({ merchantId })
    const second = await refreshed(clover, first.refresh_token)
    await get(clover, `/v3/merchants/${merchantId}`, first.access_token)
    t.ok(clover.isRecoverable(first.refresh_token), 'an older access token says nothing')
    await get(clover, `/v3/merchants/${merchantId}`, second.access)
    t.equal(clover.isRecoverable(first.refresh_token), recoveryEndsWith === 'refresh-token')
  }
})

t.test('unknown: the old access token may die at a refresh', async t => {
  for (const accessTokenDiesAtRefresh of [false, true]) {
    const clover = await simulator(t, { unknowns: { accessTokenDiesAtRefresh } })
    const first = clover.connect({ merchantId })
    await refreshed(clover, first.refresh_token)
    t.equal(clover.isLiveAccessToken(first.access_token), !accessTokenDiesAtRefresh)
  }
})

t.test('unknown: the recovery header may be missing', async t => {
  const clover = await simulator(t, { unknowns: { recoveryHeader: false } })
  const first = clover.connect({ merchantId })
  await refreshed(clover, first.refresh_token)
  t.equal((await refresh(clover, first.refresh_token)).headers.get('x-clover-recovery-available'), null)
  t.ok(clover.isRecoverable(first.refresh_token))
})

t.test('an uninstall ends every token, also after the app is installed again', async t => {
  const clover = await simulator(t)
  const lost = clover.connect({ merchantId })
  const pair = await refreshed(clover, lost.refresh_token)
  const legacy = clover.legacyToken({ merchantId })
  const elsewhere = clover.connect({ merchantId: other })
  for (const again of [false, true]) {
    clover.uninstall(merchantId)
    if (again) clover.install(merchantId)
    t.notOk(clover.isLive(pair.refresh))
    t.notOk(clover.isRecoverable(lost.refresh_token))
    t.notOk(clover.isLiveAccessToken(pair.access))
    t.notOk(clover.isLiveAccessToken(legacy))
    t.equal((await refresh(clover, pair.refresh)).status, 401)
    t.equal((await recover(clover, lost.refresh_token)).status, 401)
  }
  t.ok(clover.isLive(elsewhere.refresh_token))
  t.ok(clover.isLive(clover.connect({ merchantId }).refresh_token))
})

t.test('unknown: what survives an uninstall', async t => {
  const clover = await simulator(t, {
    unknowns: { accessTokenSurvivesUninstall: true, refreshSurvivesUninstall: true, recoverySurvivesUninstall: true }
  })
  const lost = clover.connect({ merchantId })
  const pair = await refreshed(clover, lost.refresh_token)
  clover.uninstall(merchantId)
  t.equal((await get(clover, `/v3/merchants/${merchantId}`, pair.access)).status, 200)
  const recovered = String((await recover(clover, lost.refresh_token)).body.refresh_token)
  t.equal((await refresh(clover, recovered)).status, 200)

  const recoveryOnly = await simulator(t, { unknowns: { recoverySurvivesUninstall: true } })
  const first = recoveryOnly.connect({ merchantId })
  await refreshed(recoveryOnly, first.refresh_token)
  recoveryOnly.uninstall(merchantId)
  t.same(recoveryOnly.liveRefreshTokens(merchantId), [])
  const { body } = await recover(recoveryOnly, first.refresh_token)
  t.same(recoveryOnly.liveRefreshTokens(merchantId), [body.refresh_token])
})

t.test('unknown: past the cap the oldest refresh token of an app and merchant dies, with its recovery', async t => {
  const clover = await simulator(t, { refreshTokensPerMerchant: 2 })
  const [a, b] = [clover.connect({ merchantId }), clover.connect({ merchantId })]
  const elsewhere = clover.connect({ merchantId: other })
  const a2 = await refreshed(clover, a.refresh_token)
  const c = clover.connect({ merchantId })
  t.same(clover.liveRefreshTokens(merchantId), [a2.refresh, c.refresh_token], 'a was renewed, so b is the oldest')
  t.match(await refresh(clover, b.refresh_token), { status: 401 })
  clover.connect({ merchantId })
  t.notOk(clover.isRecoverable(a.refresh_token))
  t.ok(clover.isLive(elsewhere.refresh_token))
  t.equal(clover.count('refresh', { merchantId, ok: false }), 1, 'whose the dead token was is still known')
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

t.test('the token endpoints take JSON alone, in its documented form', async t => {
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

t.test('the REST API replies to the merchant\'s own token, in pages', async t => {
  const clover = await simulator(t)
  const { access_token: token } = clover.connect({ merchantId })
  const merchant = await get(clover, `/v3/merchants/${merchantId}`, token)
  t.match(merchant, { status: 200, body: { id: merchantId, name: 'Fern & Filter Coffee', owner: { id: 'ROBINREYES001', name: 'Robin Reyes' } } })
  t.equal(merchant.body.href, `${clover.origin}/v3/merchants/${merchantId}`)
  const items = await get(clover, `/v3/merchants/${merchantId}/items`, token)
  t.equal((items.body.elements as unknown[]).length, 5)
  const page = await get(clover, `/v3/merchants/${merchantId}/items?limit=2&offset=4`, token)
  t.match(page.body.elements, [{ name: 'Beans, 250 g', price: 1250 }])
  t.match((await get(clover, `/v3/merchants/${merchantId}/orders?limit=1`, token)).body.elements, [{ total: 810, state: 'locked' }])
  t.equal((await get(clover, `/v3/merchants/${merchantId}/items?limit=x`, token)).status, 400)
  const sorted = async (orderBy: string) => {
    const { body } = await get(clover, `/v3/merchants/${merchantId}/orders?orderBy=${encodeURIComponent(orderBy)}`, token)
    return (body.elements as Array<{ total: number }>).map(({ total }) => total)
  }
  t.same(await sorted('total'), [350, 810, 1930])
  t.same(await sorted('createdTime DESC'), [1930, 350, 810])
  t.same(await sorted('state ASC,total DESC'), [810, 350, 1930])
  t.equal((await get(clover, `/v3/merchants/${merchantId}/unheard`, token)).status, 404)
  t.equal((await post(clover, `/v3/merchants/${merchantId}`, {})).status, 401)
  t.equal((await get(clover, '/nowhere')).status, 404)
})

t.test('the REST API refuses what carries no live token, and another merchant\'s', async t => {
  for (const foreignMerchant of [401, 404] as const) {
    const clover = await simulator(t, { unknowns: { foreignMerchant } })
    const { access_token: token } = clover.connect({ merchantId })
    t.match(await get(clover, `/v3/merchants/${other}`, token), { status: foreignMerchant })
    t.match(await get(clover, `/v3/merchants/${other}/items`, token), { status: foreignMerchant })
    for (const bad of [undefined, 'nonsense']) {
      for (const path of [`/v3/merchants/${merchantId}`, `/v3/merchants/${merchantId}/orders`, '/v3/anything', '/pakms/apikey']) {
        t.match(await get(clover, path, bad), { status: 401, body: { message: '401 Unauthorized' } })
      }
    }
    const basic = await ask(`${clover.origin}/v3/merchants/${merchantId}`, { headers: { authorization: `Basic ${token}` } })
    t.equal(basic.status, 401)
  }
})

t.test('without a permission the answer is 401, as for a bad token', async t => {
  const clover = await simulator(t, {
    apps: [{ permissions: { readMerchant: false } }, { permissions: { readInventory: false, readOrders: false, ecommerce: false } }]
  })
  const [first = '', second = ''] = clover.apps.map(app => clover.connect({ merchantId, appId: app.id }).access_token)
  const statuses = async (token: string) => await Promise.all(['', '/items', '/orders'].map(async path => (await get(clover, `/v3/merchants/${merchantId}${path}`, token)).status))
  t.same(await statuses(first), [401, 200, 200])
  t.same(await statuses(second), [200, 401, 401])
  t.equal((await get(clover, '/pakms/apikey', second)).status, 401)
})

t.test('items and orders can be added, with a permission of its own', async t => {
  const clover = await simulator(t, { apps: [{}, { permissions: { writeOrders: false } }] })
  const [first = '', second = ''] = clover.apps.map(app => clover.connect({ merchantId, appId: app.id }).access_token)
  const post = async (path: string, token: string, body: object = { total: 12 }) => await ask(`${clover.origin}/v3/merchants/${merchantId}${path}`, {
    method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body)
  })
  const added = await post('/orders', first)
  t.match(added, { status: 200, body: { id: /^[A-Z0-9]{13}$/, total: 12 } })
  const ordersOf = async (id: string) => JSON.stringify((await get(clover, `/v3/merchants/${id}/orders`, clover.connect({ merchantId: id }).access_token)).body)
  const { id } = added.body as { id: string }
  t.ok((await ordersOf(merchantId)).includes(id))
  t.notOk((await ordersOf(other)).includes(id), 'of this merchant alone')
  t.equal((await post('/items', first, { name: 'Tea' })).status, 200)
  t.equal((await post('/orders', second)).status, 401)
})

t.test('PAKMS has one key for each app and merchant', async t => {
  const clover = await simulator(t)
  const key = async (id: string) => (await get(clover, '/pakms/apikey', clover.connect({ merchantId: id }).access_token)).body
  const first = await key(merchantId)
  t.match(first, { active: true, createdTime: start, modifiedTime: start, developerAppUuid: 'SIMULATORAPP1', merchantUuid: merchantId })
  clover.setNow(start + 1000)
  t.same(await key(merchantId), first)
  t.not((await key(other)).apiAccessKey, first.apiAccessKey)
  clover.uninstall(merchantId)
  t.not((await key(merchantId)).apiAccessKey, first.apiAccessKey)
})

t.test('a call to the API or to the token endpoints must name its app in User-Agent; pages and other settings of the simulator do not ask', async t => {
  const paths = ['/oauth/v2/refresh', '/oauth/token?client_id=a&client_secret=b&code=c', `/v3/merchants/${merchantId}`, `/v3/merchants/${merchantId}/orders`, '/v3/nowhere', '/pakms/apikey']
  for (const missingUserAgent of [undefined, 400, 403, false] as const) {
    const clover = await simulator(t, missingUserAgent === undefined ? {} : { unknowns: { missingUserAgent } })
    const { access_token: token, refresh_token: refreshToken } = clover.connect({ merchantId })
    const status = (path: string, userAgent?: string) => new Promise((resolve, reject) => {
      const body = path.endsWith('/refresh') && JSON.stringify({ client_id: 'SIMULATORAPP1', refresh_token: refreshToken })
      const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }), ...(userAgent !== undefined && { 'user-agent': userAgent }) }
      // Unlike fetch, it adds no header of its own.
      httpRequest(clover.origin + path, { method: body ? 'POST' : 'GET', headers }, response => { response.resume().once('end', () => resolve(response.statusCode)) }).once('error', reject).end(body || undefined)
    })
    for (const userAgent of [undefined, 'node', 'undici']) {
      for (const path of ['/', '/oauth/v2/authorize', '/oauth/authorize']) t.equal(await status(path, userAgent), await status(path, 'Mozilla/5.0'), path)
      if (missingUserAgent !== false) for (const path of paths) t.equal(await status(path, userAgent), missingUserAgent ?? 400, `${path} from ${userAgent}`)
    }
    t.ok(clover.isLive(refreshToken), 'nothing was handled')
    t.equal(await status(`/v3/merchants/${merchantId}`, missingUserAgent === false ? undefined : 'my-shop/2.1'), 200)
  }
  const clover = await simulator(t)
  const { body } = await ask(`${clover.origin}/pakms/apikey`, { headers: { 'user-agent': 'node' } })
  t.match(body.message, /^The User-Agent header must name the app: <product>\/<version>/)
  t.match(clover.calls.at(-1), { endpoint: 'pakms', handled: 400, status: 400 })
})

t.test('every answer carries a Date made from the injected time', async t => {
  const clover = await simulator(t)
  const expected = new Date(start).toUTCString()
  const { access_token: token } = clover.connect({ merchantId })
  for (const path of ['/', '/nowhere', '/oauth/v2/authorize', '/pakms/apikey', '/oauth/token', `/v3/merchants/${merchantId}`]) {
    const response = await fetch(clover.origin + path, { headers: { authorization: `Bearer ${token}` } })
    t.equal(response.headers.get('date'), expected, path)
    await response.text()
  }
  t.equal((await refresh(clover, 'x')).headers.get('date'), expected)
})

t.test('any well-formed merchant id will do, and thousands can be added', async t => {
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

t.test('reset forgets what was issued and counted, and keeps apps, merchants and time', async t => {
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
    [{ rateLimits: { appPerSecond: 0 } }, /options\.rateLimits/],
    [{ now: 5 }, /options\.now/],
    [{ random: 'x' }, /options\.random/],
    [{ latency: -1 }, /options\.latency/]
  ]
  for (const [options, message] of refused) {
    await t.rejects(cloverSimulator(options as SimulatorOptions), { code: 'FST_CLOVER_SIMULATOR_MISUSE', message })
  }
})

t.test('options given are not changed, and made-up parts are filled in', async t => {
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

t.test('a browser\'s odd Host is no trouble to the REST API', async t => {
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
