import type { Installation } from './installation.js'

/*
 * When a token is good enough. All times are Unix seconds by Clover's clock; an access token without expiration (v1) never ages.
 */

type Times = Pick<Installation, 'accessTokenExpiration' | 'updatedAt'>

/** @internal Seconds that the access token lives from now on; 0 if it is dead. */
export function remaining ({ accessTokenExpiration }: Times, now: number): number {
  return accessTokenExpiration === null ? Infinity : Math.max(0, accessTokenExpiration - now)
}

/** @internal Seconds that the access token lived, or was to live, in all. */
function lifetime ({ accessTokenExpiration, updatedAt }: Times): number {
  return accessTokenExpiration === null ? Infinity : Math.max(0, accessTokenExpiration - updatedAt)
}

/**
 * @internal The seconds that a token handed out should still live: `minValidity`, capped at half of the lifetime, since otherwise a token
 * with a short life would be refreshed at every call.
 */
export function requiredValidity (times: Times, minValidity: number): number {
  return Math.min(minValidity, lifetime(times) / 2)
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

/** @internal How far ahead the times that the rules write may lie, in seconds. */
export const limits = {
  /** A lease: that of a server with the longest timeouts that the options allow. */
  lease: 600,
  /** The pause before a refused merchant is tried again. */
  mark: 86_400,
  /** The confirmation of a doubtful pair. */
  confirmation: 900,
  /** The refresh of a pair for whose refresh token Clover named no end. */
  unknownEnd: 86_400
}

/** Seconds by which a time may lie further ahead than its limit: it is written as a whole second, by a clock that may be corrected since. */
const tolerance = 300

/**
 * @internal Whether a time that a rule wrote is still to come. One that lies further ahead than the rule allows was written by a wrong
 * clock, and counts as past: otherwise a merchant would wait for it, perhaps for a year.
 *
 * @param time Unix seconds, as `now`
 * @param limit seconds, one of `limits`
 */
export function isAhead (time: number, now: number, limit: number): boolean {
  return now < time && time - now <= limit + tolerance
}

/** @internal Whether Clover need not be asked about a merchant whom it refused: the time of the next try has not come. */
export function isRefusedFor (mark: Installation['reauthorizationRequired'], now: number): boolean {
  return mark !== undefined && isAhead(mark.retryAt, now, limits.mark)
}

/** @internal Whether a doubtful pair has waited long enough to be refreshed once more. */
export function isToBeConfirmed ({ confirmAt }: Pick<Installation, 'confirmAt'>, now: number): boolean {
  return confirmAt !== undefined && !isAhead(confirmAt, now, limits.confirmation)
}
