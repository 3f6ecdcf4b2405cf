import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions, type InjectOptions, type LightMyRequestResponse } from 'fastify'
import swagger from '@fastify/swagger'
import pino from 'pino'
import type { Test } from 'tap'
import * as everything from '../../src/index.js'
import type { CloverOptions } from '../../src/options/options.js'
import { kRuntime, plugin } from '../../src/plugin.js'
import { deriveStateKeys } from '../../src/routes/keys.js'
import type { CloverStorage, ListQuery } from '../../src/storage/contract.js'
import { encryptedStorage, memoryStorage } from '../../src/storage/index.js'
import { cloverSimulator, type CloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'
import { Mint } from '../../src/testing/simulator/random.js'
import { realRuntime, type Runtime } from '../../src/runtime.js'
import { Browser } from '../harness/browser.js'
import { highTrust, lineStream, lowTrust, ordinaryOptions, schemaController } from '../harness/host.js'
import { FastTime, Time } from '../harness/time.js'
import { Canaries, type SecretKind } from './canaries.js'
import { addVerboseHooks, verboseSerializers, shown } from './log-everything.js'

/** How the host of a flow logs, and how it stores. */
export interface Variant {
  /** The host's own serializers log every header, the raw request and everything that an object shows. */
  verbose: boolean
  /** The storage seals tokens. */
  sealed: boolean
}

/** The differences from an ordinary host. */
export interface WatchedHostOptions {
  appId?: string
  options?: Partial<CloverOptions>
  simulator?: SimulatorOptions
  runtime?: Partial<Runtime>
  /** The clock runs a thousand times faster instead of standing still. */
  hurries?: boolean
  /** Another server with the same merchants and the same simulator. */
  beside?: WatchedHost
  after?: (app: FastifyInstance) => unknown
}

/** A call that the plugin made. */
export interface SentCall {
  url: URL
  headers: Headers
  body: string
}

/** The storage method that fails with an error that quotes the record, or `none`. */
export type Broken = 'get' | 'put' | 'delete' | 'list' | 'all' | 'none'

/** Every secret of all hosts. */
export const canaries = new Canaries()

const kinds = { accessToken: 'access token', legacyToken: 'access token', refreshToken: 'refresh token', code: 'code', apiAccessKey: 'planted' } as const satisfies Partial<Record<keyof Mint, SecretKind>>

// Records every secret that any simulator issues, whether or not its answer arrives.
for (const [name, kind] of Object.entries(kinds) as Array<[keyof typeof kinds, SecretKind]>) {
  const issue = Mint.prototype[name]
  Mint.prototype[name] = function () { return canaries.note(kind, issue.call(this)) }
}

/** A new secret for the search, in hexadecimal digits. */
export function canary (kind: SecretKind = 'planted'): string {
  return canaries.note(kind, randomBytes(32).toString('hex'))
}

/** The diagnostics channels that the plugin exports the names of: those of the table, and any other that an export names. */
export function channelNames (exported: object = everything): string[] {
  const named = JSON.stringify(Object.values(exported)).match(/(?:tracing:)?fastify-clover:[\w:-]+/g) ?? []
  return [...new Set([...Object.values(everything.diagnosticsChannels), ...named])]
}

const allChannels = channelNames()

/** A host with the plugin and a simulator, and all their output: logs, replies, errors, notices, messages and calls to Clover. */
export class WatchedHost {
  readonly logs: string[] = []
  readonly sent: SentCall[] = []
  readonly errors: unknown[] = []
  /** The diagnostics channels with a message. */
  readonly heard = new Set<string>()
  readonly time: Time
  broken: Broken = 'none'
  readonly #out: Array<{ where: string, text: string, allowed: readonly SecretKind[] }> = []
  app: FastifyInstance = Fastify()
  storage: CloverStorage = memoryStorage()
  clover: CloverSimulator
  /** What is stored, past every fault, and as the database has it. */
  inner: CloverStorage = memoryStorage()
  raw: CloverStorage = memoryStorage()
  readonly #secrets: { cookie: string, appId: string }

  constructor (clover: CloverSimulator, time: Time, appId: string) {
    this.clover = clover
    this.time = time
    this.#secrets = { cookie: canary('cookie secret'), appId }
  }

  get cookieSecret (): string {
    return this.#secrets.cookie
  }

  /** Records an output. */
  saw (where: string, text: string, allowed: readonly SecretKind[] = []): void {
    this.#out.push({ where, text, allowed })
  }

  /** Records an object in all the ways in which it may be shown. */
  sawObject (where: string, value: unknown): void {
    this.saw(`${where}, inspected`, inspect(value, shown))
    this.saw(`${where}, as JSON`, JSON.stringify(value) ?? '')
  }

  /** Records an error in all the ways in which it may be shown. */
  sawError (where: string, error: unknown): void {
    this.errors.push(error)
    this.sawObject(where, error)
    if (!(error instanceof Error)) return this.saw(where, String(error))
    this.saw(`${where}, its stack`, `${String(error)} ${error.stack}`)
    this.saw(`${where}, as pino writes it`, JSON.stringify(pino.stdSerializers.errWithCause(error)) + JSON.stringify(pino.stdSerializers.err(error)))
    if (error.cause !== undefined) this.sawError(`${where}, its cause`, error.cause)
  }

  /** Does something that may fail; the error is noted, and so is the result unless it is the point of the call. */
  async try<T> (what: string, run: () => Promise<T>, { isSecret = false } = {}): Promise<T | undefined> {
    try {
      const result = await run()
      if (!isSecret) this.sawObject(what, result)
      return result
    } catch (error) {
      this.sawError(what, error)
      return undefined
    }
  }

  /** A token for a handler: it is a secret of course, so only its failure is noted. */
  async token (merchantId: string, options?: Parameters<FastifyInstance['clover']['accessToken']>[1]): Promise<string | undefined> {
    return await this.try('accessToken()', async () => await this.app.clover.accessToken(merchantId, options), { isSecret: true })
  }

  async inject (options: InjectOptions): Promise<LightMyRequestResponse> {
    for (const [name, value] of Object.entries(options.headers ?? {})) if (name === 'cookie') this.#noteCookies(String(value))
    const reply = await this.app.inject(options)
    this.sawReply(`${options.method} ${String(options.url).replace(/[?;].*/, '')}`, reply.headers, reply.body)
    return reply
  }

  /**
   * Takes note of a reply. A state may be in the cookie that is set, in the address of Clover's authorize page, and alone in that of the
   * callback itself, and nowhere else.
   */
  sawReply (where: string, headers: Record<string, unknown>, body: string): void {
    const { 'set-cookie': cookies, location, ...rest } = headers
    const lines = [cookies ?? []].flat().map(String)
    this.#noteCookies(lines.map(line => line.replace(/;.*/, '')).join('; '))
    const isAuthorize = String(location).startsWith(this.clover.origin)
    const isCallback = /^https:\/\/shop\.example\/clover\/callback\?state=[^&]*$/.test(String(location))
    const state = isAuthorize || isCallback ? new URL(String(location)).searchParams.get('state') : null
    if (state !== null) this.#noteState(state)
    this.saw(`the body of ${where}`, body)
    this.saw(`the headers of ${where}`, JSON.stringify(rest))
    this.saw(`the cookies of ${where}`, lines.join('\n'), ['state'])
    this.saw(`the location of ${where}`, String(location), state === null ? [] : ['state'])
  }

  browser (): Browser {
    return new Browser({ inject: async options => await this.inject(options) })
  }

  /** What came out that must not; the host is closed first. */
  async findings (): Promise<string[]> {
    await this.app.close()
    this.time.pass(3_600_000) // whoever still waits for a lease gives up
    this.saw('the log', this.logs.join(''))
    const leaks = this.#out.flatMap(({ where, text, allowed }) => canaries.find(text, allowed).map(what => `${where}: ${what}`))
    return [...leaks, ...this.sent.flatMap(call => this.#misplaced(call))]
  }

  /** Every secret that went to Clover, or elsewhere, and had no reason to. */
  #misplaced ({ url, headers, body }: SentCall): string[] {
    const path = url.pathname
    const { authorization = '', ...others } = Object.fromEntries(headers)
    const isApi = path.startsWith('/v3/') || path === '/pakms/apikey'
    const inUrl: SecretKind[] = path === '/oauth/token' ? ['app secret', 'code'] : isApi ? ['payload'] : []
    const inBody: Record<string, SecretKind[]> = {
      '/oauth/v2/token': ['app secret', 'code', 'verifier'], '/oauth/v2/refresh': ['refresh token'], '/oauth/v2/recovery': ['app secret', 'refresh token'], '/oauth/token/migrate_v2': ['access token']
    }
    const found = [
      ...canaries.find(url.href, inUrl), ...canaries.find(body, inBody[path] ?? (isApi ? ['payload'] : [])), ...canaries.find(JSON.stringify(others), isApi ? ['payload'] : []),
      ...canaries.find(authorization, isApi ? ['access token'] : [])
    ]
    if (url.origin !== this.clover.origin && authorization + body !== '') found.push(`${url.origin} is not Clover`)
    return found.map(what => `the call to ${path}: ${what}`)
  }

  #noteState (state: string): void {
    canaries.note('state', state)
    const [id = ''] = state.split('.')
    const { cookie, appId } = this.#secrets
    canaries.note('verifier', deriveStateKeys(cookie, appId, this.clover.environment.name).verifier(id))
  }

  #noteCookies (header: string): void {
    for (const [, value = ''] of header.matchAll(/clover-[\w-]+=([^;\s]{16,})/g)) canaries.note('state', value)
  }
}

