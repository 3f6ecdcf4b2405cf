import type { Environment } from '../../environments.js'
import { callbackQuery } from './authorization.js'
import { Calls, type Call, type CallFilter, type Endpoint } from './calls.js'
import { CallHandler } from './call-handler.js'
import { Directory, type SimulatedApp, type SimulatedMerchant } from './directory.js'
import { SimulatorMisuse } from './errors.js'
import { Faults, type Fault, type FaultHandle } from './faults.js'
import { AppInstallations, type AppInstallation } from './app-installations.js'
import { Ledger } from './ledger.js'
import { Limits } from './limits.js'
import { checkUrl, resolveOptions, type MerchantOptions, type Settings, type SimulatorOptions } from './options.js'
import { Pauses } from './pauses.js'
import { Mint } from './random.js'
import { buildServer, httpDate } from './server.js'
import { Sessions } from './sessions.js'
import { Webhooks, type WebhookAnswer } from './webhooks.js'
import type { SimulatedCallbackQuery, SimulatedTokenReply, SimulatedWebhookEvent } from './wire.js'
import type { App, Parts } from './parts.js'

/** An app and a merchant. */
export interface Pairing {
  /** 13 characters of A-Z and 0-9. An unknown merchant is created. */
  merchantId: string
  /** The App ID. Default: the first app's. */
  appId?: string
}

/** The options of `authorize()`. */
export interface AuthorizeOptions extends Pairing {
  /** The employee who authorizes. Default: the merchant's first employee. */
  employeeId?: string
  /** The code challenge of PKCE (S256), which a low-trust app needs. Default: none. */
  codeChallenge?: string
  /** `true` gives a code of the v1 flow. Default: `false`. */
  legacy?: boolean
}

/**
 * Starts a simulated Clover on localhost.
 *
 * Rejects with `FST_CLOVER_SIMULATOR_MISUSE` for a wrong option, and with Node's error if the port is taken.
 */
export async function cloverSimulator (options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const clover = new CloverSimulator(options)
  await clover.app.listen({ host: 'localhost', port: options.port ?? 0 })
  return clover
}

/**
 * A simulated Clover on localhost, started by {@link cloverSimulator}. Every method throws `FST_CLOVER_SIMULATOR_MISUSE` for an unknown app or a malformed
 * id.
 */
export class CloverSimulator {
  /** The server. */
  readonly app: App
  readonly #settings: Settings
  readonly #mint: Mint
  readonly #directory: Directory
  readonly #installations = new AppInstallations()
  readonly #ledger: Ledger
  readonly #faults = new Faults()
  readonly #calls: Calls
  readonly #limits: Limits
  readonly #sessions: Sessions
  readonly #webhooks: Webhooks
  #clock: () => number

  /** @internal Use {@link cloverSimulator}, which also listens. */
  constructor (options: SimulatorOptions) {
    this.#settings = resolveOptions(options)
    this.#clock = options.now ?? Date.now
    const now = () => this.#clock()
    const pauses = new Pauses()
    this.#mint = new Mint(options.random)
    this.#directory = new Directory(this.#settings.apps, this.#settings.merchants, this.#mint, now())
    this.#ledger = new Ledger(this.#settings, this.#mint, now)
    this.#calls = new Calls(this.#settings.callsKept, now)
    this.#limits = new Limits(this.#settings, now)
    this.#sessions = new Sessions(this.#mint)
    this.#webhooks = new Webhooks(now)
    const handler = new CallHandler({
      calls: this.#calls,
      faults: this.#faults,
      limits: this.#limits,
      pauses,
      latency: this.#settings.latency,
      date: () => httpDate(now()),
      missingUserAgent: this.#settings.unknowns.missingUserAgent
    })
    const parts: Parts = {
      settings: this.#settings,
      directory: this.#directory,
      installations: this.#installations,
      ledger: this.#ledger,
      handler,
      mint: this.#mint,
      sessions: this.#sessions,
      webhooks: this.#webhooks,
      now
    }
    this.app = buildServer(parts, pauses)
  }

