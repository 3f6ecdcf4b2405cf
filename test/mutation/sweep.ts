import { fork, type ChildProcess } from 'node:child_process'
import { project } from './bundle.js'
import type { Attempt, Sighting } from './sweeper.js'

/** Mutants after which a process is replaced: tap keeps every result. */
const mostAttempts = 200

/** A process of sweeper.ts: it is started when it is needed, and anew once a mutant has spoilt it. */
export class Sweep {
  readonly #script: string
  #child: ChildProcess | undefined
  #attempts = 0

  /** `script`: the compiled sweeper.ts. */
  constructor (script: string) {
    this.#script = script
  }

  /** Whether a test sees the mutant; undefined if that cannot be told here. `limit`: milliseconds. */
  async isSeen (attempt: Attempt, limit: number): Promise<boolean | undefined> {
    if (++this.#attempts % mostAttempts === 0) this.end()
    const child = this.#child ??= fork(this.#script, {
      cwd: project, stdio: 'ignore', execArgv: ['--disable-warning=ExperimentalWarning'], env: { ...process.env, NODE_OPTIONS: '', TAP_BAIL: '0', TAP_TIMEOUT: '100000' }
    })
    const sighting = await new Promise<Sighting | undefined>(resolve => {
      const timer = setTimeout(() => resolve(undefined), limit)
      const settle = (sighting?: Sighting) => {
        clearTimeout(timer)
        child.removeAllListeners()
        resolve(sighting)
      }
      // tap sends messages of its own.
      child.on('message', (message: Sighting | object) => { if (typeof message === 'string') settle(message) })
      child.once('error', () => settle()).once('exit', () => settle())
      child.send(attempt)
    })
    if (sighting === undefined || sighting === 'polluted') this.end()
    return sighting === undefined || sighting === 'polluted' ? undefined : sighting === 'seen'
  }

  end (): void {
    this.#child?.removeAllListeners().on('error', () => {}).kill('SIGKILL')
    this.#child = undefined
  }
}
