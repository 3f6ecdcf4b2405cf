import type { Exchange } from '../../../src/clover/client.js'
import type { Answer } from '../../../src/clover/answer.js'
import type { TokenEvent } from '../../../src/tokens/events.js'
import type { Installation } from '../../../src/tokens/installation.js'
import { isDue } from '../../../src/jobs/due.js'
import { isFresh } from '../../../src/tokens/freshness.js'
import { SimulatedClover, unclear } from './clover.js'
import type { TokenModules } from './modules.js'
import type { Action, Fault, Operation, Process, Scenario, Task, Violation } from './scene.js'
import { describe, hash, headOf, isOk, name, pairOf, quiescence, refusal, short } from './words.js'

const merchantId = 'MERCHANT00001'
const identity = { appId: 'APP0000000001', environment: 'sandbox', flow: 'v2' } as const
const callTimeout = 10_000
const storageTimeout = 5_000

/** Some servers, one merchant, a store and Clover, where every step is chosen from outside. */
export class World {
  readonly scenario: Scenario
  readonly clover: SimulatedClover
  readonly trace: string[] = []
  violation: Violation | undefined
  record: Installation | undefined
  step = 0
  budget: number
  /** A lost answer, a crash, an expired lease or a refusal without reason: Clover may then get more than one refresh. */
  disturbed = false
  readonly #modules: TokenModules
  #now = 1_800_000_000_000
  #agesLeft: number
  #outage: '401' | '503' | undefined
  #processes: Process[]
  #operations: Operation[] = []
  #ghosts: { label: string, land: () => void }[] = []
  /** When each connection landed in the store. */
  readonly #landed = new Map<string, number>()
  /** When the last callback began that succeeded: a disconnect which began before must not end its connection. */
  #visited = 0
  #fullExchanges = 0
  #settling = false
  #forced = 0
  #aged = 0
  #connects = 0

