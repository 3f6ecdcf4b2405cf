import type { Test } from 'tap'
import { errorCodes, isCloverError } from '../../src/errors.js'
import type { Flow } from './flow.js'
import { canaries, channelNames, startWatchedHost, type Variant } from './watched-host.js'

/** Runs flows and searches the output of each for secrets. Together they must cause every error of the plugin and a message on every diagnostics channel. */
export async function runAllFlows (t: Test, variant: Variant, flows: Flow[]): Promise<void> {
  const { codes, channels } = await runFlows(t, variant, flows)
  t.ok(canaries.size > 400, `${canaries.size} secrets were looked for`)
  t.same(Object.keys(errorCodes).filter(code => !codes.has(code)), [], 'every error of the plugin was met: a new one is caused in a flow of test/security/flows-*.ts')
  t.same(channelNames().filter(channel => !channels.has(channel)), [], 'a message came on every diagnostics channel: a new event is caused in a flow of test/security/flows-*.ts')
}

/** Runs flows and searches the output of each for secrets. Resolves with the codes of the errors that were met, and the channels with messages. */
export async function runFlows (t: Test, variant: Variant, flows: Flow[]): Promise<{ codes: Set<string>, channels: Set<string> }> {
  const codes = new Set<string>()
  const channels = new Set<string>()
  for (const flow of flows) {
    await t.test(flow.name, async t => {
      const options = typeof flow.host === 'function' ? flow.host() : flow.host
      const host = await startWatchedHost(t, variant, options)
      await flow.run(host, async more => await startWatchedHost(t, variant, { ...options, ...more }))
      t.same(await host.findings(), [])
      for (const channel of host.heard) channels.add(channel)
      for (const error of host.errors) if (isCloverError(error)) codes.add(error.code)
      for (const [, code = ''] of host.logs.join('').matchAll(/\\?"code\\?":\\?"(FST_CLOVER_\w+)/g)) codes.add(code)
    })
  }
  return { codes, channels }
}
