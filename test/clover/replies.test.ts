import t from 'tap'
import { challengeOf } from '../../src/clover/authorize.js'
import type { CloverApp } from '../../src/clover/app.js'
import { createCloverClient } from '../../src/clover/client.js'
import type { CloverRequest } from '../../src/clover/http.js'

/*
 * The exchange of a v1 token for a code, and what is said of replies that do not fit.
 */

const origin = 'https://clover.example'
const environment = { name: 'x', authorize: origin, api: origin, legacy: origin }

/** A client to which each call is answered the same, and the calls that it made. */
function client (body: unknown, { status = 200, ...app }: Partial<CloverApp> & { status?: number } = {}) {
  const calls: CloverRequest[] = []
  const http = async (request: CloverRequest) => {
    calls.push(request)
    return { outcome: 'answered', status, headers: new Headers(), body } as const
  }
  return { calls, ...createCloverClient({ environment, appId: 'APP', appSecret: 'secret', flow: 'v2', ...app }, http) }
}

const grant = { merchantId: 'MERCHANT00001', legacyToken: 'LEGACY', verifier: 'v'.repeat(43) }

t.test('a v1 token is exchanged for a code, in low trust with a challenge (RFC 7636)', async t => {
  for (const appSecret of ['secret', false] as const) {
    const { migrate, calls } = client({ authorization_code: 'CODE', expiration: 1_900_000_000 }, { appSecret })
    t.same(await migrate(grant), { outcome: 'ok', value: { code: 'CODE', expiration: 1_900_000_000 } })
    t.match(calls, [{ endpoint: '/oauth/token/migrate_v2', method: 'POST', url: { href: `${origin}/oauth/token/migrate_v2` } }])
    const body = { merchant_uuid: 'MERCHANT00001', app_uuid: 'APP', auth_token: 'LEGACY' }
    t.same(calls[0]?.body, appSecret === false ? { ...body, code_challenge: challengeOf(grant.verifier) } : body)
  }
  t.match(await client({}, { status: 401 }).migrate(grant), { outcome: 'refused', status: 401 })
  t.match(await client({ authorization_code: 'CODE' }).migrate(grant), { outcome: 'unclear', malformed: true, reason: '/oauth/token/migrate_v2: /expiration: Expected required property' })
})

t.test('a reply that does not fit is named by its first wrong field', async t => {
  const exchange = { code: 'CODE', verifier: 'v', withRefreshToken: true }
  const pair = { access_token: 'A', access_token_expiration: 1_900_000_000, refresh_token: 'R', refresh_token_expiration: 1_900_000_000 }
  const reasons: Array<[body: unknown, reason: RegExp]> = [
    [undefined, /^\/oauth\/v2\/token: it is not JSON$/],
    [null, /^\/oauth\/v2\/token: \/: Expected object$/],
    [{ ...pair, refresh_token: 7 }, /^\/oauth\/v2\/token: \/refresh_token: /]
  ]
  for (const [body, reason] of reasons) t.match(await client(body).exchange(exchange), { outcome: 'unclear', malformed: true, reason })
})

t.test('only an exchange without a refresh token has the parameter that says so', async t => {
  for (const withRefreshToken of [true, false]) {
    const { exchange, calls } = client(undefined)
    await exchange({ code: 'CODE', verifier: 'v', withRefreshToken })
    t.equal(calls[0]?.url.href, `${origin}/oauth/v2/token${withRefreshToken ? '' : '?no_refresh_token=true'}`)
  }
})
