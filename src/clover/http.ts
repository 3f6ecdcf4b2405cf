import { startDeadline, type Timing } from '../concurrency/deadline.js'
import type { Unclear } from './answer.js'
import type { CloverClock } from './clock.js'

/** @internal A call to one of Clover's endpoints. */
export interface CloverRequest {
  /** For messages, since the URL of v1 holds the secret. */
  endpoint: string
  url: URL
  method: 'GET' | 'POST'
  /** Sent as JSON. */
  body?: Record<string, string>
  /** Sent in the `Authorization` header. */
  accessToken?: string
}

/** @internal An answer of Clover, of any status; `body` is undefined if it was not JSON. */
export interface CloverResponse {
  outcome: 'answered'
  status: number
  headers: Headers
  body: unknown
}

/** @internal What {@link createCloverHttp} needs. */
export interface CloverHttpOptions {
  fetch: typeof globalThis.fetch
  clock: CloverClock
  /** Milliseconds: timeout of one call, the read of the body included. */
  callTimeout: number
  /** The `User-Agent` of each call: Clover requires one (RFC 9110, section 10.1.5). */
  userAgent: string
  /** The clock and the timers of the deadline; real ones by default. */
  timing?: Timing
}

/** Bytes of a reply that are read at most: tokens are small, and a reply without end must not fill the memory. */
const maxBodyBytes = 256 * 1024

/**
 * @internal Calls Clover's endpoints: with a deadline, without redirects, with a bounded body. Every answer sets Clover's clock.
 *
 * Resolves with an answer or with `unclear`; it never rejects, and no message contains the URL or the data of the request.
 */
export function createCloverHttp ({ fetch, clock, callTimeout, userAgent, timing }: CloverHttpOptions) {
  return function call (request: CloverRequest): Promise<CloverResponse | Unclear> {
    const deadline = new AbortController()
    // AbortSignal.timeout() cannot be cancelled when the call ends: at a hundred calls a second, a thousand signals would stay.
    const cancel = startDeadline(callTimeout, () => { deadline.abort() }, timing)
    return ask(request, deadline.signal).finally(cancel)
  }

  async function ask ({ endpoint, url, method, body, accessToken }: CloverRequest, signal: AbortSignal): Promise<CloverResponse | Unclear> {
    try {
      const response = await fetch(url, {
        method,
        redirect: 'manual',
        signal,
        headers: {
          accept: 'application/json',
          'user-agent': userAgent,
          ...(body && { 'content-type': 'application/json' }),
          ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` })
        },
        ...(body && { body: JSON.stringify(body) })
      })
      clock.observe(response.headers.get('date'))
      const text = await readText(response)
      if (text === undefined) return unclear(endpoint, `a reply of more than ${maxBodyBytes} bytes`, response)
      return { outcome: 'answered', status: response.status, headers: response.headers, body: parseJson(text) }
    } catch (error) {
      return unclear(endpoint, signal.aborted ? `no answer within ${callTimeout} ms` : networkReason(error))
    }
  }
}

/** @internal Calls to Clover, as {@link createCloverHttp} makes them. */
export type CloverHttp = ReturnType<typeof createCloverHttp>

function unclear (endpoint: string, what: string, response?: Response): Unclear {
  return { outcome: 'unclear', reason: `${endpoint}: ${what}`, malformed: response?.ok ?? false }
}

/** @internal The body of an answer; undefined if it is longer than 256 KiB. */
export async function readText (response: Response): Promise<string | undefined> {
  if (response.body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    if (bytes > maxBodyBytes) return undefined // leaving the loop cancels the stream
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** @internal What went wrong with a connection: its message is left out, since it may quote the URL. */
export function networkReason (error: unknown): string {
  const code = networkCode(error)
  return code === '' ? 'network error' : `network error ${code}`
}

/** @internal The code of a network error, such as ECONNREFUSED; empty if it has none, or one of another form, which may quote the URL. */
export function networkCode (error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return /^[A-Z][A-Z0-9_]{1,40}$/.test(code) ? code : ''
}
