import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { kRuntime, plugin } from '../../src/plugin.js'
import { sqliteStorage } from '../../src/storage/index.js'
import { version } from '../../src/version.js'
import { ordinaryOptions, startClover } from '../harness/host.js'
import { openSqlite } from '../harness/sqlite.js'
import { Time } from '../harness/time.js'
import { adoptable } from '../harness/pairs.js'
import { id } from '../jobs/server-jobs.js'
import { bundleCommand } from './bundled-command.js'

/*
 * The command line as a shell or Kubernetes runs it: a process with pipes, signals and an exit code.
 */

interface Child {
  child: ChildProcessWithoutNullStreams
  /** What it has printed so far. */
  out: () => string
  err: () => string
  /** The lines of stdout as JSON. */
  reports: () => Array<Record<string, unknown>>
  ended: Promise<[code: number | null, signal: string | null]>
}

const home = t.testdir({})
const bundled = await bundleCommand(home)

/** A folder with the modules of apps, beside the bundled Fastify. */
function folderOf (files: Record<string, string>): string {
  const folder = mkdtempSync(join(home, 'apps-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

function start (t: Test, args: string[], env: Record<string, string> = {}, [file = '', ...before] = bundled.command): Child {
  const child = spawn(file, [...before, ...args], { env: { ...process.env, ...env } })
  t.teardown(() => { child.kill('SIGKILL') })
  const printed = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { printed.out += chunk })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { printed.err += chunk })
  child.stdin.on('error', () => {})
  return {
    child,
    out: () => printed.out,
    err: () => printed.err,
    reports: () => printed.out.trim().split('\n').map(line => JSON.parse(line)),
    ended: once(child, 'close') as Child['ended']
  }
}

/** Waits until something is so while a process runs. */
async function during ({ out, err, ended }: Child, isSo: () => boolean): Promise<void> {
  const end = ended.then(() => true)
  while (!isSo()) {
    if (await Promise.race([end, sleep(5, false)])) throw new Error(`it ended and printed:\n${out()}${err()}`)
  }
}

/** Waits until a process has printed something. */
const printed = (child: Child, pattern: RegExp) => during(child, () => pattern.test(child.out()))

const url = (file: string) => JSON.stringify(pathToFileURL(file).href)

/** A module whose app has its store in an SQLite file, and lives 340 days later. */
const appModule = `
import { kRuntime, plugin } from ${url(bundled.plugin)}
import { sqliteStorage } from ${url(bundled.storage)}
import { openSqlite } from ${url(bundled.sqlite)}

export default async function (fastify) {
  const { options, file, ahead } = JSON.parse(process.env.TEST_APP)
  const database = openSqlite(file)
  fastify.addHook('onClose', async () => { database.close() })
  await fastify.register(plugin, { ...options, storage: sqliteStorage(database), routes: false, [kRuntime]: { wallClock: () => Date.now() + ahead } })
}
`

/** A Clover in this process, an app's module for other processes, and merchants whose refresh tokens are due. */
async function fixture (t: Test, { due = 0 } = {}) {
  const time = new Time()
  const began = time.now()
  const clover = await startClover(t, time)
  const folder = folderOf({ 'app.mjs': appModule })
  const file = join(folder, 'clover.sqlite')
  const { storage, ...options } = ordinaryOptions(clover)
  const database = openSqlite(file)
  const app = Fastify()
  await app.register(plugin, { ...options, routes: false, keepAlive: false, storage: sqliteStorage(database), [kRuntime]: { wallClock: time.now } } as never)
  for (let i = 0; i < due; i++) {
    const pair = clover.connect({ merchantId: id(i) })
    await app.clover.adopt(adoptable(id(i), pair))
  }
  await app.close()
  database.close()
  time.pass(340 * 86_400_000)
  const list = (count: number): string => `merchantId,legacyToken\n${Array.from({ length: count }, (_, i) => `${id(i)},${clover.legacyToken({ merchantId: id(i) })}\n`).join('')}`
  return { clover, folder, app: join(folder, 'app.mjs'), list, env: { TEST_APP: JSON.stringify({ options, file, ahead: time.now() - began }) } }
}

t.test('a cron job makes a pass, prints JSON lines and ends by itself with exit code 0', async t => {
  const { clover, app, env } = await fixture(t, { due: 3 })
  const job = start(t, ['keep-alive', app, '--rate', '100'], env)
  t.same(await job.ended, [0, null], job.err())
  t.equal(job.err(), '', 'nothing was left open')
  t.match(job.reports().at(-1), { type: 'summary', due: 3, refreshed: 3, isComplete: true })
  t.equal(clover.count('refresh'), 3)
})

t.test('SIGTERM finishes what is in progress, and ends a pass with exit code 1', async t => {
  const { clover, app, env } = await fixture(t, { due: 40 })
  const job = start(t, ['keep-alive', app, '--rate', '2'], env)
  await printed(job, /"refreshed":[1-9]/)
  job.child.kill('SIGTERM')
  t.same(await job.ended, [1, null], job.err())
  const last = job.reports().at(-1)
  t.match(last, { type: 'summary', isComplete: false, failed: 0 })
  t.equal(last?.refreshed, clover.count('refresh'))
  t.ok(Number(last?.refreshed) < 40)
})

t.test('signals, however many arrive, stop a migration cleanly, and the next run goes on', async t => {
  const { app, folder, list, env } = await fixture(t)
  const file = join(folder, 'legacy.csv')
  writeFileSync(file, list(120))
  const first = start(t, ['migrate', app, file, '--rate', '20'], env)
  await printed(first, /"done":[1-9]/)
  for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM', 'SIGINT'] as const) {
    first.child.kill(signal)
    await sleep(10)
  }
  t.same(await first.ended, [1, null], first.err())
  const { migrated, isComplete } = first.reports().at(-1) ?? {}
  t.equal(isComplete, false)
  t.ok(Number(migrated) > 0 && Number(migrated) < 120, `${migrated} moved`)

  const second = start(t, ['migrate', app, file, '--rate', '1000'], env)
  t.same(await second.ended, [0, null], second.err())
  t.match(second.reports().at(-1), { migrated: 120 - Number(migrated), alreadyConnected: migrated, total: 120 })
})

