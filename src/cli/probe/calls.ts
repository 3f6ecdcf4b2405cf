import type { Answer, Refused, Unclear } from '../../clover/answer.js'
import type { CloverApp } from '../../clover/app.js'
import { createCloverClient, parseRetryAfter, type CloverClient, type Exchange, type PairAnswer } from '../../clover/client.js'
import { CloverClock } from '../../clover/clock.js'
import { createCloverHttp, type CloverHttp, type CloverRequest, type CloverResponse } from '../../clover/http.js'
import type { TokenPair } from '../../clover/wire.js'
import { version } from '../../version.js'
import { Unsettled } from './outcome.js'
import { rawCall, type RawCall } from './raw-call.js'
import type { ProbeTiming } from './timing.js'

/** @internal A pair of tokens. */
export interface Pair extends TokenPair {
  refreshToken: string
}

/** @internal A code, and what its exchange needs. */
export type Grant = Pick<Exchange, 'code' | 'verifier'>

/** @internal The answer to a code or a token: what Clover gave for it, or its refusal. */
export type Reply<T> = { ok: true, value: T } | { ok: false, status: number, recoveryAvailable: boolean }

/** How often a call that Clover's limits refused is made again, and the pause in milliseconds unless Clover names one. */
const whenLimited = { times: 4, pause: 1_000 }

/** @internal A User-Agent in the form that Clover asks for. */
export const userAgent = `fastify-clover-probe/${version} (+https://www.npmjs.com/package/fastify-clover)`

/** @internal What may stop the calls. */
export interface Pacer {
  /** Throws once nothing more must be begun. */
  goOn (): void
  /** Waits for some milliseconds. */
  pause (milliseconds: number): Promise<void>
}

/** @internal The calls to Clover. A call without a usable answer throws `Unsettled`; one that Clover's limits refused is made again. */
export class Calls {
  readonly #app: CloverApp
  readonly #timing: ProbeTiming
  readonly #pacer: Pacer
  readonly #http: CloverHttp
  readonly #client: CloverClient
  /** The value of the latest `Date` header, and the difference to the clock here, in milliseconds. */
  #date: { at: number, difference: number } | undefined

  constructor (app: CloverApp, timing: ProbeTiming, pacer: Pacer) {
    this.#app = app
    this.#pacer = pacer
    this.#timing = timing
    const { fetch, wallClock, monotonic, callTimeout } = timing
    const plain = createCloverHttp({ fetch, clock: new CloverClock(wallClock, monotonic), callTimeout, userAgent })
    this.#http = async request => await this.#patiently(request, plain)
    this.#client = createCloverClient(app, async request => refusePages(request, await this.#http(request)))
  }

  /** The latest `Date` of Clover's answers in Unix seconds, and the clock here minus it in seconds; undefined: there was none. */
  get date (): { seconds: number, difference: number } | undefined {
    // The header is cut to whole seconds.
    return this.#date && { seconds: this.#date.at / 1000, difference: Math.round((this.#date.difference - 500) / 1000) }
  }

  /** Exchanges a code in full. */
  async exchange (grant: Grant): Promise<Reply<Pair>> {
    // Its form has been checked: it has a refresh token.
    return replyOf(await this.#client.exchange({ ...grant, withRefreshToken: true })) as Reply<Pair>
  }

  /** Exchanges a code with `no_refresh_token`. */
  async exchangeForAccess (grant: Grant): Promise<Reply<TokenPair>> {
    return replyOf(await this.#client.exchange({ ...grant, withRefreshToken: false }))
  }

  /** Spends a refresh token. */
  async refresh (refreshToken: string): Promise<Reply<Pair>> {
    return pairOf(await this.#client.refresh(refreshToken))
  }

  /** Presents a token for recovery. */
  async recover (spentToken: string): Promise<Reply<Pair>> {
    return pairOf(await this.#client.recover(spentToken))
  }

  async migrate (grant: Parameters<CloverClient['migrate']>[0]): Promise<Reply<string>> {
    const reply = replyOf(await this.#client.migrate(grant))
    return reply.ok ? { ...reply, value: reply.value.code } : reply
  }

  /** Whether the REST API accepts an access token for its merchant. */
  async works (merchantId: string, accessToken: string): Promise<boolean> {
    const answer = replyOf(await this.#client.merchant(merchantId, accessToken))
    if (answer.ok && answer.value !== merchantId) throw new Unsettled('/v3/merchants/{mId}: it names another merchant')
    return answer.ok
  }

  /** Asks the REST or ecommerce API. The answer may have any status below 500, but is no page. */
  async get (endpoint: string, url: URL, accessToken: string): Promise<CloverResponse> {
    const request: CloverRequest = { endpoint, url, method: 'GET', accessToken }
    return answered(endpoint, refusePages(request, await this.#http(request)))
  }

  /** Asks for a page without any log-in, as no browser does, and resolves with the status. */
  async page (url: URL): Promise<number> {
    const endpoint = url.pathname
    return answered(endpoint, await this.#http({ endpoint, url, method: 'GET' })).status
  }

  /** A request that no client makes: see `rawCall`. */
  async raw (call: Omit<RawCall, 'url' | 'timeout'> & { path: string }): Promise<number> {
    const { path, ...rest } = call
    this.#pacer.goOn()
    return await rawCall({ ...rest, url: new URL(path, this.#app.environment.api), timeout: this.#timing.callTimeout })
  }

  async #patiently (request: CloverRequest, http: CloverHttp, { times, pause } = whenLimited): Promise<CloverResponse | Unclear> {
    this.#pacer.goOn()
    const answer = await http(request)
    if (answer.outcome === 'unclear') return answer
    this.#observe(answer.headers.get('date'))
    if (answer.status !== 429 || times === 0) return answer
    const seconds = parseRetryAfter(answer.headers.get('retry-after'))
    await this.#pacer.pause(seconds === undefined ? pause : Math.min(60, seconds) * 1000)
    return await this.#patiently(request, http, { times: times - 1, pause: pause * 2 })
  }

  #observe (date: string | null): void {
    const at = date === null ? NaN : Date.parse(date)
    if (!Number.isNaN(at)) this.#date = { at, difference: this.#timing.wallClock() - at }
  }
}

/** A page of HTML is no answer of Clover's API, whatever its status: it comes from something before it. */
function refusePages ({ endpoint }: CloverRequest, answer: CloverResponse | Unclear): CloverResponse | Unclear {
  if (answer.outcome === 'unclear' || !/html/i.test(String(answer.headers.get('content-type')))) return answer
  return { outcome: 'unclear', reason: `${endpoint}: a page (HTML) with status ${answer.status}`, malformed: false }
}

function answered (endpoint: string, answer: CloverResponse | Unclear): CloverResponse {
  if (answer.outcome === 'unclear') throw new Unsettled(answer.reason)
  if (answer.status >= 500 || answer.status === 429) throw new Unsettled(`${endpoint}: status ${answer.status}`)
  return answer
}

function replyOf <T> (answer: Answer<T>): Reply<T> {
  if (answer.outcome === 'unclear') throw new Unsettled(answer.reason)
  return answer.outcome === 'ok' ? { ok: true, value: answer.value } : refusalOf(answer)
}

function pairOf (answer: PairAnswer): Reply<Pair> {
  if (answer.outcome === 'odd') throw new Unsettled(answer.reason)
  // Its form has been checked: it has a refresh token.
  return replyOf(answer) as Reply<Pair>
}

function refusalOf ({ status, recoveryAvailable }: Refused): { ok: false, status: number, recoveryAvailable: boolean } {
  return { ok: false, status, recoveryAvailable }
}
