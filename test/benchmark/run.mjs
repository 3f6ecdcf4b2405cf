/*
 * The benchmarks: `npm run benchmark`, or `npm run benchmark -- 2 4` for some of them.
 *
 * --quick: tiny windows, to see that it works; --rounds N, --window MS: other than 9 and 250; --largest N: the most merchants of workload 6,
 * 100000 or 1000000 (default); --out FILE: other than RESULTS.md; --no-install: leave out peers that are not installed.
 */
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { describeMachine, toMarkdown, writeReport } from './harness/report.mjs'
import { versionOf } from './peers/index.mjs'

const folder = import.meta.dirname
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    window: { type: 'string' },
    largest: { type: 'string', default: '1000000' },
    out: { type: 'string', default: join(folder, 'RESULTS.md') },
    'no-install': { type: 'boolean', default: false }
  }
})
const settings = {
  quick: values.quick,
  rounds: Number(values.rounds ?? (values.quick ? 2 : 9)),
  window: Number(values.window ?? (values.quick ? 10 : 250)),
  largest: Number(values.largest)
}

const workloads = Object.fromEntries(readdirSync(join(folder, 'workloads')).flatMap(file => {
  const id = /^(\d+)-/.exec(file)?.[1]
  return id === undefined ? [] : [[id, join(folder, 'workloads', file)]]
}))
const chosen = positionals.length > 0 ? positionals : Object.keys(workloads)
const unknown = chosen.filter(id => !(id in workloads))
if (unknown.length > 0) {
  console.error(`There is no workload ${unknown.join(', ')}: there are ${Object.keys(workloads).join(', ')}.`)
  process.exit(1)
}

if (!values['no-install'] && !existsSync(join(folder, 'node_modules'))) {
  console.log('Installing the libraries to compare with, in test/benchmark ...')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' })
  if (status !== 0) process.exit(status ?? 1)
}

const load = () => loadavg()[0]
const others = await othersShare(settings.quick ? 100 : 3000)
const how = `${settings.rounds} rounds, windows of ${settings.window} ms${settings.quick ? '; a quick run, whose numbers say nothing' : ''}`
const sections = {}
const began = Date.now()
for (const id of chosen) {
  const from = Date.now()
  const before = load()
  console.log(`${new Date(from).toISOString().slice(11, 19)} workload ${id} ...`)
  const result = await runAlone(workloads[id])
  sections[id] = toMarkdown(id, result, {
    date: new Date(from).toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    how: `${how}. The load of the machine was ${before.toFixed(1)} at the start and ${load().toFixed(1)} at the end, this run's own work included${others > 0.25 ? `; before anything was run, its processors were busy for ${(others * 100).toFixed(0)} % of the time with other work, so that times and rates are far off` : ''}`
  })
  console.log(`\n${sections[id]}\n(${((Date.now() - from) / 1000).toFixed(0)} s)`)
}

const own = JSON.parse(readFileSync(join(folder, '../../package.json'), 'utf8'))
const ownLock = JSON.parse(readFileSync(join(folder, '../../package-lock.json'), 'utf8')).packages
const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
const versions = Object.fromEntries([
  ...['fastify', '@photostructure/sqlite', 'pg', 'ioredis'].map(name => [name, ownLock[`node_modules/${name}`]?.version ?? 'not installed']),
  ...Object.keys(dependencies).map(name => [name, versionOf(name) ?? 'not installed'])
])
const head = `
# Benchmarks

Made by \`npm run benchmark\`, which writes this file. Every comparison is a ratio of windows that were run in turn, within one run; a number of calls a
second says something only beside the others of its table. "± n %" is half of the distance between the quartiles.

${describeMachine({ own: own.version, others: versions })}
`
writeReport(values.out, head, sections, Object.keys(workloads))
console.log(`\nWrote ${values.out} (${((Date.now() - began) / 1000).toFixed(0)} s in all)`)

/** What a workload resolves with in a process of its own; rejects if that fails. */
async function runAlone (file) {
  const child = fork(join(folder, 'harness/workload-process.mjs'), [file, JSON.stringify(settings)], { serialization: 'advanced' })
  let result
  child.on('message', message => { result = message })
  const [code] = await once(child, 'close')
  if (code !== 0 || result === undefined) throw new Error(`${file} ended with ${code}: see above.`)
  return result
}

/** The share of the processors' time that others use, over some milliseconds. */
async function othersShare (milliseconds) {
  const times = () => cpus().reduce(([idle, all], { times }) => [idle + times.idle, all + Object.values(times).reduce((a, b) => a + b)], [0, 0])
  const [idleBefore, allBefore] = times()
  await sleep(milliseconds)
  const [idle, all] = times()
  return all > allBefore ? 1 - (idle - idleBefore) / (all - allBefore) : 0
}
