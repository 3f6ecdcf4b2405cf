import { writeFile } from 'node:fs/promises'
import { version } from '../version.js'
import type { WholeReport } from '../testing/simulator/probe-report.js'
import { colour } from './colour.js'
import { exitCodes, type Command } from './command.js'
import type { Io } from './io.js'
import { experiments } from './probe/experiments/index.js'
import type { Findings } from './probe/findings.js'
import { runExperiments, type Course } from './probe/run-experiments.js'
import { Session } from './probe/session.js'
import { readSettings, type Settings } from './probe/settings.js'
import { tableOf } from './probe/table.js'
import { realTiming, type ProbeTiming } from './probe/timing.js'
import { Report } from './report.js'
import { messageOf } from './usage-error.js'

const names = experiments.map(({ name }) => name)

const usage = `fastify-clover probe [options]

Finds out what Clover does not document, with an app and a test merchant of yours in Clover's sandbox, and writes it to a file, which
fastify-clover/testing's simulator takes as its option unknowns. You approve the app once, in a browser, and keep that page open.

Use a merchant that no running host of yours keeps: the authorizations of the probe can end the tokens that a host has stored. At the end
the probe authorizes the app once more. A host that keeps the merchant all the same gets new tokens when the merchant opens the app.

Before: in the sandbox's developer dashboard, set the app's Site URL to http://localhost:3000, or to the --base-url.

  CLOVER_APP_ID          the App ID, or --app-id
  CLOVER_APP_SECRET      the App Secret; unset: an app of low trust
  CLOVER_LEGACY_TOKEN    a v1 token of the merchant, for the experiment legacy

  --port n               the port of localhost that Clover comes back to; default 3000
  --base-url origin      the https address of a tunnel to that port
  --merchant id          the merchant, so that Clover's picker does not ask
  --other-merchant id    another merchant there, whose data Clover must refuse, for the experiment foreign-merchant
  --wait seconds         how long the experiment code-lifetime waits
  --only a,b             runs these experiments only
  --skip a,b             leaves these out
  --yes                  asks nothing, and leaves out what needs your hands
  --out file             the report; default clover-probe-<date>.json, which replaces one of the same day
  --json                 prints JSON lines, as it does where stdout or stderr is no terminal
  --environment name     default sandbox. Another one has real merchants: it needs --i-may-disconnect-real-merchants
  --origin origin        a simulator on this machine, such as http://localhost:4000

Experiments, in their order; those with * ask first, since they may cost something:
${experiments.map(({ name, learns, cost }) => `  ${cost === undefined ? ' ' : '*'} ${name.padEnd(18)} ${learns}`).join('\n')}

Ctrl-C ends the experiments; the last authorization follows.

Exit code: 0 if what ran was settled; 1 if something was not, or the probe was stopped, or the last authorization failed; 2 for wrong usage.`

/** @internal The command, with these clocks and times. */
export function createProbe (timing: ProbeTiming = realTiming): Command {
  return {
    summary: 'finds out in Clover\'s sandbox what Clover does not document',
    usage,
    async run (args, io) {
      const settings = await readSettings(args, names, io)
      const report = new Report(io, settings)
      // It loads Fastify, which the other commands take from the app.
      const { ProbeServer } = await import('./probe/probe-server.js')
      const server = new ProbeServer(timing, settings.baseUrl)
      await server.listen(settings.port)
      const session = new Session({ settings, timing, io, server, report })
      let text = 'The probe has ended.'
      try {
        const trust = session.isHighTrust ? 'high' : 'low'
        report.note('open', `An app of ${trust} trust in ${settings.app.environment.name}. Open ${server.address} in a browser, approve the app for a merchant whom no running host of yours keeps, and keep the page open.`, { address: server.address, trust })
        const course = await runExperiments(experiments, session, report, io)
        const lines = tableOf(course.experiments, session.findings)
        text = lines.join('\n')
        const whole = reportOf(settings, session.findings, course, timing)
        const place = await write(settings, whole, io)
        report.summary([...lines, '', ...ending(course, place, server.address, io)], { ...whole, file: place ?? null, isConnected: course.isConnected ?? null })
        const isDone = course.isConnected === true && place !== undefined && !io.signal.aborted && course.experiments.every(({ outcome }) => outcome !== 'not-settled')
        return isDone ? exitCodes.done : exitCodes.notDone
      } finally {
        await server.finish(text)
      }
    }
  }
}

function reportOf ({ app }: Settings, findings: Findings, { experiments }: Course, { wallClock }: ProbeTiming): WholeReport {
  return {
    probedAt: new Date(wallClock()).toISOString(),
    version,
    environment: app.environment.name,
    trust: app.appSecret === false ? 'low' : 'high',
    unknowns: findings.unknowns,
    measured: findings.measured,
    experiments,
    facts: findings.facts
  }
}

/** Writes the report, and resolves with the file's name. If that fails, the report is printed, since it may have cost something. */
async function write ({ out }: Settings, report: WholeReport, io: Io): Promise<string | undefined> {
  const file = out ?? `clover-probe-${report.probedAt.slice(0, 10)}.json`
  const text = `${JSON.stringify(report, undefined, 2)}\n`
  try {
    await writeFile(file, text)
    return file
  } catch (error) {
    io.stderr.write(`${text}The report could not be written: ${messageOf(error)}\n`)
    return undefined
  }
}

function ending ({ isConnected }: Course, place: string | undefined, address: string, io: Io): string[] {
  const file = place === undefined ? [] : [`The report is in ${place}.`]
  if (isConnected === true) return [...file, 'The merchant has authorized the app, and its new token works.']
  if (isConnected === undefined) return [...file, colour(io, 'yellow', 'The app was not authorized: nothing was done.')]
  const help = `The merchant may be disconnected: run fastify-clover probe --only authorization and open ${address}, or open the app from the merchant's Clover dashboard.`
  return [...file, colour(io, 'red', help)]
}
