import { createHash } from 'node:crypto'
import { parse, serialize } from 'cookie'
import { deriveStateKeys, type StateKeys } from './keys.js'

/**
 * @internal Why the browser was sent on with a state. The numbers stand in states and cookies, so servers of other versions read them too.
 *
 * - `first`: to Clover, by the launch route.
 * - `asking`: to this app's own callback, to see whether the browser keeps cookies.
 * - `again`: to Clover, since a callback had no valid state of this browser.
 * - `full`: to Clover, since the merchant has authorized but the stored tokens no longer work. This code is exchanged for a pair that replaces
 *   them.
 */
export const Round = { first: 0, asking: 1, again: 2, full: 3 } as const

/** @internal What a launch puts into its state, and gets back at the callback. */
export interface Attempt {
  /** The merchant that the launch was for. */
  merchantId?: string
  /** Where to go afterwards: a path, already checked. */
  returnTo?: string
  /** One of `Round`. */
  round: number
  /** How often in a row the browser was sent to Clover without a person's click: a loop must end. */
  redirects: number
}

/** @internal A state whose cookie is in this browser. */
export interface OwnState extends Attempt {
  /** The random part: the same for every way to write the state. */
  id: string
  verifier: string
}

/** @internal */
export interface StateOptions {
  secrets: string[]
  appId: string
  /** The environment's name. */
  environment: string
  /** The app is served over https. */
  secure: boolean
  /** Unix milliseconds. */
  now: () => number
  /** n random bytes as hexadecimal digits. */
  random: (bytes: number) => string
}

/** @internal What is known of the redirects that led to a callback without a valid state of this browser. */
export interface Trace {
  /** The browser sent back a state cookie that was set here. */
  keepsCookies: boolean
  /** The browser was sent here just now to show whether it keeps cookies, and has sent none. */
  failedCookieTest: boolean
  /** How often in a row the browser was sent to Clover without a person's click. */
  redirects: number
  /** Why the state is not valid, for the log. */
  reason: string
}

/** What a state says by itself. */
interface StateContent {
  id: string
  round: number
  redirects: number
  /** Unix seconds; 0 in a state of an older version, which had no time. */
  issuedAt: number
}

interface CookieContent extends Attempt, StateContent {
  name: string
  keys: StateKeys
}

/** Seconds that an authorization may take. */
const lifetime = 600
/** State cookies in one browser: so many launches may be under way at once. */
const maxCookies = 5
/** Cookies that one reply ends at most: proxies take 4 KiB of headers from a server, and a flood of cookies must not fill them. */
const maxEnded = 12
/** Seconds after which a redirect no longer counts as one of a row: a redirect that nobody clicks for comes back sooner. */
const rowTime = 30

