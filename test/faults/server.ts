import Fastify, { type FastifyInstance } from 'fastify'
import { longestGrace } from '../../src/concurrency/deadline.js'
import type { Environment } from '../../src/environments.js'
import type { CloverOptions } from '../../src/options/options.js'
import { kRuntime, plugin } from '../../src/plugin.js'
import type { CloverStorage } from '../../src/storage/contract.js'
import type { Runtime } from '../../src/runtime.js'

/** How a server is set up, in plain data, so that it can be sent to another process. */
export interface ServerPlan {
  environment: Environment
  appId: string
  appSecret: string | false
  /** Milliseconds. */
  callTimeout?: number
  /** Milliseconds. */
  storageTimeout?: number
  maxCalls?: number
  /** Fastify's own, in milliseconds; 0: no limit. */
  pluginTimeout?: number
  cache?: CloverOptions['cache']
  /** Milliseconds by which the server's clock runs ahead, as if they had passed. */
  clockAhead?: number
}

/** What a test changes of an ordinary server. */
export interface ServerOptions {
  runtime?: Partial<Runtime>
  logs?: string[]
  /** Called before the plugin is registered. */
  before?: (app: FastifyInstance) => void
  /** Called after the plugin is registered. */
  after?: (app: FastifyInstance) => void
}

/** Milliseconds of a lease that a server with this plan writes; the record holds it in whole seconds, rounded up. */
export function leaseOf ({ callTimeout = 10_000, storageTimeout = 5_000 }: ServerPlan): number {
  return 3 * (callTimeout + longestGrace) + 2 * storageTimeout
}

/** A host with the plugin and without routes: all that is tested here happens behind `app.clover`. */
export async function startServer (plan: ServerPlan, storage: CloverStorage, { runtime, logs, before, after }: ServerOptions = {}): Promise<FastifyInstance> {
  const { storageTimeout, clockAhead = 0, pluginTimeout, ...options } = plan
  const app = Fastify({ ...(pluginTimeout !== undefined && { pluginTimeout }), logger: logs ? { level: 'debug', stream: { write: line => { logs.push(line) } } } : false })
  before?.(app)
  await app.register(plugin, {
    routes: false,
    ...options,
    storage,
    [kRuntime]: { wallClock: () => Date.now() + clockAhead, ...runtime, ...(storageTimeout !== undefined && { storageTimeout }) }
  } as CloverOptions)
  after?.(app)
  await app.ready()
  return app
}
