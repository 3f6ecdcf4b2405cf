import { setMaxListeners } from 'node:events'
import { startDeadline, type Timing } from '../concurrency/deadline.js'
import { closing, unavailable } from '../errors.js'
import { parseRetryAfter } from '../clover/client.js'
import type { CloverClock } from '../clover/clock.js'
import { isReplayable, type CloverFetchInit } from './fetch-init.js'
import { networkReason } from '../clover/http.js'

/** @internal What {@link CloverApi} needs. */
export interface CloverApiDependencies {
  fetch: typeof globalThis.fetch
  clock: CloverClock
  /** Monotonic milliseconds. */
  monotonic (): number
  sleep (milliseconds: number, signal?: AbortSignal): Promise<void>
  /** A number from 0 up to 1. */
  jitter (): number
  /** Runs a task at the merchant's turn, or rejects with `late()` if that does not come within `milliseconds`. */
  fairQueue: {
    run<T> (
      merchantId: string,
      task: () => Promise<T>,
      patience: { milliseconds: number, late: () => unknown, signal?: AbortSignal | undefined }
    ): Promise<T>
  }
  /** Milliseconds of one attempt, until the headers of the answer. */
  callTimeout: number
  /** The `User-Agent` of each call whose init has none. */
  userAgent: string
  /** The clock and the timers of the deadline. Default: real ones. */
  timing?: Timing
}

/** @internal A call with a merchant's token. */
export interface ApiCall {
  merchantId: string
  url: URL
  init: CloverFetchInit
  accessToken: string
  /** Monotonic milliseconds: no attempt starts later. */
  giveUpAt: number
  /** Reads the whole body within the attempt's deadline; a body that breaks off counts as a failure. */
  isBuffered: boolean
}

/** An attempt without an answer. */
interface NoAnswer {
  reason: string
}

/** The most retries of a call: after 429, which means that Clover did not process it, and after a failure. */
const mostRetries = { limited: 5, failed: 2 }

/** Milliseconds before the first retry; each later one waits twice as long. */
const firstPause = { limited: 1_000, failed: 250 }

/** Safe methods (RFC 9110, section 9.2.1). After a failure it is unknown whether a call was processed, so no other method is retried. */
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Statuses whose answers have no body (Fetch standard, "null body status"). */
const withoutBody = new Set([204, 205, 304])

/**
 * @internal Clover's REST API: one call with its retries.
 *
 * Source: https://docs.clover.com/dev/docs/api-usage-rate-limits
 */
export class CloverApi {
  readonly #use: CloverApiDependencies
  readonly #end = new AbortController()

  constructor (dependencies: CloverApiDependencies) {
    this.#use = dependencies
    setMaxListeners(0, this.#end.signal) // each waiting call adds a listener
  }

  /**
   * Sends a call, and retries it after 429, or, if the method is safe, after a failure. Resolves with Clover's last answer, whatever its status.
   *
   * @throws FST_CLOVER_UNAVAILABLE if there is no answer, FST_CLOVER_CLOSING, the signal's reason, or fetch's error for wrong arguments
   */
  async send (call: ApiCall): Promise<Response> {
    const { fairQueue, monotonic, sleep } = this.#use
    const { merchantId, url, init, giveUpAt } = call
    const signal = init.signal ?? undefined
    const method = (init.method ?? 'GET').toUpperCase()
    const isSafe = safeMethods.has(method)
    const unanswered = ({ reason }: NoAnswer) =>
      unavailable(`${method} ${url.pathname}: ${reason}${isSafe ? '' : `; Clover may have processed the ${method}`}`, 1, merchantId)
    const late = () => unavailable(`${method} ${url.pathname}: too many calls at once`, 1, merchantId)
    const retries = { limited: 0, failed: 0 }
    while (true) {
      const answer = await fairQueue.run(merchantId, () => this.#attempt(call, signal), { milliseconds: giveUpAt - monotonic(), late, signal })
      const pause = this.#pause(answer, isSafe, retries)
      if (pause === undefined || !isReplayable(init.body) || monotonic() + pause > giveUpAt) {
        if ('reason' in answer) throw unanswered(answer)
        return answer
      }
      if (!('reason' in answer)) discard(answer)
      await sleep(pause, signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal)
      signal?.throwIfAborted()
      if (this.#end.signal.aborted) throw closing()
    }
  }

  /** Ends all waits for a retry with FST_CLOVER_CLOSING, and allows no further retry. */
  close (): void {
    this.#end.abort()
  }

  /** Milliseconds before the next attempt; undefined for none. */
  #pause (answer: Response | NoAnswer, isSafe: boolean, retries: { limited: number, failed: number }): number | undefined {
    const hasNoAnswer = 'reason' in answer
    const kind = !hasNoAnswer && answer.status === 429 ? 'limited' : isSafe && (hasNoAnswer || answer.status >= 500) ? 'failed' : undefined
    if (kind === undefined || retries[kind] >= mostRetries[kind]) return undefined
    const asked = hasNoAnswer ? undefined : parseRetryAfter(answer.headers.get('retry-after'))
    const pause = asked === undefined ? firstPause[kind] * 2 ** retries[kind] : asked * 1_000
    retries[kind]++
    // Never less than Clover asks for. The jitter spreads calls that were refused at the same time.
    return pause + Math.min(pause, 1_000) * this.#use.jitter() / 2
  }

  async #attempt (call: ApiCall, signal: AbortSignal | undefined): Promise<Response | NoAnswer> {
    const deadline = new AbortController()
    const cancel = startDeadline(this.#use.callTimeout, () => { deadline.abort() }, this.#use.timing)
    try {
      return await this.#fetch(call, signal, deadline.signal)
    } finally {
      cancel()
    }
  }

  async #fetch ({ url, init, accessToken, isBuffered }: ApiCall, signal: AbortSignal | undefined, deadline: AbortSignal): Promise<Response | NoAnswer> {
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
      // fetch's TypeError for a wrong argument has no cause; that for a network failure has one.
      if (error instanceof TypeError && error.cause === undefined) throw error
      return { reason: networkReason(error) }
    }
  }
}

/** @internal Cancels the body of an answer that is not used, which frees its connection. */
export function discard (response: Response): void {
  response.body?.cancel().catch(() => {}) // it may have failed already
}

async function buffered (response: Response): Promise<Response> {
  const body = await response.arrayBuffer()
  return new Response(withoutBody.has(response.status) ? null : body, response)
}
