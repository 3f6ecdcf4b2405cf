import t from 'tap'
import type { CloverSimulator, Fault, FaultKind } from '../../src/testing/index.js'
import { share } from '../harness/share.js'
import { appId, lowId, merchantId } from '../testing/simulator-browser.js'
import { probe, probedClover, type Probing } from './probing.js'

/** Answers that no experiment expects, and what the report says of them. */
const odd: Record<string, [FaultKind, RegExp]> = {
  'status 503': [{ kind: 'status', status: 503 }, /: status 503$/],
  'a page with status 401': [{ kind: 'status', status: 401, body: '<html>canary', headers: { 'content-type': 'text/html' } }, /: a page \(HTML\) with status 401$/],
  'a page with status 200': [{ kind: 'reply', body: '<html>canary', contentType: 'text/html' }, /: a page \(HTML\) with status 200$/],
  'nothing of the documented form': [{ kind: 'reply', body: { canary: 'canary' } }, /: \/\w+: /],
  'a reset before': [{ kind: 'drop-before' }, /: network error/],
  'a reset after': [{ kind: 'drop-after' }, /: network error/],
  'a reset in the middle': [{ kind: 'drop-during' }, /: network error/],
  silence: [{ kind: 'latency', ms: Infinity }, /: no answer within 2000 ms$/]
}

/** Sets a fault as soon as the first authorization is done. */
function later (clover: CloverSimulator, fault: Fault): Probing {
  return { args: ['--yes', '--only', 'refresh,recovery,recovery-ends,code-reuse'], onPrint: text => { if (text.includes('authorization: settled')) clover.fault(fault) } }
}

/** Sets a fault right before the n-th call to a path. */
function before (clover: CloverSimulator, path: string, n: number, fault: Fault): Pick<Probing, 'timing'> {
  let calls = 0
  return {
    timing: {
      fetch: async (url, init) => {
        if (url instanceof URL && url.pathname === path && ++calls === n) clover.fault(fault)
        return await fetch(url, init)
      }
    }
  }
}

const endpoints: Array<'merchant' | 'refresh' | 'recovery'> = ['merchant', 'refresh', 'recovery']

for (const [place, [name, [kind, says]]] of Object.entries(odd).entries()) {
  t.test(`${name}: the experiment is not settled, the others are, and the merchant ends connected`, async t => {
    for (const on of share(endpoints.filter((_, i) => i === place % 3), endpoints)) {
      const clover = await probedClover(t)
      const probed = await probe(t, clover, { ...later(clover, { ...kind, on }), timing: { callTimeout: name === 'silence' ? 2_000 : 10_000 } })
      const hit = on === 'recovery' ? 'recovery' : 'refresh'
      t.match(probed.outcome(hit), /^not-settled: /)
      t.match(probed.outcome(hit), says)
      t.match(probed.outcome(hit), /: \/(?:v3\/merchants\/\{mId\}|oauth\/v2\/(?:refresh|recovery)): /)
      t.same(probed.report.experiments.filter(({ outcome }) => outcome === 'not-settled').map(({ name }) => name), [hit])
      t.equal(probed.report.unknowns.recoveryEndsWith, 'refresh-token')
      t.equal(probed.code, 1)
      t.match(probed.out, 'The merchant has authorized the app, and its new token works.')
      t.equal(clover.liveRefreshTokens(merchantId).length > 0, true)
      t.notMatch(JSON.stringify(probed), /canary/)
    }
  })
}

t.test('an access token that a refresh brings and that does not work settles nothing', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, { args: ['--yes', '--only', 'recovery-ends'], ...before(clover, `/v3/merchants/${merchantId}`, 2, { on: 'merchant', kind: 'status', status: 401 }) })
  t.equal(probed.outcome('recovery-ends'), 'not-settled: /v3/merchants/{mId}: the access token of a refresh is refused')
})

t.test('what was settled before a failure counts', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, { args: ['--yes', '--only', 'recovery'], ...before(clover, '/oauth/v2/refresh', 3, { on: 'refresh', kind: 'drop-before' }) })
  t.match(probed.outcome('recovery'), /^not-settled: \/oauth\/v2\/refresh: network error/)
  t.match(probed.report.unknowns, { recovery: 'once' })
})

t.test('a reply without an expiration is not settled, and its refresh token is not relied on', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, later(clover, { on: 'refresh', kind: 'reply', body: genuine => ({ ...genuine as object, refresh_token_expiration: undefined }) }))
  t.match(probed.outcome('refresh'), /^not-settled: \/oauth\/v2\/refresh: \/refresh_token_expiration: /)
  t.equal(probed.code, 1)
})

