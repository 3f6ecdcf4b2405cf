import { createHash } from 'node:crypto'
import { parseCookie, stringifySetCookie } from 'cookie'
import { deriveStateKeys, type StateKeys } from './keys.js'

/**
 * @internal Why a state was made. The numbers are stored in states and cookies, so servers of other versions read them too.
 *
 * - `first`: the launch route sent the browser to Clover.
 * - `cookieTest`: the callback sent the browser to itself, to see whether it keeps cookies.
 * - `restarted`: the callback sent the browser to Clover, since it had no valid state of this browser.
 * - `full`: the callback sent the browser to Clover once more, since the merchant has authorized but the stored tokens no longer work. The new
 *   code is exchanged for a token pair that replaces them.
 */
export const Round = { first: 0, cookieTest: 1, restarted: 2, full: 3 } as const

/** @internal The data that a state and its cookie carry from the launch to the callback. */
export interface Attempt {
  /** The merchant that the launch was for. */
  merchantId?: string
  /** The path to redirect to after the callback, already checked. */
  returnTo?: string
  /** One of `Round`. */
  round: number
  /** The number of redirects in a row that sent the browser to Clover without a click, by which a loop is ended. */
  redirects: number
}

/** @internal A state whose cookie is in this browser. */
export interface OwnState extends Attempt {
  /** The random part of the state. */
  id: string
  verifier: string
}

/** @internal The app that {@link States} makes states for, and what it signs them with. */
export interface StateOptions {
  secrets: string[]
  appId: string
  /** The environment's name. */
  environment: string
  /** The app is served over https. */
  secure: boolean
  /** Unix milliseconds. */
  wallClock: () => number
  /** n random bytes as hexadecimal digits. */
  random: (bytes: number) => string
}

/** @internal The redirects that led to a callback without a valid state of this browser, as far as the state and the cookies show them. */
export interface Trace {
  /** The browser sent back a state cookie of this app. */
  keepsCookies: boolean
  /** This is the second request of a cookie test, and the browser sent no cookie. */
  failedCookieTest: boolean
  /** The number of redirects in a row that sent the browser to Clover without a click. */
  redirects: number
  /** The reason why the state is not valid, for the log. */
  reason: string
}

/** The content of a state, without its cookie. */
interface StateContent {
  id: string
  round: number
  redirects: number
  /** Unix seconds; 0 for a state of an older version, which has no time. */
  issuedAt: number
}

interface CookieContent extends Attempt, StateContent {
  name: string
  keys: StateKeys
}

/** Seconds that a state and its cookie are valid: `Max-Age` of the cookie, and the age that is accepted. An authorization may take as long. */
const stateLifetime = 600
/** The most state cookies of one browser, and so the most launches in progress at once. */
const maxCookies = 5
/** The most cookies that one reply deletes: proxies accept 4 KiB of headers from a server, and a flood of cookies must not exceed them. */
const maxEnded = 12
/** Seconds after which a redirect no longer counts towards a loop: a redirect without a click comes back sooner. */
const rowTime = 30

/**
 * @internal Makes and checks the state parameter (RFC 6749, section 10.12). Each state is bound to the browser by a signed cookie of its own
 * (rule 13).
 *
 * The state is `random.round.redirects.time.signature`; the cookie holds the same random part, the merchant and the path to return to. Neither works
 * without the other, after ten minutes, or for another app or environment. New fields must go at the end, so that servers of two versions can run
 * side by side.
 */
export class States {
  readonly #options: StateOptions
  readonly #keys: StateKeys[]
  readonly #prefix: string

  constructor (options: StateOptions) {
    const { appId, environment, secrets, secure } = options
    this.#options = options
    this.#keys = secrets.map(secret => deriveStateKeys(secret, appId, environment))
    const app = createHash('sha256').update(JSON.stringify([appId, environment])).digest('hex').slice(0, 8)
    this.#prefix = `${secure ? '__Host-' : ''}clover-${app}-`
  }