t.test('a list may come through a pipe, and a stop does not wait for its end', async t => {
  const { clover, app, list, env } = await fixture(t)
  const whole = start(t, ['migrate', app, '-', '--format', 'csv', '--rate', '1000'], env, bundled.counted)
  whole.child.stdin.end(list(3))
  t.same(await whole.ended, [0, null], whole.err())
  t.match(whole.reports().at(-1), { total: 3, migrated: 3 })

  const cut = start(t, ['migrate', app, '-', '--format', 'csv', '--rate', '1000'], env)
  cut.child.stdin.write(`${list(4)}${id(5)},unknown\n`)
  await printed(cut, /"type":"reject"/)
  await during(cut, () => clover.count('token') === 4)
  cut.child.kill('SIGINT')
  t.same(await cut.ended, [1, null])
  t.equal(cut.err(), '', 'nothing was left open')
  t.match(cut.reports().at(-1), { isComplete: false })
})

t.test('who reads the output may leave', async t => {
  const { clover, app, env } = await fixture(t, { due: 8 })
  const job = start(t, ['keep-alive', app, '--rate', '5'], env)
  await printed(job, /"type":"progress"/)
  job.child.stdout.destroy()
  const [code] = await once(job.child, 'exit')
  t.equal(code, 0)
  t.equal(clover.count('refresh'), 8)
})

t.test('wrong usage is one sentence and exit code 2, without a stack trace', async t => {
  const folder = folderOf({ 'app.mjs': 'throw new Error("DATABASE_URL is not set")' })
  for (const [args, says] of [
    [['stats'], /^fastify-clover: stats is no command: did you mean status\?\n$/],
    [['status', join(folder, 'app.mjs')], /^fastify-clover: \S+app\.mjs cannot be loaded: DATABASE_URL is not set\n$/]
  ] as Array<[string[], RegExp]>) {
    const { ended, err, out } = start(t, args)
    t.same(await ended, [2, null])
    t.match(err(), says)
    t.equal(out(), '')
  }
  const { ended, out } = start(t, ['--version'])
  t.same(await ended, [0, null])
  t.equal(out(), `${version}\n`)
})