t.test('a refusal that no experiment expects is not settled either', async t => {
  for (const on of ['refresh', 'recovery', 'token', 'merchant'] as const) {
    const clover = await probedClover(t)
    const probed = await probe(t, clover, later(clover, { on, kind: 'status', status: 401 }))
    const hit = { refresh: 'refresh', recovery: 'recovery', token: 'code-reuse', merchant: 'refresh' }[on]
    t.match(probed.outcome(hit), /^not-settled: \/.*refused/)
    t.equal(probed.code, 1)
  }
})

t.test('Clover\'s limits are waited for', async t => {
  const clover = await probedClover(t)
  const fault = clover.fault({ on: ['token', 'refresh', 'merchant'], kind: 'status', status: 429, headers: { 'retry-after': '1' }, times: 2 })
  clover.fault({ on: 'refresh', kind: 'status', status: 429, times: 4 })
  const probed = await probe(t, clover, { args: ['--yes', '--only', 'refresh'] })
  t.same([probed.code, fault.hits], [0, 2])
  clover.fault({ on: 'refresh', kind: 'status', status: 429, times: 5 })
  t.match((await probe(t, clover, { args: ['--yes', '--only', 'refresh'] })).outcome('refresh'), 'not-settled: /oauth/v2/refresh: status 429')
})

t.test('an authorization that Clover does not finish is begun again, three times at most', async t => {
  const clover = await probedClover(t)
  clover.fault({ on: 'token', kind: 'status', status: 500, times: 2 })
  const probed = await probe(t, clover, { args: ['--yes', '--only', 'refresh'] })
  t.equal(probed.code, 0)
  clover.fault({ on: 'token', kind: 'drop-after', times: 3 })
  const late = await probe(t, clover, { args: ['--yes', '--only', 'refresh'] })
  t.equal(late.code, 1)
  t.match([late.outcome('authorization'), late.outcome('refresh')], [/^not-settled: \/oauth\/v2\/token: network error/, 'skipped: the merchant is not authorized'])
  t.match(late.out, 'its new token works', 'tokens may have been issued, so the last authorization follows')
})

t.test('a Clover that is down at the end: it says what to do', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, {
    args: ['--yes', '--only', 'clock'],
    onPrint: text => { if (text.includes('uninstall: skipped')) clover.fault({ on: 'token', kind: 'status', status: 503, times: Infinity }) }
  })
  t.equal(probed.code, 1)
  t.equal(probed.outcome('clock'), 'settled')
  t.match(probed.err, 'The last authorization gave no token that works (/oauth/v2/token: status 503).')
  t.match(probed.out, /The merchant may be disconnected: run fastify-clover probe --only authorization and open http:\/\/localhost:\d+\/, or open the app from the merchant's Clover dashboard\./)
})

t.test('a secret that Clover refuses ends it: nothing was done', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, { args: ['--yes'], env: { CLOVER_APP_SECRET: 'canary' } })
  t.equal(probed.code, 1)
  t.match(probed.outcome('authorization'), /^not-settled: \/oauth\/v2\/token: refused with status 401; check CLOVER_APP_ID and CLOVER_APP_SECRET/)
  t.match(probed.out, 'The app was not authorized: nothing was done.')
  t.equal(clover.count('token'), 3)
  t.notMatch(JSON.stringify(probed), /canary/)
})

t.test('an app without the Read merchant permission is told so', async t => {
  const clover = await probedClover(t, { apps: [{ id: appId, permissions: { readMerchant: false } }] })
  t.match((await probe(t, clover, { args: ['--yes'] })).outcome('authorization'), /the app needs the Read merchant permission/)
})

t.test('permissions and data that are missing leave an experiment out', async t => {
  const only = ['--yes', '--only', 'long-window,starting-after,foreign-merchant']
  const closed = await probedClover(t, { apps: [{ id: appId, permissions: { readOrders: false, ecommerce: false } }] })
  const refused = await probe(t, closed, { args: [...only, '--other-merchant', merchantId] })
  t.equal(refused.code, 0)
  t.same(['long-window', 'starting-after', 'foreign-merchant'].map(name => refused.outcome(name)), [
    'skipped: the app needs the Read orders permission', 'skipped: the app may not read charges', 'skipped: --other-merchant is the merchant who authorized the app'
  ])
  const empty = await probedClover(t, { merchants: [{ id: merchantId, name: 'Fern', employees: [{ id: 'ROBINREYES001', name: 'Robin Reyes' }], orders: [], charges: [{ id: 'CHARGE0000001' }] }] })
  const missing = await probe(t, empty, { args: only })
  t.same(['long-window', 'starting-after', 'foreign-merchant'].map(name => missing.outcome(name)), [
    'skipped: the merchant has no order that is 91 to 170 days old', 'skipped: the merchant has less than two charges', 'skipped: give --other-merchant, the id of another merchant there'
  ])
})

