import { setMaxListeners } from 'node:events'
import { startDeadline, type Timing } from '../concurrency/deadline.js'
import { closing, unavailable } from '../errors.js'
import { parseRetryAfter } from './client.js'
import type { CloverClock } from './clock.js'
import { isReplayable, type CloverFetchInit } from './fetch-init.js'
import { networkReason } from './http.js'

/** @internal */
export interface CloverApiOptions {
  fetch: typeof globalThis.fetch
  clock: CloverClock
  /** Milliseconds on a clock that is never set back. */
  now (): number
  sleep (milliseconds: number, signal?: AbortSignal): Promise<void>
  /** A number from 0 up to 1. */
  jitter (): number
  /** Runs a task once it is the merchant's turn. */
  lanes: { run<T> (key: string, task: () => Promise<T>, patience: { milliseconds: number, late: () => unknown, signal?: AbortSignal | undefined }): Promise<T> }
  /** Milliseconds of one try, until the headers of the answer. */
  callTimeout: number
  /** The `User-Agent` of each call that has none of its own. */
  userAgent: string
  /** The clock and the timers of the deadline; real ones by default. */
  timing?: Timing
}

/** @internal A call with a merchant's token. */
export interface ApiCall {
  merchantId: string
  url: URL
  init: CloverFetchInit
  accessToken: string
  /** By `now`: no try begins later. */
  giveUpAt: number
  /** Reads the whole body within the deadline of the try, and tries again where it breaks off. */
  isBuffered: boolean
}

/** A try that got no answer. */
interface Silence {
  reason: string
}

/** The most times that a call is tried again: after 429 (Clover did not process it), and after a failure. */
const mostRetries = { limited: 5, failed: 2 }

/** Milliseconds before the first of those tries; each later one waits twice as long. */
const firstPause = { limited: 1_000, failed: 250 }

/** Methods that change nothing (RFC 9110, section 9.2.1): after a failure nobody knows whether any other was processed. */
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Statuses whose answers have no body (Fetch standard, "null body status"). */
const withoutBody = new Set([204, 205, 304])

/**
 * @internal Clover's REST API: one call with its retries.
 *
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
export class CloverApi {
  readonly #use: CloverApiOptions
  readonly #end = new AbortController()

  constructor (options: CloverApiOptions) {
    this.#use = options
    setMaxListeners(0, this.#end.signal) // each call that waits listens
  }

  /**
   * Sends a call, and again after 429, or if it is safe after a failure. Resolves with Clover's last answer, whatever its status.
   *
   * @throws FST_CLOVER_UNAVAILABLE without an answer, FST_CLOVER_CLOSING, the signal's reason, or fetch's error for wrong arguments
   */
  async send (call: ApiCall): Promise<Response> {
    const { lanes, now, sleep } = this.#use
    const { merchantId, url, init, giveUpAt } = call
    const signal = init.signal ?? undefined
    const method = (init.method ?? 'GET').toUpperCase()
    const isSafe = safeMethods.has(method)
    const unanswered = ({ reason }: Silence) =>
      unavailable(`${method} ${url.pathname}: ${reason}${isSafe ? '' : `; the ${method} may have been carried out all the same`}`, 1, merchantId)
    const late = () => unavailable(`${method} ${url.pathname}: too many calls at once`, 1, merchantId)
    const retries = { limited: 0, failed: 0 }
    while (true) {
      const answer = await lanes.run(merchantId, () => this.#try(call, signal), { milliseconds: giveUpAt - now(), late, signal })
      const pause = this.#pause(answer, isSafe, retries)
      if (pause === undefined || !isReplayable(init.body) || now() + pause > giveUpAt) {
        if ('reason' in answer) throw unanswered(answer)
        return answer
      }
      if (!('reason' in answer)) discard(answer)
      await sleep(pause, signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal)
      signal?.throwIfAborted()
      if (this.#end.signal.aborted) throw closing()
    }
  }

  /** From now on nothing is tried again. */
  close (): void {
    this.#end.abort()
  }

  /** Milliseconds before the next try; undefined if there is to be none. */
  #pause (answer: Response | Silence, isSafe: boolean, retries: { limited: number, failed: number }): number | undefined {
    const isSilent = 'reason' in answer
    const kind = !isSilent && answer.status === 429 ? 'limited' : isSafe && (isSilent || answer.status >= 500) ? 'failed' : undefined
    if (kind === undefined || retries[kind] >= mostRetries[kind]) return undefined
    const asked = isSilent ? undefined : parseRetryAfter(answer.headers.get('retry-after'))
    const pause = asked === undefined ? firstPause[kind] * 2 ** retries[kind] : asked * 1_000
    retries[kind]++
    // Never less than asked for; the jitter spreads calls that were refused together.
    return pause + Math.min(pause, 1_000) * this.#use.jitter() / 2
  }

  async #try (call: ApiCall, signal: AbortSignal | undefined): Promise<Response | Silence> {
    const deadline = new AbortController()
    const cancel = startDeadline(this.#use.callTimeout, () => { deadline.abort() }, this.#use.timing)
    try {
      return await this.#ask(call, signal, deadline.signal)
    } finally {
      cancel()
    }
  }

  async #ask ({ url, init, accessToken, isBuffered }: ApiCall, signal: AbortSignal | undefined, deadline: AbortSignal): Promise<Response | Silence> {
    const { fetch, clock, callTimeout, userAgent } = this.#use
    const headers = new Headers(init.headers)
    if (!headers.has('user-agent')) headers.set('user-agent', userAgent)
    headers.set('authorization', `Bearer ${accessToken}`)
    try {
      const response = await fetch(url, { ...init, headers, redirect: 'manual', signal: signal ? AbortSignal.any([signal, deadline]) : deadline })
      clock.observe(response.headers.get('date'))
      return isBuffered ? await buffered(response) : response
    } catch (error) {
      signal?.throwIfAborted()
      if (deadline.aborted) return { reason: `no answer within ${callTimeout} ms` }
      // What fetch says of a wrong argument has no cause, unlike a failure of the network.
      if (error instanceof TypeError && error.cause === undefined) throw error
      return { reason: networkReason(error) }
    }
  }
}

/** @internal Lets go of an answer that nobody will read, and of its connection. */
export function discard (response: Response): void {
  response.body?.cancel().catch(() => {}) // it may have failed already
}

async function buffered (response: Response): Promise<Response> {
  const body = await response.arrayBuffer()
  return new Response(withoutBody.has(response.status) ? null : body, response)
}
