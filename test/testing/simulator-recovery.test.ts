import t from 'tap'
import { high, merchantId, other, start, simulator, post, get, low, refresh, recover, refreshed } from './simulator-calls.js'

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

t.test('a recovered pair works like any other', async t => {
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
