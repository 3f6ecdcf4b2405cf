import { LruMap } from 'toad-cache'
import type { AppInstallation } from './app-installations.js'
import type { Mint } from './random.js'
import type { Settings } from './options.js'

/** The refresh tokens that stem from one authorization: each refresh or recovery replaces the live one. */
export interface Chain {
  readonly installation: AppInstallation
  epoch: number
  /** The refresh token that works now. */
  live: string
  /** The expiration of the live token in Unix seconds. */
  until: number
  /** The access token that was issued with it. */
  accessToken: string
  /** The token that was spent for the live one, as long as it can be used for recovery, and the end of that in Unix seconds. */
  spent?: { readonly token: string, readonly until: number } | undefined
}

/** A chain after a refresh or recovery, and the access token that the new one replaces. */
export interface Rotation {
  chain: Chain
  replaced: string
}

// A bound for tests that run for hours. Beyond it only the owners of old spent tokens are forgotten.
const ownersKept = 100_000

/**
 * The refresh tokens and their recovery.
 *
 * A refresh token works once. The token that was spent for the newest pair works once more, for recovery, until that pair is used.
 * Every method is synchronous, so of two requests with one token only one succeeds.
 * Source: https://docs.clover.com/dev/docs/refresh-access-tokens
 */
export class Chains {
  readonly #settings: Settings
  readonly #mint: Mint
  readonly #unixNow: () => number
  readonly #live = new Map<string, Chain>()
  readonly #spent = new Map<string, Chain>()
  readonly #ofInstallation = new Map<AppInstallation, Set<Chain>>()
  readonly #owners = new LruMap<AppInstallation>(ownersKept)

  /** @param unixNow the time in Unix seconds, with fractions */
  constructor (settings: Settings, mint: Mint, unixNow: () => number) {
    this.#settings = settings
    this.#mint = mint
    this.#unixNow = unixNow
  }

  /** Starts a chain. Beyond `refreshTokensPerMerchant` the installation's oldest chains end. */
  begin (installation: AppInstallation, accessToken: string): Chain {
    const chain: Chain = { installation, epoch: installation.epoch, live: this.#mint.refreshToken(), until: this.#end(), accessToken }
    const chains = this.#ofInstallation.get(installation) ?? new Set()
    this.#ofInstallation.set(installation, chains.add(chain))
    this.#live.set(chain.live, chain)
    const most = this.#settings.refreshTokensPerMerchant || Infinity
    for (const old of chains) {
      if (chains.size <= most) break
      this.#drop(old)
    }
    return chain
  }

  /** Spends a refresh token. Undefined if it is not live. */
  refresh (token: string, appId: string, accessToken: string): Rotation | undefined {
    const chain = this.isLive(token) ? this.#live.get(token) : undefined
    if (chain?.installation.app.id !== appId) return undefined
    this.usedRefresh(chain)
    return this.#rotate(chain, accessToken, { token, until: this.#unixNow() + this.#settings.recoveryWindow })
  }

  /** Exchanges a spent token for a new pair, and ends the lost pair. Undefined if there is nothing to recover. */
  recover (token: string, appId: string, accessToken: string): Rotation | undefined {
    const chain = this.isRecoverable(token) ? this.#spent.get(token) : undefined
    if (chain?.installation.app.id !== appId) return undefined
    const spent = chain.spent
    this.usedRefresh(chain)
    return this.#rotate(chain, accessToken, this.#settings.unknowns.recovery === 'reusable' ? spent : undefined)
  }

  /** Whether a refresh with this token would work now. */
  isLive (token: string): boolean {
    const chain = this.#live.get(token)
    return chain !== undefined && this.#unixNow() < chain.until && this.#survives(chain, this.#settings.unknowns.refreshSurvivesUninstall)
  }

  /** Whether a recovery with this token would work now. */
  isRecoverable (token: string): boolean {
    const chain = this.#spent.get(token)
    return chain?.spent !== undefined && chain.installation.app.secret !== false && this.#unixNow() < chain.spent.until &&
      this.#survives(chain, this.#settings.unknowns.recoverySurvivesUninstall)
  }

  /** The live refresh tokens of an installation, oldest first. */
  liveTokens (installation: AppInstallation): string[] {
    return [...this.#ofInstallation.get(installation) ?? []].map(chain => chain.live).filter(token => this.isLive(token))
  }

  /** The owner of a refresh token, live or spent. */
  owner (token: string): AppInstallation | undefined {
    return this.#live.get(token)?.installation ?? this.#owners.get(token)
  }

  /** Records the use of an access token, which ends recovery if `recoveryEndsWith` is `either-token`. */
  usedAccess (chain: Chain, accessToken: string): void {
    const strict = this.#settings.unknowns.recoveryEndsWith === 'either-token'
    if (strict && chain.accessToken === accessToken) this.usedRefresh(chain)
  }

  /** Records the use of a chain's newest pair, which ends recovery. */
  usedRefresh (chain: Chain): void {
    if (chain.spent !== undefined) this.#spent.delete(chain.spent.token)
    chain.spent = undefined
  }

  clear (): void {
    for (const map of [this.#live, this.#spent, this.#ofInstallation, this.#owners]) map.clear()
  }

  #rotate (chain: Chain, accessToken: string, spent: Chain['spent']): Rotation {
    const replaced = chain.accessToken
    this.#live.delete(chain.live)
    this.#owners.set(chain.live, chain.installation)
    Object.assign(chain, { epoch: chain.installation.epoch, live: this.#mint.refreshToken(), until: this.#end(), accessToken, spent })
    this.#live.set(chain.live, chain)
    if (spent !== undefined) this.#spent.set(spent.token, chain)
    this.#ofInstallation.get(chain.installation)?.delete(chain)
    this.#ofInstallation.get(chain.installation)?.add(chain)
    return { chain, replaced }
  }

  #drop (chain: Chain): void {
    this.usedRefresh(chain)
    this.#live.delete(chain.live)
    this.#owners.set(chain.live, chain.installation)
    this.#ofInstallation.get(chain.installation)?.delete(chain)
  }

  #survives (chain: Chain, uninstall: boolean): boolean {
    return uninstall || chain.epoch === chain.installation.epoch
  }

  #end (): number {
    return Math.floor(this.#unixNow()) + this.#settings.refreshTokenLifetime
  }
}