t.test('REST answers that fit no setting of the simulator are not settled', async t => {
  const now = Date.now()
  const old = { elements: [{ id: 'ORDER00000001', createdTime: now - 100 * 86_400_000 }] }
  const cases: Array<[string, Fault[], string]> = [
    ['long-window', [{ on: 'rest', kind: 'reply', body: old, times: 2 }], 'Clover serves a long window whole, for which the simulator has no setting'],
    ['long-window', [{ on: 'rest', kind: 'status', status: 418 }], '/v3/merchants/{mId}/orders: status 418'],
    ['long-window', [{ on: 'rest', kind: 'reply', body: old }, { on: 'rest', kind: 'status', status: 404 }], '/v3/merchants/{mId}/orders: status 404 for a long window'],
    ['starting-after', [{ on: 'rest', kind: 'status', status: 404, body: 'null' }], '/v1/charges: status 404'],
    ['starting-after', [{ on: 'rest', kind: 'reply', body: genuine => genuine as object }, { on: 'rest', kind: 'reply', body: { data: [{ id: 'other' }] } }], '/v1/charges: the page begins with neither'],
    ['starting-after', [{ on: 'rest', kind: 'status', status: 500 }], '/v1/charges: status 500'],
    ['foreign-merchant', [{ on: 'merchant', kind: 'reply', body: genuine => genuine as object, times: 2 }, { on: 'merchant', kind: 'status', status: 403 }], '/v3/merchants/{mId}: status 403 for another merchant']
  ]
  for (const [only, faults, reason] of cases) {
    const clover = await probedClover(t)
    const probed = await probe(t, clover, {
      args: ['--yes', '--only', only, '--other-merchant', 'LARKSTREET001'],
      onPrint: text => { if (text.includes('no-refresh-token: skipped')) for (const fault of faults) clover.fault(fault) }
    })
    t.equal(probed.outcome(only), `not-settled: ${reason}`)
  }
})

t.test('a merchant endpoint that names another merchant settles nothing', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, later(clover, { on: 'merchant', kind: 'reply', body: { id: 'LARKSTREET001' } }))
  t.equal(probed.outcome('refresh'), 'not-settled: /v3/merchants/{mId}: it names another merchant')
})

t.test('requests without a User-Agent', async t => {
  const cases: Array<[Fault[], RegExp]> = [
    [[{ on: 'merchant', kind: 'reply', body: genuine => genuine as object }, { on: 'merchant', kind: 'status', status: 401 }], /status 401 even with a User-Agent/],
    [[{ on: 'refresh', kind: 'reply', body: {}, status: 401, times: 2 }], /without a User-Agent \/v3\/merchants\/\{mId\} answers 400, and \/oauth\/v2\/refresh 401, for which the simulator has no setting/],
    [[{ on: 'refresh', kind: 'status', status: 502 }], /\/oauth\/v2\/refresh: status 502/],
    [[{ on: 'refresh', kind: 'drop-before' }], /\/oauth\/v2\/refresh: network error ECONNRESET/],
    [[{ on: 'refresh', kind: 'drop-during' }], /\/oauth\/v2\/refresh: network error ECONNRESET/],
    [[{ on: 'refresh', kind: 'latency', ms: Infinity }], /\/oauth\/v2\/refresh: no answer within 2000 ms/]
  ]
  for (const [faults, reason] of cases) {
    const clover = await probedClover(t)
    const probed = await probe(t, clover, {
      timing: { callTimeout: 2_000 },
      args: ['--yes', '--only', 'user-agent'],
      onPrint: text => { if (text.includes('no-refresh-token: skipped')) for (const fault of faults) clover.fault(fault) }
    })
    t.match(probed.outcome('user-agent'), reason)
  }
})

t.test('a burst with an answer of another kind settles nothing, nor does one that nobody limits', async t => {
  const clover = await probedClover(t)
  const free = await probe(t, clover, { args: ['--yes', '--only', 'limits'] })
  t.equal(free.outcome('limits'), 'skipped: Clover limited neither of two bursts of 60 requests')
  const odd = await probe(t, clover, {
    args: ['--yes', '--only', 'limits'],
    onPrint: text => { if (text.includes('legacy: skipped')) clover.fault({ on: 'refresh', kind: 'reply', status: 403, body: {}, times: 3 }) }
  })
  t.equal(odd.outcome('limits'), 'not-settled: a burst: status 401')
})

