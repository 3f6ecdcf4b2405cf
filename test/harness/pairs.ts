import type { AdoptedTokens } from '../../src/index.js'
import type { SimulatedTokenReply } from '../../src/testing/index.js'

/** A pair that a simulator gave, as `adopt()` takes it. */
export function adoptable (merchantId: string, pair: SimulatedTokenReply): AdoptedTokens {
  return {
    merchantId,
    accessToken: pair.access_token,
    accessTokenExpiration: pair.access_token_expiration,
    refreshToken: pair.refresh_token,
    refreshTokenExpiration: pair.refresh_token_expiration
  }
}