t.test('an app that leaves something open, such as a server that it started itself, does not keep the command running', async t => {
  const folder = folderOf({
    'open.mjs': 'export default async fastify => { setInterval(() => {}, 1000); fastify.decorate("clover", { summary: async () => ({ connected: 1 }) }) }',
    'server.mjs': 'import Fastify from "fastify"; const app = Fastify(); await app.listen({ port: 0 })'
  })
  const open = start(t, ['status', join(folder, 'open.mjs')], {}, bundled.counted)
  t.same(await open.ended, [0, null])
  t.same(open.reports(), [{ type: 'summary', connected: 1 }])
  t.match(open.err(), /^fastify-clover: the app left something open, .* Close it in a hook onClose\.\n$/)
  const server = start(t, ['status', join(folder, 'server.mjs')])
  t.same(await server.ended, [2, null])
  t.match(server.err(), /^fastify-clover: \S+server\.mjs exports no plugin: .* call listen\(\) in another file\.\n/)
})

t.test('an app that ends the process, or waits for what never comes, is exit code 1 and a sentence', async t => {
  const folder = folderOf({
    'ends.mjs': 'export default async () => { process.exit(0) }',
    'never.mjs': 'await new Promise(() => {}); export default async () => {}',
    'later.mjs': 'export default async fastify => { setInterval(() => process.exit(0)); fastify.decorate("clover", { keepAlive: async () => ({ failed: 1, isComplete: true }) }) }',
    'own.mjs': 'process.on("SIGTERM", () => process.exit(0)); export default async () => { process.stdout.write("it is loading"); setInterval(() => {}, 1000); await new Promise(() => {}) }; export const options = { pluginTimeout: 0 }'
  })
  const sentence = 'fastify-clover: the command is not done: the app ended the process, by process.exit() or an error, or waits for something that never comes.\n'
  for (const file of ['ends.mjs', 'never.mjs']) {
    const job = start(t, ['keep-alive', join(folder, file)], {}, file === 'ends.mjs' ? bundled.counted : bundled.command)
    t.same(await job.ended, [1, null])
    t.equal(job.err(), sentence)
  }
  const later = start(t, ['keep-alive', join(folder, 'later.mjs')])
  t.equal((await later.ended)[0], 1, 'its exit code is that of the command')
  const own = start(t, ['keep-alive', join(folder, 'own.mjs')])
  await printed(own, /it is loading/)
  own.child.kill('SIGTERM')
  t.same(await own.ended, [1, null])
  t.equal(own.err(), '')
})

t.test('a signal ends a command whose app does not get ready', async t => {
  const folder = folderOf({
    'module.mjs': 'setInterval(() => {}, 1000); process.stdout.write("it is loading"); await new Promise(() => {})',
    'plugin.mjs': 'export default async () => { setInterval(() => {}, 1000); process.stdout.write("it is loading"); await new Promise(() => {}) }; export const options = { pluginTimeout: 0 }'
  })
  for (const file of ['module.mjs', 'plugin.mjs']) {
    const job = start(t, ['status', join(folder, file)])
    await printed(job, /it is loading/)
    job.child.kill('SIGTERM')
    t.same(await job.ended, [1, null])
    t.match(job.err(), /^fastify-clover: stopped before \S+ was loaded\.\n$/)
  }
})

/** Runs a command in a terminal of its own. */
const terminal = '/usr/bin/script'

t.test('in a terminal a migration has a bar, and ends with sentences', { skip: !existsSync(terminal) && `${terminal} is not there` }, async t => {
  const { app, folder, list, env } = await fixture(t)
  const file = join(folder, 'legacy.csv')
  writeFileSync(file, list(3))
  const command = [...bundled.command, 'migrate', app, file, '--rate', '1000'].map(part => `'${part}'`).join(' ')
  const child = spawn(terminal, ['-qec', command, '/dev/null'], { env: { ...process.env, ...env } })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  t.same(await once(child, 'close'), [0, null])
  t.match(text, '████████████ 3 of 3 | ')
  t.match(text, /3 merchants: 3 moved, 0 had a pair already, 0 refused, 0 failed; in [\d.]+ seconds\.\r\n$/)
})
