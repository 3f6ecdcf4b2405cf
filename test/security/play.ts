import type { Test } from 'tap'
import { errorCodes, isCloverError } from '../../src/errors.js'
import type { Flow } from './flow.js'
import { canaries, channelNames, setStage, type Variant } from './stage.js'

/** Plays flows on stages of one kind, and searches all that came out of each. They must meet every error of the plugin, and every diagnostics channel. */
export async function playAll (t: Test, variant: Variant, flows: Flow[]): Promise<void> {
  const { codes, channels } = await play(t, variant, flows)
  t.ok(canaries.size > 400, `${canaries.size} secrets were looked for`)
  t.same(Object.keys(errorCodes).filter(code => !codes.has(code)), [], 'every error of the plugin was met')
  t.same(channelNames().filter(channel => !channels.has(channel)), [], 'a message came on every diagnostics channel')
}

/** Plays flows on stages of one kind, and searches all that came out of each. Resolves with the codes of the errors that were met, and the channels with messages. */
export async function play (t: Test, variant: Variant, flows: Flow[]): Promise<{ codes: Set<string>, channels: Set<string> }> {
  const codes = new Set<string>()
  const channels = new Set<string>()
  for (const flow of flows) {
    await t.test(flow.name, async t => {
      const options = typeof flow.stage === 'function' ? flow.stage() : flow.stage
      const stage = await setStage(t, variant, options)
      await flow.run(stage, async more => await setStage(t, variant, { ...options, ...more }))
      t.same(await stage.findings(), [])
      for (const channel of stage.heard) channels.add(channel)
      for (const error of stage.errors) if (isCloverError(error)) codes.add(error.code)
      for (const [, code = ''] of stage.logs.join('').matchAll(/\\?"code\\?":\\?"(FST_CLOVER_\w+)/g)) codes.add(code)
    })
  }
  return { codes, channels }
}