  /** `http://localhost:PORT`. */
  get origin (): string {
    const address = this.app.server.address()
    if (address === null || typeof address === 'string') throw new SimulatorMisuse('The simulator does not listen.')
    return `http://localhost:${address.port}`
  }

  /** The value for the plugin's option `environment`. */
  get environment (): Environment & { ecommerce: string } {
    const { origin } = this
    return { name: 'simulator', authorize: origin, api: origin, legacy: origin, ecommerce: origin }
  }

  /** The apps, the default one first. */
  get apps (): readonly [SimulatedApp, ...SimulatedApp[]] {
    return this.#directory.apps
  }

  /** The merchants, including those that the simulator created. */
  get merchants (): readonly SimulatedMerchant[] {
    return this.#directory.merchants
  }

  /** The simulator's time in milliseconds. */
  now (): number {
    return this.#clock()
  }

  /** Sets the time: milliseconds, at which the clock stops, or a function that returns them. */
  setNow (now: number | (() => number)): void {
    if (typeof now !== 'function' && !Number.isFinite(now)) throw new SimulatorMisuse('setNow: Expected milliseconds, or a function that returns them.')
    this.#clock = typeof now === 'function' ? now : () => now
  }

  /** Adds one merchant. Throws `FST_CLOVER_SIMULATOR_MISUSE` if its id is taken. */
  addMerchant (merchant: MerchantOptions = {}): SimulatedMerchant {
    return this.#directory.addMerchant(merchant)
  }

  /** Adds merchants, and returns their ids. */
  addMerchants (count: number): string[] {
    return Array.from({ length: count }, () => this.addMerchant().id)
  }

  /** Sets the app's Alternate Launch Path: the URL to which "Open app" sends the browser. */
  setLaunchUrl (appId: string, url: string): void {
    checkUrl(url, 'launchUrl')
    this.#directory.needApp(appId).launchUrl = url
  }

  /** Sets the URL to which the app's webhooks are posted. */
  setWebhookUrl (appId: string, url: string): void {
    checkUrl(url, 'webhookUrl')
    this.#directory.needApp(appId).webhookUrl = url
  }

  /** Installs and approves the app, and issues a pair, as if the merchant had authorized and the code had been exchanged. */
  connect (pairing: Pairing): SimulatedTokenReply {
    return this.#ledger.issuePair(this.#approve(pairing))
  }

