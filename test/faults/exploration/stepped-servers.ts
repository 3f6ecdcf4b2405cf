import { isDue } from '../../../src/jobs/due.js'
import type { TokenModules } from './modules.js'
import type { Scenario } from './run-types.js'
import { quiescence } from './trace-names.js'
import { RunChoices } from './run-choices.js'
import { identity, merchantId } from './run-state.js'

/** Some servers, one merchant, a store and Clover. The caller chooses every step. */
export class SteppedServers extends RunChoices {
  constructor (scenario: Scenario, modules: TokenModules) {
    super(scenario, modules)
    if (scenario.start !== 'none') this.begin(scenario.start)
    this.processes = scenario.processes.map((tasks, index) => this.boot(index, 0, [...tasks]))
  }

  /** P7: where the stored refresh token is dead, or a request in progress could end it, keep-alive looks at the record soon. */
  checkDue (): void {
    const { record, clover } = this
    if (record === undefined || record.refreshToken === null || this.scenario.trust === 'low') return
    const { refreshToken, refreshLease, reauthorizationRequired, confirmAt } = record
    if (refreshLease ?? reauthorizationRequired ?? confirmAt) return
    if (!clover.isLive(refreshToken)) return this.violate('P7', `the stored ${refreshToken} is dead, and nothing is due`)
    const pending = [...this.ghosts.map(({ label }) => label), ...this.operations.filter(({ effect }) => effect).map(({ label }) => label)]
    const threat = pending.find(label => clover.wouldEnd(label, refreshToken))
    if (threat !== undefined) this.violate('P7', `${threat} is in progress and would end the stored ${refreshToken}, and nothing is due`)
  }

  /**
   * Ends all faults, lets everything settle, and checks what must hold then.
   *
   * @param isKnown whether a run was finished before that had settled like this one: what follows is then known
   */
  async finish (isKnown: (fingerprint: string) => boolean = () => false): Promise<void> {
    this.outage = undefined
    this.budget = 0
    this.ghosts = []
    for (const process of this.processes) process.queue = []
    this.settling = true
    this.trace.push('-- faults end')
    await this.settle()
    if (this.violation || isKnown(this.settledFingerprint())) return
    if (this.record === undefined) return this.reconnect()
    // Nobody but the merchant can help, who has not succeeded.
    if (this.scenario.start === 'dead' && this.record.connectionId === 'first') return this.reconnect()
    if (this.scenario.quiet) await this.fortnight()
    const { reauthorizationRequired: mark, refreshLease: lease } = this.record
    this.now = 1000 * Math.max(this.seconds() + 3601, mark?.retryAt ?? 0, lease?.until ?? 0)
    this.aged++
    this.trace.push('-- an hour later')
    const served = await this.askAnew()
    if (this.violation) return
    if (served instanceof Error) return this.violate(this.scenario.trust === 'low' ? 'P1/P6' : 'P1', `the merchant cannot be served: ${served.message}`)
    const { refreshToken } = this.record
    if (!this.clover.isLive(refreshToken)) return this.violate('P1', `the stored refresh token ${refreshToken} is dead`)
    if (served !== this.record.accessToken) return this.violate('P1', `${served} was served, ${this.record.accessToken} is stored`)
    return this.reconnect()
  }

  /** All that the future depends on once nothing is in progress: what the processes have learnt no longer matters, since only new ones are asked. */
  protected settledFingerprint (): string {
    return JSON.stringify([
      this.record ?? null, this.clover.fingerprint(), this.now, this.writtenAt, this.disturbed, this.silence, [...this.landed.keys()],
      this.forced, this.aged, this.fullExchanges, this.connects
    ])
  }

  protected begin (start: 'stale' | 'fresh' | 'marked' | 'dead'): void {
    const make = new this.modules.RecordMaker(() => '0'.repeat(32))
    const first = this.clover.authorize('s')
    this.clover.refresh('s') // so that the record has a spent token
    this.clover.presented.clear()
    this.clover.refreshes = 0
    const connected = make.connected({ merchantId, ...identity }, first, 'first', this.seconds())
    const pair = { ...first, refreshToken: 's>', accessToken: 'access-s>' }
    const record = make.withPair(connected, { ...pair, presented: 's', recovered: false, isDoubtful: false }, this.seconds())
    if (start !== 'fresh') this.now += 1801_000
    // A mark that is ripe for another try, as an hour of refusals leaves it.
    this.record = start === 'marked' ? make.marked(record, this.seconds() - 120) : record
    if (start === 'dead') {
      this.clover.uninstall()
      this.record = make.marked(record, this.seconds())
    }
    this.landed.set('first', 0)
  }

  /** Runs everything that is in progress, without faults, until nothing is. */
  protected async settle (): Promise<void> {
    for (let steps = 0; ; steps++) {
      await quiescence()
      if (this.violation) return
      if (steps > 3000) return this.violate('P1', 'it does not settle')
      const next = this.operations.find(({ kind }) => kind !== 'sleep') ??
        [...this.operations].sort((a, b) => (a.wakeAt ?? 0) - (b.wakeAt ?? 0))[0]
      if (next === undefined) return
      this.step++
      if (next.kind === 'sleep') {
        this.wake(next)
        continue
      }
      const answer = next.effect ? next.effect() : next.answer
      this.trace.push(next.label)
      this.answer(next, answer)
    }
  }

  /** A process that has just started asks for a token. */
  protected async askAnew (): Promise<string | Error> {
    const process = this.boot(9, 0, [])
    this.processes.push(process)
    const refreshes = this.clover.refreshes
    const outcome = this.serve(process).catch((error: Error) => error)
    await this.settle()
    if (this.violation) return 'settled'
    if (this.clover.refreshes > refreshes + 1) this.violate('P4', 'more than one refresh after everything has settled')
    return outcome
  }

  /** Fifteen days in which only keep-alive looks at the record, when it is due; then recovery no longer works. */
  protected async fortnight (): Promise<void> {
    const process = this.boot(8, 0, [])
    this.processes.push(process)
    const week = this.seconds() + 7 * 86_400
    const dueAt = () => this.record?.dueAt ?? Infinity
    while (dueAt() <= week && !this.violation) {
      this.now = Math.max(this.now, 1000 * (dueAt() + 1))
      this.forced++
      this.trace.push('-- keep-alive looks')
      const { refreshToken } = this.record ?? {}
      process.parts.refreshes.refresh(merchantId, { enough: record => record.refreshToken !== refreshToken || !isDue(record, 0, this.seconds()) }).catch(() => {})
      await this.settle()
    }
    this.now += 15 * 86_400_000
    this.trace.push('-- fifteen days later')
  }

  /** Whatever happened, and even after an uninstall and a reinstall, a merchant who authorizes again is connected. */
  protected async reconnect (): Promise<void> {
    this.clover.uninstall()
    this.disturbed = true
    this.trace.push('-- the merchant uninstalls, installs again and authorizes')
    const process = this.boot(9, 1, [])
    this.processes.push(process)
    const outcome = this.visit(process.parts.connecting({ step: -1 }).connections).then(() => this.serve(process)).catch((error: Error) => error)
    await this.settle()
    if (this.violation) return
    const token = await outcome
    if (token instanceof Error) return this.violate('R9', `a merchant who authorizes again is not connected: ${token.message}`)
    if (!this.clover.isLive(this.record?.refreshToken)) this.violate('R9', 'a merchant who authorizes again has a dead pair')
  }
}
