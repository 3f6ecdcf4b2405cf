import t from 'tap'
import { isLong, share } from '../harness/share.js'
import { ownFaults } from './faults.js'
import { flows, verboseFlows } from './flows.js'
import { runFlows, runAllFlows } from './run-flows.js'

/*
 * Secrets that can be recognised are put wherever there are secrets; then all that can happen happens, and what came out of it is searched:
 * log lines at level trace, replies, pages, errors, notices, results, diagnostics messages, and calls to Clover.
 */

t.test('no secret comes out of a host that logs all it can (security 21, security 22, security 33)', async t => {
  const variant = { verbose: true, sealed: true }
  if (isLong) await runAllFlows(t, variant, [...flows, ...ownFaults])
  else await runFlows(t, variant, verboseFlows)
})

t.test('nor of the faults of its store where tokens are stored as they are (security 33)', async t => {
  await runFlows(t, { verbose: true, sealed: false }, share(ownFaults.filter((_, index) => index % 2 === 1), ownFaults))
})
