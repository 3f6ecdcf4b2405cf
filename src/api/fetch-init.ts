import { invalidOptions } from '../errors.js'

/**
 * Options of `clover.fetch()`: those of `fetch()`. Redirects are never followed, and an `authorization` header is replaced by the
 * merchant's. A `user-agent` header is sent instead of the plugin's. A `Request` may be given instead: its method, headers, body and signal
 * are used, its URL is not.
 */
export type CloverFetchInit = Omit<RequestInit, 'redirect'>

/** The members that `fetch()` reads (Fetch standard, "RequestInit"), with undici's `dispatcher` and without `redirect`. */
const members = [
  'method', 'headers', 'body', 'signal', 'duplex', 'keepalive', 'referrer', 'referrerPolicy', 'mode', 'credentials', 'integrity', 'window', 'dispatcher'
] as const satisfies ReadonlyArray<keyof CloverFetchInit>

/**
 * @internal Copies the options into a plain object, which can be spread and read repeatedly.
 *
 * `fetch()` also reads inherited members and getters, which `{ ...init }` does not copy: a `Request` would become a `GET` without a body. Each
 * member is read once, as `fetch()` does.
 *
 * @throws FST_CLOVER_INVALID_OPTIONS
 */
export function readInit (init: CloverFetchInit | null | undefined): CloverFetchInit {
  if (init === undefined || init === null) return {}
  if (typeof init !== 'object') throw invalidOptions(['fetch() needs its options to be an object, like those of the global fetch().'])
  return Object.fromEntries(members.map(name => [name, init[name]] as const).filter(([, value]) => value !== undefined))
}

/** @internal Whether a body can be sent again: the first attempt consumes a stream, such as the body of a `Request`. */
export function isReplayable (body: CloverFetchInit['body']): boolean {
  return typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)
}
