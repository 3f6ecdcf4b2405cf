import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'

/*
 * `npm run migrate` as somebody runs it in a terminal: npm, its shell and the command are one group of processes.
 */

/** A clone whose build is done: another test may be using `dist`. It lies within this one, where the packages are. */
async function makeClone (t: Test): Promise<string> {
  const clone = t.testdir()
  const { scripts, ...rest } = JSON.parse(await readFile('package.json', 'utf8')) as { scripts: Record<string, string> }
  const { postbuild, ...kept } = scripts
  await writeFile(join(clone, 'package.json'), JSON.stringify({ ...rest, scripts: { ...kept, build: 'true' } }))
  await cp('tsconfig.json', join(clone, 'tsconfig.json'))
  await cp('example', join(clone, 'example'), { recursive: true, filter: source => !source.endsWith('data') })
  await symlink(join(process.cwd(), 'dist'), join(clone, 'dist'))
  return clone
}

interface Run {
  child: ChildProcessWithoutNullStreams
  /** What it has printed so far. */
  printed: () => string
  ended: Promise<[code: number | null, signal: string | null]>
}

function run (t: Test, clone: string, script: string, env: Record<string, string>): Run {
  const child = spawn('npm', ['run', '--silent', script], {
    cwd: clone,
    detached: true, // a group of its own
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DATABASE: join(clone, 'clover.sqlite'), LOG_LEVEL: 'silent', ...env, _TAPJS_PROCESSINFO_COVERAGE_: '0' }
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  const ended = once(child, 'exit') as Run['ended']
  t.teardown(() => { try { process.kill(-Number(child.pid), 'SIGKILL') } catch {} })
  return { child, printed: () => text, ended }
}

async function printed ({ printed, ended }: Run, pattern: RegExp): Promise<void> {
  const end = ended.then(() => true)
  while (!pattern.test(printed())) {
    if (await Promise.race([end, sleep(20, false)])) throw new Error(`it ended and printed:\n${printed()}`)
  }
}

/** Failed are those whose turn had come and who were not begun. */
const summary = /^1000 merchants: (\d+) moved, (\d+) had a pair already, (\d+) refused, (\d+) failed; /m

t.test('Ctrl-C, however often it arrives, finishes the merchants in progress and prints the summary', { timeout: 120_000 }, async t => {
  const clone = await makeClone(t)
  const first = run(t, clone, 'migrate', { RATE: '150' })
  await printed(first, / [1-9]\d* of 1000 /)
  for (const pause of [0, 1, 15, 60, 200, 400]) {
    await sleep(pause)
    if (summary.test(first.printed())) break // only npm is left, and a signal would end that
    try {
      process.kill(-Number(first.child.pid), 'SIGINT')
    } catch {} // it has ended already
  }
  t.same(await first.ended, [0, null], first.printed())
  const [, moved] = summary.exec(first.printed()) ?? []
  t.ok(Number(moved) > 0 && Number(moved) < 990, `${moved} moved`)
  t.match(first.printed(), /^Stopped: start it again to go on\.$/m)

  const second = run(t, clone, 'migrate', {})
  t.same(await second.ended, [0, null])
  const [, movedNow, before, refused] = summary.exec(second.printed()) ?? []
  t.equal(before, moved, 'the summary told the truth: none was lost, or done and not counted')
  t.equal(Number(movedNow) + Number(before) + Number(refused), 1000, 'the next run goes on')
})

t.test('a setting that cannot be right is a sentence, and exit code 1', { timeout: 60_000 }, async t => {
  const clone = await makeClone(t)
  const wrong: Array<[Record<string, string>, RegExp]> = [
    [{ MERCHANTS: 'abc', RATE: 'fast' }, /^RATE must be a number of requests a second from 0\.01 to 1000\.\nMERCHANTS must be a whole number from 1 to 1000000\.\n$/],
    [{ MERCHANTS: '0.5', CLOVER_ENVIRONMENT: 'sandbox' }, /^CLOVER_APP_ID must be set too: .* CLOVER_ENVIRONMENT has no effect\.\nMERCHANTS must be .*\n$/]
  ]
  for (const [env, says] of wrong) {
    const { ended, printed } = run(t, clone, 'migrate', env)
    t.same(await ended, [1, null])
    t.match(printed(), says)
  }
})
