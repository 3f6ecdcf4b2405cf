import t, { type Test } from 'tap'
import type { CloverOptions } from '../../src/options/options.js'
import { kRuntime, plugin } from '../../src/plugin.js'
import { merchantA, ordinaryOptions } from '../harness/host.js'
import { authOf } from '../harness/webhook.js'
import { guard, startDoctorHost, type DoctorHost } from '../operations/doctor-host.js'
import { appOf, run } from './terminal.js'

/** The module of an app whose servers run already, with differences. */
function appBeside (t: Test, { clover, storage, time, baseUrl }: DoctorHost, differences: Partial<CloverOptions> = {}): string {
  return appOf(t, async fastify => {
    await fastify.register(plugin, {
      ...ordinaryOptions(clover),
      storage: { ...storage },
      cookieSecret: 'dPPx3yFq0Vd8hXkWb1m5Zc7tRuSgJn2LoQeAiKzUvY4=',
      baseUrl,
      callTimeout: 5_000,
      routes: { refresh: { onRequest: guard }, webhook: { auth: authOf(clover) } },
      ...differences,
      [kRuntime]: { wallClock: time.now }
    } as CloverOptions)
  })
}

t.test('the doctor finds nothing wrong with a deployment that is in order', async t => {
  const host = await startDoctorHost(t)
  await host.connect()
  const { code, err, reports } = await run(['doctor', appBeside(t, host), '--json', '--merchant', merchantA])
  t.same(reports.filter(({ status }) => status === 'error' || status === 'warning'), [])
  t.same([code, err], [0, ''])
  t.same(reports.map(({ check }) => check), Object.keys(await host.diagnose({ merchantId: merchantA })))
  t.ok(reports.length > 25)
  const { out } = await run(['doctor', appBeside(t, host)], { isTerminal: true, env: { NO_COLOR: '1' } })
  t.match(out, /\n0 errors, 0 warnings, \d+ ok, \d+ not checked\n$/)
})

t.test('an error is exit code 1, and a warning is not', async t => {
  const host = await startDoctorHost(t)
  const wrong = await run(['doctor', appBeside(t, host, { baseUrl: `${host.baseUrl}/shop` })])
  t.equal(wrong.code, 1)
  t.match(wrong.out, /^error +launch +/m)
  const odd = await run(['doctor', appBeside(t, host, { keepAlive: false }), '--json'])
  t.equal(odd.code, 0)
  t.same(odd.reports.filter(({ status }) => status === 'warning').map(({ check }) => check), ['keep-alive'])
})

t.test('a wrong merchant is exit code 2, and a stop ends the diagnosis', async t => {
  const host = await startDoctorHost(t)
  t.match(await run(['doctor', appBeside(t, host), '--merchant', 'bad']), { code: 2, out: '', err: /--merchant must be a merchant id: 13 characters/ })
  const stop = new AbortController()
  const stopped = run(['doctor', appBeside(t, host), '--json'], { signal: stop.signal, stdout: { write: () => { stop.abort() } } })
  t.match(await stopped, { code: 1 })
})
