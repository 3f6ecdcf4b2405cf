import t from 'tap'
import { cloverFaultsOf } from './faults.js'
import { runFlows } from './run-flows.js'

/*
 * Secrets that can be recognised are put wherever there are secrets; then all that can happen happens, and what came out of it is searched:
 * log lines at level trace, replies, pages, errors, notices, results, diagnostics messages, and calls to Clover.
 */

t.test('no secret comes out of a host that logs all it can while Clover fails (security 21, security 22, security 33)', async t => {
  const variant = { verbose: true, sealed: true }
  await runFlows(t, variant, cloverFaultsOf(variant))
})
