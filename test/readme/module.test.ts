import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { freePort } from '../harness/ports.js'
import { until } from '../harness/waiting.js'

/*
 * The module of an app, its server, its script and its simulator, as the guides to jobs and to testing show them: each a process, with the built package.
 */

const file = (name: string) => resolve('test/readme/module', name)
const command = resolve('dist/cli/main.js')

/** Starts a program, and collects what it prints. */
function start (t: Test, args: string[], cwd: string, env: Record<string, string>) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], { cwd, env: { PATH: String(process.env.PATH), ...env } })
  t.teardown(() => { child.kill('SIGKILL') })
  const printed = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { printed.out += chunk })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { printed.err += chunk })
  return { child, printed, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, ...printed })) }
}

t.test('the module serves the commands, a script and a server, against the simulator of the guide', async t => {
  const folder = t.testdir()
  const port = String(await freePort())
  const simulator = start(t, [file('simulator.js')], folder, { SIMULATOR_PORT: port })
  await until('the simulator has begun', () => simulator.printed.out.includes('\n'))
  t.equal(simulator.printed.out, `http://localhost:${port} has 100 merchants, whose legacy tokens are in legacy.csv\n`)
  t.ok(existsSync(join(folder, 'legacy.csv')))
  const env = {
    CLOVER_SIMULATOR: `http://localhost:${port}`,
    CLOVER_APP_ID: 'SIMULATORAPP1',
    CLOVER_APP_SECRET: 'simulator-secret',
    COOKIE_SECRET: 'a'.repeat(31) + 'b',
    BASE_URL: 'http://localhost:3000',
    PORT: '0'
  }
  const ends = (args: string[]) => start(t, args, folder, env).ended
  const last = (text: string) => JSON.parse(String(text.trim().split('\n').at(-1)))

  const moved = await ends([command, 'migrate', file('app.js'), 'legacy.csv', '--rate', '1000', '--concurrency', '10'])
  t.match([moved.code, moved.err, last(moved.out)], [0, '', { type: 'summary', total: 100, migrated: 100 }])
  const counted = await ends([command, 'status', file('app.js'), '--json'])
  t.match([counted.code, last(counted.out)], [0, { merchants: 100, connected: 100 }])

  const refreshed = await ends([file('refresh-all.js')])
  t.same([refreshed.code, refreshed.out, refreshed.err], [0, '', '100 merchants so far\n100 merchants, 0 failed\n'])

  const server = start(t, [file('server.js')], folder, env)
  await until('the server listens', () => /http:\S+/.test(server.printed.out))
  const launch = await fetch(`${/http:\S+/.exec(server.printed.out)?.[0]}/clover/launch`, { redirect: 'manual' })
  t.match([launch.status, launch.headers.get('location')], [302, `${env.CLOVER_SIMULATOR}/oauth/v2/authorize?`])
  server.child.kill('SIGTERM')
  t.match(await server.ended, { code: 0, err: '' })
})