/**
 * @internal The state parameter (RFC 6749, section 10.12), bound to the browser by a signed cookie of its own for each attempt.
 *
 * The state is `random.round.redirects.time.signature`; the cookie holds the same random part and what the launch was for. Neither works without
 * the other, after ten minutes, or for another app or environment. Fields are only ever added at the end, so that servers of two versions can run
 * at once.
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

  /** A state for a new attempt, and the cookies to set with it: its own, and the end of those that are too many. */
  mint (attempt: Attempt, cookieHeader: string | undefined): { state: string, verifier: string, setCookies: string[] } {
    const keys = this.#keys[0]
    if (keys === undefined) throw new Error('a state needs a cookie secret')
    const id = this.#options.random(16)
    const { round, redirects, merchantId = '', returnTo = '' } = attempt
    const issuedAt = Math.floor(this.#options.now() / 1000)
    const state = urlSafe(keys.state.sign([id, round, redirects, issuedAt].join('.')))
    const content = [id, round, issuedAt, merchantId, Buffer.from(returnTo).toString('base64url'), redirects].join('.')
    const cookie = this.#serialize(this.#nameOf(id), keys.cookie.sign(content), lifetime)
    return { state, verifier: keys.verifier(id), setCookies: [...this.#endSurplus(cookieHeader), cookie] }
  }

  /** What the launch of this state was for, if it was this browser's; undefined otherwise. */
  open (state: string | undefined, cookieHeader: string | undefined): OwnState | undefined {
    const id = state === undefined ? undefined : this.#verify(state)?.id
    if (id === undefined) return undefined
    const own = this.#read(cookieHeader).valid.find(cookie => cookie.id === id)
    if (own === undefined) return undefined
    const { merchantId, returnTo, round, redirects, keys } = own
    return { id, round, redirects, verifier: keys.verifier(id), ...(merchantId !== undefined && { merchantId }), ...(returnTo !== undefined && { returnTo }) }
  }

  /** Ends the cookie of a state; it works once. */
  clear ({ id }: OwnState): string {
    return this.#serialize(this.#nameOf(id), '', 0)
  }

  /** The round of a state that was signed here, whichever browser it is for; undefined if it was not. */
  roundOf (state: string | undefined): number | undefined {
    return state === undefined ? undefined : this.#verify(state)?.round
  }

  /**
   * What a state that is not valid, and the cookies beside it, tell about how the browser came here.
   *
   * A state of a server with another cookie secret counts too: two such servers behind one address would otherwise send the browser round without
   * end. A stranger who makes up such a state can only bring about an error page.
   */
  trace (state: string | undefined, cookieHeader: string | undefined): Trace {
    const { valid } = this.#read(cookieHeader)
    const newest = valid.filter(cookie => cookie.issuedAt === valid.at(-1)?.issuedAt)
    const verified = state === undefined ? undefined : this.#verify(state)
    const claimed = verified ?? (state === undefined ? undefined : claimOf(state))
    const isRecent = ({ issuedAt }: StateContent) => issuedAt === 0 || issuedAt > this.#options.now() / 1000 - rowTime
    const recent = [...(claimed ? [claimed] : []), ...newest].filter(isRecent)
    return {
      keepsCookies: valid.length > 0,
      failedCookieTest: valid.length === 0 && recent.some(({ round }) => round === Round.asking),
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

  /** The state cookies of this app in a browser: those that hold, oldest first, and the names of those that do not. */
  #read (cookieHeader: string | undefined): { valid: CookieContent[], invalid: string[] } {
    const valid: CookieContent[] = []
    const invalid: string[] = []
    for (const [name, value = ''] of Object.entries(parse(cookieHeader ?? ''))) {
      if (!name.startsWith(this.#prefix)) continue
      const content = this.#openCookie(name, value)
      if (content) valid.push(content)
      else if (/^[0-9a-f]{8}$/.test(name.slice(this.#prefix.length))) invalid.push(name) // no other was made here, and a name is sent back
    }
    return { valid: valid.sort((a, b) => a.issuedAt - b.issuedAt), invalid }
  }

  #openCookie (name: string, text: string): CookieContent | undefined {
    for (const keys of this.#keys) {
      const { valid, value } = keys.cookie.unsign(text)
      if (!valid || value === null) continue
      const [id = '', round, issued, merchantId, returnTo = '', redirects] = value.split('.')
      const issuedAt = Number(issued)
      const age = this.#options.now() / 1000 - issuedAt
      if (name !== this.#nameOf(id) || age > lifetime || age < -lifetime) return undefined
      return {
        id, name, issuedAt, keys, round: Number(round), redirects: redirectsOf(round, redirects), ...(merchantId && { merchantId }), ...(returnTo && { returnTo: Buffer.from(returnTo, 'base64url').toString() })
      }
    }
    return undefined
  }

  /** Ends the cookies that hold no more, and the oldest of those that would be too many with one more. */
  #endSurplus (cookieHeader: string | undefined): string[] {
    const { valid, invalid } = this.#read(cookieHeader)
    const surplus = valid.slice(0, Math.max(0, valid.length - maxCookies + 1)).map(cookie => cookie.name)
    return [...surplus, ...invalid].slice(0, maxEnded).map(name => this.#serialize(name, '', 0))
  }

  #nameOf (id: string): string {
    return this.#prefix + id.slice(0, 8)
  }

  /** No `Domain`: the cookie is this host's alone. A signature is of characters that a cookie may hold as they are. */
  #serialize (name: string, value: string, maxAge: number): string {
    return serialize(name, value, {
      path: '/', httpOnly: true, sameSite: 'lax', secure: this.#options.secure, maxAge, encode: (text: string) => text, ...(maxAge === 0 && { expires: new Date(0) })
    })
  }
}

/** Older versions counted no redirects, and sent the browser to Clover once again at most. */
function redirectsOf (round: string | undefined, redirects: string | undefined): number {
  if (redirects !== undefined) return Number(redirects)
  return Number(round) === Round.again ? 1 : 0
}

/** What a state says whose signature no secret of this server has made; undefined if it has not the form of a state. */
function claimOf (state: string): StateContent | undefined {
  const [, id = '', round, redirects, issuedAt] = /^([0-9a-f]{32})\.(\d)\.(\d{1,2})\.(\d{10})\.[\w-]{43}$/.exec(state) ?? []
  return id === '' ? undefined : { id, round: Number(round), redirects: Number(redirects), issuedAt: Number(issuedAt) }
}

/** The signer's base64 holds characters that some servers change in a query. */
function urlSafe (text: string): string {
  return text.replaceAll('+', '-').replaceAll('/', '_')
}

function plain (text: string): string {
  return text.replaceAll('-', '+').replaceAll('_', '/')
}
