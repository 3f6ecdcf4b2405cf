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
