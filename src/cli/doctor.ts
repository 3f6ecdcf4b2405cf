import { Type } from '@sinclair/typebox'
import { MerchantId } from '../installation.js'
import type { Command } from './command.js'
import { commonOptions, commonUsage } from './common-options.js'
import { printFindings } from './print-findings.js'
import { readArguments } from './read-arguments.js'
import { useApp } from './use-app.js'

const options = Type.Object({
  ...commonOptions,
  merchant: Type.Optional(Type.String({ pattern: MerchantId.pattern as string, must: 'a merchant id: 13 characters of A-Z and 0-9' }))
})

/** @internal The findings of `clover.diagnose()`. */
export const doctor: Command = {
  summary: 'checks options, Clover, proxy, cookies and store, and says what to do',
  usage: `fastify-clover doctor <app> [options]

Checks the app's options and its store, Clover's addresses, and the public addresses of the servers that run now. It changes nothing that stays.

${commonUsage.app}

  --merchant id      checks the tokens and permissions of a merchant, too
${commonUsage.scope}
  --json             prints a line of JSON for each finding

Exit code: 0 if there is no error (warnings do not count), 1 if there is one, 2 for wrong usage and an app that does not start.`,
  async run (args, io) {
    const { named: { app }, options: { scope, merchant, json } } = readArguments('doctor', args, ['app'], options)
    const given = { signal: io.signal, ...(merchant !== undefined && { merchantId: merchant }) }
    return await useApp(app, { scope }, io, ({ clover }) => printFindings(clover.diagnose(given), io, { json }))
  }
}
