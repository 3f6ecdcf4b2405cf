import { Type } from '@sinclair/typebox'
import type { Installation } from '../installation.js'

/*
 * Whether an access token may be handed out, and when it must be refreshed.
 * All times are Unix seconds by Clover's clock. An access token without expiration (v1) never ages.
 */

/** @internal Minimum seconds left on a returned token. */
export const MinValidity = Type.Number({ minimum: 0, maximum: 86_400, must: 'a number of seconds from 0 to 86400', default: 60 })

type Times = Pick<Installation, 'accessTokenExpiration' | 'updatedAt'>

/** @internal Seconds until the access token expires; 0 if it has expired. */
export function remaining ({ accessTokenExpiration }: Times, now: number): number {
  return accessTokenExpiration === null ? Infinity : Math.max(0, accessTokenExpiration - now)
}

/** The whole lifetime of the access token in seconds. */
function lifetime ({ accessTokenExpiration, updatedAt }: Times): number {
  return accessTokenExpiration === null ? Infinity : Math.max(0, accessTokenExpiration - updatedAt)
}

/**
 * Seconds that must be left on a returned token: `minValidity`, capped at half of the lifetime. Without the cap, a token with a short
 * lifetime would be refreshed at every call.
 */
function requiredValidity (times: Times, minValidity: number): number {
  return Math.min(minValidity, lifetime(times) / 2)
}

/**
 * @internal Unix seconds until which the access token is handed out and no refresh is due, not even in the background. It combines
 * {@link isFresh}, {@link isAgeing} and {@link isToBeConfirmed}, so that a cached record needs one comparison.
 */
export function usableUntil (record: Times & Pick<Installation, 'confirmAt' | 'reauthorizationRequired'>, minValidity: number, refreshAhead: number): number {
  const { accessTokenExpiration, confirmAt = Infinity, reauthorizationRequired } = record
  if (reauthorizationRequired) return 0
  if (accessTokenExpiration === null) return confirmAt
  return Math.min(accessTokenExpiration - Math.max(requiredValidity(record, minValidity), lifetime(record) * refreshAhead), confirmAt)
}

/** @internal Whether the access token may be handed out. */
export function isFresh (times: Times, now: number, minValidity: number): boolean {
  const left = remaining(times, now)
  return left > 0 && left >= requiredValidity(times, minValidity)
}

/** @internal Whether the access token is in the last part of its life, in which it is refreshed in the background. */
export function isAgeing (times: Times, now: number, refreshAhead: number): boolean {
  const total = lifetime(times)
  return total !== Infinity && remaining(times, now) < total * refreshAhead
}

/** @internal How far in the future the times that the rules write may be, in seconds (rule 23). */
export const limits = {
  /** A lease, with the longest timeouts that the options allow. */
  lease: 600,
  /** The wait before a refused merchant is tried again. */
  mark: 86_400,
  /** The confirmation of a doubtful pair. */
  confirmation: 900,
  /** The next refresh, if the expiration of the refresh token is unknown. */
  unknownEnd: 86_400
}

/** Seconds by which a time may exceed its limit: it is rounded to a whole second, and the clock that wrote it may have been corrected since. */
const tolerance = 300

/**
 * @internal Whether a time that a rule wrote is in the future. A time beyond the rule's limit was written by a wrong clock and counts as
 * past: otherwise a merchant would wait for it, perhaps for a year.
 *
 * @param time Unix seconds, as `now`
 * @param limit seconds, one of `limits`
 */
export function isAhead (time: number, now: number, limit: number): boolean {
  return now < time && time - now <= limit + tolerance
}

/** @internal Whether a mark forbids calls to Clover: its `retryAt` has not come yet. */
export function isRefusedFor (mark: Installation['reauthorizationRequired'], now: number): boolean {
  return mark !== undefined && isAhead(mark.retryAt, now, limits.mark)
}

/** @internal Whether a doubtful pair has waited long enough to be refreshed once more. */
export function isToBeConfirmed ({ confirmAt }: Pick<Installation, 'confirmAt'>, now: number): boolean {
  return confirmAt !== undefined && !isAhead(confirmAt, now, limits.confirmation)
}
