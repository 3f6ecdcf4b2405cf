import { invalidOptions } from '../errors.js'

/**
 * Options of `clover.fetch()`: those of `fetch()`. Redirects are never followed, and an `authorization` header is replaced by the
 * merchant's. A `user-agent` header is sent instead of the plugin's. A `Request` may stand for them: its method, headers, body and signal
 * are used, and its URL is not.
 */
export type CloverFetchInit = Omit<RequestInit, 'redirect'>

/** The members that `fetch()` reads (Fetch standard, "RequestInit"), with undici's own `dispatcher`; without `redirect`. */
const members = [
  'method', 'headers', 'body', 'signal', 'duplex', 'keepalive', 'referrer', 'referrerPolicy', 'mode', 'credentials', 'integrity', 'window', 'dispatcher'
] as const satisfies ReadonlyArray<keyof CloverFetchInit>

/**
 * @internal The options as an object of their own, whose members may be copied and read again and again.
 *
 * `fetch()` reads each member by its name, whether it is inherited, a getter, or the object's own. A copy by `{ ...init }` has only the last
 * kind: a `Request` or an instance of a class would become a `GET` without a body. Each member is read once, as `fetch()` does.
 *
 * @throws FST_CLOVER_INVALID_OPTIONS
 */
export function readInit (init: CloverFetchInit | null | undefined): CloverFetchInit {
  if (init === undefined || init === null) return {}
  if (typeof init !== 'object') throw invalidOptions(['fetch() needs its options to be an object, as those of the global fetch() are.'])
  return Object.fromEntries(members.map(name => [name, init[name]] as const).filter(([, value]) => value !== undefined))
}

/** @internal Whether a body can be sent again: a stream, such as the body of a `Request`, is consumed by its first try. */
export function isReplayable (body: CloverFetchInit['body']): boolean {
  return typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)
}
