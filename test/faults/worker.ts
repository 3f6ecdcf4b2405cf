/*
 * A server process of its own. It does what its parent says: serves merchants from stores, is stopped at a step of the protocol, is killed.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { LegacyToken, MigrationOptions } from '../../src/jobs/migration-options.js'
import type { AccessTokenOptions } from '../../src/tokens/access-tokens.js'
import { GatedStorage, type Gate } from './gated-storage.js'
import { startServer, type ServerPlan } from './server.js'
import { openStore, type StoreAddress } from './stores.js'

interface Server {
  app: FastifyInstance
  gates: GatedStorage
}

/** A token, or the code of the error that was there instead. */
export type Outcome = { token: string } | { code: string, message: string }

/** What came of many calls. */
export interface Storm {
  /** How many brought a token. */
  calls: number
  /** The different tokens of each merchant. */
  tokens: Record<string, string[]>
  errors: Array<{ merchantId: string, code: string, message: string }>
}

const servers = new Map<string, Server>()
/** How often each outcome came: `token`, or an error's code. */
let tally: Record<string, number> = {}
let stopping = new AbortController()
let loads: Array<Promise<void>> = []
const loopDelay = monitorEventLoopDelay({ resolution: 10 })

function server (name: string): Server {
  const found = servers.get(name)
  if (found === undefined) throw new Error(`no server ${name}`)
  return found
}

async function ask (name: string, merchantId: string, options?: AccessTokenOptions): Promise<Outcome> {
  try {
    return { token: await server(name).app.clover.accessToken(merchantId, options) }
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    return { code: code ?? 'no code', message }
  }
}

function shuffled<T> (items: readonly T[]): T[] {
  return items.map(item => ({ item, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ item }) => item)
}

/** A caller who refuses each token it gets, so that every second call is a refresh, or waits for one. `underWay` is called after its first. */
async function refuseTokens (name: string, merchants: readonly string[], signal: AbortSignal, underWay: () => void): Promise<void> {
  let rejected: string | undefined
  for (let merchantId = ''; !signal.aborted;) {
    if (rejected === undefined) merchantId = merchants[Math.floor(Math.random() * merchants.length)] ?? ''
    const outcome = await ask(name, merchantId, rejected === undefined ? undefined : { rejected })
    const key = 'token' in outcome ? 'token' : outcome.code
    tally[key] = (tally[key] ?? 0) + 1
    if (rejected !== undefined) underWay()
    rejected = rejected === undefined && 'token' in outcome ? outcome.token : undefined
    if (!('token' in outcome)) await setTimeout(20)
  }
}

const commands = {
  /** Begins to serve from a store, under a name. */
  async serve (name: string, plan: ServerPlan, address: StoreAddress): Promise<void> {
    const { storage, close } = await openStore(address)
    const gates = new GatedStorage(storage)
    // The host closes its store in a hook registered before the plugin, which is after the plugin's own.
    const app = await startServer(plan, gates, { before: app => { app.addHook('onClose', close) } })
    servers.set(name, { app, gates })
  },

  /** Asks for one token. */
  token: ask,

  /** Lets callers ask for every merchant, each in an order of its own; resolves with the tokens that they got, and how many. */
  async storm (name: string, merchants: readonly string[], callers: number): Promise<Storm> {
    const tokens: Storm['tokens'] = {}
    const errors: Storm['errors'] = []
    let calls = 0
    await Promise.all(Array.from({ length: callers }, async () => {
      for (const merchantId of shuffled(merchants)) {
        const outcome = await ask(name, merchantId)
        if ('code' in outcome) errors.push({ merchantId, ...outcome })
        else {
          calls++
          const known = tokens[merchantId] ??= []
          if (!known.includes(outcome.token)) known.push(outcome.token)
        }
      }
    }))
    return { calls, tokens, errors }
  },

  /** Lets callers refresh merchants at random until `unload`; resolves once one of them has refreshed. */
  async load (name: string, merchants: readonly string[], callers: number): Promise<void> {
    const { signal } = stopping
    await new Promise<void>(resolve => {
      loads.push(...Array.from({ length: callers }, () => refuseTokens(name, merchants, signal, resolve)))
    })
  },

  /** Ends the load, and resolves with how often each outcome came. */
  async unload (): Promise<Record<string, number>> {
    stopping.abort()
    await Promise.all(loads)
    const total = tally
    ;[stopping, loads, tally] = [new AbortController(), [], {}]
    return total
  },

  /** Moves merchants from legacy tokens; resolves with how often each outcome came. */
  async migrate (name: string, legacy: readonly LegacyToken[], options: Pick<MigrationOptions, 'rate' | 'concurrency'>): Promise<Record<string, number>> {
    const outcomes: Record<string, number> = {}
    for await (const { outcome } of server(name).app.clover.migrateLegacy(legacy, options)) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    return outcomes
  },

  /** Begins to measure how late the event loop comes to its timers. */
  async watchLoop (): Promise<void> {
    loopDelay.reset()
    loopDelay.enable()
  },

  /** The longest delay of the event loop since `watchLoop`, in milliseconds. An answer says also that the loop turns. */
  loopDelay: async (): Promise<number> => loopDelay.max / 1e6,

  /** Blocks the event loop for some milliseconds, as a long computation or a synchronous database call does. */
  async block (milliseconds: number): Promise<void> {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
  },

  /** Stops a merchant at a put; resolves once it has stopped there. */
  park: (name: string, merchantId: string, gate: Gate) => server(name).gates.park(merchantId, gate),

  /** Lets all go on that has stopped. */
  async release (name: string): Promise<void> {
    server(name).gates.release()
  },

  /** Begins the puts that wait for it, and kills this process while they are in progress. */
  async die (): Promise<void> {
    for (const { gates } of servers.values()) gates.beginDying()
    await setTimeout(Math.random() * 3)
    process.kill(process.pid, 'SIGKILL')
  }
}

/** What a parent may ask of a worker. */
export type Commands = typeof commands

/** A question and its answer, as they go between the processes. */
export interface Question { id: number, command: keyof Commands, args: unknown[] }
export type Reply = { id: number, value: unknown } | { id: number, error: string }

process.on('message', ({ id, command, args }: Question) => {
  const run = commands[command] as (...args: unknown[]) => Promise<unknown>
  run(...args).then(
    value => process.send?.({ id, value } satisfies Reply),
    (error: unknown) => process.send?.({ id, error: String(error instanceof Error ? error.stack : error) } satisfies Reply))
})

process.once('SIGTERM', () => {
  Promise.all([...servers.values()].map(({ app }) => app.close())).then(() => process.exit(0), () => process.exit(1))
})

// Without its parent it has no business.
process.once('disconnect', () => process.exit(0))
process.send?.('ready')