  /**
   * Installs and approves the app, and issues a single-use code.
   *
   * @returns the parameters that Clover adds to the redirect URI
   */
  authorize (options: AuthorizeOptions): SimulatedCallbackQuery {
    const { codeChallenge, legacy = false, employeeId } = options
    const app = this.#directory.needApp(options.appId)
    if (app.secret === false && !legacy && codeChallenge === undefined) throw new SimulatorMisuse('A low-trust app needs a codeChallenge.')
    const installation = this.#approve(options)
    return callbackQuery(installation, this.#ledger.issueCode(installation, { legacy, codeChallenge }).code, employeeId)
  }

  /** Installs and approves the app, and issues a v1 token. */
  legacyToken (pairing: Pairing): string {
    return this.#ledger.issueLegacy(this.#approve(pairing))
  }

  /** Installs the app for the merchant, without an approval. */
  install (merchantId: string, appId?: string): void {
    this.#installations.of(this.#directory.needApp(appId), this.#directory.needMerchant(merchantId)).installed = true
  }

  /** Uninstalls the app for the merchant: its tokens die, except those that the option `unknowns` keeps alive. */
  uninstall (merchantId: string, appId?: string): void {
    this.#installations.uninstall(this.#directory.needApp(appId), this.#directory.needMerchant(merchantId))
  }

  /** Makes calls fail or wait. */
  fault (fault: Fault): FaultHandle {
    return this.#faults.set(fault)
  }

  /** Takes all faults away. */
  clearFaults (): void {
    this.#faults.clear()
  }

  /** The latest calls, oldest first; the option `callsKept` is their number. */
  get calls (): readonly Call[] {
    return this.#calls.list
  }

  /** The number of calls to an endpoint since the start or the last reset. */
  count (endpoint: Endpoint, filter?: CallFilter): number {
    return this.#calls.count(endpoint, filter)
  }

  /** The number of open calls to the token endpoints. */
  get openCalls (): number {
    return this.#calls.open
  }

  /** The most calls to the token endpoints that were open at once. */
  get maxOpenCalls (): number {
    return this.#calls.maxOpen
  }

  /** The number of open calls to an endpoint, of all merchants or of one, and the most that were open at once. */
  atOnce (endpoint: Endpoint, { merchantId }: Pick<CallFilter, 'merchantId'> = {}): { open: number, most: number } {
    return this.#calls.atOnce(endpoint, merchantId)
  }

  /** Whether a refresh with this token would work now. */
  isLive (refreshToken: string): boolean {
    return this.#ledger.chains.isLive(refreshToken)
  }

  /** Whether a recovery with this token would work now. */
  isRecoverable (refreshToken: string): boolean {
    return this.#ledger.chains.isRecoverable(refreshToken)
  }

  /** Whether the REST API accepts this access token, v2 or v1, now. */
  isLiveAccessToken (token: string): boolean {
    return this.#ledger.access(token) !== undefined
  }

  /**
   * Ends the merchant's v2 access tokens before their time: the REST API answers 401 to them. Refresh tokens live on.
   *
   * @returns how many lived
   */
  endAccessTokens (merchantId: string, appId?: string): number {
    const merchant = this.#directory.merchant(merchantId)
    const installation = merchant && this.#installations.find(this.#directory.needApp(appId), merchant)
    return installation === undefined ? 0 : this.#ledger.endAccessTokens(installation)
  }

  /** The live refresh tokens of an app for a merchant, oldest first. */
  liveRefreshTokens (merchantId: string, appId?: string): string[] {
    const merchant = this.#directory.merchant(merchantId)
    const installation = merchant && this.#installations.find(this.#directory.needApp(appId), merchant)
    return installation === undefined ? [] : this.#ledger.chains.liveTokens(installation)
  }

  /** Posts a webhook with events of one merchant, and resolves with the app's answer. */
  async sendWebhook ({ merchantId, appId, events }: Pairing & {
    /** The events. Default: the uninstall of the app. */
    events?: SimulatedWebhookEvent[]
  }): Promise<WebhookAnswer> {
    const app = this.#directory.needApp(appId)
    return await this.sendWebhooks({ [merchantId]: events ?? [this.#webhooks.event(`A:${app.id}`, 'DELETE')] }, appId)
  }

  /** Posts one webhook with the events of several merchants, by their ids, and resolves with the app's answer. */
  async sendWebhooks (merchants: Record<string, SimulatedWebhookEvent[]>, appId?: string): Promise<WebhookAnswer> {
    return await this.#webhooks.send(this.#directory.needApp(appId), merchants)
  }

  /** Posts the verification of the webhook's URL, and resolves with the app's answer. */
  async verifyWebhook (appId?: string): Promise<WebhookAnswer> {
    return await this.#webhooks.verify(this.#directory.needApp(appId), this.#mint.uuid())
  }

  /** Forgets codes, tokens, installations, log-ins, faults and calls; keeps apps, merchants, launch paths and the time. */
  reset (): void {
    for (const part of [this.#ledger, this.#installations, this.#faults, this.#calls, this.#limits, this.#sessions]) part.clear()
  }

  /** Stops the server, and closes its connections. */
  async close (): Promise<void> {
    await this.app.close()
  }

  #approve ({ merchantId, appId }: Pairing): AppInstallation {
    return this.#installations.approve(this.#directory.needApp(appId), this.#directory.needMerchant(merchantId))
  }
}
