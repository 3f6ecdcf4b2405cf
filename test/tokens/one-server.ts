import { mock } from 'node:test'
import type { Exchange } from '../../src/clover/client.js'
import { CloverClock } from '../../src/clover/clock.js'
import type { Unclear } from '../../src/clover/answer.js'
import type { CloverStorage, ListQuery } from '../../src/storage/contract.js'
import { RecordCache } from '../../src/tokens/cache.js'
import type { TokenEvent } from '../../src/events/table.js'
import type { Installation } from '../../src/installation.js'
import { createTokens } from '../../src/tokens/create-tokens.js'
import { Deployment, type DeploymentSettings } from '../../src/tokens/deployment.js'
import { RecordMaker } from '../../src/tokens/record.js'
import { CallSlots } from '../../src/concurrency/call-slots.js'
import { Store } from '../../src/tokens/store.js'
import { unreadableNotice } from '../../src/tokens/unreadable.js'
import { SimulatedClover, type CloverBehaviour } from '../faults/exploration/clover.js'
import { mockTimers } from '../harness/mock-timers.js'

export const merchantId = 'MERCHANT00001'
export const otherMerchantId = 'MERCHANT00002'
export const identity = { appId: 'APP0000000001', environment: 'sandbox', flow: 'v2' } as const
export const refused = { outcome: 'refused', status: 401, recoveryAvailable: false } as const
export const unclear = (reason: string, more: Partial<Unclear> = {}): Unclear => ({ outcome: 'unclear', reason, malformed: false, ...more })

type Method = 'get' | 'put' | 'delete' | 'list'
type Call = 'exchange' | 'refresh' | 'recover' | 'merchant'

/** A store in memory. `intercept` decides whether and when each call runs. */
export class TestStorage implements CloverStorage {
  readonly records = new Map<string, Installation>()
  readonly calls: Method[] = []
  intercept: (method: Method, run: () => Promise<unknown>) => Promise<unknown> = (_method, run) => run()

  async get (merchantId: string): Promise<Installation | undefined> {
    return await this.#call('get', async () => structuredClone(this.records.get(merchantId))) as Installation | undefined
  }

  async put (next: Installation, expected: string | undefined): Promise<boolean> {
    return await this.#call('put', async () => {
      const stored = this.records.get(next.merchantId)
      if (expected === undefined ? stored !== undefined : stored?.revision !== expected) return false
      this.records.set(next.merchantId, structuredClone(next))
      return true
    }) as boolean
  }

  async delete (merchantId: string, expected?: string): Promise<boolean> {
    return await this.#call('delete', async () => {
      const record = this.records.get(merchantId)
      if (record === undefined || (expected !== undefined && record.revision !== expected)) return false
      return this.records.delete(merchantId)
    }) as boolean
  }

  async list ({ cursor, limit }: ListQuery): Promise<{ items: Installation[], cursor?: string }> {
    return await this.#call('list', async () => {
      const from = Number(cursor ?? 0)
      const all = [...this.records.values()]
      return { items: structuredClone(all.slice(from, from + limit)), ...(from + limit < all.length && { cursor: String(from + limit) }) }
    }) as { items: Installation[], cursor?: string }
  }

  /** From now on all calls fail, or those to one method. */
  break (method?: Method): void {
    this.intercept = async (called, run) => {
      if (method === undefined || called === method) throw new Error('the database is down')
      return run()
    }
  }

  repair (): void {
    this.intercept = (_method, run) => run()
  }

  #call (method: Method, run: () => Promise<unknown>): Promise<unknown> {
    this.calls.push(method)
    return this.intercept(method, run)
  }
}

export interface ServerOptions {
  trust?: 'high' | 'low'
  cache?: boolean
  minValidity?: number
  refreshAhead?: number
  maxWait?: number
  maxCalls?: number
  trustMerchantId?: boolean
  /** Its name, and whose records it takes over. Default: none. */
  deployment?: DeploymentSettings
  launchUrl?: (merchantId: string) => string
  isClosing?: () => boolean
  jitter?: () => number
  /** Milliseconds by which the local clock is wrong. */
  skew?: number
  storage?: TestStorage
  clover?: TestClover
}

/** A simulated Clover. `intercept` can answer in its place. */
export class TestClover {
  readonly inner: SimulatedClover
  readonly calls: string[] = []
  intercept: (call: Call, run: () => unknown, token: string) => unknown = (_call, run) => run()

  constructor (behaviour: Partial<CloverBehaviour> = {}) {
    this.inner = new SimulatedClover({ recovery: 'reusable', header: true, ...behaviour }, () => Date.now() / 1000)
  }

  count (call: Call): number {
    return this.calls.filter(made => made === call).length
  }

  client (observe: () => void) {
    const call = async <T>(kind: Call, token: string, run: () => T): Promise<T> => {
      this.calls.push(kind)
      await Promise.resolve()
      const answer = await this.intercept(kind, run, token) as T
      observe()
      return answer
    }
    return {
      exchange: ({ code, withRefreshToken }: Exchange) => call('exchange', code, () => this.inner.exchange(code, withRefreshToken)),
      refresh: (token: string) => call('refresh', token, () => this.inner.refresh(token)),
      recover: (token: string) => call('recover', token, () => this.inner.recover(token)),
      merchant: (id: string, token: string) => call('merchant', token, () => this.inner.merchant(id, token))
    }
  }
}

