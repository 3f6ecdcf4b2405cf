import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { isRunning } from './processes.js'

const root = join(import.meta.dirname, '../..')
const lock = join(root, 'node_modules/.cache/fastify-clover-types.lock')

const changedAt = (file: string): number => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Whether the declarations are there, and no source has changed since. */
function areNew (): boolean {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => join('src', name))
  return changedAt('dist/index.d.ts') > Math.max(...[...sources, '.config/build.mjs', 'package-lock.json'].map(changedAt))
}

/**
 * Makes the declarations in `dist`, unless they are there: `npm test` builds only what runs, since the compiler takes longer for the types than most tests
 * do for all else. Of processes that ask at once one makes them, and the others wait for it.
 */
export async function buildTypes (): Promise<void> {
  while (!hold()) await setTimeout(100)
  try {
    if (!areNew()) execFileSync(process.execPath, [join(root, '.config/build.mjs'), '--types-only'], { env: { ...process.env, NODE_OPTIONS: '', _TAPJS_PROCESSINFO_COVERAGE_: '0' } })
  } finally {
    rmSync(lock)
  }
}

/** Takes the lock, or that of a process which has ended without giving it back. */
function hold (): boolean {
  mkdirSync(dirname(lock), { recursive: true })
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    const holder = Number(readHolder())
    if (holder > 0 && !isRunning(holder)) rmSync(lock, { force: true })
    return false
  }
}

function readHolder (): string {
  try {
    return readFileSync(lock, 'utf8')
  } catch {
    return ''
  }
}
