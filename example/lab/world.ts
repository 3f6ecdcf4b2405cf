import { setTimeout as sleep } from 'node:timers/promises'
import type { CloverSimulator, Endpoint } from 'fastify-clover/testing'
import type { LabSettings } from '../settings.js'
import type { Callers } from './callers.js'
import { crowd, deedNames, deedOf, slowness, type DeedName } from './deeds.js'
import type { Feed } from './feed.js'
import { secondsKept, type Measures, type Watch } from './measures.js'
import type { Servers } from './servers.js'
import type { Shops } from './shops.js'
import { lockFor } from './lock.js'

/** What became of a deed. All times in Unix milliseconds. */
export interface Outcome {
  deed: DeedName
  isRunning: boolean
  since: number
  /** When a deed that lasts will end; null: it has ended, or takes as long as it takes. */
  until: number | null
  /** What happened, once it has. */
  words: string
}

/** A deed in time: Unix milliseconds; `until` is null while it goes on. */
export interface Span {
  deed: DeedName
  since: number
  until: number | null
}

interface Parts {
  settings: LabSettings
  simulator: CloverSimulator
  servers: Servers
  shops: Shops
  callers: Callers
  measures: Measures
  feed: Feed
  onOutcome: (outcome: Outcome) => void
}

/** Every endpoint that servers call; browsers get their pages. */
const ofServers: Endpoint[] = ['token', 'refresh', 'recovery', 'migrate', 'legacyToken', 'merchant', 'rest', 'pakms']

/** Milliseconds after which a deed's effect is not waited for any longer. */
const patience = 90_000

/** What a person can do to the world. Each deed runs once at a time. */
export class World {
  /** The latest outcomes, by deed. */
  readonly outcomes = new Map<DeedName, Outcome>()
  readonly #use: Parts
  readonly #running = new Map<DeedName, Promise<void>>()
  readonly #stop = new AbortController()
  #spans: Span[] = []

  constructor (parts: Parts) {
    this.#use = parts
  }

  /** When deeds began and ended, of the last minutes. */
  get spans (): readonly Span[] {
    const oldest = Date.now() - secondsKept * 1000
    this.#spans = this.#spans.filter(({ until }) => until === null || until > oldest)
    return this.#spans
  }

  /** Begins a deed to a shop, or joins the one that goes on; resolves when it has ended. */
  async run (deed: DeedName, merchantId: string): Promise<void> {
    const going = this.#running.get(deed) ?? this.#begin(deed, merchantId).finally(() => this.#running.delete(deed))
    this.#running.set(deed, going)
    await going
  }

  /** Ends what lasts. */
  close (): void {
    this.#stop.abort()
  }

  async #begin (deed: DeedName, merchantId: string): Promise<void> {
    const { settings, feed, onOutcome } = this.#use
    const { troubleSeconds, lockSeconds } = settings
    const since = Date.now()
    const lasts = deed === 'lock' ? lockSeconds : ['refuse', 'slow', 'everything'].includes(deed) ? Math.max(troubleSeconds, deed === 'everything' ? lockSeconds : 0) : null
    const tell = (outcome: Pick<Outcome, 'isRunning' | 'words' | 'until'>) => {
      const whole = { deed, since, ...outcome }
      this.outcomes.set(deed, whole)
      onOutcome(whole)
    }
    feed.add({ by: 'You', words: deedOf(deed, settings).title, tone: 'plain' })
    const span: Span = { deed, since, until: null }
    this.#spans.push(span)
    tell({ isRunning: true, until: lasts === null ? null : since + lasts * 1000, words: '' })
    try {
      tell({ isRunning: false, until: null, words: await this.#do(deed, merchantId) })
    } catch (error) {
      tell({ isRunning: false, until: null, words: error instanceof Error ? error.message : String(error) })
    } finally {
      span.until = Date.now()
    }
  }

  async #do (deed: DeedName, merchantId: string): Promise<string> {
    switch (deed) {
      case 'callers': return await this.#callers(merchantId)
      case 'end-token': return await this.#endToken(merchantId)
      case 'drop-answer': return await this.#dropAnswer(merchantId)
      case 'refuse': return await this.#refuse()
      case 'slow': return await this.#slow()
      case 'lock': return await this.#lock()
      case 'everything': return await this.#everything(merchantId)
      default: return await this.#kill(Number(deed.replace('kill-', '')) - 1, merchantId)
    }
  }

  async #callers (merchantId: string): Promise<string> {
    const end = this.#use.measures.watch({ merchantId })
    this.#end(merchantId)
    const all = await Promise.all(Array.from({ length: crowd }, () => this.#use.callers.call(merchantId)))
    const { refreshes, recoveries, exchanges } = end()
    const served = all.filter(one => one?.fate === 'served')
    const slowest = Math.max(0, ...served.map(one => one?.waited ?? 0))
    return [
      count(crowd, 'caller'), count(refreshes + recoveries + exchanges, 'call to Clover for a token', 'calls to Clover for tokens'),
      ...(served.length < crowd && all.every(one => one?.fate !== 'failed') ? [`${crowd - served.length} got none, since no token lived`] : [count(crowd - served.length, 'failure')]),
      `slowest ${inWords(slowest)}`
    ].join(', ')
  }

  async #endToken (merchantId: string): Promise<string> {
    const end = this.#use.measures.watch({ merchantId })
    const start = performance.now()
    this.#end(merchantId)
    const isBack = await this.#newToken(merchantId, undefined)
    const took = performance.now() - start
    return `${isBack ? `A new one lived ${inWords(took)} later` : 'No new one came yet'}: ${describe(end())}`
  }

