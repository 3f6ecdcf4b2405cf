import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'

/*
 * Tries one mutant after another in one process, since to start one and to load the packages takes longer than most tests. Its parent sends a
 * mutant with tests that reach it, and gets back whether one of them fails. Files are loaded once: no mutant is tried here that only the loading
 * of a file reaches.
 */

/** A mutant, and tests by their files and their places there, from 0. */
export interface Attempt {
  mutant: number
  tests: Array<{ bundle: string, place: number }>
}

/** `polluted`: a test failed and does so without the mutant too, since an earlier one has left something behind. */
export type Sighting = 'seen' | 'not seen' | 'polluted'

type TestArguments = Parameters<typeof t.test>

interface Globals {
  mutantIsOn: (id: number) => boolean
  /** In place of tap's own for the file that is loaded next. */
  testOfFile: unknown
}

const globals = globalThis as unknown as Globals
const files = new Map<string, TestArguments[]>()
let on = 0

globals.mutantIsOn = id => id === on
process.on('disconnect', () => process.exit(1))
// Tap ends the process once its tests have ended, or once nothing is waited for, the parent's messages aside. So each attempt is part of a test
// that never ends.
setInterval(() => {}, 60_000)
await t.test('the mutants', { timeout: 0 }, t => new Promise(() => {
  process.on('message', async (attempt: Attempt) => process.send?.(await sightingOf(t, attempt)))
}))

async function sightingOf (t: Test, { mutant, tests }: Attempt): Promise<Sighting> {
  for (const { bundle, place } of tests) {
    const test = (await testsOf(bundle))[place]
    if (test === undefined) throw new Error(`${bundle} has no test ${place}`)
    if (!await passes(t, test, mutant)) return await passes(t, test, 0) ? 'seen' : 'polluted'
  }
  return 'not seen'
}

/** A file's tests, which it hands over when it is loaded. */
async function testsOf (bundle: string): Promise<TestArguments[]> {
  const known = files.get(bundle)
  if (known) return known
  const tests: TestArguments[] = []
  globals.testOfFile = new Proxy({}, { get: (_target, name) => (...args: TestArguments) => { if (name === 'test') tests.push(args) } })
  await import(bundle)
  files.set(bundle, tests)
  return tests
}

async function passes (t: Test, args: TestArguments, mutant: number): Promise<boolean> {
  on = mutant
  const results = await t.test(...args)
  await turn() // a rejection that nobody handles comes only now
  on = 0
  return results?.ok === true
}
