import type { Exchange } from '../../../src/clover/client.js'
import type { Answer } from '../../../src/clover/answer.js'
import type { Installation } from '../../../src/installation.js'
import { SimulatedClover, unclear } from './clover.js'
import type { TokenModules } from './modules.js'
import type { Operation, Process, Scenario, Violation } from './run-types.js'
import { copyOf, describe, hash, headOf, name, pairOf, short } from './trace-names.js'

/** Whom every run is about. */
export const merchantId = 'MERCHANT00001'
export const identity = { appId: 'APP0000000001', environment: 'sandbox', flow: 'v2' } as const

/** Milliseconds between two looks of a server at a silent attempt. It counts two that are more than six seconds apart as two watches. */
const watchStep = 4_000

/** One merchant, a store and Clover, and the calls in progress: everything that a step changes. */
export class RunState {
  readonly scenario: Scenario
  readonly clover: SimulatedClover
  readonly trace: string[] = []
  violation: Violation | undefined
  record: Installation | undefined
  step = 0
  budget: number
  /** A lost answer, a crash, an expired lease or a refusal without reason: Clover may then get more than one refresh. */
  disturbed = false
  protected readonly modules: TokenModules
  protected now = 1_800_000_000_000
  protected agesLeft: number
  protected heartbeatsLeft: number
  /** The attempt whose lease is stored is silent: so many sleeps of those who watch it take time. */
  protected silence = 0
  /** When the stored record was written. */
  protected writtenAt = 0
  protected outage: '401' | '503' | undefined
  protected processes: Process[] = []
  protected operations: Operation[] = []
  protected ghosts: { label: string, land: () => void }[] = []
  /** When each connection landed in the store. */
  protected readonly landed = new Map<string, number>()
  /** When the last callback began that succeeded: a disconnect which began before must not end its connection. */
  protected visited = 0
  protected fullExchanges = 0
  protected settling = false
  protected forced = 0
  protected aged = 0
  protected connects = 0

  constructor (scenario: Scenario, modules: TokenModules) {
    this.scenario = scenario
    this.modules = modules
    this.budget = scenario.budget
    this.agesLeft = scenario.ages ?? 0
    this.heartbeatsLeft = scenario.heartbeats ?? 0
    this.clover = new SimulatedClover(scenario, () => this.seconds())
  }

  protected seconds (): number {
    return this.now / 1000
  }

  protected violate (property: string, what: string): void {
    this.violation ??= { property, what }
  }