  async #dropAnswer (merchantId: string): Promise<string> {
    const { simulator, servers, shops, measures } = this.#use
    const server = servers.next()
    if (server === undefined) return 'No server listens just now: try again.'
    const end = measures.watch({ merchantId })
    const start = performance.now()
    const before = await shops.livingToken(merchantId)
    const fault = simulator.fault({ on: 'refresh', merchantId, kind: 'drop-after' })
    servers.send(server, { type: 'refresh', merchantId })
    const isBack = await this.#newToken(merchantId, before)
    fault.clear()
    const numbers = end()
    const how = numbers.recoveries > 0 ? 'recovered the lost pair' : 'had a new pair'
    if (fault.hits === 0) return `No refresh came to Clover: ${describe(numbers)}`
    return `${server.name} ${isBack ? `${how} ${inWords(performance.now() - start)} later` : 'has not recovered the pair yet'}: ${describe(numbers)}`
  }

  async #refuse (): Promise<string> {
    const end = this.#use.measures.watch()
    const fault = this.#use.simulator.fault({ on: ofServers, kind: 'status', status: 503, times: Infinity })
    await this.#wait(this.#use.settings.troubleSeconds)
    fault.clear()
    return `Clover refused ${count(fault.hits, 'call')}: ${describe(end())}`
  }

  async #slow (): Promise<string> {
    const end = this.#use.measures.watch()
    const fault = this.#use.simulator.fault({ on: ofServers, kind: 'latency', ms: slowness * 1000, times: Infinity })
    await this.#wait(this.#use.settings.troubleSeconds)
    fault.clear()
    return `Clover was slow in ${count(fault.hits, 'call')}: ${describe(end())}, slowest token ${inWords(end().slowest)}`
  }

  async #lock (): Promise<string> {
    const end = this.#use.measures.watch()
    await lockFor(this.#use.settings.database, this.#use.settings.lockSeconds, this.#stop.signal)
    return `The database can be written again: ${describe(end())}`
  }

  async #kill (index: number, merchantId: string): Promise<string> {
    const { servers, simulator, measures } = this.#use
    const server = servers.list[index]
    if (server?.origin === undefined) return 'It is starting just now.'
    const end = measures.watch({ merchantId })
    const { pid } = server
    // Clover handles the refresh, and its answer waits.
    const fault = simulator.fault({ on: 'refresh', merchantId, kind: 'latency', when: 'after', ms: slowness * 1000 })
    servers.send(server, { type: 'refresh', merchantId })
    await until(() => fault.hits > 0, 1_500, this.#stop.signal)
    const isInside = fault.hits > 0
    fault.clear()
    // If the answer of a recovery is lost as well, the real Clover may not repeat it: README, "The known limit".
    await until(() => simulator.atOnce('recovery').open === 0, 5_000, this.#stop.signal)
    const start = performance.now()
    server.child.kill('SIGKILL')
    await until(() => server.pid !== pid && server.origin !== undefined, patience, this.#stop.signal)
    return `Process ${pid} died${isInside ? ' in a refresh' : ''}. Process ${server.pid} took its place ${inWords(performance.now() - start)} later: ${describe(end())}`
  }

  async #everything (merchantId: string): Promise<string> {
    const { measures, callers, shops, servers } = this.#use
    const end = measures.watch()
    const victim = servers.list.findIndex(({ origin }) => origin !== undefined)
    const rest = deedNames.filter(name => name !== 'everything' && !name.startsWith('kill-'))
    await Promise.all([...rest, `kill-${victim + 1}` as const].map(async name => await this.run(name, merchantId)))
    const served = async () => (await callers.call(merchantId))?.status === 200
    const limit = performance.now() + patience
    let isServed = await served()
    while (!isServed && performance.now() < limit && !this.#stop.signal.aborted) {
      await this.#wait(0.5)
      isServed = await served()
    }
    return `${shops.nameOf(merchantId)} ${isServed ? 'is served' : 'is not served yet'}: ${describe(end())}`
  }

  #end (merchantId: string): void {
    this.#use.simulator.endAccessTokens(merchantId)
    this.#use.shops.mark(merchantId, 'ended')
  }

  /** Waits for a stored access token that lives and is not `before`. Resolves with whether it came. */
  async #newToken (merchantId: string, before: string | undefined): Promise<boolean> {
    return await until(async () => {
      const token = await this.#use.shops.livingToken(merchantId)
      return token !== undefined && token !== before
    }, patience, this.#stop.signal)
  }

  async #wait (seconds: number): Promise<void> {
    await sleep(seconds * 1000, undefined, { signal: this.#stop.signal }).catch(() => {})
  }
}

/** Waits until something holds. Resolves with whether it does. */
async function until (holds: () => boolean | Promise<boolean>, ms: number, signal: AbortSignal): Promise<boolean> {
  const limit = performance.now() + ms
  while (!await holds()) {
    if (performance.now() > limit || signal.aborted) return false
    await sleep(20)
  }
  return true
}

function describe ({ exchanges, refreshes, recoveries, served, failed, without }: Watch): string {
  return [
    ...(exchanges > 0 ? [`${count(exchanges, 'code')} exchanged`] : []),
    count(refreshes, 'refresh', 'refreshes'),
    ...(recoveries > 0 ? [count(recoveries, 'recovery', 'recoveries')] : []),
    `${count(served, 'token')} handed out`,
    `${count(failed, 'failure')} while a token lived`,
    ...(without > 0 ? [`${count(without, 'caller')} without one while none lived`] : [])
  ].join(', ')
}

function count (number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`
}

function inWords (ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
