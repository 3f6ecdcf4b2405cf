import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { onlyLong, share } from '../harness/share.js'

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

/** Gives a command a terminal. */
const terminal = '/usr/bin/script'

function run (t: Test, clone: string, script: string, env: Record<string, string>, through?: string): Run {
  const [file, args] = through === undefined ? ['npm', ['run', '--silent', script]] as const : [through, ['-qec', `npm run --silent ${script}`, '/dev/null']] as const
  const child = spawn(file, args, {
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

/** The numbers that it printed at its end, as JSON where no terminal is. Failed are those whose turn had come and who were not begun. */
function summaryOf ({ printed }: Run): Record<'total' | 'migrated' | 'alreadyConnected' | 'refused' | 'failed', number> | undefined {
  const line = /^\{"type":"summary",.*\}$/m.exec(printed())
  return line === null ? undefined : JSON.parse(line[0])
}

/** How many merchants move; one in a hundred has uninstalled the app. */
const many = share(200, 1000)

t.test('Ctrl-C, however often it arrives, finishes the merchants in progress and prints the summary', { timeout: 120_000 }, async t => {
  const clone = await makeClone(t)
  const first = run(t, clone, 'migrate', { MERCHANTS: String(many), RATE: String(many / 7) })
  await printed(first, RegExp(`^\\{"type":"progress","done":[1-9]\\d*,.*"total":${many}[,}]`, 'm'))
  for (const pause of [0, 1, 15, 60, 200, 400]) {
    await sleep(pause)
    if (summaryOf(first)) break // only npm is left, and a signal would end that
    try {
      process.kill(-Number(first.child.pid), 'SIGINT')
    } catch {} // it has ended already
  }
  t.same(await first.ended, [1, null], first.printed())
  const stopped = summaryOf(first)
  t.match(stopped, { total: many, isComplete: false })
  const { migrated: moved = 0 } = stopped ?? {}
  t.ok(moved > 0 && moved < 0.99 * many, `${moved} moved`)

  const second = run(t, clone, 'migrate', { MERCHANTS: String(many) })
  t.same(await second.ended, [1, null], 'those who have uninstalled the app are not moved')
  const { total, migrated = 0, alreadyConnected, refused = 0, failed } = summaryOf(second) ?? {}
  t.equal(alreadyConnected, moved, 'the summary told the truth: none was lost, or done and not counted')
  t.same([total, migrated + moved + refused, failed], [many, many, 0], 'the next run goes on')
  const rejects = (await readFile(join(clone, 'example/data/legacy.rejected.csv'), 'utf8')).trim().split('\n')
  t.same([rejects.length - 1, refused], [many / 100, many / 100])
  for (const row of rejects.slice(1)) t.match(row, /^\d*01,[A-Z0-9]{13},refused,FST_CLOVER_DENIED,.*the merchant must open the app from Clover/)
})

t.test('in a terminal it shows a bar, and ends with sentences', { timeout: 120_000, skip: onlyLong || (!existsSync(terminal) && `${terminal} is not there`) }, async t => {
  const clone = await makeClone(t)
  const shown = run(t, clone, 'migrate', { MERCHANTS: '100' }, terminal)
  t.same(await shown.ended, [1, null], shown.printed())
  t.match(shown.printed(), / 100 of 100 \| [\d.]+\/s \|.* 1 refused, 0 failed/)
  t.match(shown.printed(), /100 merchants: 99 moved, 0 had a pair already, 1 refused, 0 failed; in [\d.]+ seconds\.\r\nMerchants who could not be moved are in \S+example\/data\/legacy\.rejected\.csv\.\r\n$/)
})

t.test('a setting that cannot be right is a sentence, and exit code 2', { timeout: 60_000 }, async t => {
  const clone = await makeClone(t)
  const wrong: Array<[Record<string, string>, RegExp]> = [
    [{ MERCHANTS: 'abc', RATE: 'fast' }, /^RATE must be a number of requests a second from 0\.01 to 1000\.\nMERCHANTS must be a whole number from 1 to 1000000\.\n$/],
    [{ MERCHANTS: '0.5', CLOVER_ENVIRONMENT: 'sandbox' }, /^CLOVER_APP_ID must be set too: .* CLOVER_ENVIRONMENT has no effect\.\nMERCHANTS must be .*\n$/]
  ]
  for (const [env, says] of share(wrong.slice(0, 1), wrong)) {
    const { ended, printed } = run(t, clone, 'migrate', env)
    t.same(await ended, [2, null])
    t.match(printed(), says)
  }
})
