import { createHash } from 'node:crypto'
import { Chains, type Chain, type Rotation } from './chains.js'
import type { SimulatedApp } from './directory.js'
import type { AppInstallation } from './app-installations.js'
import type { Settings } from './options.js'
import type { Mint } from './random.js'
import { ExpiringMap, type Perishable } from './expiring-map.js'
import type { AccessTokenReply, SimulatedTokenReply } from './wire.js'

/** The data of a code. */
export interface Grant extends Perishable {
  readonly installation: AppInstallation
  readonly epoch: number
  readonly legacy: boolean
  readonly codeChallenge?: string | undefined
}

/** The data of an access token. */
export interface Access extends Perishable {
  readonly installation: AppInstallation
  readonly epoch: number
  /** The chain of the refresh token in the same pair, if any. */
  readonly chain?: Chain
}

// Bounds for tests that run for hours with a stopped clock.
const codesKept = 100_000
const tokensKept = 200_000

/** The codes, access tokens and refresh tokens that Clover has issued. Every method is synchronous, so a single-use secret cannot be used twice at once. */
export class Ledger {
  readonly chains: Chains
  readonly #settings: Settings
  readonly #mint: Mint
  readonly #now: () => number
  readonly #codes: ExpiringMap<Grant>
  readonly #access: ExpiringMap<Access>
  readonly #legacy: ExpiringMap<Access>

  /** @param now the time in milliseconds */
  constructor (settings: Settings, mint: Mint, now: () => number) {
    this.#settings = settings
    this.#mint = mint
    this.#now = now
    this.chains = new Chains(settings, mint, () => now() / 1000)
    this.#codes = new ExpiringMap(now, codesKept)
    this.#access = new ExpiringMap(now, tokensKept)
    this.#legacy = new ExpiringMap(now, tokensKept)
  }

  /** Issues a code. `until`: its expiration in Unix seconds. */
  issueCode (installation: AppInstallation, options: { legacy?: boolean, codeChallenge?: string | undefined } = {}): { code: string, until: number } {
    const code = this.#mint.code()
    const until = this.#end(this.#settings.codeLifetime)
    this.#codes.add(code, { installation, epoch: installation.epoch, until, legacy: options.legacy ?? false, codeChallenge: options.codeChallenge })
    return { code, until }
  }

  /** The owner of a code. Does not spend it. */
  codeOwner (code: string): AppInstallation | undefined {
    return this.#codes.get(code)?.installation
  }

  /** Spends a code. Undefined if it is not of this app and flow; or if the verifier is wrong or the app was uninstalled, and the code is spent. */
  redeem (code: string, app: SimulatedApp, flow: { legacy: boolean, verifier?: string | undefined }): AppInstallation | undefined {
    const grant = this.#codes.get(code)
    if (grant === undefined || grant.installation.app !== app || grant.legacy !== flow.legacy) return undefined
    this.#codes.take(code)
    const proven = app.secret !== false || verifies(flow.verifier, grant.codeChallenge)
    return proven && grant.epoch === grant.installation.epoch ? grant.installation : undefined
  }

  /** Issues a token pair. */
  issuePair (installation: AppInstallation): SimulatedTokenReply {
    const accessToken = this.#mint.accessToken()
    return this.#pair(this.chains.begin(installation, accessToken))
  }

  /** Issues an access token without a refresh token. */
  issueAccess (installation: AppInstallation): AccessTokenReply {
    return this.#addAccess(this.#mint.accessToken(), { installation })
  }

  /** Issues a v1 token. */
  issueLegacy (installation: AppInstallation): string {
    const token = this.#mint.legacyToken()
    this.#legacy.add(token, { installation, epoch: installation.epoch, until: this.#end(this.#settings.legacyTokenLifetime) })
    return token
  }

  /** Spends a refresh token for a pair; undefined if it is not live. */
  refresh (token: string, app: SimulatedApp): SimulatedTokenReply | undefined {
    const rotation = this.chains.refresh(token, app.id, this.#mint.accessToken())
    return rotation && this.#turn(rotation, this.#settings.unknowns.accessTokenDiesAtRefresh)
  }

  /** Spends a recovery token for a pair, and ends the lost one; undefined if there is nothing to recover. */
  recover (token: string, app: SimulatedApp): SimulatedTokenReply | undefined {
    const rotation = this.chains.recover(token, app.id, this.#mint.accessToken())
    return rotation && this.#turn(rotation, true)
  }

  /** Spends a v1 token for a code of the v2 flow; undefined if the token is not a live one of this app and merchant. */
  migrate (token: string, appId: string, merchantId: string, codeChallenge?: string): { code: string, until: number } | undefined {
    const access = this.#valid(this.#legacy.get(token))
    if (access === undefined || access.installation.app.id !== appId || access.installation.merchant.id !== merchantId) return undefined
    if (this.#settings.unknowns.legacyTokenDiesAtMigration) this.#legacy.take(token)
    return this.issueCode(access.installation, { codeChallenge })
  }

  /** The data of a live access token, v2 or v1. */
  access (token: string): Access | undefined {
    return this.#valid(this.#access.get(token) ?? this.#legacy.get(token))
  }

  /** Ends the v2 access tokens of an installation. Returns how many were live. */
  endAccessTokens (installation: AppInstallation): number {
    return this.#access.remove(access => access.installation === installation)
  }

  clear (): void {
    for (const part of [this.chains, this.#codes, this.#access, this.#legacy]) part.clear()
  }

  #valid (access: Access | undefined): Access | undefined {
    if (access === undefined || this.#settings.unknowns.accessTokenSurvivesUninstall) return access
    return access.installation.installed && access.epoch === access.installation.epoch ? access : undefined
  }

  #turn ({ chain, replaced }: Rotation, ends: boolean): SimulatedTokenReply {
    if (ends) this.#access.take(replaced)
    return this.#pair(chain)
  }

  #pair (chain: Chain): SimulatedTokenReply {
    return {
      ...this.#addAccess(chain.accessToken, { installation: chain.installation, chain }),
      refresh_token: chain.live,
      refresh_token_expiration: chain.until
    }
  }

  #addAccess (token: string, { installation, chain }: Pick<Access, 'installation' | 'chain'>): AccessTokenReply {
    const until = this.#end(this.#settings.accessTokenLifetime)
    this.#access.add(token, { installation, epoch: installation.epoch, until, ...(chain && { chain }) })
    return { access_token: token, access_token_expiration: until }
  }

  #end (lifetime: number): number {
    return Math.floor(this.#now() / 1000) + lifetime
  }
}

// RFC 7636, section 4.6, with S256.
function verifies (verifier: string | undefined, challenge: string | undefined): boolean {
  return verifier !== undefined && /^[A-Za-z0-9._~-]{43,128}$/.test(verifier) &&
    createHash('sha256').update(verifier).digest('base64url') === challenge
}
