import { isAhead, isRefusedFor, isToBeConfirmed, limits } from '../tokens/freshness.js'
import type { Installation } from '../tokens/installation.js'

/**
 * @internal Whether a merchant's tokens must be refreshed although nobody asks for them. Unix seconds by Clover's clock.
 *
 * - An intent that has run out is the trace of a refresh whose answer may be lost: Clover's recovery of it lasts for two weeks only.
 * - A mark whose `retryAt` has come is tried once more.
 * - A doubtful pair whose `confirmAt` has come is refreshed once more.
 * - A refresh token ends within `within` seconds, or within half of its life where that is shorter, or nobody knows when.
 *
 * A v1 token cannot be refreshed.
 */
export function isDue (record: Installation, within: number, now: number): boolean {
  const { refreshToken, refreshLease, reauthorizationRequired, refreshTokenExpiration, updatedAt, dueAt } = record
  if (refreshToken === null || isRefusedFor(reauthorizationRequired, now)) return false
  if (refreshLease) return !isAhead(refreshLease.until, now, limits.lease)
  if (reauthorizationRequired || isToBeConfirmed(record, now)) return true
  if (refreshTokenExpiration === null) return dueAt === null || !isAhead(dueAt, now, limits.unknownEnd)
  // Otherwise a token that lives no longer than that would be refreshed at every pass. Its life is not known where a wrong clock wrote its beginning.
  const half = isAhead(updatedAt, now, 0) || updatedAt <= now ? (refreshTokenExpiration - updatedAt) / 2 : Infinity
  return refreshTokenExpiration - now <= Math.min(within, half)
}
