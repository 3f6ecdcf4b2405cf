import { writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import t, { type Test } from 'tap'

/*
 * Runs tests of bundled files in one process, one after the other, with one mutant on. The argument is the mutant's number: 0 for none. The
 * environment says which tests (arguments become part of the names of tap's folders), and where a dry run writes what it found. Exits with
 * 0 if every test passed.
 */

/** Some tests of a file by their places in it, from 0. Without `tests`, all. */
export interface Selection {
  bundle: string
  tests?: number[]
}

/** What a dry run found. */
export interface DryRun {
  /** The mutants that were reached when the file was loaded. */
  loaded: number[]
  tests: Array<{ reached: number[], milliseconds: number }>
}

/** What the sources and the test files of the bundles use. */
interface Globals {
  mutantIsOn: (id: number) => boolean
  /** In place of tap's own for the test file that is loaded next: each has its hooks for itself, and only some tests run. */
  testOfFile: unknown
}

type TestFunction = (...args: unknown[]) => unknown

const on = Number(process.argv[2])
const selections = JSON.parse(process.env.MUTATION_TESTS ?? '[]') as Selection[]
const report = process.env.MUTATION_REPORT ?? ''
const loaded = new Set<number>()
const tests: Array<{ reached: Set<number>, milliseconds: number }> = []
let reached = loaded

const globals = globalThis as unknown as Globals
const isOn = (id: number) => id === on
globals.mutantIsOn = report === ''
  ? isOn
  : id => {
    reached.add(id)
    return isOn(id)
  }

// The parent is gone: nobody waits for the result. The channel itself keeps no process alive, or a test that never ends would not be seen.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()

for (const { bundle, tests: wanted } of selections) {
  await t.test(bundle, { timeout: 0 }, async t => {
    globals.testOfFile = selecting(t, wanted)
    await import(bundle)
  })
}

process.on('exit', () => {
  const found: DryRun = { loaded: [...loaded], tests: tests.map(({ reached, milliseconds }) => ({ reached: [...reached], milliseconds })) }
  if (report !== '') writeFileSync(report, JSON.stringify(found))
})

/** A test that runs those of its subtests that are wanted, and notes what each reaches. */
function selecting (t: Test, wanted: number[] | undefined): unknown {
  let index = 0
  const start: TestFunction = t.test.bind(t) as TestFunction
  const test: TestFunction = (...args) => {
    if (wanted?.includes(index++) === false) return Promise.resolve()
    const run = args.pop() as TestFunction
    return start(...args, async (...given: unknown[]) => {
      const begin = performance.now()
      const found = { reached: new Set<number>(), milliseconds: 0 }
      reached = found.reached
      tests.push(found)
      try {
        return await run(...given)
      } finally {
        found.milliseconds = performance.now() - begin
      }
    })
  }
  return new Proxy(t, {
    get (target, name) {
      const value: unknown = name === 'test' ? test : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}
