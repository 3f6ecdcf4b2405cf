import { authorizeUrl, challengeOf } from '../../clover/authorize.js'
import type { CloverApp } from '../../clover/app.js'
import { within } from '../../concurrency/within.js'
import { isMerchantId } from '../../installation.js'
import type { Io } from '../io.js'
import type { Report } from '../report.js'
import { Calls, type Grant, type Pair, type Reply } from './calls.js'
import { Findings } from './findings.js'
import type { Arrival, ProbeServer } from './probe-server.js'
import { NotHere, Unsettled } from './outcome.js'
import { Questions } from './questions.js'
import type { Settings } from './settings.js'
import type { ProbeTiming } from './timing.js'

/** @internal A visit to Clover's authorize page that differs from the usual one. */
export interface OddVisit {
  /** Changes of the page's parameters; undefined removes one. */
  edit?: (challenge: { verifier: string }) => Record<string, string | undefined>
  mayFail?: boolean
  mayBeBare?: boolean
}

/** @internal What a session is made of. */
export interface SessionParts {
  settings: Settings
  timing: ProbeTiming
  io: Io
  server: ProbeServer
  report: Report
}

/** @internal What the experiments work with: Clover, the browser, the person, and a pair of tokens that is alive. */
export class Session {
  readonly settings: Settings
  readonly calls: Calls
  readonly server: ProbeServer
  readonly findings = new Findings()
  readonly #parts: SessionParts
  readonly #questions: Questions
  #signal: AbortSignal
  #merchant: string | undefined
  /** The merchant whom the latest callback names. */
  #named = ''
  #pair: Pair | undefined
  #patience: number
  /** Whether tokens were issued, or may have been. */
  hasTokens = false

  constructor (parts: SessionParts) {
    const { settings, timing, io, server } = parts
    this.#parts = parts
    this.settings = settings
    this.server = server
    this.calls = new Calls(settings.app, timing, this)
    this.#questions = new Questions(io)
    this.#signal = io.signal
    this.#patience = timing.patience
    this.#merchant = settings.merchant
  }

  get app (): CloverApp {
    return this.settings.app
  }

  get isHighTrust (): boolean {
    return this.app.appSecret !== false
  }

  /** The merchant of the authorizations. */
  get merchant (): string {
    return this.#merchant ?? this.#named
  }

  /** A token has proven to be the merchant's: all authorizations from now on must be theirs. */
  decideMerchant (): void {
    this.#merchant ??= this.#named
  }

