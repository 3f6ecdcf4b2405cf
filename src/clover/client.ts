import type { TSchema } from '@sinclair/typebox'
import type { Compiled } from '../checks/compiled.js'
import type { Environment } from '../environments.js'
import type { CloverApp } from './app.js'
import type { Answer, Refused, Unclear } from './answer.js'
import { challengeOf } from './authorize.js'
import type { CloverHttp, CloverRequest, CloverResponse } from './http.js'
import { checks, type OddPair, type TokenPair, type TokenReply } from './wire.js'

/** @internal The exchange of an authorization code. */
export interface Exchange {
  code: string
  /** PKCE's verifier (RFC 7636, section 4.1), for low-trust apps. */
  verifier: string
  /** `false`: only an access token, which ends none of the merchant's refresh tokens. */
  withRefreshToken: boolean
}

/** @internal A v1 token that is exchanged for an authorization code. */
export interface LegacyGrant {
  merchantId: string
  legacyToken: string
  /** PKCE's verifier, for low-trust apps: the code's exchange needs the same. */
  verifier: string
}

/** @internal Answer to a refresh or a recovery: `odd` if the reply does not have the documented form but has a refresh token, which must be kept. */
export type PairAnswer = Answer<TokenPair> | { outcome: 'odd', value: OddPair, reason: string }

/** @internal Clover's endpoints. Each method makes one call, and none rejects. */
export interface CloverClient {
  /** `/oauth/v2/token`, or v1's `/oauth/token`. */
  exchange (exchange: Exchange): Promise<Answer<TokenPair>>
  /** `/oauth/v2/refresh`: spends the token. */
  refresh (refreshToken: string): Promise<PairAnswer>
  /** `/oauth/v2/recovery`, high trust only: presents a spent refresh token whose new pair was lost. */
  recover (spentRefreshToken: string): Promise<PairAnswer>
  /** `/oauth/token/migrate_v2`: resolves with an authorization code, and its end in Unix seconds. */
  migrate (grant: LegacyGrant): Promise<Answer<{ code: string, expiration: number }>>
  /** `GET /v3/merchants/{mId}`: resolves with the id that Clover names for the token. */
  merchant (merchantId: string, accessToken: string): Promise<Answer<string>>
}

/**
 * @internal Clover's token endpoints for one app.
 *
 * Source: https://docs.clover.com/dev/docs/high-trust-app-auth-flow, https://docs.clover.com/dev/docs/low-trust-app-auth-flow,
 * https://docs.clover.com/dev/docs/legacy-oauth-flow, https://docs.clover.com/docs/legacy-token-migration-flow
 */
export function createCloverClient (app: CloverApp, http: CloverHttp): CloverClient {
  const { environment, appId, appSecret } = app
  const credentials: Record<string, string> = appSecret === false ? { client_id: appId } : { client_id: appId, client_secret: appSecret }

  async function post (path: string, body: Record<string, string>): Promise<CloverResponse | Refused | Unclear> {
    return judge(path, await http({ endpoint: path, url: new URL(path, environment.api), method: 'POST', body }))
  }

  async function pair (path: string, body: Record<string, string>): Promise<PairAnswer> {
    const response = await post(path, body)
    if (response.outcome !== 'answered') return response
    if (checks.tokenReply.accepts(response.body)) return { outcome: 'ok', value: toPair(response.body) }
    const odd = salvage(response.body)
    const { reason } = misfit(path, checks.tokenReply, response.body)
    return odd ? { outcome: 'odd', value: odd, reason } : { outcome: 'unclear', reason, malformed: true }
  }

  return {
    async exchange ({ code, verifier, withRefreshToken }) {
      if (app.flow === 'v1') return exchangeLegacy(environment, http, { ...credentials, code })
      const body = { ...credentials, code, ...(appSecret === false && { code_verifier: verifier }) }
      const path = '/oauth/v2/token'
      const response = await post(withRefreshToken ? path : `${path}?no_refresh_token=true`, body)
      if (response.outcome !== 'answered') return response
      // For low-trust apps the parameter is not documented: a refresh token that was not asked for is kept too.
      if (checks.tokenReply.accepts(response.body)) return { outcome: 'ok', value: toPair(response.body) }
      if (withRefreshToken) return misfit(path, checks.tokenReply, response.body)
      return checks.accessTokenReply.accepts(response.body)
        ? { outcome: 'ok', value: { ...noRefreshToken, accessToken: response.body.access_token, accessTokenExpiration: response.body.access_token_expiration } }
        : misfit(path, checks.accessTokenReply, response.body)
    },

    refresh: refreshToken => pair('/oauth/v2/refresh', { client_id: appId, refresh_token: refreshToken }),

    recover: spentRefreshToken => pair('/oauth/v2/recovery', { ...credentials, recovery_token: spentRefreshToken }),

    async migrate ({ merchantId, legacyToken, verifier }) {
      const path = '/oauth/token/migrate_v2'
      const proof: Record<string, string> = appSecret === false ? { code_challenge: challengeOf(verifier) } : {}
      const response = await post(path, { merchant_uuid: merchantId, app_uuid: appId, auth_token: legacyToken, ...proof })
      if (response.outcome !== 'answered') return response
      return checks.migrationReply.accepts(response.body)
        ? { outcome: 'ok', value: { code: response.body.authorization_code, expiration: response.body.expiration } }
        : misfit(path, checks.migrationReply, response.body)
    },

    async merchant (merchantId, accessToken) {
      const endpoint = '/v3/merchants/{mId}'
      const url = new URL(`/v3/merchants/${encodeURIComponent(merchantId)}`, environment.api)
      const response = judge(endpoint, await http({ endpoint, url, method: 'GET', accessToken }), [...tokenRefusals, 404])
      if (response.outcome !== 'answered') return response
      return checks.merchantReply.accepts(response.body)
        ? { outcome: 'ok', value: response.body.id }
        : misfit(endpoint, checks.merchantReply, response.body)
    }
  }
}