/** Starts one server: all of src/tokens without HTTP, in mocked time that `advance` and `leap` move. */
export function startServer (t: { teardown: (fn: () => void) => unknown }, options: ServerOptions = {}) {
  mockTimers(t, 1_800_000_000_000)
  return anotherServer(options)
}

/** Starts another server in the same time; give it the `storage` and the `clover` of the first to share them. */
export function anotherServer (options: ServerOptions = {}) {
  const { trust = 'high', minValidity = 60, refreshAhead = 0.2, maxWait = 30_000, maxCalls = 8, trustMerchantId = false, skew = 0, jitter = () => 0.5 } = options
  const storage = options.storage ?? new TestStorage()
  const clover = options.clover ?? new TestClover()
  const events: TokenEvent[] = []
  const notify = (event: TokenEvent) => { events.push(event) }
  const now = () => Date.now() + skew
  const clock = new CloverClock(now)
  const client = clover.client(() => { if (skew !== 0) clock.observe(new Date(Date.now()).toUTCString()) })
  const { appId, environment } = identity
  const deployment = options.deployment && new Deployment(options.deployment, clock)
  const store = new Store({ storage, appId, environment, deployment, timeout: 5_000, monotonic: now, onUnreadable: unreadableNotice(notify, now) })
  const cache = options.cache === false
    ? undefined
    : new RecordCache({ max: 100, ttl: 10_000, minValidity, refreshAhead, monotonic: now, clock })
  let ids = 0
  const prefix = (servers++).toString(16)
  const make = new RecordMaker(bytes => `${prefix}${(++ids).toString(16).padStart(6, '0')}`.padStart(bytes * 2, '0'), options.deployment?.name)
  const slots = new CallSlots(maxCalls)
  const tokens = createTokens({
    store,
    cache,
    clover: client,
    clock,
    runtime: { monotonic: now, jitter, sleep },
    make,
    slots,
    visits: slots,
    notify,
    identity,
    trust,
    trustMerchantId,
    minValidity,
    refreshAhead,
    callTimeout: 10_000,
    storageTimeout: 5_000,
    maxWait,
    launchUrl: options.launchUrl,
    ...(options.isClosing && { isClosing: options.isClosing })
  })
  return { storage, clover, events, clock, store, cache, make, slots, ...tokens, connect, mark, eventsOf }

  /** Connects a merchant as a callback does, and clears the recorded calls and events. */
  async function connect (id = merchantId): Promise<Installation> {
    await patiently(tokens.connections.connect(id, { code: `code-${++codes}`, verifier: '' }))
    clover.calls.length = 0
    storage.calls.length = 0
    events.length = 0
    const record = storage.records.get(id)
    if (record === undefined) throw new Error('not connected')
    return record
  }

  /** Connects a merchant and marks it as refused: by default since now, with the next try in a minute. Unix seconds. */
  async function mark (reauthorizationRequired = { since: Date.now() / 1000, retryAt: Date.now() / 1000 + 60 }): Promise<Installation> {
    const record = { ...await connect(), reauthorizationRequired, dueAt: reauthorizationRequired.retryAt }
    storage.records.set(merchantId, record)
    tokens.reader.drop(merchantId)
    return record
  }

  function eventsOf (type: TokenEvent['type']): TokenEvent[] {
    return events.filter(event => event.type === type)
  }
}

let codes = 0
let servers = 1

/** Resolves after some milliseconds of the mocked time, or as soon as the signal is aborted. */
export function sleep (milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal?.addEventListener('abort', end)
  })
}

/** Lets everything run that waits for no timer. */
export function quiet (): Promise<void> {
  return new Promise(resolve => { setImmediate(() => setImmediate(resolve)) })
}

/** Lets milliseconds pass in small steps, with everything that is due in them. */
export async function advance (milliseconds: number, step = 10): Promise<void> {
  await quiet()
  for (let left = milliseconds; left > 0; left -= step) {
    mock.timers.tick(Math.min(step, left))
    await quiet()
  }
}

/** Lets seconds pass at once, without steps in between. */
export async function leap (seconds: number): Promise<void> {
  mock.timers.setTime(Date.now() + seconds * 1000)
  await quiet()
}

/** Waits for a promise, and lets time pass while it is not settled. */
export async function patiently<T> (promise: Promise<T>): Promise<T> {
  const state = { isSettled: false }
  const settle = () => { state.isSettled = true }
  promise.then(settle, settle)
  await quiet()
  for (let i = 0; i < 20_000 && !state.isSettled; i++) await advance(20, 20)
  return promise
}

/** A promise that the test settles. */
export function gate<T = void> (): { promise: Promise<T>, open: (value: T) => void, fail: (error: Error) => void } {
  let open: (value: T) => void = () => {}
  let fail: (error: Error) => void = () => {}
  const promise = new Promise<T>((resolve, reject) => { open = resolve; fail = reject })
  return { promise, open, fail }
}
