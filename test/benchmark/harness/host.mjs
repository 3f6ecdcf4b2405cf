import Fastify from 'fastify'
import clover from '../../../dist/index.js'
import { kRuntime } from '../../../dist/plugin.js'

export const appId = 'BENCHMARKAPP1'

/** The merchant id of a number. */
export function merchantOf (n) {
  return `M${n.toString(36).toUpperCase().padStart(12, '0')}`
}

/** A host with the plugin and without the plugin's routes. */
export async function startHost ({ environment, storage, runtime, ...options }) {
  const app = Fastify()
  await app.register(clover, {
    environment, appId, appSecret: 'the secret of the benchmark', storage, routes: false, keepAlive: false, ...options, ...(runtime && { [kRuntime]: runtime })
  })
  return app
}

/** A record as the plugin stores it, of a pair that the provider issued; `left`: seconds that its access token lives still. */
export function recordOf ({ merchantId, accessToken, refreshToken, environment = 'provider', left = 1800, id = appId }) {
  const now = Math.floor(Date.now() / 1000)
  return {
    merchantId,
    appId: id,
    environment,
    flow: 'v2',
    accessToken,
    accessTokenExpiration: now + left,
    refreshToken,
    refreshTokenExpiration: now + 31_536_000,
    connectionId: '0123456789abcdef0123456789abcdef',
    dueAt: now + 31_536_000,
    connectedAt: now - 1800 + Math.min(left, 1800),
    updatedAt: now - 1800 + Math.min(left, 1800),
    revision: '0'.repeat(32)
  }
}

/** A token as long as Clover's (a JWT of some hundred characters). */
export function longToken (n) {
  return `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(`token ${n} `.repeat(20)).toString('base64url')}.${'s'.repeat(43)}`
}