const noRefreshToken = { refreshToken: null, refreshTokenExpiration: null }

async function exchangeLegacy (environment: Environment, http: CloverHttp, query: Record<string, string>): Promise<Answer<TokenPair>> {
  const url = new URL('/oauth/token', environment.legacy)
  url.search = new URLSearchParams(query).toString()
  const request: CloverRequest = { endpoint: '/oauth/token', url, method: 'GET' }
  const response = judge(request.endpoint, await http(request))
  if (response.outcome !== 'answered') return response
  return checks.legacyTokenReply.accepts(response.body)
    ? { outcome: 'ok', value: { ...noRefreshToken, accessToken: response.body.access_token, accessTokenExpiration: null } }
    : misfit(request.endpoint, checks.legacyTokenReply, response.body)
}

/**
 * The statuses with which Clover, or OAuth in general (RFC 6749, section 5.2), says that a token or code is not accepted. Others, such
 * as a 404 of a wrong host, say nothing about it.
 */
const tokenRefusals = [400, 401, 403]

function judge (endpoint: string, response: CloverResponse | Unclear, refusals = tokenRefusals): CloverResponse | Refused | Unclear {
  if (response.outcome === 'unclear') return response
  const { status, headers } = response
  if (status >= 200 && status < 300) return response
  if (refusals.includes(status)) {
    return { outcome: 'refused', status, recoveryAvailable: headers.get('x-clover-recovery-available') === 'true' }
  }
  const retryAfter = parseRetryAfter(headers.get('retry-after'))
  return {
    outcome: 'unclear',
    reason: `${endpoint}: status ${status}`,
    malformed: false,
    ...(status === 429 && { limited: true }),
    ...(retryAfter !== undefined && { retryAfter })
  }
}

/** @internal Seconds of a `retry-after` header (RFC 9110, section 10.2.3); Clover sends seconds; a date is ignored. */
export function parseRetryAfter (value: string | null): number | undefined {
  return value !== null && /^\d{1,5}$/.test(value) ? Number(value) : undefined
}

function toPair (reply: TokenReply): TokenPair {
  return {
    accessToken: reply.access_token,
    accessTokenExpiration: reply.access_token_expiration,
    refreshToken: reply.refresh_token,
    refreshTokenExpiration: reply.refresh_token_expiration
  }
}

/** The usable fields of a reply that does not have the documented form; undefined without a refresh token, since then nothing must be kept. */
function salvage (body: unknown): OddPair | undefined {
  const reply = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  if (!checks.token.accepts(reply.refresh_token)) return undefined
  const accessTokenFits = checks.token.accepts(reply.access_token) && checks.expiration.accepts(reply.access_token_expiration)
  return {
    refreshToken: reply.refresh_token,
    refreshTokenExpiration: checks.expiration.accepts(reply.refresh_token_expiration) ? reply.refresh_token_expiration : null,
    ...(accessTokenFits && { accessToken: reply.access_token as string, accessTokenExpiration: reply.access_token_expiration as number })
  }
}

/** Names the first field that does not fit, never its value. */
function misfit<T extends TSchema> (endpoint: string, check: Compiled<T>, body: unknown): Unclear {
  const { path, message } = check.firstError(body)
  const where = body === undefined ? 'it is not JSON' : `${path}: ${message}`
  return { outcome: 'unclear', reason: `${endpoint}: ${where}`, malformed: true }
}
