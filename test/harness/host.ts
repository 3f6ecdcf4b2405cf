import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import AjvCompiler from '@fastify/ajv-compiler'
import { Value } from '@sinclair/typebox/value'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import { diagnosticsChannels } from '../../src/events/channels.js'
import type { CloverOptions } from '../../src/options/options.js'
import { kRuntime, plugin } from '../../src/plugin.js'
import type { CloverStorage, ListQuery } from '../../src/storage/contract.js'
import { durabilityOf, withDurability } from '../../src/storage/durability.js'
import { memoryStorage } from '../../src/storage/index.js'
import { cloverSimulator, type CloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'
import { diagnosticsSchemas, type DiagnosticsEvent } from '../../src/events/table.js'
import { isMerchantId } from '../../src/installation.js'
import { realRuntime, type Runtime } from '../../src/runtime.js'
import { Browser } from './browser.js'
import { freePort } from './ports.js'
import { Time } from './time.js'

export const merchantA = 'MERCHANT0000A'
export const merchantB = 'MERCHANT0000B'
export const highTrust = 'SIMULATORAPP1'
export const lowTrust = 'SIMULATORAPP2'
export const cookieSecret = 'canary-cookie-secret-0123456789abcdef'

/** Compiles each schema once for all hosts of a process. Fastify would do so for each host, which takes most of its start. */
export const schemaController = { compilersFactory: { buildValidator: AjvCompiler() } }

/** The differences from an ordinary host. */
export interface HostOptions {
  simulator?: CloverSimulator | SimulatorOptions
  fastify?: FastifyServerOptions
  /** The App ID in the simulator. Default: the high-trust app. */
  appId?: string
  options?: Partial<CloverOptions> | ((clover: CloverSimulator) => Partial<CloverOptions>)
  runtime?: Partial<Runtime>
  /** The scope that the plugin is registered in. */
  prefix?: string
  /** The name or address that it listens on, at a free port; `baseUrl` leads there, unless the options say otherwise. Default: nothing listens. */
  listens?: 'localhost' | '127.0.0.1'
  before?: (app: FastifyInstance) => unknown
  after?: (app: FastifyInstance) => unknown
}

/** A host with the plugin, its simulated Clover, and its log at level trace. */
export interface Host {
  app: FastifyInstance
  /** Where it listens: `http://localhost:20001`, say. Empty if nothing does. */
  url: string
  clover: CloverSimulator
  storage: CloverStorage
  time: Time
  logs: string[]
  /** The messages on the diagnostics channels while the host ran. */
  messages: DiagnosticsEvent[]
  browser: () => Browser
  /** The secrets in a text: those of the app, of every browser, of every stored record, and the given ones. */
  leaks: (text: string, others?: string[]) => string[]
}

/** Options that every registration needs, for a simulator's app. */
export function ordinaryOptions (clover: CloverSimulator, appId = highTrust): CloverOptions {
  return {
    environment: clover.environment,
    appId,
    appSecret: clover.apps.find(({ id }) => id === appId)?.secret,
    storage: memoryStorage(),
    cookieSecret,
    baseUrl: 'https://shop.example',
    routes: { refresh: { onRequest: async () => {} } }
  }
}

/** Lines of JSON that a logger writes. */
export function lineStream (lines: string[]): { write (line: string): void } {
  return { write: line => { lines.push(line) } }
}

/** Starts a simulator with a test's clock. */
export async function startClover (t: Test, time: Time, options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const clover = await cloverSimulator({ now: time.now, ...options })
  t.teardown(() => clover.close())
  return clover
}

/** Starts a host with the plugin. At the test's end, its log and diagnostics messages must have no secret, and the messages must fit their schemas. */
export async function startHost (t: Test, { simulator = {}, fastify, appId, options = {}, runtime, prefix, listens, before, after }: HostOptions = {}): Promise<Host> {
  const time = new Time()
  const logs: string[] = []
  const browsers: Browser[] = []
  const secrets = new Set<string>()
  const leaks = (text: string, others: string[] = []) =>
    [...secrets, ...browsers.flatMap(({ cookieValues }) => cookieValues), ...others].filter(secret => secret.length > 7 && text.includes(secret))
  // The first teardown runs last, when everything is written and closed.
  t.teardown(() => {
    const found = leaks(`${logs.join('')}${JSON.stringify(messages)}`)
    if (found.length > 0) throw new Error(`the log or the messages of "${t.name}" hold secrets: ${found.join(', ')}`)
    const misfit = messages.find(message => !fits(message))
    if (misfit !== undefined) throw new Error(`a message of "${t.name}" does not fit its schema: ${JSON.stringify(misfit)}`)
  })
  const messages = collectMessages(t)
  const clover = 'environment' in simulator ? simulator : await startClover(t, time, simulator)
  const port = listens ? await freePort() : 0
  const url = listens ? `${fastify && 'https' in fastify ? 'https' : 'http'}://${listens}:${port}` : ''
  // If a test's sleep ends at once, passes of keep-alive would follow each other endlessly.
  const all = { ...ordinaryOptions(clover, appId), ...(listens && { baseUrl: url }), ...(runtime?.sleep && { keepAlive: false as const }), ...(typeof options === 'function' ? options(clover) : options) }
  secrets.add(cookieSecret).add(String(all.appSecret))
  const storage = noting(all.storage, secrets)
  const app = Fastify({ schemaController, ...(!fastify?.loggerInstance && { logger: { level: 'trace', stream: lineStream(logs) } }), ...fastify })
  t.teardown(() => app.close())
  app.addHook('onRequest', async request => { noteQuery(request.url, secrets) })
  await before?.(app)
  const register = async (scope: FastifyInstance) => { await scope.register(plugin, { ...all, storage, [kRuntime]: { wallClock: time.now, visitRate: Infinity, ...runtime, ...(runtime?.sleep && { sleep: exceptHeartbeats(runtime.sleep) }) } } as CloverOptions) }
  if (prefix === undefined) await register(app)
  else app.register(register, { prefix })
  await after?.(app)
  if (listens) await app.listen({ port, host: listens })
  else await app.ready()
  const browser = () => {
    const made = new Browser(app, all.baseUrl)
    browsers.push(made)
    return made
  }
  return { app, url, clover, storage, time, logs, messages, browser, leaks }
}

/** A test's own sleep, but for the pauses between two heartbeats of a refresh: where every pause ends at once, one would follow the other. */
function exceptHeartbeats (sleep: Runtime['sleep']): Runtime['sleep'] {
  return (milliseconds, signal, options) => options?.ref === false ? realRuntime.sleep(milliseconds, signal, options) : sleep(milliseconds, signal, options)
}

/** Subscribes to every diagnostics channel until the test ends. */
export function collectMessages (t: Test): DiagnosticsEvent[] {
  const messages: DiagnosticsEvent[] = []
  const collect = (message: unknown, channel: string | symbol) => {
    const event = message as DiagnosticsEvent
    if (diagnosticsChannels[event.type] !== channel) throw new Error(`${event.type} came on ${String(channel)}`)
    messages.push(event)
  }
  for (const channel of Object.values(diagnosticsChannels)) subscribe(channel, collect)
  t.teardown(() => { for (const channel of Object.values(diagnosticsChannels)) unsubscribe(channel, collect) })
  return messages
}

function fits (message: DiagnosticsEvent): boolean {
  const schema = diagnosticsSchemas[message.type]
  return Value.Check(schema, message) && Object.keys(message).every(key => key in schema.properties)
}

/** The events that the plugin logged. */
export function events (logs: string[]): Array<Record<string, unknown>> {
  return logs.map(line => (JSON.parse(line) as { clover?: Record<string, unknown> }).clover).filter(event => event !== undefined)
}

/** Records the codes and states of a request, except words that a log may contain anyway. */
function noteQuery (url: string, secrets: Set<string>): void {
  const { searchParams } = new URL(url, 'http://host')
  for (const name of ['code', 'state']) {
    for (const value of searchParams.getAll(name)) if (/\d/.test(value) && !isMerchantId(value)) secrets.add(value).add(encodeURIComponent(value))
  }
}

/** An adapter that records every token that is written to it. */
function noting (storage: CloverStorage, secrets: Set<string>): CloverStorage {
  const bound: CloverStorage = {
    get: merchantId => storage.get(merchantId),
    delete: (merchantId, expected) => storage.delete(merchantId, expected),
    put: (next, expected) => {
      for (const token of [next.accessToken, next.refreshToken, next.spentRefreshToken]) if (typeof token === 'string') secrets.add(token)
      return storage.put(next, expected)
    }
  }
  const { list } = storage
  const durability = durabilityOf(storage)
  const whole = list === undefined ? bound : { ...bound, list: (query: ListQuery) => list.call(storage, query) }
  return durability ? withDurability(whole, durability) : whole
}