  /** Makes a state. `setCookies`: its own cookie, and deletions of the oldest ones if there are too many. */
  mint (attempt: Attempt, cookieHeader: string | undefined): { state: string, verifier: string, setCookies: string[] } {
    const keys = this.#keys[0]
    if (keys === undefined) throw new Error('a state needs a cookie secret')
    const id = this.#options.random(16)
    const { round, redirects, merchantId = '', returnTo = '' } = attempt
    const issuedAt = Math.floor(this.#options.wallClock() / 1000)
    const state = urlSafe(keys.state.sign([id, round, redirects, issuedAt].join('.')))
    const content = [id, round, issuedAt, merchantId, Buffer.from(returnTo).toString('base64url'), redirects].join('.')
    const cookie = this.#serialize(this.#nameOf(id), keys.cookie.sign(content), stateLifetime)
    return { state, verifier: keys.verifier(id), setCookies: [...this.#endSurplus(cookieHeader), cookie] }
  }

  /** The data of a state if its cookie is in this browser, undefined otherwise. */
  open (state: string | undefined, cookieHeader: string | undefined): OwnState | undefined {
    const id = state === undefined ? undefined : this.#verify(state)?.id
    if (id === undefined) return undefined
    const own = this.#read(cookieHeader).valid.find(cookie => cookie.id === id)
    if (own === undefined) return undefined
    const { merchantId, returnTo, round, redirects, keys } = own
    return { id, round, redirects, verifier: keys.verifier(id), ...(merchantId !== undefined && { merchantId }), ...(returnTo !== undefined && { returnTo }) }
  }

  /** The `Set-Cookie` value that deletes a state's cookie, so that the state works only once. */
  clear ({ id }: OwnState): string {
    return this.#serialize(this.#nameOf(id), '', 0)
  }

  /** The round of a state with a valid signature, whether or not its cookie is in this browser; undefined otherwise. */
  roundOf (state: string | undefined): number | undefined {
    return state === undefined ? undefined : this.#verify(state)?.round
  }

  /**
   * Traces how a browser with an invalid state came here.
   *
   * A state of a server with another cookie secret counts too: two such servers behind one address would otherwise redirect endlessly. With a forged
   * state a stranger can only cause an error page.
   */
  trace (state: string | undefined, cookieHeader: string | undefined): Trace {
    const { valid } = this.#read(cookieHeader)
    const newest = valid.filter(cookie => cookie.issuedAt === valid.at(-1)?.issuedAt)
    const verified = state === undefined ? undefined : this.#verify(state)
    const claimed = verified ?? (state === undefined ? undefined : claimOf(state))
    const isRecent = ({ issuedAt }: StateContent) => issuedAt === 0 || issuedAt > this.#options.wallClock() / 1000 - rowTime
    const recent = [...(claimed ? [claimed] : []), ...newest].filter(isRecent)
    return {
      keepsCookies: valid.length > 0,
      failedCookieTest: valid.length === 0 && recent.some(({ round }) => round === Round.cookieTest),
      redirects: Math.max(0, ...recent.map(({ redirects }) => redirects)),
      reason: state === undefined
        ? 'no state'
        : claimed && !verified ? 'the state was signed with another cookieSecret' : 'the state is not this browser\'s, is too old, or was used'
    }
  }

  #verify (state: string): StateContent | undefined {
    for (const keys of this.#keys) {
      const { valid, value } = keys.state.unsign(plain(state))
      if (!valid || value === null) continue
      const [id = '', round, redirects, issuedAt = 0] = value.split('.')
      return { id, round: Number(round), redirects: redirectsOf(round, redirects), issuedAt: Number(issuedAt) }
    }
    return undefined
  }

  /** The state cookies of this app in a browser: the valid ones, oldest first, and the names of the others. */
  #read (cookieHeader: string | undefined): { valid: CookieContent[], invalid: string[] } {
    const valid: CookieContent[] = []
    const invalid: string[] = []
    for (const [name, value = ''] of Object.entries(parseCookie(cookieHeader ?? ''))) {
      if (!name.startsWith(this.#prefix)) continue
      const content = this.#openCookie(name, value)
      if (content) valid.push(content)
      else if (/^[0-9a-f]{8}$/.test(name.slice(this.#prefix.length))) invalid.push(name) // other names were not made here, and a name is echoed in the reply
    }
    return { valid: valid.sort((a, b) => a.issuedAt - b.issuedAt), invalid }
  }

  #openCookie (name: string, text: string): CookieContent | undefined {
    for (const keys of this.#keys) {
      const { valid, value } = keys.cookie.unsign(text)
      if (!valid || value === null) continue
      const [id = '', round, issued, merchantId, returnTo = '', redirects] = value.split('.')
      const issuedAt = Number(issued)
      const age = this.#options.wallClock() / 1000 - issuedAt
      if (name !== this.#nameOf(id) || age > stateLifetime || age < -stateLifetime) return undefined
      return {
        id, name, issuedAt, keys, round: Number(round), redirects: redirectsOf(round, redirects), ...(merchantId && { merchantId }), ...(returnTo && { returnTo: Buffer.from(returnTo, 'base64url').toString() })
      }
    }
    return undefined
  }

  /** Deletes the invalid cookies, and so many of the oldest that there is room for one more. */
  #endSurplus (cookieHeader: string | undefined): string[] {
    const { valid, invalid } = this.#read(cookieHeader)
    const surplus = valid.slice(0, Math.max(0, valid.length - maxCookies + 1)).map(cookie => cookie.name)
    return [...surplus, ...invalid].slice(0, maxEnded).map(name => this.#serialize(name, '', 0))
  }

  #nameOf (id: string): string {
    return this.#prefix + id.slice(0, 8)
  }

  /** No `Domain`, so that only this host gets the cookie. Nothing is encoded: a signature has only characters that a cookie may hold. */
  #serialize (name: string, value: string, maxAge: number): string {
    return stringifySetCookie({
      name, value, path: '/', httpOnly: true, sameSite: 'lax', secure: this.#options.secure, maxAge, ...(maxAge === 0 && { expires: new Date(0) })
    }, { encode: text => text })
  }
}

/** Older versions did not count redirects, and sent the browser to Clover again at most once. */
function redirectsOf (round: string | undefined, redirects: string | undefined): number {
  if (redirects !== undefined) return Number(redirects)
  return Number(round) === Round.restarted ? 1 : 0
}

/** The content of a state whose signature is not of this server; undefined if it does not have the form of a state. */
function claimOf (state: string): StateContent | undefined {
  const [, id = '', round, redirects, issuedAt] = /^([0-9a-f]{32})\.(\d)\.(\d{1,2})\.(\d{10})\.[\w-]{43}$/.exec(state) ?? []
  return id === '' ? undefined : { id, round: Number(round), redirects: Number(redirects), issuedAt: Number(issuedAt) }
}

/** Base64 as the signer makes it has characters that some servers change in a query. */
function urlSafe (text: string): string {
  return text.replaceAll('+', '-').replaceAll('/', '_')
}

function plain (text: string): string {
  return text.replaceAll('-', '+').replaceAll('_', '/')
}
