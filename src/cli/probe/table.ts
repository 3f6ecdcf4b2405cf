import type { ProbeExperiment } from '../../testing/simulator/probe-report.js'
import type { Finding, Findings } from './findings.js'

const outcomes: Record<ProbeExperiment['outcome'], string> = { settled: 'settled', 'not-settled': 'not settled', skipped: 'skipped' }

/** @internal What became of an experiment, as a line. */
export function lineOf ({ name, outcome, reason }: ProbeExperiment, found: readonly Finding[]): string {
  return [`${name}: ${outcomes[outcome]}`, reason, found.map(textOf).join(', ')].filter(Boolean).join('; ')
}

/** @internal A table of the experiments: the outcome, what was found, and the simulator's setting for it. */
export function tableOf (experiments: readonly ProbeExperiment[], findings: Findings): string[] {
  const rows = experiments.flatMap(({ name, outcome, reason }) => {
    const found = findings.of(name).map(finding => finding.kind === 'fact' ? ['', textOf(finding)] : [settingOf(finding), ''])
    const lines = reason === undefined ? found : [['', reason], ...found]
    return lines.map((line, i) => i === 0 ? [name, outcomes[outcome], ...line] : ['', '', ...line])
  })
  const all = [['experiment', 'outcome', 'setting of the simulator', 'what else was seen'], ...rows]
  const widths = [0, 1, 2].map(column => Math.max(...all.map(row => String(row[column]).length)))
  return all.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}

function textOf ({ name, value }: Finding): string {
  return `${name}: ${String(value)}`
}

function settingOf ({ kind, name, value }: Finding): string {
  return `${kind === 'switch' ? 'unknowns.' : ''}${name}: ${typeof value === 'string' ? `'${value}'` : String(value)}`
}