  protected request<T> (process: Process, kind: Operation['kind'], what: string, effect: (() => unknown) | undefined, more: Partial<Operation> = {}): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      if (process.isDead) return
      this.operations.push({ process, kind, label: `${name(process)} ${what}`, effect, resolve, reject, ...more })
    }) as Promise<T>
  }

  protected deliver (operation: Operation, settle: () => void, what: string): void {
    const { process } = operation
    this.operations = this.operations.filter(other => other !== operation)
    process.history = hash(process.history, `${operation.label} ${what} ${this.now}`)
    process.lastDelivered = operation.kind
    settle()
  }

  protected answer (operation: Operation, answer: unknown): void {
    if (operation.kind === 'get') operation.process.seen = (answer as Installation | undefined)?.revision
    this.deliver(operation, () => operation.resolve(copyOf(answer)), JSON.stringify(answer ?? null))
  }

  protected fail (operation: Operation): void {
    this.deliver(operation, () => operation.reject(Object.assign(new Error('the store failed'), { code: 'FST_CLOVER_STORAGE' })), 'fails')
  }

  protected unanswered (operation: Operation): void {
    if (operation.process.unstored === pairOf(operation.answer)) operation.process.unstored = undefined
    this.answer(operation, unclear('no answer'))
  }

  protected haunt ({ label, effect }: Operation): void {
    if (effect) this.ghosts.push({ label: `late: ${label}`, land: effect })
  }

  protected sleep (process: Process, milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return this.request(process, 'sleep', `sleeps ${Math.round(milliseconds)} ms`, undefined, { wakeAt: this.now + milliseconds, wakeable: signal !== undefined })
  }

  /** The sleep before a renewal, which its attempt ends by the signal. */
  protected async sleepBeforeRenewal (process: Process, milliseconds: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const ended = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
    if (this.scenario.heartbeats === undefined) return ended
    const woken = this.request<undefined>(process, 'sleep', 'waits to renew its record', undefined, { wakeAt: this.now + milliseconds, isHeartbeat: true })
    const operation = this.operations.at(-1)
    await Promise.race([woken, ended])
    this.operations = this.operations.filter(other => other !== operation)
  }

  /** Waiting for a lease is not worth a step of its own while nothing has changed. */
  protected mayWake ({ process, wakeAt = 0, wakeable, isHeartbeat }: Operation): boolean {
    if (isHeartbeat) return this.heartbeatsLeft > 0
    if (wakeable || process.lastDelivered !== 'get' || this.silence > 0) return true
    const lease = this.record?.refreshLease
    return this.record?.revision !== process.seen || lease === undefined || wakeAt / 1000 >= lease.until || this.seconds() >= lease.until
  }

  protected wake (operation: Operation): void {
    if (operation.isHeartbeat) this.heartbeatsLeft--
    else if (this.silence > 0) {
      this.silence--
      this.moveTo(this.now + watchStep)
    }
    if (this.scenario.loose || this.settling) this.moveTo(Math.max(this.now, operation.wakeAt ?? 0))
    this.deliver(operation, () => operation.resolve(undefined), 'wakes')
  }

  protected moveTo (now: number): void {
    const { until = 0, deadAfter = Infinity } = this.record?.refreshLease ?? {}
    const end = Math.min(until, this.writtenAt / 1000 + deadAfter)
    if (this.seconds() < end && now / 1000 >= end) this.disturbed = true
    this.now = now
  }

  protected ownerOf (by: string): Process | undefined {
    return this.processes.find(process => by.startsWith(headOf(process)))
  }

  protected store (process: Process, began?: { step: number }) {
    const get = () => this.request<Installation | undefined>(process, 'get', 'reads', () => {
      if (began?.step === -1) began.step = this.step
      return this.record
    })
    return {
      get,
      find: get,
      put: (next: Installation, expected: string | undefined) => {
        const written = copyOf(next)
        return this.request<boolean>(process, 'put', `puts ${describe(written)} over ${short(expected)}`, () => this.put(process, written, expected, began))
      },
      delete: (_merchantId: string, expected?: string) =>
        this.request<boolean>(process, 'delete', `deletes ${short(expected)}`, () => this.delete(expected, began))
    }
  }

  protected put (process: Process, next: Installation, expected: string | undefined, began: { step: number } | undefined): boolean {
    const before = this.record
    if (before?.revision !== expected) return false
    this.record = next
    this.writtenAt = this.now
    this.silence = 0
    for (const other of this.processes) if (other.unstored === next.refreshToken) other.unstored = undefined
    if (before === undefined) {
      if (this.landed.has(next.connectionId)) this.violate('P5', `${name(process)} brings a record back that was disconnected`)
    } else {
      const isLoss = this.clover.isLive(before.refreshToken) && !this.clover.isLive(next.refreshToken)
      if (isLoss) this.violate('P3', `the live ${before.refreshToken} is overwritten by the dead ${next.refreshToken}`)
      if (before.connectionId !== next.connectionId && !before.reauthorizationRequired && this.clover.isLive(before.refreshToken)) {
        if ((began?.step ?? -1) < (this.landed.get(before.connectionId) ?? 0)) {
          this.violate('R8', `the healthy ${before.refreshToken} is overwritten by what began before it was stored`)
        }
      }
    }
    if (!this.landed.has(next.connectionId)) this.landed.set(next.connectionId, this.step)
    return true
  }

  protected delete (expected: string | undefined, began: { step: number } | undefined): boolean {
    if (this.record === undefined || (expected !== undefined && this.record.revision !== expected)) return false
    const landed = Math.max(this.landed.get(this.record.connectionId) ?? 0, this.visited)
    if (began && began.step < landed) this.violate('R10', 'a disconnect hits a connection that was made after it began')
    this.record = undefined
    return true
  }

  protected cloverFor (process: Process) {
    return {
      refresh: (token: string) => this.request<ReturnType<SimulatedClover['refresh']>>(process, 'refresh', `refresh(${token})`, () => {
        const answer = this.clover.refresh(token)
        if (!this.disturbed) {
          if ((this.clover.presented.get(token) ?? 0) > 1) this.violate('P4', `${token} was presented to /refresh twice`)
          // A server that made a full exchange too many looks whether the stored pair survived it.
          const checks = Math.max(0, this.fullExchanges - 1)
          if (this.clover.refreshes > 1 + this.forced + this.aged + checks) this.violate('P4', 'more than one refresh')
        }
        return answer
      }),
      recover: (token: string) => {
        const lease = this.record?.refreshLease
        if (!this.scenario.loose && !(lease && this.ownerOf(lease.by) === process && lease.until > this.seconds())) {
          this.violate('P2', `${name(process)} asks for a recovery while somebody else may be at work on the record`)
        }
        return this.request<ReturnType<SimulatedClover['recover']>>(process, 'recover', `recover(${token})`, () => {
          if (!this.disturbed) this.violate('P4', 'a recovery although nothing was lost')
          return this.clover.recover(token)
        })
      },
      exchange: ({ code, withRefreshToken }: Exchange) =>
        this.request<Answer<never>>(process, 'exchange', `exchange(${code}${withRefreshToken ? '' : ', no refresh token'})`, () => {
          if (withRefreshToken) this.fullExchanges++
          return this.clover.exchange(code, withRefreshToken)
        }),
      merchant: (id: string, accessToken: string) =>
        this.request<Answer<string>>(process, 'merchant', `merchant(${accessToken})`, () => this.clover.merchant(id, accessToken))
    }
  }
}