/** Starts a host without any merchant. */
export async function startWatchedHost (t: Test, variant: Variant, { appId = highTrust, options, simulator, runtime, hurries = false, beside, after }: WatchedHostOptions = {}): Promise<WatchedHost> {
  const time = beside?.time ?? (hurries ? new FastTime(1000) : new Time())
  const clover = beside?.clover ?? await cloverSimulator({ apps: [{ id: highTrust, secret: canary('app secret'), webhookAuth: canary('webhook secret') }, { id: lowTrust, secret: false }], now: time.now, ...simulator })
  if (!beside) t.teardown(() => clover.close())
  const host = new WatchedHost(clover, time, appId)
  const keys = ['new', 'old'].map(id => ({ id, key: canaries.note('key', randomBytes(32)) }))
  host.raw = beside?.raw ?? host.raw
  host.inner = beside?.inner ?? (variant.sealed ? encryptedStorage(host.raw, { keys }) : host.raw)
  host.storage = quoting(host)
  const logger = { level: 'trace', stream: lineStream(host.logs), ...(variant.verbose && { serializers: verboseSerializers }) }
  host.app = Fastify({ schemaController, logger } as FastifyServerOptions)
  t.teardown(() => host.app.close())
  if (variant.verbose) addVerboseHooks(host.app)
  await host.app.register(swagger, { openapi: { openapi: '3.1.0', info: { title: 'A host', version: '1' } } })
  const listener = (message: unknown, channel: string | symbol) => {
    host.heard.add(String(channel))
    host.sawObject('a diagnostics message', message)
  }
  for (const name of allChannels) {
    subscribe(name, listener)
    t.teardown(() => unsubscribe(name, listener))
  }
  const recordingFetch: typeof fetch = async (input, init) => {
    host.sent.push({ url: new URL(String(input)), headers: new Headers(init?.headers), body: String(init?.body ?? '') })
    return await (runtime?.fetch ?? fetch)(input, init)
  }
  const hurried = (milliseconds: number, signal?: AbortSignal) => realRuntime.sleep(hurries ? milliseconds / 1000 : Math.min(milliseconds, 5), signal)
  const tell = (name: string) => (notice: unknown) => { host.sawObject(name, notice) }
  const all = {
    ...ordinaryOptions(clover, appId),
    keepAlive: false as const, // sleeps are short here
    cookieSecret: host.cookieSecret,
    onConnect: (_request: FastifyRequest, _reply: unknown, connection: unknown) => { tell('onConnect')(connection) },
    onReauthorizationRequired: tell('onReauthorizationRequired'),
    onDisconnect: tell('onDisconnect'),
    onEvent: tell('onEvent'),
    ...options,
    storage: host.storage
  }
  const { state, cookie } = deriveStateKeys(host.cookieSecret, appId, clover.environment.name)
  for (const { signingKey } of [state, cookie] as unknown as Array<{ signingKey: string }>) canaries.note('key', signingKey)
  await host.app.register(plugin, { ...all, [kRuntime]: { wallClock: host.time.now, visitRate: Infinity, sleep: hurried, ...runtime, fetch: recordingFetch } } as CloverOptions)
  host.app.get('/handler/:merchantId', async request => {
    await request.clover.accessToken((request.params as { merchantId: string }).merchantId)
    return 'done'
  })
  await after?.(host.app)
  await host.app.ready()
  return host
}

/** The store as a flow breaks it: with an error that quotes the record in every way that drivers have. */
function quoting (host: WatchedHost): CloverStorage {
  const { inner } = host
  const run = async <T>(method: Broken, quoted: () => unknown, work: () => Promise<T>): Promise<T> => {
    if (host.broken !== method && host.broken !== 'all') return await work()
    const record = await quoted()
    const text = JSON.stringify(record)
    throw Object.assign(new Error(`${method} failed at ${text}, ${inspect(record)} and ${encodeURIComponent(text ?? '')}`, { cause: new Error(text) }), {
      name: `Error of ${text}`, code: text?.slice(0, 2000), detail: text, record, parameters: [record]
    })
  }
  return {
    get: merchantId => run('get', () => inner.get(merchantId), () => inner.get(merchantId)),
    put: (next, expected) => run('put', () => next, () => inner.put(next, expected)),
    delete: (merchantId, expected) => run('delete', () => inner.get(merchantId), () => inner.delete(merchantId, expected)),
    list: (query: ListQuery) => run('list', () => inner.list?.(query), async () => await inner.list?.(query) ?? { items: [] })
  }
}
