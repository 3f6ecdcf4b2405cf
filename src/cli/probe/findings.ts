import type { ProbeFact, ProbeMeasured, WholeReport } from '../../testing/simulator/probe-report.js'

/** @internal The switches of the simulator that the probe settles. */
export type Switches = WholeReport['unknowns']

/** @internal One thing that an experiment found: a switch of the simulator, one of its options that was measured, or a fact. */
export interface Finding extends ProbeFact {
  kind: 'switch' | 'measured' | 'fact'
}

/** @internal What the experiments found, each under the name of the one that is running. What was found before a failure counts. */
export class Findings {
  readonly #found: Finding[] = []
  /** The experiment that is running. */
  experiment = ''

  /** A switch of the simulator is settled. */
  settle <Name extends keyof Switches> (name: Name, value: Exclude<Switches[Name], undefined>): void {
    this.#add('switch', name, value)
  }

  /** An option of the simulator was measured. The longest lifetime counts: part of one passes before it is measured. */
  measure (name: keyof ProbeMeasured, value: number): void {
    const known = this.#found.find(finding => finding.name === name)
    if (known === undefined) this.#add('measured', name, value)
    else known.value = Math.max(Number(known.value), value)
  }

  /** Something was seen. The value is no secret. */
  fact (name: string, value: string | number | boolean): void {
    this.#add('fact', name, value)
  }

  /** What one experiment found. */
  of (experiment: string): readonly Finding[] {
    return this.#found.filter(finding => finding.experiment === experiment)
  }

  get unknowns (): Switches {
    return this.#named('switch')
  }

  get measured (): ProbeMeasured {
    return this.#named('measured')
  }

  get facts (): ProbeFact[] {
    return this.#found.filter(({ kind }) => kind === 'fact').map(({ experiment, name, value }) => ({ experiment, name, value }))
  }

  #named (kind: Finding['kind']): Record<string, Finding['value']> {
    return Object.fromEntries(this.#found.filter(finding => finding.kind === kind).map(({ name, value }) => [name, value]))
  }

  /** The first answer counts. */
  #add (kind: Finding['kind'], name: string, value: Finding['value']): void {
    if (!this.#found.some(finding => finding.name === name)) this.#found.push({ experiment: this.experiment, kind, name, value })
  }
}
