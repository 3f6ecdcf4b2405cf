import type { ProbeExperiment } from '../../testing/simulator/probe-report.js'
import type { Finding, Findings } from './findings.js'

const outcomes: Record<ProbeExperiment['outcome'], string> = { settled: 'settled', 'not-settled': 'not settled', skipped: 'skipped' }

/** @internal What became of an experiment, as a line. */
export function lineOf ({ name, outcome, reason }: ProbeExperiment, found: readonly Finding[]): string {
  const seen = found.map(({ name, value }) => `${name} ${String(value)}`).join(', ')
  return [`${name}: ${outcomes[outcome]}`, reason, seen].filter(Boolean).join('; ')
}

/** @internal A table of the experiments: the outcome, what was found, and the simulator's setting for it. */
export function tableOf (experiments: readonly ProbeExperiment[], findings: Findings): string[] {
  const rows = experiments.flatMap(({ name, outcome, reason }) => {
    const lines: Array<[result: string, simulator: string]> = findings.of(name).map(finding => [`${finding.name}: ${String(finding.value)}`, settingOf(finding)])
    if (reason !== undefined) lines.push([reason, ''])
    if (lines.length === 0) lines.push(['', ''])
    return lines.map(([result, simulator], i) => [i === 0 ? name : '', i === 0 ? outcomes[outcome] : '', simulator, result])
  })
  const all = [['experiment', 'outcome', 'simulator', 'result'], ...rows]
  const widths = [0, 1, 2].map(column => Math.max(...all.map(row => row[column]?.length ?? 0)))
  return all.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}

function settingOf ({ kind, name, value }: Finding): string {
  if (kind === 'fact') return ''
  return `${kind === 'switch' ? 'unknowns.' : ''}${name}: ${typeof value === 'string' ? `'${value}'` : String(value)}`
}