t.test('a legacy token that does not work, or belongs to nobody, leaves its experiment out', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, { args: ['--yes', '--only', 'legacy'], env: { CLOVER_LEGACY_TOKEN: 'canary' } })
  t.equal(probed.outcome('legacy'), 'skipped: CLOVER_LEGACY_TOKEN does not work for the merchant who authorized the app')
  const refused = await probe(t, clover, {
    args: ['--yes', '--only', 'legacy'],
    env: { CLOVER_LEGACY_TOKEN: clover.legacyToken({ merchantId, appId }) },
    onPrint: text => { if (text.includes('code-lifetime: skipped')) clover.fault({ on: 'migrate', kind: 'status', status: 401 }) }
  })
  t.equal(refused.outcome('legacy'), 'not-settled: /oauth/token/migrate_v2: refused with status 401')
  const spoiled = await probe(t, clover, {
    args: ['--yes', '--only', 'legacy'],
    env: { CLOVER_LEGACY_TOKEN: clover.legacyToken({ merchantId, appId }) },
    onPrint: text => { if (text.includes('code-lifetime: skipped')) clover.fault({ on: 'token', kind: 'status', status: 401 }) }
  })
  t.same([spoiled.outcome('legacy'), spoiled.fact('migratedCodeWorks')], ['settled', false])
})

t.test('answers that would surprise are reported as they are', async t => {
  const pair = (clover: CloverSimulator, app = appId) => clover.connect({ merchantId, appId: app })
  /** Answers like Clover, but grants what the simulator refuses. */
  const generous = (clover: CloverSimulator, on: 'refresh' | 'recovery' | 'token', app?: string) => clover.fault({
    on, kind: 'reply', times: Infinity, body: genuine => 'access_token' in (genuine as object) ? genuine as object : pair(clover, app)
  })
  const when = (clover: CloverSimulator, printed: string, ...args: Parameters<typeof generous> extends [unknown, ...infer Rest] ? Rest : never): Probing =>
    ({ onPrint: text => { if (text.includes(printed)) generous(clover, ...args) } })

  const reusable = await probedClover(t)
  const refresh = await probe(t, reusable, { args: ['--yes', '--only', 'refresh,clock'], ...when(reusable, 'authorization: settled', 'refresh') })
  t.same([refresh.outcome('refresh'), refresh.fact('refreshTokenWorksOnce'), 'recoveryHeader' in refresh.report.unknowns], ['settled', false, false])

  const lenient = await probedClover(t)
  const recovery = await probe(t, lenient, { args: ['--yes', '--only', 'recovery,recovery-ends'], ...when(lenient, 'authorization: settled', 'recovery') })
  t.same([recovery.outcome('recovery'), recovery.fact('recoveryWithUnspentToken')], ['settled', true])
  t.equal(recovery.outcome('recovery-ends'), 'not-settled: recovery works even after the new refresh token was used, for which the simulator has no setting')

  const codes = await probedClover(t)
  const code = await probe(t, codes, { args: ['--yes', '--only', 'code-reuse,no-refresh-token'], ...when(codes, 'refresh: skipped', 'token') })
  t.same([code.fact('codeWorksOnce'), code.fact('usedCodeStatus')], [false, undefined])

  const ignoring = await probedClover(t)
  const kept = await probe(t, ignoring, {
    lowTrust: true, args: ['--yes', '--only', 'no-refresh-token'], onPrint: text => { if (text.includes('refresh: skipped')) ignoring.fault({ on: 'token', kind: 'reply', body: () => pair(ignoring, lowId) }) }
  })
  t.equal(kept.fact('noRefreshToken'), 'ignored')
  const refusing = await probedClover(t)
  const refused = await probe(t, refusing, { args: ['--yes', '--only', 'no-refresh-token'], onPrint: text => { if (text.includes('refresh: skipped')) refusing.fault({ on: 'token', kind: 'status', status: 400 }) } })
  t.equal(refused.fact('noRefreshToken'), 'refused with status 400')
})

t.test('a Clover that ends tokens which the simulator keeps', async t => {
  const refusal: Fault = { on: 'refresh', kind: 'status', status: 401 }
  const refuses = async (only: string, n: number, times = 1) => {
    const clover = await probedClover(t)
    return await probe(t, clover, { args: ['--yes', '--only', `${only},clock`], ...before(clover, '/oauth/v2/refresh', n, { ...refusal, times }) })
  }
  const second = await refuses('recovery', 3)
  t.same([second.outcome('recovery'), second.fact('pairSurvivesASecondRecovery'), second.outcome('clock')], ['settled', false, 'settled'])
  const last = await refuses('recovery', 5)
  t.same([last.outcome('recovery'), last.fact('pairSurvivesADeadToken')], ['settled', false])
  const reuse = await refuses('code-reuse', 1)
  t.same([reuse.outcome('code-reuse'), reuse.fact('refreshTokenDiesAtCodeReuse')], ['settled', true])
  t.equal((await refuses('cap', 4)).outcome('cap'), 'not-settled: of 13 refresh tokens 12 work, and they are not the newest: 1110111111111, oldest first')
  t.equal((await refuses('cap', 1, 13)).outcome('cap'), 'not-settled: none of 13 refresh tokens works')
})
