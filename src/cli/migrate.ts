import { Type } from '@sinclair/typebox'
import { MigrationData, type MigrationProgress } from '../jobs/migration-options.js'
import { realRuntime } from '../runtime.js'
import { colour } from './colour.js'
import { exitCodes, type Command } from './command.js'
import { commonOptions, commonUsage } from './common-options.js'
import { counted } from './counted.js'
import { openLegacyList } from './legacy-list.js'
import { MigrationRun } from './migration-run.js'
import { progressBar } from './progress-bar.js'
import { readArguments } from './read-arguments.js'
import { Rejects, type Reject } from './rejects.js'
import { Report } from './report.js'
import { useApp } from './use-app.js'

const { rate, concurrency } = MigrationData.properties

const options = Type.Partial(Type.Object({
  rate,
  concurrency,
  format: Type.Union([Type.Literal('csv'), Type.Literal('jsonl')], { must: 'csv or jsonl' }),
  rejects: Type.String({ must: 'the name of a file' }),
  ...commonOptions
}))

/** @internal Moves merchants from legacy tokens. */
export const migrate: Command = {
  summary: 'moves merchants from legacy (v1) tokens to pairs that are refreshed',
  usage: `fastify-clover migrate <app> <list> [options]

Exchanges the legacy token of each merchant for a pair of tokens, and stores the pair. Merchants who have a pair keep it, so a run that was
stopped is continued by another run.

${commonUsage.app}
  <list>             a file of CSV (.csv) with the columns merchantId,legacyToken, or of JSON Lines (.jsonl, .ndjson) with these
                     members; - is standard input

  --format f         csv or jsonl, for standard input and for files with another ending
  --rejects file     writes who was not moved, and why, to a file of CSV; without it they are printed. It has no tokens
  --rate n           requests a second to Clover, of which a merchant takes three; default 20
  --concurrency n    merchants at once; default 4
${commonUsage.scope}
${commonUsage.json}

Exit code: 0 if every merchant has a pair; 1 if some have not, or the run was stopped; 2 for wrong usage, a list that is not in its
format, and an app that does not start.`,
  async run (args, io) {
    const { named: { app, list: file }, options: { scope, json, format, rejects: rejectsFile, ...pace } } = readArguments('migrate', args, ['app', 'list'], options)
    const list = await openLegacyList(file, format, io)
    const report = new Report(io, { json })
    const began = realRuntime.monotonic()
    const run = new MigrationRun(list)
    await useApp(app, { scope }, io, async ({ clover }) => {
      const rejects = await Rejects.open(rejectsFile, file)
      const onReject = async (reject: Reject) => {
        if (rejectsFile === undefined) report.note('reject', sentenceOf(reject), reject)
        await rejects.add(reject)
      }
      const onProgress = (progress: MigrationProgress) => report.progress(progressBar(progress), progress)
      try {
        await run.run(clover, { ...pace, signal: io.signal, onProgress }, onReject)
      } finally {
        await rejects.close()
        summarize()
      }
    })
    const { isComplete, refused, failed } = run.counts
    return isComplete && refused + failed === 0 ? exitCodes.done : exitCodes.notDone

    function summarize (): void {
      const { counts } = run
      const { total, migrated, alreadyConnected, refused, failed, left = 0, isComplete } = counts
      const others = `${alreadyConnected} had a pair already, ${refused} refused, ${failed} failed`
      const seconds = Number(((realRuntime.monotonic() - began) / 1000).toFixed(1))
      report.summary([
        left > 0
          ? `${migrated} of ${counted(total, 'merchant')} moved, ${others}, ${left} left; in ${seconds} seconds.`
          : `${counted(total, 'merchant')}: ${migrated} moved, ${others}; in ${seconds} seconds.`,
        ...!isComplete ? [colour(io, 'yellow', 'Stopped: run it again to go on.')] : [],
        ...rejectsFile !== undefined && refused + failed > 0 ? [`Merchants who could not be moved are in ${rejectsFile}.`] : []
      ], { ...counts, seconds })
    }
  }
}

function sentenceOf ({ row, merchantId, outcome, reason }: Reject): string {
  return `row ${row}, ${merchantId ?? 'no merchant'}: ${outcome}: ${reason}`
}
