import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'

/*
 * What a workload hands back:
 *
 * { title, setup: [sentence], tables: [{ caption, columns: [name], rows: [[cell]] }], targets: [{ target, value, reached }], unfair: [sentence], tried: [sentence] }
 *
 * `reached` is true, false, or undefined where it could not be measured; `isCertain` is false where the interval lies on both sides.
 */

/** A number with three digits that count. */
export function number (value) {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US')
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** A ratio with its interval. */
export function ratioText ({ median, low, high }) {
  return `${median.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
}

/** Whether a ratio reaches a limit, and whether all of its interval says so. */
export function verdict ({ median, low, high }, limit) {
  return { reached: median >= limit, isCertain: low >= limit || high < limit }
}

/** A median with its spread. */
export function rateText ({ median, spread }) {
  return `${number(median)} ± ${(spread * 100).toFixed(0)} %`
}

/** A section of the results, in Markdown. */
export function toMarkdown (id, { title, setup = [], tables = [], targets = [], unfair = [], tried = [] }, context) {
  const lines = [`## ${id}. ${title}`, '', `Run on ${context.date}: ${context.how}.`, '']
  for (const sentence of setup) lines.push(sentence, '')
  for (const { caption, columns, rows } of tables) {
    if (caption) lines.push(`**${caption}**`, '')
    lines.push(row(columns), row(columns.map((_name, i) => i === 0 ? '---' : '---:')), ...rows.map(cells => row(cells)), '')
  }
  if (targets.length > 0) {
    lines.push(row(['To reach', 'Measured', 'Reached']), row(['---', '---:', '---']),
      ...targets.map(({ target, value, reached, isCertain = true }) => {
        const answer = reached === undefined ? 'not measured' : reached ? 'yes' : '**no**'
        return row([target, value, isCertain ? answer : `${answer}, but the interval says both`])
      }), '')
  }
  if (unfair.length > 0) lines.push('What is unfair here:', '', ...unfair.map(sentence => `- ${sentence}`), '')
  if (tried.length > 0) lines.push('What was tried:', '', ...tried.map(sentence => `- ${sentence}`), '')
  return lines.join('\n').trimEnd() + '\n'
}

function row (cells) {
  return `| ${cells.map(cell => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
}

/** The machine and the versions, in Markdown. */
export function describeMachine (versions) {
  const [cpu] = cpus()
  return [
    row(['', '']), row(['---', '---']),
    row(['Machine', `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${type()} ${release()}`]),
    row(['Node', `${process.version}, V8 ${process.versions.v8}`]),
    row(['fastify-clover', `${versions.own}, commit ${commit()}`]),
    ...Object.entries(versions.others).map(([name, version]) => row([name, version]))
  ].join('\n')
}

function commit () {
  try {
    const hash = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
    return execFileSync('git', ['status', '--porcelain', '--', 'src'], { encoding: 'utf8' }) === '' ? hash : `${hash} with changes`
  } catch {
    return 'unknown'
  }
}

const mark = id => `<!-- workload ${id} -->`

/** Writes the sections into the file, and keeps those of workloads that were not run now. */
export function writeReport (file, head, sections, ids) {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const kept = id => {
    const [, after] = before.split(mark(id))
    return after === undefined ? undefined : after.split('<!-- workload ')[0]?.trim()
  }
  const parts = ids.flatMap(id => {
    const section = sections[id]?.trim() ?? kept(id)
    return section === undefined ? [] : [`${mark(id)}\n\n${section}\n`]
  })
  writeFileSync(file, `${head.trim()}\n\n${parts.join('\n')}`)
}
