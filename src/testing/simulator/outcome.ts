import { STATUS_CODES } from 'node:http'
import type { RawBody, Spoiler } from './faults.js'
import type { LimitMet } from './limits.js'

/** An answer before it is sent: an object is sent as JSON by the route's schema, text and bytes unchanged. */
export interface Outcome {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: RawBody
}

/** An error in Clover's form: `{ "message": ... }`. */
export function refusal (status: number, message: string, headers: Record<string, string> = {}): Outcome {
  return { status, headers, body: { message } }
}

/** The status of an error that Fastify or a handler has raised. */
export function statusOf ({ statusCode = 500 }: { statusCode?: number }): number {
  return statusCode
}

/** The answer to a call past a rate limit. Source: https://docs.clover.com/dev/docs/api-usage-rate-limits */
export function tooMany ({ header, limit, retryAfter }: LimitMet): Outcome {
  return refusal(429, '429 Too Many Requests', {
    [header]: String(limit), ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) })
  })
}

/** A body as bytes or text, without any schema. */
export function rawBody (body: RawBody): string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
}

/** The answer that a fault sends instead of the genuine one. */
export function spoiled (spoiler: Extract<Spoiler, { kind: 'status' | 'reply' }>, genuine?: Outcome): Outcome {
  const body = spoiler.kind === 'status'
    ? spoiler.body ?? { message: STATUS_CODES[spoiler.status] ?? 'Error' }
    : typeof spoiler.body === 'function' ? spoiler.body(genuine?.body) : spoiler.body
  const contentType = (spoiler.kind === 'reply' && spoiler.contentType) || 'application/json; charset=utf-8'
  return { status: spoiler.status ?? 200, headers: { 'content-type': contentType, ...spoiler.headers }, body: rawBody(body) }
}

/** A redirect: 302, or 303 after a form. */
export function redirect (status: 302 | 303, location: string, headers: Record<string, string> = {}): Outcome {
  return { status, headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', ...headers }, body: '' }
}
