import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { bareNode, versionModule } from '../harness/bundle.js'
import type { Commands, Question, Reply } from './worker.js'

let compiled: Promise<string> | undefined

/**
 * Compiles the worker with the packages that it uses, once for all tests of this process: it starts in half of the time in which it would find each of
 * their files. Some stay outside, since they have native parts or names that only Node finds, so the compiled files are inside the project.
 */
async function compileWorker (): Promise<string> {
  const { build } = await import('esbuild')
  const root = join(import.meta.dirname, '../..')
  mkdirSync(join(root, '.tap'), { recursive: true })
  const folder = mkdtempSync(join(root, '.tap/worker-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await build({
    absWorkingDir: root,
    entryPoints: ['test/faults/worker.ts'],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['@photostructure/sqlite', 'better-sqlite3', 'ioredis', 'mysql2', 'pg-native', 'pino'],
    banner: { js: 'import { createRequire as requireOfPackages } from "node:module"; const require = requireOfPackages(import.meta.url), __dirname = import.meta.dirname, __filename = import.meta.filename' },
    logLevel: 'error',
    plugins: [{
      name: 'version',
      setup ({ onLoad }) {
        onLoad({ filter: /src[\\/]version\.ts$/ }, () => ({ contents: versionModule() }))
      }
    }]
  })
  return join(folder, 'worker.mjs')
}

/** A process that is killed, or ended, before it answered. */
export class WorkerGone extends Error {}

/** A server process, and what its parent can do to it. */
export class Worker {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void }>()
  /** Resolves with the exit code once the process is gone; null: it was killed. */
  readonly gone: Promise<number | null>
  #questions = 0

  constructor (process: ChildProcess) {
    this.#process = process
    this.gone = once(process, 'exit').then(([code]) => {
      for (const { reject } of this.#waiting.values()) reject(new WorkerGone('the worker is gone'))
      return code as number | null
    })
    process.on('message', (reply: Reply | 'ready') => { if (reply !== 'ready') this.#settle(reply) })
  }

  /** Asks the worker; rejects with `WorkerGone` if it dies before it has answered. */
  call<Name extends keyof Commands> (command: Name, ...args: Parameters<Commands[Name]>): ReturnType<Commands[Name]> {
    const id = this.#questions++
    const answer = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      if (this.#process.connected) this.#process.send({ id, command, args } satisfies Question, () => {})
      else reject(new WorkerGone('the worker is gone'))
    })
    answer.catch(() => {}) // a test that kills a worker does not ask what became of each question
    return answer as ReturnType<Commands[Name]>
  }

  /** Sends a signal, which cannot be caught unless it is SIGTERM. */
  signal (signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(signal)
  }

  /** Kills the process, and resolves once it is gone. */
  async kill (): Promise<void> {
    this.signal('SIGKILL')
    await this.gone
  }

  #settle (reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('error' in reply) waiting?.reject(new Error(reply.error))
    else waiting?.resolve(reply.value)
  }
}

/**
 * What starts workers for a test; they are killed when it ends.
 *
 * They run JavaScript that is made here once, without tap's loader and without coverage: a process that is killed reports none, and it
 * starts in a tenth of the time.
 */
export async function workerStarter (t: Test): Promise<() => Promise<Worker>> {
  compiled ??= compileWorker()
  const file = await compiled
  const [execPath, ...execArgv] = bareNode
  const workers = new Set<Worker>()
  t.teardown(async () => { await Promise.all([...workers].map(worker => worker.kill())) })
  return async () => {
    const process = fork(file, { execPath, execArgv })
    const worker = new Worker(process)
    workers.add(worker)
    worker.gone.then(() => workers.delete(worker), () => {})
    await Promise.race([once(process, 'message'), worker.gone.then(code => { throw new WorkerGone(`the worker ended with ${code} at its start`) })])
    return worker
  }
}
