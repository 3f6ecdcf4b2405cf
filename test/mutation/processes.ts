import { spawn, type ChildProcess } from 'node:child_process'
import { project } from './bundle.js'
import type { Selection } from './child.js'

/** How a process that ran tests ended: all passed, one failed, or it took too long. */
export type Outcome = 'passed' | 'failed' | 'timeout'

const running = new Set<ChildProcess>()

const killAll = () => { for (const child of running) child.kill('SIGKILL') }

/** No process outlives this one: not when it ends, and not when it is interrupted. `cleanUp` is called last. */
export function endTogether (cleanUp: () => void): void {
  process.on('exit', () => {
    killAll()
    cleanUp()
  })
  // npm passes on no signal that only it gets.
  const parent = process.ppid
  setInterval(() => { if (process.ppid !== parent) process.exit(130) }, 1000).unref()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))
}

export interface TestRun {
  /** The compiled child.ts. */
  script: string
  /** The mutant's number: 0 for none. */
  mutant: number
  selections: Selection[]
  /** Where a dry run writes which mutants it reached. */
  report?: string
  /** Seconds of the processor after which it is killed: seconds of a clock would say more about the machine. */
  limit: number
  /** Whether its output is passed on. */
  isShown?: boolean
}

/** Milliseconds after which a process that only waits is killed: on a busy machine, one that works waits too. */
const longestWait = 900_000

/** Runs test files up to the first failure. */
export async function runTests ({ script, mutant, selections, report = '', limit, isShown = false }: TestRun): Promise<Outcome> {
  const output = isShown ? 'inherit' : 'ignore'
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', script, String(mutant)]
  const child = spawn('/bin/sh', ['-c', 'ulimit -t "$0" && exec "$@"', String(Math.ceil(limit)), ...node], {
    cwd: project,
    env: { ...process.env, NODE_OPTIONS: '', TAP_BAIL: '1', TAP_TIMEOUT: '600', MUTATION_TESTS: JSON.stringify(selections), MUTATION_REPORT: report },
    stdio: ['ignore', output, output, 'ipc']
  })
  running.add(child)
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), longestWait)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      resolve(signal !== null ? 'timeout' : code === 0 ? 'passed' : 'failed')
    })
  })
}
