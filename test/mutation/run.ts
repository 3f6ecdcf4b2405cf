import { mkdirSync, rmSync } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle, load, project } from './bundle.js'
import type { DryRun, Selection } from './child.js'
import { equivalents } from './equivalent.js'
import type { Mutant } from './mutants.js'
import { endTogether, runTests } from './processes.js'
import { describe, isAbout, tableOf, type Fate, type Result } from './report.js'
import { Sweep } from './sweep.js'

/*
 * npm run test:mutation [-- <options> <files or folders of src>]
 *
 * Changes the sources in one place at a time, and runs the tests that reach the place: for src/tokens those in test/tokens, and others where
 * none of those does. Prints each change that no test saw, and a table.
 *
 *   --all          runs the tests of other folders too if those of its own see nothing
 *   --json <file>  writes the mutants that no assertion saw
 *   --again <file> runs only the mutants of such a file
 *   --within <re>  runs only the mutants in functions whose name matches, as in Refreshes.#carryOut
 *   --tests <re>   runs only test files whose path matches
 *   --services     runs test files that need a database, too
 *   --show <id>    runs every test with one mutant, and prints what they say
 */

const workers = 2
/** Folders of tests that run in one process, without a service. A mutant is looked for by those of its own folder's name first. */
const testFolders = ['test/tokens', 'test/concurrency', 'test/clover', 'test/jobs', 'test/storage', 'test/api', 'test/routes', 'test/flows', 'test/events', 'test/options', 'test/checks', 'test']
/** In test files that start processes, look at the project's files, or need a machine that is not busy. */
const unsuitable = /node:child_process|\/redis-cluster\.js'|readdir|'at most 5 calls of a merchant are open at once'/
const needsService = /harness\/services/
/** A mutant's tests may take so many times as long as without it, and a start of the process, in seconds. */
const patience = { factor: 4, start: 10 }

/** Test files whose tests hold no server and so do not disturb each other: they share a process. */
const sociable = /^test\/(?:tokens|concurrency)\/(?!first-visits)|^test\/clover\/(?!client)|^test\/storage\/(?:document|encrypted|lock-queue|memory)\.test/

interface TestFile extends DryRun {
  name: string
  bundle: string
}

