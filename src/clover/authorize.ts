import { createHash } from 'node:crypto'
import type { CloverApp } from './app.js'

/** @internal The parameters of a visit to Clover's authorize page. */
export interface Authorization {
  redirectUri: string
  state: string
  /** PKCE's verifier; only its hash is sent, and only by low-trust apps. */
  verifier: string
  /** Skips Clover's merchant picker. */
  merchantId?: string
}

/**
 * @internal The address of Clover's authorize page.
 *
 * Source: https://docs.clover.com/dev/docs/using-oauth; PKCE: RFC 7636, section 4.2 (only S256).
 */
export function authorizeUrl (app: CloverApp, { redirectUri, state, verifier, merchantId }: Authorization): string {
  const url = app.flow === 'v1'
    ? new URL('/oauth/authorize', app.environment.legacy)
    : new URL('/oauth/v2/authorize', app.environment.authorize)
  url.search = new URLSearchParams({
    client_id: app.appId,
    ...(app.flow === 'v1' && { response_type: app.implicit ? 'token' : 'code' }),
    redirect_uri: redirectUri,
    state,
    ...(merchantId !== undefined && { merchant_id: merchantId }),
    ...(app.appSecret === false && !app.implicit && {
      code_challenge: challengeOf(verifier), code_challenge_method: 'S256'
    })
  }).toString()
  return url.href
}

/** @internal PKCE's challenge of a verifier (RFC 7636, section 4.2, S256). */
export function challengeOf (verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}
