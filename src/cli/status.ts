import { Type } from '@sinclair/typebox'
import { colour } from './colour.js'
import { exitCodes, type Command } from './command.js'
import type { CloverSummary } from '../operations/summary.js'
import { commonOptions, commonUsage } from './common-options.js'
import { readArguments } from './read-arguments.js'
import { Report } from './report.js'
import { useApp } from './use-app.js'

const options = Type.Object(commonOptions)

/** Counts of merchants who need somebody. */
const troubles: string[] = ['reauthorizationRequired', 'unusable'] satisfies Array<keyof CloverSummary>

/** @internal The state of all merchants in numbers. */
export const status: Command = {
  summary: 'prints how many merchants are connected, and how many need attention',
  usage: `fastify-clover status <app> [options]

Counts the merchants in the app's store by their state. It asks Clover nothing.

${commonUsage.app}

${commonUsage.scope}
${commonUsage.json}

Exit code: 0, whatever the numbers are; 1 if the store cannot be read; 2 for wrong usage and an app that does not start.`,
  async run (args, io) {
    const { named: { app }, options: { scope, json } } = readArguments('status', args, ['app'], options)
    await useApp(app, { scope }, io, async ({ clover }) => {
      const summary = await clover.summary({ signal: io.signal })
      const lines = Object.entries(summary).map(([name, value]) => line(name, value, text => colour(io, 'yellow', text)))
      new Report(io, { json }).summary(lines, summary)
    })
    return exitCodes.done
  }
}

function line (name: string, value: number | null, emphasize: (text: string) => string): string {
  const isTime = name === 'nextRefreshTokenExpiration'
  const label = name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`).padEnd(32)
  if (isTime) return `${label}${value === null ? '-' : new Date(value * 1000).toISOString().replace('.000', '')}`
  return `${label}${troubles.includes(name) && value !== 0 ? emphasize(String(value)) : String(value)}`
}
