import { Type } from '@sinclair/typebox'
import { KeepAlivePass, type KeepAliveSummary } from '../jobs/keep-alive-options.js'
import { colour } from './colour.js'
import { exitCodes, type Command } from './command.js'
import { commonOptions, commonUsage } from './common-options.js'
import { counted } from './counted.js'
import { readArguments } from './read-arguments.js'
import { Report } from './report.js'
import { useApp } from './use-app.js'

const options = Type.Partial(Type.Object({ ...KeepAlivePass.properties, ...commonOptions }))

/** @internal One pass of keep-alive. */
export const keepAlive: Command = {
  summary: 'makes one pass of keep-alive: for cron jobs',
  usage: `fastify-clover keep-alive <app> [options]

Refreshes the merchants whose refresh token would otherwise end, and those whose last refresh may be lost.

${commonUsage.app}

  --within seconds   refreshes tokens that end within this time; default 2592000 (30 days)
  --rate n           requests a second to Clover; default 5
  --concurrency n    merchants at once; default 4
${commonUsage.scope}
${commonUsage.json}

Exit code: 0 if the pass is complete, and no merchant failed or is in progress elsewhere; 1 otherwise: run it again in a minute; 2 for wrong usage and an app that does not start.
Merchants whom Clover refuses, and records that cannot be used, do not count: another run does not help them.`,
  async run (args, io) {
    const { named: { app }, options: { scope, json, ...pass } } = readArguments('keep-alive', args, ['app'], options)
    const report = new Report(io, { json })
    return await useApp(app, { scope }, io, async ({ clover }) => {
      const summary = await clover.keepAlive({ ...pass, signal: io.signal, onProgress: progress => report.progress(lineOf(progress), progress) })
      const { candidates, due, refreshed, skipped, refused, failed, inProgress, unusable, isComplete } = summary
      report.summary([
        `${due} of ${counted(candidates, 'merchant')} ${due === 1 ? 'was' : 'were'} due: ${refreshed} refreshed, ${skipped} skipped, ${refused} must authorize again, ${failed} failed.`,
        ...inProgress > 0 ? [colour(io, 'yellow', `${inProgress} more are being refreshed elsewhere, or their refresh failed a moment ago: run it again in a minute.`)] : [],
        ...unusable > 0 ? [colour(io, 'yellow', `${counted(unusable, 'record')} cannot be used.`)] : [],
        ...isComplete ? [] : [colour(io, 'yellow', 'Stopped: run it again to go on.')]
      ], summary)
      return isComplete && failed + inProgress === 0 ? exitCodes.done : exitCodes.notDone
    })
  }
}

function lineOf ({ candidates, due, refreshed, skipped, refused, failed }: KeepAliveSummary): string {
  return `${candidates} read, ${due} due: ${refreshed} refreshed, ${skipped} skipped, ${refused} refused, ${failed} failed`
}
