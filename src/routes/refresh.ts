import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RouteContext } from './context.js'
import { setPrivateHeaders } from './pages.js'
import type { RefreshBody, RefreshReply } from './schemas.js'

/** @internal The refresh route, by which an operator refreshes a merchant's tokens now. */
export function refreshHandler ({ accessTokens }: RouteContext) {
  return async function refresh (request: FastifyRequest<{ Body: RefreshBody }>, reply: FastifyReply): Promise<RefreshReply> {
    setPrivateHeaders(reply)
    const { merchantId, accessTokenExpiration, refreshTokenExpiration } = await accessTokens.refresh(request.body.merchant_id)
    return { merchant_id: merchantId, access_token_expiration: accessTokenExpiration, refresh_token_expiration: refreshTokenExpiration }
  }
}
