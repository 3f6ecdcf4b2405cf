import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createProbe } from '../../src/cli/probe.js'
import type { Experiment } from '../../src/cli/probe/experiment.js'
import { authorization } from '../../src/cli/probe/experiments/authorization.js'
import { startingAfter } from '../../src/cli/probe/experiments/rest.js'
import { ProbeServer } from '../../src/cli/probe/probe-server.js'
import { rawCall } from '../../src/cli/probe/raw-call.js'
import { runExperiments } from '../../src/cli/probe/run-experiments.js'
import { Session } from '../../src/cli/probe/session.js'
import { readSettings } from '../../src/cli/probe/settings.js'
import { Report } from '../../src/cli/report.js'
import { version } from '../../src/version.js'
import { freePorts } from '../harness/ports.js'
import { fast, probe, probedClover } from './probing.js'

t.test('the report has the version, the date and the trust; the table and the last page say the same', async t => {
  const clover = await probedClover(t)
  const { report, out, page } = await probe(t, clover, { args: ['--yes', '--only', 'refresh'], timing: { wallClock: () => Date.parse('2026-02-03T04:05:06Z') } })
  t.match(report, { probedAt: '2026-02-03T04:05:06.000Z', version, environment: 'simulator', trust: 'high', unknowns: { recoveryHeader: true } })
  t.match(out, /^refresh +settled +unknowns\.accessTokenDiesAtRefresh: false\n +refreshTokenWorksOnce: true\n/m)
  t.match(out, /^cap +skipped +not chosen$/m)
  t.match(page, /unknowns\.accessTokenDiesAtRefresh: false/)
})

t.test('without --out the file has the date in its name', async t => {
  const clover = await probedClover(t)
  const folder = t.testdir({})
  const before = process.cwd()
  t.teardown(() => { process.chdir(before) })
  process.chdir(folder)
  const { out } = await new Promise<{ out: string }>((resolve, reject) => {
    let out = ''
    createProbe({ ...fast, wallClock: () => Date.parse('2026-02-03T04:05:06Z'), patience: 100 }).run(['--origin', clover.origin, '--port', '0', '--yes'], {
      stdout: { write: text => { out += text } }, stderr: { write: () => {} }, stdin: (async function * () {})(), isTerminal: false, env: { CLOVER_APP_ID: 'SIMULATORAPP1' }, signal: new AbortController().signal
    }).then(() => { resolve({ out }) }, reject)
  })
  t.match(JSON.parse(readFileSync(join(folder, 'clover-probe-2026-02-03.json'), 'utf8')), { trust: 'low', unknowns: {} })
  t.match(JSON.parse(String(out.trim().split('\n').at(-1))), { type: 'summary', file: 'clover-probe-2026-02-03.json', isConnected: null })
})

t.test('a report that cannot be written is printed', async t => {
  const clover = await probedClover(t)
  const folder = join(t.testdir({}), 'folder')
  mkdirSync(folder)
  let err = ''
  const code = await createProbe({ ...fast, patience: 100 }).run(['--origin', clover.origin, '--port', '0', '--yes', '--out', join(folder, 'report.json')], {
    stdout: { write: () => {} },
    stderr: {
      write: text => {
        err += text
        if (text.includes('uninstall: skipped')) rmSync(folder, { recursive: true })
      }
    },
    stdin: (async function * () {})(),
    isTerminal: true,
    env: { CLOVER_APP_ID: 'SIMULATORAPP1' },
    signal: new AbortController().signal
  })
  t.equal(code, 1)
  t.match(err, /"trust": "low"[^]*The report could not be written: ENOENT/)
})

t.test('an error that nobody expects is not settled, its message is not printed, and the merchant ends connected or is named', async t => {
  for (const thrown of [new TypeError('canary'), 'canary']) {
    const settings = await readSettings(['--origin', 'http://localhost:1', '--yes'], ['broken'], { isTerminal: true, env: { CLOVER_APP_ID: 'SIMULATORAPP1' } })
    let out = ''
    const io = { stdout: { write: (text: string) => { out += text } }, stderr: { write: (text: string) => { out += text } }, stdin: (async function * () {})(), isTerminal: true, env: {}, signal: new AbortController().signal }
    const report = new Report(io, {})
    const session = new Session({ settings, timing: { ...fast, patience: 50 }, io, server: new ProbeServer(fast), report })
    session.hasTokens = true
    const broken: Experiment = { name: 'broken', settles: [], learns: '', run: async () => { throw thrown } }
    const { experiments, isConnected } = await runExperiments([broken], session, report, io)
    t.same(experiments, [{ name: 'broken', outcome: 'not-settled', reason: `an unexpected error (${thrown instanceof Error ? 'TypeError' : 'string'})` }])
    t.equal(isConnected, false)
    t.match(out, 'The last authorization gave no token that works')
    t.notMatch(out, 'canary')
  }
  t.equal(authorization.name, 'authorization')
})

t.test('what an environment does not have is left out', async t => {
  const settings = await readSettings(['--environment', 'europe', '--i-may-disconnect-real-merchants', '--yes'], [], { isTerminal: true, env: { CLOVER_APP_ID: 'SIMULATORAPP1' } })
  t.equal(startingAfter.cannot?.({ app: settings.app } as Session), 'the environment has no ecommerce API')
})

t.test('a raw call over https fails like any other', async t => {
  const [port] = await freePorts(1)
  await t.rejects(rawCall({ endpoint: '/path', url: new URL(`https://localhost:${port}/path`), method: 'GET', headers: {}, timeout: 5_000 }), { message: /^\/path: network error/ })
})
