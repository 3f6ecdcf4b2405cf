import { isAhead, isRefusedFor, isToBeConfirmed, limits } from '../tokens/freshness.js'
import type { Installation } from '../installation.js'

/**
 * @internal Whether a merchant's tokens must be refreshed although no handler asks for them. `now` in Unix seconds by Clover's clock. Due if:
 *
 * - a lease has expired: the answer of its refresh may be lost, and Clover recovers a lost pair for two weeks only;
 * - the `retryAt` of a mark has come;
 * - the `confirmAt` of a doubtful pair has come;
 * - the refresh token ends within `within` seconds, or within half of its life if that is shorter; or its end is unknown and a day has passed.
 *
 * A v1 token cannot be refreshed.
 */
export function isDue (record: Installation, within: number, now: number): boolean {
  const { refreshToken, refreshLease, reauthorizationRequired, refreshTokenExpiration, updatedAt, dueAt } = record
  if (refreshToken === null || isRefusedFor(reauthorizationRequired, now)) return false
  if (refreshLease) return !isAhead(refreshLease.until, now, limits.lease)
  if (reauthorizationRequired || isToBeConfirmed(record, now)) return true
  if (refreshTokenExpiration === null) return dueAt === null || !isAhead(dueAt, now, limits.unknownEnd)
  // Without the half, a token that lives no longer than `within` would be refreshed at every pass. A wrong clock may have written `updatedAt`.
  const half = isAhead(updatedAt, now, 0) || updatedAt <= now ? (refreshTokenExpiration - updatedAt) / 2 : Infinity
  return refreshTokenExpiration - now <= Math.min(within, half)
}