  /** The probe ends: a stop has done its work, and the person gets less time, once it came. */
  beginEnd (): void {
    if (this.#signal.aborted) this.#patience = this.#parts.timing.lastPatience
    this.#signal = new AbortController().signal
  }

  /** Throws once somebody has stopped the probe. */
  goOn (): void {
    if (this.#signal.aborted) throw new NotHere('the probe was stopped')
  }

  /** Unix milliseconds. */
  now (): number {
    return this.#parts.timing.wallClock()
  }

  /** Waits for some milliseconds, or until a stop. */
  async pause (milliseconds: number): Promise<void> {
    await this.#parts.timing.sleep(milliseconds, this.#signal)
    this.goOn()
  }

  /** Asks a person. With `--yes` only about what they must do themselves, to which the answer is no. */
  async ask (question: string, byHand = false): Promise<boolean> {
    if (this.settings.yes) return !byHand
    this.goOn()
    const answer = await this.#questions.ask(question, this.#signal)
    this.goOn()
    return answer
  }

  /** Sends the browser to Clover's authorize page, and resolves with what comes back, and the verifier of the visit. */
  async visit ({ edit = () => ({}), ...trip }: OddVisit = {}): Promise<{ arrival: Arrival, verifier: string }> {
    this.goOn()
    const { random, hint } = this.#parts.timing
    const state = random(16)
    const verifier = random(32)
    const merchant = this.#merchant === undefined ? {} : { merchantId: this.#merchant }
    const url = new URL(authorizeUrl(this.app, { redirectUri: this.server.redirectUri, state, verifier, ...merchant }))
    for (const [name, value] of Object.entries(edit({ verifier }))) {
      if (value === undefined) url.searchParams.delete(name)
      else url.searchParams.set(name, value)
    }
    const hintIsDue = new AbortController()
    this.#parts.timing.sleep(hint, hintIsDue.signal, { ref: false }).then(() => { if (!hintIsDue.signal.aborted) this.#hint() }, () => {})
    const patience = this.#patience
    const late = () => new Unsettled(`the browser did not come back from Clover within ${patience / 1000} seconds`)
    const arrival = await within(this.server.send({ url: url.href, state, ...trip }), patience, late, this.#signal).finally(() => {
      hintIsDue.abort()
      this.server.cancel()
      this.goOn()
    })
    return { arrival, verifier }
  }

  /** A new code of the merchant. */
  async grant (visit?: OddVisit): Promise<Grant> {
    const { arrival, verifier } = await this.visit(visit)
    return { code: this.accept(arrival), verifier }
  }

  /** The code of a callback. */
  accept ({ query: { code, merchant_id: merchant, error } }: Arrival): string {
    if (code === undefined) throw new Unsettled(`the callback has no code${error === undefined ? '' : ' but an error: the authorization was denied'}`)
    if (!isMerchantId(merchant)) throw new Unsettled('the callback has no merchant_id of 13 characters')
    if (this.#merchant !== undefined && merchant !== this.#merchant) throw new Unsettled('another merchant authorized the app: choose the same one each time')
    this.#named = merchant
    return code
  }

  /** Exchanges a code for a pair. */
  async exchange (grant: Grant): Promise<Reply<Pair>> {
    const isFirst = !this.hasTokens
    this.hasTokens = true
    const reply = await this.calls.exchange(grant)
    if (reply.ok) this.#measure(reply.value)
    else if (isFirst) this.hasTokens = false
    return reply
  }

  /** A new pair, from a new authorization. */
  async newPair (): Promise<Pair> {
    return granted('/oauth/v2/token', await this.exchange(await this.grant()))
  }

  /**
   * A pair that works, for this caller only: the one that was kept, or a new one. So a failed experiment leaves nothing behind that another one
   * would rely on.
   */
  async pair (): Promise<Pair> {
    this.goOn()
    const pair = this.#pair
    this.#pair = undefined
    return pair ?? await this.newPair()
  }

  /** Keeps a pair that is alive for the next experiment. */
  keep (pair: Pair): void {
    this.#pair = pair
  }

  /** An access token that is alive; its pair is kept. Clover may count its use as the use of the pair. */
  async accessToken (): Promise<string> {
    const pair = await this.pair()
    const isAlive = await this.works(pair.accessToken)
    const fresh = isAlive ? pair : await this.newPair()
    this.keep(fresh)
    return fresh.accessToken
  }

  async works (accessToken: string): Promise<boolean> {
    return await this.calls.works(this.merchant, accessToken)
  }

  /** What a person must know. */
  say (line: string): void {
    this.#parts.report.note('note', line, { text: line })
  }

  #hint (): void {
    this.say(`Waiting for the browser. If it is stuck, or is closed, open ${this.server.address}`)
  }

  #measure ({ accessTokenExpiration, refreshTokenExpiration }: Pair): void {
    const now = this.calls.date?.seconds ?? Infinity
    for (const [name, end] of [['accessTokenLifetime', accessTokenExpiration], ['refreshTokenLifetime', refreshTokenExpiration]] as const) {
      const lifetime = Math.round(Number(end) - now)
      if (lifetime > 0) this.findings.measure(name, lifetime)
    }
  }
}

/** @internal What Clover gave. @throws Unsettled if it refused */
export function granted <T> (endpoint: string, reply: Reply<T>): T {
  if (!reply.ok) throw new Unsettled(`${endpoint}: refused with status ${reply.status}`)
  return reply.value
}

/** @internal PKCE's parameters that a visit has. */
export const challenges = {
  withoutMethod: ({ verifier }: { verifier: string }) => ({ code_challenge: challengeOf(verifier), code_challenge_method: undefined }),
  plain: ({ verifier }: { verifier: string }) => ({ code_challenge: verifier, code_challenge_method: 'plain' })
}
