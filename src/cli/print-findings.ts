import { links } from '../operations/checks.js'
import type { Finding, FindingStatus } from '../operations/finding.js'

/** @internal Where a command prints. */
export interface PrintIo {
  stdout: { write (text: string): unknown }
  /** Whether a person reads it: colours are for them only. */
  isTerminal: boolean
  /** The environment: with a `NO_COLOR` that is not empty there are no colours. Source: https://no-color.org */
  env: Record<string, string | undefined>
}

/** Escape sequences of ANSI X3.64, by their numbers. */
const colours: Record<FindingStatus, number> = { ok: 32, warning: 33, error: 31, 'not-checked': 90 }

const statusWidth = Math.max(...Object.keys(colours).map(status => status.length))
const checkWidth = Math.max(...Object.keys(links).map(check => check.length))

/**
 * @internal Prints findings as they come: as a table with a summary at its end, or with `json` as one JSON object a line.
 *
 * Resolves with the exit code: 1 if a finding is an error, else 0.
 */
export async function printFindings (findings: AsyncIterable<Finding>, { stdout, isTerminal, env }: PrintIo, { json = false } = {}): Promise<number> {
  const hasColours = isTerminal && !env.NO_COLOR
  const counts: Record<FindingStatus, number> = { ok: 0, warning: 0, error: 0, 'not-checked': 0 }
  for await (const finding of findings) {
    counts[finding.status]++
    stdout.write(json ? `${JSON.stringify(finding)}\n` : tableRow(finding, hasColours))
  }
  if (!json) stdout.write(`\n${counts.error} errors, ${counts.warning} warnings, ${counts.ok} ok, ${counts['not-checked']} not checked\n`)
  return counts.error > 0 ? 1 : 0
}

function tableRow ({ check, status, message, fix, link }: Finding, hasColours: boolean): string {
  const cell = status.padEnd(statusWidth)
  const indent = ' '.repeat(statusWidth + checkWidth + 4)
  const isWrong = status === 'warning' || status === 'error'
  return [
    `${hasColours ? `\u001b[${colours[status]}m${cell}\u001b[0m` : cell}  ${plain(check).padEnd(checkWidth)}  ${plain(message)}`,
    ...fix === undefined ? [] : [`${indent}${plain(fix)}`],
    ...isWrong && link !== undefined ? [`${indent}See ${plain(link)}`] : []
  ].map(line => `${line}\n`).join('')
}

/** Without control characters: an address or a database may have sent some, which a terminal would obey. */
function plain (text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
}