/** Tests that reach a mutant, and that one process runs. */
interface Reaching {
  selections: Selection[]
  /** Without a mutant. */
  milliseconds: number
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' }, show: { type: 'string' }, all: { type: 'boolean' }, services: { type: 'boolean' }, again: { type: 'string' }, within: { type: 'string' }, tests: { type: 'string' } } })
setPriority(10)
const folder = join(project, '.tap/mutation', String(process.pid))
mkdirSync(folder, { recursive: true })
const sweeps: Sweep[] = []
endTogether(() => {
  for (const sweep of sweeps) sweep.end()
  rmSync(folder, { recursive: true, force: true })
})

const sources: Array<Awaited<ReturnType<typeof load>>> = []
let firstId = 1
for (const file of await filesOf(positionals.length > 0 ? positionals : ['src/tokens', 'src/clover'])) {
  const source = await load(file, firstId)
  firstId += source.mutants.length
  sources.push(source)
}
const mutants = sources.flatMap(source => source.mutants)
checkEquivalents()
const tests = await suitableTests()
const bundles = await bundle(tests, sources, folder)
const script = bundles.get('test/mutation/child.ts') ?? ''
for (let i = 0; i < workers; i++) sweeps.push(new Sweep(bundles.get('test/mutation/sweeper.ts') ?? ''))
const freeSweeps = [...sweeps]

if (values.show === undefined) await runAll()
else await runTests({ script, mutant: Number(values.show), selections: tests.map(test => ({ bundle: bundles.get(test) ?? '' })), limit: 600, isShown: true })

async function runAll (): Promise<void> {
  const files = await dryRun()
  const results: Result[] = []
  await inParallel(await wantedMutants(), async mutant => {
    const result = { ...mutant, fate: await fateOf(mutant, files) }
    results.push(result)
    if (result.fate !== 'detected' && result.fate !== 'equivalent') console.log(describe(result))
  })
  for (const sweep of sweeps) sweep.end()
  console.log(`\n${tableOf(results)}`)
  if (values.json !== undefined) {
    const seen: Fate[] = ['detected', 'equivalent']
    await writeFile(values.json, JSON.stringify(results.filter(({ fate }) => !seen.includes(fate)).sort((a, b) => a.id - b.id), undefined, 2))
  }
}

/** Runs each test file without a mutant, and in one process those that will share one. */
async function dryRun (): Promise<TestFile[]> {
  const files: TestFile[] = []
  const isOwn = (test: string) => sources.some(({ file }) => test.startsWith(`test/${file.split('/')[1] ?? ''}/`))
  const isReached = ({ id }: Mutant) => files.some(({ loaded, tests }) => loaded.includes(id) || tests.some(({ reached }) => reached.includes(id)))
  for (const those of [tests.filter(isOwn), tests.filter(test => !isOwn(test))]) {
    if (files.length > 0 && values.all !== true && (await wantedMutants()).every(isReached)) break
    await inParallel(those, async test => { files.push(await dryRunOf(test)) })
  }
  const together = await runTests({
    script, mutant: 0, selections: files.filter(({ name }) => sociable.test(name)).map(({ bundle }) => ({ bundle })), limit: 600
  })
  if (together !== 'passed') throw new Error('the test files disturb each other in one process')
  const reached = mutants.filter(mutant => reachingOf(mutant, files).length > 0).length
  const all = files.flatMap(({ tests }) => tests)
  const seconds = all.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000
  console.log(`${mutants.length} mutants, ${reached} reached by ${all.length} tests that take ${seconds.toFixed(0)} s\n`)
  return files
}

async function dryRunOf (test: string): Promise<TestFile> {
  const bundle = bundles.get(test) ?? ''
  const report = join(folder, `${test.replaceAll('/', '-')}.json`)
  const outcome = await runTests({ script, mutant: 0, selections: [{ bundle }], report, limit: 300 })
  if (outcome !== 'passed') throw new Error(`${test} ${outcome} without a mutant`)
  return { name: test, bundle, ...JSON.parse(await readFile(report, 'utf8')) as DryRun }
}

/** The tests that reach a mutant: the quickest first. One that is only reached when a file is loaded may change each of its tests. */
function reachingOf ({ id }: Mutant, files: TestFile[]): Reaching[] {
  const shared: Reaching = { selections: [], milliseconds: 0 }
  const apart: Reaching[] = []
  for (const { name, bundle, loaded, tests } of files) {
    const places = tests.flatMap(({ reached }, place) => reached.includes(id) ? [place] : [])
    const chosen = places.length === 0 && loaded.includes(id) ? tests.map((_test, place) => place) : places
    if (chosen.length === 0) continue
    const milliseconds = chosen.reduce((sum, place) => sum + (tests[place]?.milliseconds ?? 0), 0)
    if (sociable.test(name) && milliseconds < 2_000) {
      shared.selections.push({ bundle, tests: chosen })
      shared.milliseconds += milliseconds
    } else apart.push({ selections: [{ bundle, tests: chosen }], milliseconds })
  }
  return [...shared.selections.length > 0 ? [shared] : [], ...apart.sort((a, b) => a.milliseconds - b.milliseconds)]
}

async function wantedMutants (): Promise<Mutant[]> {
  const within = new RegExp(values.within ?? '')
  const those = mutants.filter(mutant => within.test(mutant.within))
  if (values.again === undefined) return those
  const wanted = JSON.parse(await readFile(values.again, 'utf8')) as Mutant[]
  const keyOf = ({ file, within, original, mutated }: Mutant) => JSON.stringify([file, within, original, mutated])
  const keys = new Set(wanted.map(keyOf))
  return those.filter(mutant => keys.has(keyOf(mutant)))
}

async function fateOf (mutant: Mutant, files: TestFile[]): Promise<Fate> {
  if (equivalents.some(entry => isAbout(entry, mutant))) return 'equivalent'
  const own = files.filter(({ name }) => name.startsWith(mutant.file.replace(/^src/, 'test').replace(/[^/]+$/, '')))
  if (await isSwept(mutant, values.all === true ? files : own)) return 'detected'
  const ofOwn = reachingOf(mutant, own)
  const reaching = values.all === true || ofOwn.length === 0 ? [...ofOwn, ...reachingOf(mutant, files.filter(file => !own.includes(file)))] : ofOwn
  for (const { selections, milliseconds } of reaching) {
    const outcome = await runTests({ script, mutant: mutant.id, selections, limit: patience.start + patience.factor * milliseconds / 1000 })
    if (outcome !== 'passed') return outcome === 'failed' ? 'detected' : 'timeout'
  }
  return reaching.length === 0 ? 'not covered' : 'survived'
}

/** Whether a test that holds no server sees the mutant, in a process that has others behind it. What is not seen there is tried in one of its own. */
async function isSwept ({ id }: Mutant, files: TestFile[]): Promise<boolean> {
  const found = files.filter(({ name, loaded }) => sociable.test(name) && !loaded.includes(id)).flatMap(({ bundle, tests }) =>
    tests.flatMap(({ reached, milliseconds }, place) => reached.includes(id) ? [{ bundle, place, milliseconds }] : []))
  const sweep = found.length > 0 ? freeSweeps.pop() : undefined
  if (sweep === undefined) return false
  const sum = found.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const tests = found.sort((a, b) => a.milliseconds - b.milliseconds).map(({ bundle, place }) => ({ bundle, place }))
  const isSeen = await sweep.isSeen({ mutant: id, tests }, 1000 * patience.start + patience.factor * sum)
  freeSweeps.push(sweep)
  return isSeen === true
}

async function inParallel<T> (items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  await Promise.all(Array.from({ length: workers }, async () => { for (const item of left) await work(item) }))
}

async function filesOf (paths: string[]): Promise<string[]> {
  const files = await Promise.all(paths.map(async path => {
    if (!(await stat(join(project, path))).isDirectory()) return [path]
    const names = await readdir(join(project, path), { recursive: true })
    return names.filter(name => name.endsWith('.ts')).sort().map(name => `${path.replace(/\/$/, '')}/${name.replaceAll('\\', '/')}`)
  }))
  return [...new Set(files.flat())]
}

async function suitableTests (): Promise<string[]> {
  const tests: string[] = []
  const only = new RegExp(values.tests ?? '')
  for (const path of testFolders) {
    for (const name of await readdir(join(project, path))) {
      const file = `${path}/${name}`
      if (!name.endsWith('.test.ts') || !only.test(file)) continue
      const text = await readFile(join(project, file), 'utf8')
      if (!unsuitable.test(text) && (values.services === true || !needsService.test(text))) tests.push(file)
    }
  }
  return tests
}

/** An entry about a file that is read must match a mutant of it, or the code has changed since. */
function checkEquivalents (): void {
  const files = new Set(sources.map(({ file }) => file))
  const stale = equivalents.filter(entry => files.has(entry.file) && !mutants.some(mutant => isAbout(entry, mutant)))
  if (stale.length > 0) throw new Error(`test/mutation/equivalent.ts names mutants that do not exist: ${JSON.stringify(stale, undefined, 2)}`)
}
