import { channel } from 'node:diagnostics_channel'
import t from 'tap'
import { diagnosticsChannels } from '../../src/index.js'
import { ownFaults } from './faults.js'
import { flows } from './flows.js'
import { runFlows, runAllFlows } from './run-flows.js'
import { canary, startWatchedHost } from './watched-host.js'

/*
 * Secrets that can be recognised are put wherever there are secrets; then all that can happen happens, and what came out of it is searched:
 * log lines at level trace, replies, pages, errors, notices, results, diagnostics messages, and calls to Clover.
 */

t.test('no secret comes out of an ordinary host (security 21, security 22, security 33)', async t => {
  await runAllFlows(t, { verbose: false, sealed: true }, [...flows, ...ownFaults])
})

t.test('nor of the faults of its store where tokens are stored as they are (security 33)', async t => {
  await runFlows(t, { verbose: false, sealed: false }, ownFaults)
})

t.test('a secret on any diagnostics channel would be found (security 33)', async t => {
  const names = Object.values(diagnosticsChannels)
  const host = await startWatchedHost(t, { verbose: false, sealed: false })
  for (const name of names) channel(name).publish({ reason: canary('access token') })
  const found = (await host.findings()).filter(finding => finding.startsWith('a diagnostics message, as JSON: access token'))
  t.ok(names.length > 10)
  t.same(names.filter(name => !host.heard.has(name)), [])
  t.ok(found.length >= names.length)
})