  constructor (scenario: Scenario, modules: TokenModules) {
    this.scenario = scenario
    this.#modules = modules
    this.budget = scenario.budget
    this.#agesLeft = scenario.ages ?? 0
    this.clover = new SimulatedClover(scenario, () => this.#seconds())
    if (scenario.start !== 'none') this.#begin(scenario.start)
    this.#processes = scenario.processes.map((tasks, index) => this.#boot(index, 0, [...tasks]))
  }

  /** What can happen next. */
  actions (): Action[] {
    const actions: Action[] = []
    const add = (process: number, label: string, cost: 0 | 1, apply: () => void) => {
      if (cost === 0 || this.budget > 0) actions.push({ label, cost, process, apply })
    }
    for (const operation of this.#operations) this.#actionsOf(operation, add)
    for (const process of this.#processes) {
      const task = process.queue[0]
      if (task !== undefined) add(process.index, `${name(process)} begins ${task}`, 0, () => this.#startTask(process))
    }
    this.#ghosts.forEach((ghost, i) => add(-1, `${ghost.label} happens at last`, 0, () => { this.#ghosts.splice(i, 1); ghost.land() }))
    this.#environment(add)
    // Servers that are asked the same are alike: it does not matter which is the first to do something.
    const [first] = this.scenario.processes
    const areAlike = this.step === 0 && this.scenario.processes.every(tasks => `${tasks}` === `${first}`)
    return areAlike ? actions.filter(({ process }) => process <= 0) : actions
  }

  apply (action: Action): void {
    this.step++
    this.trace.push(action.label)
    this.budget -= action.cost
    action.apply()
  }

  /** All that the future depends on: two runs with the same fingerprint go on alike. */
  fingerprint (): string {
    return JSON.stringify([
      this.record ?? null, this.clover.fingerprint(), this.#now, this.budget, this.disturbed, this.#agesLeft, this.#outage, this.#ghosts.map(ghost => ghost.label),
      this.#processes.map(({ generation, history, queue, running, unstored, seen }) => [generation, history, queue.length, running, unstored, seen]),
      this.#operations.map(({ label, effect, answer, wakeAt }) => [label, effect === undefined, answer, wakeAt]).sort(),
      [...this.#landed.keys()], this.#visited > 0, this.#forced, this.#aged, this.clover.refreshes
    ])
  }

  /** P7: where the stored refresh token is dead, or a request in progress could end it, keep-alive looks at the record soon. */
  checkDue (): void {
    const { record, clover } = this
    if (record === undefined || record.refreshToken === null || this.scenario.trust === 'low') return
    const { refreshToken, refreshLease, reauthorizationRequired, confirmAt } = record
    if (refreshLease ?? reauthorizationRequired ?? confirmAt) return
    if (!clover.isLive(refreshToken)) return this.#violate('P7', `the stored ${refreshToken} is dead, and nothing is due`)
    const pending = [...this.#ghosts.map(({ label }) => label), ...this.#operations.filter(({ effect }) => effect).map(({ label }) => label)]
    const threat = pending.find(label => clover.wouldEnd(label, refreshToken))
    if (threat !== undefined) this.#violate('P7', `${threat} is in progress and would end the stored ${refreshToken}, and nothing is due`)
  }

  /** Ends all faults, lets everything settle, and checks what must hold then. */
  async finish (): Promise<void> {
    this.#outage = undefined
    this.budget = 0
    this.#ghosts = []
    for (const process of this.#processes) process.queue = []
    this.#settling = true
    this.trace.push('-- faults end')
    await this.#settle()
    if (this.violation) return
    if (this.record === undefined) return this.#reconnect()
    // Nobody but the merchant can help, who has not succeeded.
    if (this.scenario.start === 'dead' && this.record.connectionId === 'first') return this.#reconnect()
    if (this.scenario.quiet) await this.#fortnight()
    const { reauthorizationRequired: mark, refreshLease: lease } = this.record
    this.#now = 1000 * Math.max(this.#seconds() + 3601, mark?.retryAt ?? 0, lease?.until ?? 0)
    this.#aged++
    this.trace.push('-- an hour later')
    const served = await this.#askAnew()
    if (this.violation) return
    if (served instanceof Error) return this.#violate(this.scenario.trust === 'low' ? 'P1/P6' : 'P1', `the merchant cannot be served: ${served.message}`)
    const { refreshToken } = this.record
    if (!this.clover.isLive(refreshToken)) return this.#violate('P1', `the stored refresh token ${refreshToken} is dead`)
    if (served !== this.record.accessToken) return this.#violate('P1', `${served} was served, ${this.record.accessToken} is stored`)
    return this.#reconnect()
  }

  #begin (start: 'stale' | 'fresh' | 'marked' | 'dead'): void {
    const make = new this.#modules.RecordMaker(() => '0'.repeat(32))
    const first = this.clover.authorize('s')
    this.clover.refresh('s') // so that the record has a spent token
    this.clover.presented.clear()
    this.clover.refreshes = 0
    const connected = make.connected({ merchantId, ...identity }, first, 'first', this.#seconds())
    const pair = { ...first, refreshToken: 's>', accessToken: 'access-s>' }
    const record = make.withPair(connected, { ...pair, presented: 's', recovered: false, isDoubtful: false }, this.#seconds())
    if (start !== 'fresh') this.#now += 1801_000
    // A mark that is ripe for another try, as an hour of refusals leaves it.
    this.record = start === 'marked' ? make.marked(record, this.#seconds() - 120) : record
    if (start === 'dead') {
      this.clover.uninstall()
      this.record = make.marked(record, this.#seconds())
    }
    this.#landed.set('first', 0)
  }

  #seconds (): number {
    return this.#now / 1000
  }

  #violate (property: string, what: string): void {
    this.violation ??= { property, what }
  }

  // Processes

  #boot (index: number, generation: number, queue: Task[]): Process {
    const { RefreshProtocol, Flights, Connections, Disconnects, Placements, Reader, RecordMaker, Slots } = this.#modules
    const process: Partial<Process> & Pick<Process, 'index' | 'generation' | 'ids' | 'queue'> = { index, generation, ids: 0, queue }
    const self = process as Process
    Object.assign(self, { isDead: false, history: 0, running: 0, unstored: undefined, seen: undefined, lastDelivered: '' })
    const make = new RecordMaker(bytes => headOf(self) + String(++self.ids).padStart(bytes * 2 - 2, '0'))
    const slots = new Slots(8)
    const clock = { now: () => this.#seconds() }
    const notify = (event: TokenEvent) => this.#noticed(self, event)
    const store = this.#store(self)
    const clover = this.#cloverFor(self)
    const reader = new Reader(store, undefined)
    const runtime = {
      now: () => this.#now,
      jitter: () => 0.5,
      sleep: (milliseconds: number, signal?: AbortSignal) => this.#sleep(self, milliseconds, signal)
    }
    const protocol = new RefreshProtocol({
      store, clover, clock, runtime, make, slots, notify, trust: this.scenario.trust, callTimeout, storageTimeout
    })
    const flights = new Flights({ protocol, runtime, notify, onRecord: record => reader.keep(record) })
    const connections = (began: { step: number }) => {
      const store = this.#store(self, began)
      const placements = new Placements({ store, reader, flights, clock, make, notify, identity })
      return new Connections({
        store, placements, flights, clover, clock, runtime, make, visits: slots, slots, notify, trustMerchantId: false, trust: this.scenario.trust, maxWait: 30_000
      })
    }
    const disconnects = (began: { step: number }) => new Disconnects({ store: this.#store(self, began), reader, flights, notify })
    Object.assign(self, { parts: { flights, reader, make, connections, disconnects } })
    // Until it reads, a task that has begun is like one that has not.
    if (!this.scenario.loose) this.#startTask(self)
    return self
  }

  #noticed (process: Process, event: TokenEvent): void {
    if (event.type === 'pair-dropped' || event.type === 'pair-held') this.trace.push(`   (${name(process)}: ${event.type})`)
  }

  #startTask (process: Process): void {
    const task = process.queue.shift()
    if (task === undefined) return
    process.running++
    process.history = hash(process.history, `begins ${task} ${this.#now}`)
    const done = (outcome: string) => {
      if (process.isDead) return
      process.running--
      this.trace.push(`   (${name(process)}'s ${task} ends: ${outcome})`)
    }
    this.#perform(process, task).then(
      value => done(value),
      (error: Error) => done(error.message)
    )
  }

  async #perform (process: Process, task: Task): Promise<string> {
    const { flights, connections, disconnects } = process.parts
    if (task === 'call') return this.#serve(process)
    if (task === 'force') {
      this.#forced++
      const before = await process.parts.reader.readStored(merchantId)
      if (before === undefined) return 'not connected'
      const { accessToken } = await flights.refresh(merchantId, { force: true, enough: record => record.accessToken !== before.accessToken && isFresh(record, this.#seconds(), 0) })
      return accessToken
    }
    const began = { step: -1 }
    if (task === 'disconnect') return `${await disconnects(began).disconnect(merchantId)}`
    const outcome = await this.#visit(connections(began))
    this.#visited = Math.max(this.#visited, began.step)
    return outcome
  }

  /** What a browser does at the callback: it goes through Clover once more where that is asked for. */
  async #visit (connections: InstanceType<TokenModules['Connections']>): Promise<string> {
    const code = () => ({ code: `c${++this.#connects}`, verifier: '' })
    let visit = await connections.connect(merchantId, code())
    if (visit === 'again') visit = await connections.connect(merchantId, code(), true)
    if (visit === 'again') throw new Error('the browser is sent to Clover without end')
    return `isNew: ${visit.isNew}`
  }

  /** What `accessToken()` does, without its cache and its patience. */
  async #serve ({ parts: { flights, reader } }: Process): Promise<string> {
    const enough = (record: Installation) => isFresh(record, this.#seconds(), 60)
    // The protocol reads for itself: a second look makes for more schedules, and for nothing new in them.
    const looks = this.scenario.loose || this.#settling
    const record = flights.held(merchantId) ?? (looks ? await reader.readStored(merchantId) : undefined)
    if (looks && record === undefined) throw new Error('not connected')
    const { accessToken } = record && enough(record) ? record : await flights.refresh(merchantId, { enough })
    return accessToken
  }

  // Operations

  #request<T> (process: Process, kind: Operation['kind'], what: string, effect: (() => unknown) | undefined, more: Partial<Operation> = {}): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      if (process.isDead) return
      this.#operations.push({ process, kind, label: `${name(process)} ${what}`, effect, resolve, reject, ...more })
    }) as Promise<T>
  }

  #deliver (operation: Operation, settle: () => void, what: string): void {
    const { process } = operation
    this.#operations = this.#operations.filter(other => other !== operation)
    process.history = hash(process.history, `${operation.label} ${what} ${this.#now}`)
    process.lastDelivered = operation.kind
    settle()
  }

  #answer (operation: Operation, answer: unknown): void {
    if (operation.kind === 'get') operation.process.seen = (answer as Installation | undefined)?.revision
    this.#deliver(operation, () => operation.resolve(answer === undefined ? undefined : structuredClone(answer)), JSON.stringify(answer ?? null))
  }

  #fail (operation: Operation): void {
    this.#deliver(operation, () => operation.reject(Object.assign(new Error('the store failed'), { code: 'FST_CLOVER_STORAGE' })), 'fails')
  }

  #actionsOf (operation: Operation, add: (process: number, label: string, cost: 0 | 1, apply: () => void) => void): void {
    const { process, kind, label, effect } = operation
    const { index } = process
    const can = (fault: Fault) => this.scenario.faults.includes(fault)
    if (kind === 'sleep') {
      if (this.#mayWake(operation)) add(index, `${label}: wakes`, 0, () => this.#wake(operation))
      return
    }
    const isClover = kind !== 'get' && kind !== 'put' && kind !== 'delete'
    if (effect === undefined) {
      add(index, `${label}: answered`, 0, () => this.#answer(operation, operation.answer))
      if (isClover && can('lost') && !this.#isPrecious(operation)) {
        add(index, `${label}: the answer is lost`, 1, () => { this.disturbed = true; this.#unanswered(operation) })
      }
      return
    }
    if (!isClover) {
      add(index, label, 0, () => {
        const answer = effect()
        if (!this.scenario.loose) return this.#answer(operation, answer)
        operation.effect = undefined
        operation.answer = answer
      })
      if (kind === 'get') {
        if (can('get')) add(index, `${label}: error`, 1, () => this.#fail(operation))
        return
      }
      if (can('put')) {
        add(index, `${label}: error, not done`, 1, () => this.#fail(operation))
        add(index, `${label}: error, but done`, 1, () => { effect(); this.#fail(operation) })
      }
      if (can('ghost')) add(index, `${label}: error, still under way`, 1, () => { this.#haunt(operation); this.#fail(operation) })
      return
    }
    const rotates = kind === 'refresh' || kind === 'recover'
    const handle = (more: (answer: unknown) => unknown) => {
      operation.answer = more(effect())
      operation.effect = undefined
      if (rotates) process.unstored = pairOf(operation.answer) ?? process.unstored
      if (!this.scenario.loose) this.#answer(operation, operation.answer)
    }
    if (this.#outage) {
      const status = this.#outage
      add(index, `${label}: ${status}`, 0, () => this.#answer(operation, status === '401' ? refusal : unclear('status 503')))
    } else add(index, label, 0, () => handle(answer => answer))
    if (can('lost')) {
      add(index, `${label}: never arrives`, 1, () => { this.disturbed = true; this.#unanswered(operation) })
      if (!this.scenario.loose && !this.#isIrreplaceable(kind)) {
        add(index, `${label}: the answer is lost`, 1, () => { this.disturbed = true; effect(); this.#unanswered(operation) })
      }
    }
    if (can('orphan') && !this.#isIrreplaceable(kind)) {
      add(index, `${label}: times out, still under way`, 1, () => { this.disturbed = true; this.#haunt(operation); this.#unanswered(operation) })
    }
    if (can('refuse') && rotates) {
      add(index, `${label}: refused without reason`, 1, () => { this.disturbed = true; this.#answer(operation, refusal) })
    }
    if (can('odd') && rotates) {
      add(index, `${label}: an odd reply`, 1, () => {
        this.disturbed = true
        handle(answer => isOk(answer) ? { outcome: 'odd', value: { refreshToken: answer.value.refreshToken }, reason: 'odd' } : answer)
      })
    }
  }

  #unanswered (operation: Operation): void {
    if (operation.process.unstored === pairOf(operation.answer)) operation.process.unstored = undefined
    this.#answer(operation, unclear('no answer'))
  }

  /** The known limits: what nobody survives is not done. In low trust an answer to a refresh; with a recovery that works once, one to a recovery. */
  #isIrreplaceable (kind: Operation['kind']): boolean {
    return (this.scenario.trust === 'low' && kind === 'refresh') || (this.scenario.recovery === 'once' && kind === 'recover')
  }

  #isPrecious ({ kind, answer }: Operation): boolean {
    return this.#isIrreplaceable(kind) && pairOf(answer) !== undefined
  }

  #mayCrash (process: Process): boolean {
    const { trust, recovery } = this.scenario
    if (process.unstored === undefined) return true
    return trust === 'high' && (recovery === 'reusable' || !process.unstored.endsWith('^'))
  }

  #haunt ({ label, effect }: Operation): void {
    if (effect) this.#ghosts.push({ label: `late: ${label}`, land: effect })
  }

  // Time

  #sleep (process: Process, milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return this.#request(process, 'sleep', `sleeps ${Math.round(milliseconds)} ms`, undefined, { wakeAt: this.#now + milliseconds, wakeable: signal !== undefined })
  }

  /** Waiting for a lease is not worth a step of its own while nothing has changed. */
  #mayWake ({ process, wakeAt = 0, wakeable }: Operation): boolean {
    if (wakeable || process.lastDelivered !== 'get') return true
    const lease = this.record?.refreshLease
    return this.record?.revision !== process.seen || lease === undefined || wakeAt / 1000 >= lease.until || this.#seconds() >= lease.until
  }

  #wake (operation: Operation): void {
    if (this.scenario.loose || this.#settling) this.#moveTo(Math.max(this.#now, operation.wakeAt ?? 0))
    this.#deliver(operation, () => operation.resolve(undefined), 'wakes')
  }

  #moveTo (now: number): void {
    const until = this.record?.refreshLease?.until ?? 0
    if (this.#seconds() < until && now / 1000 >= until) this.disturbed = true
    this.#now = now
  }

  #ownerOf (by: string): Process | undefined {
    return this.#processes.find(process => by.startsWith(headOf(process)))
  }

  #environment (add: (process: number, label: string, cost: 0 | 1, apply: () => void) => void): void {
    const can = (fault: Fault) => this.scenario.faults.includes(fault)
    const lease = this.record?.refreshLease
    if (lease && this.#seconds() < lease.until) {
      // Somebody still works under it.
      const isAlive = (this.#ownerOf(lease.by)?.running ?? 0) > 0
      if (!isAlive || can('expire')) add(-1, 'the lease expires', isAlive ? 1 : 0, () => this.#moveTo(1000 * (lease.until + 1)))
    }
    if (this.#agesLeft > 0 && !lease) {
      add(-1, 'the access token grows old', 0, () => {
        // A lease that is about to be written expires, too.
        if (this.#ghosts.length > 0 || this.#operations.some(({ kind }) => kind === 'put')) this.disturbed = true
        this.#agesLeft--
        this.#aged++
        this.#moveTo(this.#now + 1801_000)
      })
    }
    if (this.#outage) add(-1, 'the outage ends', 0, () => { this.#outage = undefined })
    else if (can('outage')) {
      for (const status of ['401', '503'] as const) add(-1, `an outage begins: ${status}`, 1, () => { this.disturbed = true; this.#outage = status })
    }
    if (!can('crash')) return
    for (const process of this.#processes) {
      if (process.running === 0 && process.unstored === undefined && !this.#operations.some(operation => operation.process === process)) continue
      if (!this.#mayCrash(process)) continue
      const writes = this.#operations.filter(({ process: owner, effect, kind }) => owner === process && effect && kind !== 'get' && kind !== 'merchant')
      add(process.index, `${name(process)} crashes`, 1, () => this.#crash(process))
      if (writes.length > 0 && (can('orphan') || can('ghost')) && !writes.some(({ kind }) => this.#isIrreplaceable(kind))) {
        add(process.index, `${name(process)} crashes, what it asked for is still under way`, 1, () => { writes.forEach(write => this.#haunt(write)); this.#crash(process) })
      }
    }
  }

  #crash (process: Process): void {
    this.disturbed = true
    process.isDead = true
    this.#operations = this.#operations.filter(operation => operation.process !== process)
    // Whoever was being served asks again.
    const queue: Task[] = process.running > 0 ? ['call', ...process.queue] : process.queue
    this.#processes = this.#processes.map(other => other === process ? this.#boot(process.index, process.generation + 1, queue) : other)
  }

  // The store

  #store (process: Process, began?: { step: number }) {
    const get = () => this.#request<Installation | undefined>(process, 'get', 'reads', () => {
      if (began?.step === -1) began.step = this.step
      return this.record
    })
    return {
      get,
      find: get,
      put: (next: Installation, expected: string | undefined) => {
        const written = structuredClone(next)
        return this.#request<boolean>(process, 'put', `puts ${describe(written)} over ${short(expected)}`, () => this.#put(process, written, expected, began))
      },
      delete: (_merchantId: string, expected?: string) =>
        this.#request<boolean>(process, 'delete', `deletes ${short(expected)}`, () => this.#delete(expected, began))
    }
  }

  #put (process: Process, next: Installation, expected: string | undefined, began: { step: number } | undefined): boolean {
    const before = this.record
    if (before?.revision !== expected) return false
    this.record = next
    for (const other of this.#processes) if (other.unstored === next.refreshToken) other.unstored = undefined
    if (before === undefined) {
      if (this.#landed.has(next.connectionId)) this.#violate('P5', `${name(process)} brings a record back that was disconnected`)
    } else {
      const isLoss = this.clover.isLive(before.refreshToken) && !this.clover.isLive(next.refreshToken)
      if (isLoss) this.#violate('P3', `the live ${before.refreshToken} is overwritten by the dead ${next.refreshToken}`)
      if (before.connectionId !== next.connectionId && !before.reauthorizationRequired && this.clover.isLive(before.refreshToken)) {
        if ((began?.step ?? -1) < (this.#landed.get(before.connectionId) ?? 0)) {
          this.#violate('R8', `the healthy ${before.refreshToken} is overwritten by what began before it was stored`)
        }
      }
    }
    if (!this.#landed.has(next.connectionId)) this.#landed.set(next.connectionId, this.step)
    return true
  }

  #delete (expected: string | undefined, began: { step: number } | undefined): boolean {
    if (this.record === undefined || (expected !== undefined && this.record.revision !== expected)) return false
    const landed = Math.max(this.#landed.get(this.record.connectionId) ?? 0, this.#visited)
    if (began && began.step < landed) this.#violate('R10', 'a disconnect hits a connection that was made after it began')
    this.record = undefined
    return true
  }

  // Clover

  #cloverFor (process: Process) {
    return {
      refresh: (token: string) => this.#request<ReturnType<SimulatedClover['refresh']>>(process, 'refresh', `refresh(${token})`, () => {
        const answer = this.clover.refresh(token)
        if (!this.disturbed) {
          if ((this.clover.presented.get(token) ?? 0) > 1) this.#violate('P4', `${token} was presented to /refresh twice`)
          // A server that made a full exchange too many looks whether the stored pair survived it.
          const checks = Math.max(0, this.#fullExchanges - 1)
          if (this.clover.refreshes > 1 + this.#forced + this.#aged + checks) this.#violate('P4', 'more than one refresh')
        }
        return answer
      }),
      recover: (token: string) => {
        const lease = this.record?.refreshLease
        if (!this.scenario.loose && !(lease && this.#ownerOf(lease.by) === process && lease.until > this.#seconds())) {
          this.#violate('P2', `${name(process)} asks for a recovery while somebody else may be at work on the record`)
        }
        return this.#request<ReturnType<SimulatedClover['recover']>>(process, 'recover', `recover(${token})`, () => {
          if (!this.disturbed) this.#violate('P4', 'a recovery although nothing was lost')
          return this.clover.recover(token)
        })
      },
      exchange: ({ code, withRefreshToken }: Exchange) =>
        this.#request<Answer<never>>(process, 'exchange', `exchange(${code}${withRefreshToken ? '' : ', no refresh token'})`, () => {
          if (withRefreshToken) this.#fullExchanges++
          return this.clover.exchange(code, withRefreshToken)
        }),
      merchant: (id: string, accessToken: string) =>
        this.#request<Answer<string>>(process, 'merchant', `merchant(${accessToken})`, () => this.clover.merchant(id, accessToken))
    }
  }

  // The end of a run

  /** Runs everything that is under way, without faults, until nothing is. */
  async #settle (): Promise<void> {
    for (let steps = 0; ; steps++) {
      await quiescence()
      if (this.violation) return
      if (steps > 3000) return this.#violate('P1', 'it does not settle')
      const next = this.#operations.find(({ kind }) => kind !== 'sleep') ??
        [...this.#operations].sort((a, b) => (a.wakeAt ?? 0) - (b.wakeAt ?? 0))[0]
      if (next === undefined) return
      this.step++
      if (next.kind === 'sleep') {
        this.#wake(next)
        continue
      }
      const answer = next.effect ? next.effect() : next.answer
      this.trace.push(next.label)
      this.#answer(next, answer)
    }
  }

  /** A process that has just started asks for a token. */
  async #askAnew (): Promise<string | Error> {
    const process = this.#boot(9, 0, [])
    this.#processes.push(process)
    const refreshes = this.clover.refreshes
    const outcome = this.#serve(process).catch((error: Error) => error)
    await this.#settle()
    if (this.violation) return 'settled'
    if (this.clover.refreshes > refreshes + 1) this.#violate('P4', 'more than one refresh after everything has settled')
    return outcome
  }

  /** Fifteen days in which only keep-alive looks at the record, when it is due; then recovery no longer works. */
  async #fortnight (): Promise<void> {
    const process = this.#boot(8, 0, [])
    this.#processes.push(process)
    const week = this.#seconds() + 7 * 86_400
    const dueAt = () => this.record?.dueAt ?? Infinity
    while (dueAt() <= week && !this.violation) {
      this.#now = Math.max(this.#now, 1000 * (dueAt() + 1))
      this.#forced++
      this.trace.push('-- keep-alive looks')
      const { refreshToken } = this.record ?? {}
      process.parts.flights.refresh(merchantId, { enough: record => record.refreshToken !== refreshToken || !isDue(record, 0, this.#seconds()) }).catch(() => {})
      await this.#settle()
    }
    this.#now += 15 * 86_400_000
    this.trace.push('-- fifteen days later')
  }

  /** Whatever happened, and even after an uninstall and a reinstall, a merchant who authorizes again is connected. */
  async #reconnect (): Promise<void> {
    this.clover.uninstall()
    this.disturbed = true
    this.trace.push('-- the merchant uninstalls, installs again and authorizes')
    const process = this.#boot(9, 1, [])
    this.#processes.push(process)
    const outcome = this.#visit(process.parts.connections({ step: -1 })).then(() => this.#serve(process)).catch((error: Error) => error)
    await this.#settle()
    if (this.violation) return
    const token = await outcome
    if (token instanceof Error) return this.#violate('R9', `a merchant who authorizes again is not connected: ${token.message}`)
    if (!this.clover.isLive(this.record?.refreshToken)) this.#violate('R9', 'a merchant who authorizes again has a dead pair')
  }
}
