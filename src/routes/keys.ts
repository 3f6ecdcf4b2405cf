import { createHmac, hkdfSync } from 'node:crypto'
import { Signer } from '@fastify/cookie'

/** @internal The keys of one secret, each for one purpose, app and environment. */
export interface StateKeys {
  /** Signs the state that goes through Clover and back. */
  state: Signer
  /** Signs the cookie. */
  cookie: Signer
  /** The PKCE verifier of a state: 43 characters (RFC 7636, section 4.1). It is derived at the callback again, so the browser never holds it. */
  verifier (state: string): string
}

/**
 * @internal Derives keys from a cookie secret (HKDF, RFC 5869), separated by purpose, so that nothing made for one app, environment or
 * purpose is accepted for another.
 */
export function deriveStateKeys (secret: string, appId: string, environment: string): StateKeys {
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', secret, '', `fastify-clover ${JSON.stringify([purpose, appId, environment])}`, 32))
  const pkce = derive('pkce verifier')
  return {
    state: new Signer(derive('state').toString('base64')),
    cookie: new Signer(derive('state cookie').toString('base64')),
    verifier: state => createHmac('sha256', pkce).update(state).digest('base64url')
  }
}
