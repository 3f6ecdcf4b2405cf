import { isSecureUrl } from '../../environments.js'
import type { Directory, SimulatedApp, SimulatedMerchant } from './directory.js'
import type { AppInstallation } from './app-installations.js'
import type { Settings } from './options.js'
import type { AuthorizeQuery, SimulatedCallbackQuery } from './wire.js'
import type { Parts } from './parts.js'

/** A valid request for authorization. */
export interface Authorization {
  readonly app: SimulatedApp
  readonly redirectUri: URL
  readonly state: string | undefined
  readonly merchantId: string | undefined
  readonly codeChallenge: string | undefined
  readonly flow: 'v2' | 'v1' | 'v1-implicit'
}

/** Checks the query of an authorize page. Returns a sentence about the problem if it is invalid. */
export function readAuthorization (query: AuthorizeQuery, legacy: boolean, directory: Directory, settings: Settings): Authorization | string {
  const app = directory.app(query.client_id ?? '')
  if (app === undefined) return 'The client_id is missing, or no app has it.'
  const redirectUri = readRedirectUri(query.redirect_uri, app, settings)
  if (typeof redirectUri === 'string') return redirectUri
  const type = query.response_type ?? 'code'
  if (type !== 'code' && !(legacy && type === 'token')) return 'The response_type must be code.'
  const problem = legacy ? undefined : challengeProblem(query, app, settings)
  if (problem !== undefined) return problem
  return {
    app,
    redirectUri,
    state: query.state,
    merchantId: query.merchant_id,
    codeChallenge: query.code_challenge,
    flow: legacy ? type === 'token' ? 'v1-implicit' : 'v1' : 'v2'
  }
}

/** The URL after an approval: the redirect URI with a code, or in the implicit flow with a token in its fragment. */
export function approvalUrl (authorization: Authorization, merchant: SimulatedMerchant, person: string, parts: Parts): string {
  const { app, flow, codeChallenge } = authorization
  const installation = parts.installations.approve(app, merchant)
  const employeeId = merchant.employees.find(({ name }) => name === person)?.id
  if (flow === 'v1-implicit') {
    const { code: _, ...rest } = callbackQuery(installation, '', employeeId)
    return answerUrl(authorization, rest, parts.settings, parts.ledger.issueLegacy(installation))
  }
  const { code } = parts.ledger.issueCode(installation, { legacy: flow === 'v1', codeChallenge })
  return answerUrl(authorization, callbackQuery(installation, code, employeeId), parts.settings)
}

/** The URL after a denial. */
export function denialUrl (authorization: Authorization, settings: Settings): string {
  if (settings.unknowns.denial === 'bare') return authorization.redirectUri.href
  const error = { error: 'access_denied' }
  const description = { error_description: 'The merchant denied the request' }
  return answerUrl(authorization, settings.unknowns.denial === 'error' ? error : { ...error, ...description }, settings)
}

/** The parameters that an approval adds to the redirect URI, besides `state`. Default of `employeeId`: the merchant's first employee. */
export function callbackQuery ({ app, merchant }: AppInstallation, code: string, employeeId = merchant.employees[0].id): SimulatedCallbackQuery {
  return { code, merchant_id: merchant.id, employee_id: employeeId, client_id: app.id }
}

function answerUrl ({ redirectUri, state, flow }: Authorization, answer: Record<string, string>, { unknowns }: Settings, token?: string): string {
  const url = new URL(redirectUri)
  const fragment = new URLSearchParams(token === undefined ? {} : { access_token: token })
  const parameters = flow === 'v1-implicit' && unknowns.implicitParameters === 'fragment' ? fragment : url.searchParams
  for (const [name, value] of Object.entries(answer)) parameters.set(name, value)
  if (state !== undefined && unknowns.echoState) parameters.set('state', state)
  url.hash = fragment.toString()
  return url.href
}

function readRedirectUri (text: string | undefined, { siteUrl }: SimulatedApp, settings: Settings): URL | string {
  const wanted = text ?? siteUrl
  if (wanted === undefined) return 'There is no redirect_uri, and the app has no Site URL.'
  const url = URL.canParse(wanted) ? new URL(wanted) : undefined
  if (url === undefined || !isSecureUrl(url) || url.username !== '' || url.password !== '') {
    return 'The redirect_uri must be an https URL, or http on localhost.'
  }
  if (url.protocol === 'http:' && !settings.unknowns.httpLocalhost) return 'The redirect_uri must be an https URL.'
  if (siteUrl !== undefined && !isBelow(url, new URL(siteUrl))) return 'The redirect_uri must lie below the app\'s Site URL.'
  return url
}

function isBelow (url: URL, site: URL): boolean {
  const folder = site.pathname.endsWith('/') ? site.pathname : `${site.pathname}/`
  return url.origin === site.origin && `${url.pathname}/`.startsWith(folder)
}

// RFC 7636, section 4.2: SHA-256 in base64url has 43 characters.
function challengeProblem (query: AuthorizeQuery, app: SimulatedApp, settings: Settings): string | undefined {
  const { code_challenge: challenge, code_challenge_method: method } = query
  if (challenge === undefined) return app.secret === false ? 'A low-trust app needs a code_challenge.' : undefined
  if (!/^[A-Za-z0-9_-]{43}$/.test(challenge)) return 'The code_challenge must be the SHA-256 of the verifier in base64url.'
  const known = method === 'S256' || (method === undefined && !settings.unknowns.requireChallengeMethod)
  return known ? undefined : 'The code_challenge_method must be S256.'
}
