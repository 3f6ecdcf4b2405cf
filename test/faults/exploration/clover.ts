import type { Answer, Unclear } from '../../../src/clover/answer.js'
import type { PairAnswer } from '../../../src/clover/client.js'
import type { TokenPair } from '../../../src/clover/wire.js'

/** Seconds that an access token lives, and that a spent refresh token can be recovered with. */
export const accessLifetime = 1800
const recoveryWindow = 14 * 86_400

interface Chain {
  /** The refresh token that works. */
  live: string
  /** The spent token that recovery takes, if any. */
  recoverable?: string
  spentAt: number
}

/** What Clover's answers depend on, where its documentation leaves it open. */
export interface CloverBehaviour {
  /** Whether the same spent token can be recovered with again. */
  recovery: 'once' | 'reusable'
  /** Whether a refusal says that recovery is possible. */
  header: boolean
  /** The most refresh tokens that work at once: an exchange past that ends the one whose authorization is oldest. Without it, all work. */
  refreshTokensPerMerchant?: number
  /** Whether an exchange gives a refresh token although none was asked for. */
  alwaysGivesRefreshToken?: boolean
}

export const unclear = (reason: string): Unclear => ({ outcome: 'unclear', reason, malformed: false })

/**
 * Clover's token endpoints as its documentation describes them: a refresh token works once, recovery takes the one just spent and kills the pair
 * that it replaces. Tokens are named after where they came from, so that a trace can be read.
 */
export class SimulatedClover {
  readonly behaviour: CloverBehaviour
  /** The access tokens that were given, and when they end (Unix seconds). */
  readonly access = new Map<string, number>()
  /** How often each token was presented to `/refresh`. */
  readonly presented = new Map<string, number>()
  readonly #now: () => number
  readonly #chains: Chain[] = []
  readonly #usedCodes = new Set<string>()
  refreshes = 0
  recoveries = 0

  constructor (behaviour: CloverBehaviour, now: () => number) {
    this.behaviour = behaviour
    this.#now = now
  }

  /** Whether a refresh token works now. */
  isLive (token: string | null | undefined): boolean {
    return this.#chains.some(chain => chain.live === token)
  }

  /** Whether a request, named as in a trace, would end a refresh token that works. */
  wouldEnd (request: string, token: string): boolean {
    const [, kind, presented] = /(refresh|recover)\((.+)\)/.exec(request) ?? []
    if (kind === 'refresh') return presented === token
    return kind === 'recover' && this.#chains.some(chain => chain.live === token && chain.recoverable === presented)
  }

  /** The place in time of the authorization that a live token came from. */
  age (token: string | null): number {
    return this.#chains.findIndex(chain => chain.live === token)
  }

  /** A pair of a new authorization. */
  authorize (name: string): TokenPair {
    this.#chains.push({ live: name, spentAt: 0 })
    if (this.#chains.length > (this.behaviour.refreshTokensPerMerchant ?? Infinity)) this.#chains.shift()
    return this.#pair(name)
  }

  refresh (token: string): PairAnswer {
    this.presented.set(token, (this.presented.get(token) ?? 0) + 1)
    const chain = this.#chains.find(chain => chain.live === token)
    if (!chain) return this.#refuse(token)
    this.refreshes++
    this.#rotate(chain, `${token}>`, token)
    return { outcome: 'ok', value: this.#pair(chain.live) }
  }

  recover (token: string): PairAnswer {
    const chain = this.#chains.find(chain => chain.recoverable === token)
    if (!chain || this.#now() > chain.spentAt + recoveryWindow) return this.#refuse(token)
    this.recoveries++
    this.access.delete(accessOf(chain.live))
    const spentAt = chain.spentAt
    this.#rotate(chain, `${chain.live}^`, this.behaviour.recovery === 'reusable' ? token : undefined)
    chain.spentAt = spentAt
    return { outcome: 'ok', value: this.#pair(chain.live) }
  }

  exchange (code: string, withRefreshToken: boolean): Answer<TokenPair> {
    if (this.#usedCodes.has(code)) return { outcome: 'refused', status: 401, recoveryAvailable: false }
    this.#usedCodes.add(code)
    if (withRefreshToken || this.behaviour.alwaysGivesRefreshToken) return { outcome: 'ok', value: this.authorize(code) }
    const { accessToken, accessTokenExpiration } = this.#pair(`only-${code}`)
    return { outcome: 'ok', value: { accessToken, accessTokenExpiration, refreshToken: null, refreshTokenExpiration: null } }
  }

  merchant (merchantId: string, accessToken: string): Answer<string> {
    return (this.access.get(accessToken) ?? 0) > this.#now()
      ? { outcome: 'ok', value: merchantId }
      : { outcome: 'refused', status: 401, recoveryAvailable: false }
  }

  /** The merchant uninstalls the app: nothing that was given works any more. */
  uninstall (): void {
    this.#chains.length = 0
    this.access.clear()
  }

  /** All that later answers depend on. */
  fingerprint (): unknown {
    return [this.#chains, [...this.presented].sort(), [...this.access].sort(), [...this.#usedCodes].sort(), this.refreshes, this.recoveries]
  }

  #rotate (chain: Chain, live: string, recoverable: string | undefined): void {
    chain.live = live
    if (recoverable === undefined) delete chain.recoverable
    else chain.recoverable = recoverable
    chain.spentAt = this.#now()
  }

  #refuse (token: string): PairAnswer {
    const recoveryAvailable = this.behaviour.header && this.#chains.some(chain => chain.recoverable === token)
    return { outcome: 'refused', status: 401, recoveryAvailable }
  }

  #pair (refreshToken: string): TokenPair {
    const accessToken = accessOf(refreshToken)
    const now = Math.floor(this.#now())
    this.access.set(accessToken, now + accessLifetime)
    return { accessToken, accessTokenExpiration: now + accessLifetime, refreshToken, refreshTokenExpiration: now + 365 * 86_400 }
  }
}

/** The access token that comes with a refresh token. */
export const accessOf = (refreshToken: string): string => `access-${refreshToken}`
