import type { TokenEvent } from '../../../src/events/table.js'
import type { Installation } from '../../../src/installation.js'
import { isFresh } from '../../../src/tokens/freshness.js'
import { unclear } from './clover.js'
import { CallSlots } from '../../../src/concurrency/call-slots.js'
import type { TokenModules } from './modules.js'
import type { Action, Fault, Operation, Process, Task } from './run-types.js'
import { hash, headOf, isOk, name, pairOf, refusal } from './trace-names.js'

const callTimeout = 10_000
const storageTimeout = 5_000
/** So many times a server looks at a silent attempt before it counts as dead. */
const watches = 3

import { identity, merchantId, RunState } from './run-state.js'

/** Servers that share a store, and every step that is possible at a moment. */
export abstract class RunChoices extends RunState {
  /** What can happen next. */
  actions (): Action[] {
    const actions: Action[] = []
    const add = (process: number, label: string, cost: 0 | 1, apply: () => void) => {
      if (cost === 0 || this.budget > 0) actions.push({ label, cost, process, apply })
    }
    for (const operation of this.operations) this.actionsOf(operation, add)
    for (const process of this.processes) {
      const task = process.queue[0]
      if (task !== undefined) add(process.index, `${name(process)} begins ${task}`, 0, () => this.startTask(process))
    }
    this.ghosts.forEach((ghost, i) => add(-1, `${ghost.label} happens at last`, 0, () => { this.ghosts.splice(i, 1); ghost.land() }))
    this.environment(add)
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
      this.record ?? null, this.clover.fingerprint(), this.now, this.budget, this.disturbed, this.agesLeft, this.heartbeatsLeft, this.silence, this.outage, this.ghosts.map(ghost => ghost.label),
      this.processes.map(({ generation, history, queue, running, unstored, seen }) => [generation, history, queue.length, running, unstored, seen]),
      this.operations.map(({ label, effect, answer, wakeAt }) => [label, effect === undefined, answer, wakeAt]).sort(),
      [...this.landed.keys()], this.visited > 0, this.forced, this.aged, this.clover.refreshes
    ])
  }

  /** The known limits: what nobody survives is not done. In low trust an answer to a refresh; with a recovery that works once, one to a recovery. */
  protected isIrreplaceable (kind: Operation['kind']): boolean {
    return (this.scenario.trust === 'low' && kind === 'refresh') || (this.scenario.recovery === 'once' && kind === 'recover')
  }

  protected isPrecious ({ kind, answer }: Operation): boolean {
    return this.isIrreplaceable(kind) && pairOf(answer) !== undefined
  }

  protected mayCrash (process: Process): boolean {
    const { trust, recovery } = this.scenario
    if (process.unstored === undefined) return true
    return trust === 'high' && (recovery === 'reusable' || !process.unstored.endsWith('^'))
  }

  protected actionsOf (operation: Operation, add: (process: number, label: string, cost: 0 | 1, apply: () => void) => void): void {
    const { process, kind, label, effect } = operation
    const { index } = process
    const can = (fault: Fault) => this.scenario.faults.includes(fault)
    if (kind === 'sleep') {
      if (this.mayWake(operation)) add(index, `${label}: wakes`, 0, () => this.wake(operation))
      return
    }
    const isClover = kind !== 'get' && kind !== 'put' && kind !== 'delete'
    if (effect === undefined) {
      add(index, `${label}: answered`, 0, () => this.answer(operation, operation.answer))
      if (isClover && can('lost') && !this.isPrecious(operation)) {
        add(index, `${label}: the answer is lost`, 1, () => { this.disturbed = true; this.unanswered(operation) })
      }
      return
    }
    if (!isClover) {
      add(index, label, 0, () => {
        const answer = effect()
        if (!this.scenario.loose) return this.answer(operation, answer)
        operation.effect = undefined
        operation.answer = answer
      })
      if (kind === 'get') {
        if (can('get')) add(index, `${label}: error`, 1, () => this.fail(operation))
        return
      }
      if (can('put')) {
        add(index, `${label}: error, not done`, 1, () => this.fail(operation))
        add(index, `${label}: error, but done`, 1, () => { effect(); this.fail(operation) })
      }
      if (can('ghost')) add(index, `${label}: error, still in progress`, 1, () => { this.haunt(operation); this.fail(operation) })
      return
    }
    const rotates = kind === 'refresh' || kind === 'recover'
    const handle = (more: (answer: unknown) => unknown) => {
      operation.answer = more(effect())
      operation.effect = undefined
      if (rotates) process.unstored = pairOf(operation.answer) ?? process.unstored
      if (!this.scenario.loose) this.answer(operation, operation.answer)
    }
    if (this.outage) {
      const status = this.outage
      add(index, `${label}: ${status}`, 0, () => this.answer(operation, status === '401' ? refusal : unclear('status 503')))
    } else add(index, label, 0, () => handle(answer => answer))
    if (can('lost')) {
      add(index, `${label}: never arrives`, 1, () => { this.disturbed = true; this.unanswered(operation) })
      if (!this.scenario.loose && !this.isIrreplaceable(kind)) {
        add(index, `${label}: the answer is lost`, 1, () => { this.disturbed = true; effect(); this.unanswered(operation) })
      }
    }
    if (can('orphan') && !this.isIrreplaceable(kind)) {
      add(index, `${label}: times out, still in progress`, 1, () => { this.disturbed = true; this.haunt(operation); this.unanswered(operation) })
    }
    if (can('refuse') && rotates) {
      add(index, `${label}: refused without reason`, 1, () => { this.disturbed = true; this.answer(operation, refusal) })
    }
    if (can('odd') && rotates) {
      add(index, `${label}: an odd reply`, 1, () => {
        this.disturbed = true
        handle(answer => isOk(answer) ? { outcome: 'odd', value: { refreshToken: answer.value.refreshToken }, reason: 'odd' } : answer)
      })
    }
  }

  protected environment (add: (process: number, label: string, cost: 0 | 1, apply: () => void) => void): void {
    const can = (fault: Fault) => this.scenario.faults.includes(fault)
    const lease = this.record?.refreshLease
    if (lease && this.seconds() < lease.until) {
      // Somebody still works under it.
      const isAlive = (this.ownerOf(lease.by)?.running ?? 0) > 0
      if (!isAlive || can('expire')) add(-1, 'the lease expires', isAlive ? 1 : 0, () => this.moveTo(1000 * (lease.until + 1)))
      if (this.isWatched(lease) && (!isAlive || can('silence'))) {
        add(-1, 'the attempt is silent', isAlive ? 1 : 0, () => {
          this.disturbed = true
          this.silence = watches
        })
      }
    }
    if (this.agesLeft > 0 && !lease) {
      add(-1, 'the access token grows old', 0, () => {
        // A lease that is about to be written expires, too.
        if (this.ghosts.length > 0 || this.operations.some(({ kind }) => kind === 'put')) this.disturbed = true
        this.agesLeft--
        this.aged++
        this.moveTo(this.now + 1801_000)
      })
    }
    if (this.outage) add(-1, 'the outage ends', 0, () => { this.outage = undefined })
    else if (can('outage')) {
      for (const status of ['401', '503'] as const) add(-1, `an outage begins: ${status}`, 1, () => { this.disturbed = true; this.outage = status })
    }
    if (!can('crash')) return
    for (const process of this.processes) {
      if (process.running === 0 && process.unstored === undefined && !this.operations.some(operation => operation.process === process)) continue
      if (!this.mayCrash(process)) continue
      const writes = this.operations.filter(({ process: owner, effect, kind }) => owner === process && effect && kind !== 'get' && kind !== 'merchant')
      add(process.index, `${name(process)} crashes`, 1, () => this.crash(process))
      if (writes.length > 0 && (can('orphan') || can('ghost')) && !writes.some(({ kind }) => this.isIrreplaceable(kind))) {
        add(process.index, `${name(process)} crashes, what it asked for is still in progress`, 1, () => { writes.forEach(write => this.haunt(write)); this.crash(process) })
      }
    }
  }

  /** Whether somebody waits for a lease, and has seen the record as it is. */
  protected isWatched ({ deadAfter }: NonNullable<Installation['refreshLease']>): boolean {
    if (this.scenario.heartbeats === undefined || deadAfter === undefined || this.silence > 0) return false
    return this.operations.some(({ kind, wakeable, isHeartbeat, process }) => kind === 'sleep' && !wakeable && !isHeartbeat && process.seen === this.record?.revision)
  }

  protected crash (process: Process): void {
    this.disturbed = true
    process.isDead = true
    this.operations = this.operations.filter(operation => operation.process !== process)
    // Whoever was being served asks again.
    const queue: Task[] = process.running > 0 ? ['call', ...process.queue] : process.queue
    this.processes = this.processes.map(other => other === process ? this.boot(process.index, process.generation + 1, queue) : other)
  }

  protected boot (index: number, generation: number, queue: Task[]): Process {
    const { createRefreshing, createConnecting, RecordMaker } = this.modules
    const process: Partial<Process> & Pick<Process, 'index' | 'generation' | 'ids' | 'queue'> = { index, generation, ids: 0, queue }
    const self = process as Process
    Object.assign(self, { isDead: false, history: 0, running: 0, unstored: undefined, seen: undefined, lastDelivered: '' })
    const make = new RecordMaker(bytes => headOf(self) + String(++self.ids).padStart(bytes * 2 - 2, '0'))
    const slots = new CallSlots(8)
    const dependencies = {
      clover: this.cloverFor(self),
      clock: { now: () => this.seconds() },
      runtime: {
        monotonic: () => this.now,
        jitter: () => 0.5,
        sleep: (milliseconds: number, signal?: AbortSignal, options?: { ref: boolean }) => signal && options
          ? this.sleepBeforeRenewal(self, milliseconds, signal)
          : this.sleep(self, milliseconds, signal)
      },
      make,
      slots,
      notify: (event: TokenEvent) => this.noticed(self, event),
      trust: this.scenario.trust,
      callTimeout,
      storageTimeout
    }
    const { reader, refreshes } = createRefreshing({ ...dependencies, store: this.store(self), cache: undefined })
    /** For one visit or disconnect, whose first reading is noted in `began`. */
    const connecting = (began: { step: number }) => createConnecting({
      ...dependencies, store: this.store(self, began), reader, refreshes, identity, visits: slots, trustMerchantId: false, maxWait: 30_000
    })
    Object.assign(self, { parts: { refreshes, reader, make, connecting } })
    // Until it reads, a task that has begun is like one that has not.
    if (!this.scenario.loose) this.startTask(self)
    return self
  }

  protected noticed (process: Process, event: TokenEvent): void {
    if (event.type === 'pair-dropped' || event.type === 'pair-held') this.trace.push(`   (${name(process)}: ${event.type})`)
  }

  protected startTask (process: Process): void {
    const task = process.queue.shift()
    if (task === undefined) return
    process.running++
    process.history = hash(process.history, `begins ${task} ${this.now}`)
    const done = (outcome: string) => {
      if (process.isDead) return
      process.running--
      this.trace.push(`   (${name(process)}'s ${task} ends: ${outcome})`)
    }
    this.perform(process, task).then(
      value => done(value),
      (error: Error) => done(error.message)
    )
  }

  protected async perform (process: Process, task: Task): Promise<string> {
    const { refreshes, connecting } = process.parts
    if (task === 'call') return this.serve(process)
    if (task === 'force') {
      this.forced++
      const before = await process.parts.reader.readStored(merchantId)
      if (before === undefined) return 'not connected'
      const { accessToken } = await refreshes.refresh(merchantId, { force: true, enough: record => record.accessToken !== before.accessToken && isFresh(record, this.seconds(), 0) })
      return accessToken
    }
    const began = { step: -1 }
    if (task === 'disconnect') return `${await connecting(began).disconnects.disconnect(merchantId)}`
    const outcome = await this.visit(connecting(began).connections)
    this.visited = Math.max(this.visited, began.step)
    return outcome
  }

  /** What a browser does at the callback: it goes through Clover once more where that is asked for. */
  protected async visit (connections: ReturnType<TokenModules['createConnecting']>['connections']): Promise<string> {
    const code = () => ({ code: `c${++this.connects}`, verifier: '' })
    let visit = await connections.connect(merchantId, code())
    if (visit === 'needs-full-round') visit = await connections.connect(merchantId, code(), true)
    if (visit === 'needs-full-round') throw new Error('the browser is sent to Clover without end')
    return `isNew: ${visit.isNew}`
  }

  /** What `accessToken()` does, without its cache and its patience. */
  protected async serve ({ parts: { refreshes, reader } }: Process): Promise<string> {
    const enough = (record: Installation) => isFresh(record, this.seconds(), 60)
    // The protocol reads for itself: a second look makes for more schedules, and for nothing new in them.
    const looks = this.scenario.loose || this.settling
    const record = refreshes.unsaved(merchantId) ?? (looks ? await reader.readStored(merchantId) : undefined)
    if (looks && record === undefined) throw new Error('not connected')
    const { accessToken } = record && enough(record) ? record : await refreshes.refresh(merchantId, { enough })
    return accessToken
  }
}
