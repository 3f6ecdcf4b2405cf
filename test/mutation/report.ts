import type { Equivalent } from './equivalent.js'
import type { Mutant } from './mutants.js'

/** What became of a mutant. A `timeout` counts as detected, but no assertion saw it. */
export type Fate = 'detected' | 'timeout' | 'survived' | 'not covered' | 'equivalent'

export type Result = Mutant & { fate: Fate }

/** Whether a list's entry is about a mutant. Lines do not count, since they move. */
export function isAbout (entry: Equivalent, mutant: Mutant): boolean {
  return entry.file === mutant.file && entry.original === mutant.original && entry.mutated === mutant.mutated &&
    (entry.within === undefined || entry.within === mutant.within)
}

export function describe ({ file, line, column, within, original, mutated, fate }: Result): string {
  return `${file}:${line}:${column} ${fate}${within && `, in ${within}`}: ${original}  ->  ${mutated}`
}

/** A table in Markdown: each file's mutants and what became of them, and the share of detected ones in all but the equivalent. */
export function tableOf (results: Result[]): string {
  const files = [...new Set(results.map(({ file }) => file))].sort()
  const row = (name: string, those: Result[]) => {
    const count = (fate: Fate) => those.filter(result => result.fate === fate).length
    const detected = count('detected') + count('timeout')
    const all = those.length - count('equivalent')
    const score = all === 0 ? '' : `${(100 * detected / all).toFixed(1)} %`
    return `| ${[name, those.length, detected, count('timeout'), count('survived'), count('not covered'), count('equivalent'), score].join(' | ')} |`
  }
  return [
    '| File | Mutants | Detected | by time-out | Survived | Not covered | Equivalent | Score |',
    '|---|---:|---:|---:|---:|---:|---:|---:|',
    ...files.map(file => row(file, results.filter(result => result.file === file))),
    row('all', results)
  ].join('\n')
}
