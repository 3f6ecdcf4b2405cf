import { links } from '../operations/checks.js'
import type { Finding, FindingStatus } from '../operations/finding.js'
import { colour, type Colour } from './colour.js'
import { counted } from './counted.js'
import type { Io } from './io.js'
import { jsonLine, plain } from './plain.js'

const colours = { ok: 'green', warning: 'yellow', error: 'red', 'not-checked': 'dim' } as const satisfies Record<FindingStatus, Colour>

const statusWidth = Math.max(...Object.keys(colours).map(status => status.length))
const checkWidth = Math.max(...Object.keys(links).map(check => check.length))

/**
 * @internal Prints findings as they come: as a table with a summary at its end, or with `json` as one JSON object a line.
 *
 * Resolves with the exit code: 1 if a finding is an error, else 0.
 */
export async function printFindings (findings: AsyncIterable<Finding>, io: Pick<Io, 'stdout' | 'isTerminal' | 'env'>, { json = false }: { json?: boolean | undefined } = {}): Promise<number> {
  const { stdout } = io
  const counts: Record<FindingStatus, number> = { ok: 0, warning: 0, error: 0, 'not-checked': 0 }
  for await (const finding of findings) {
    counts[finding.status]++
    stdout.write(json ? jsonLine(finding) : tableRow(io, finding))
  }
  if (!json) stdout.write(`\n${counted(counts.error, 'error')}, ${counted(counts.warning, 'warning')}, ${counts.ok} ok, ${counts['not-checked']} not checked\n`)
  return counts.error > 0 ? 1 : 0
}

function tableRow (io: Pick<Io, 'isTerminal' | 'env'>, { check, status, message, fix, link }: Finding): string {
  const cell = status.padEnd(statusWidth)
  const indent = ' '.repeat(statusWidth + checkWidth + 4)
  const isWrong = status === 'warning' || status === 'error'
  return [
    `${colour(io, colours[status], cell)}  ${plain(check).padEnd(checkWidth)}  ${plain(message)}`,
    ...fix === undefined ? [] : [`${indent}${plain(fix)}`],
    ...isWrong && link !== undefined ? [`${indent}See ${plain(link)}`] : []
  ].map(line => `${line}\n`).join('')
}
