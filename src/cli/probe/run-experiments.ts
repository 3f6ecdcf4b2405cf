import type { ProbeExperiment } from '../../testing/simulator/probe-report.js'
import type { Io } from '../io.js'
import type { Report } from '../report.js'
import type { Experiment } from './experiment.js'
import { authorization, authorize } from './experiments/authorization.js'
import { NotHere, Unsettled } from './outcome.js'
import type { Session } from './session.js'
import { lineOf } from './table.js'

/** @internal What the experiments came to. */
export interface Course {
  experiments: ProbeExperiment[]
  /** Whether the merchant's last authorization gave a token that works; undefined: there was no authorization, so there was nothing to put right. */
  isConnected: boolean | undefined
}

/** @internal Runs the experiments one after the other, and then authorizes the merchant once more, whatever happened before. */
export async function runExperiments (experiments: readonly Experiment[], session: Session, report: Report, { signal }: Pick<Io, 'signal'>): Promise<Course> {
  const done: ProbeExperiment[] = []
  let canGoOn = true
  for (const experiment of experiments) {
    session.findings.experiment = experiment.name
    const result = await attempt(experiment, session, canGoOn)
    done.push(result)
    report.note('experiment', lineOf(result, session.findings.of(experiment.name)), { ...result, found: session.findings.of(experiment.name).map(({ name, value }) => ({ name, value })) })
    if (experiment === authorization) canGoOn = result.outcome === 'settled'
    if (signal.aborted) canGoOn = false
  }
  return { experiments: done, isConnected: session.hasTokens ? await leaveConnected(session) : undefined }
}

async function attempt (experiment: Experiment, session: Session, canGoOn: boolean): Promise<ProbeExperiment> {
  const { name, cost, byHand = false } = experiment
  try {
    session.goOn()
    if (!canGoOn) throw new NotHere('the merchant is not authorized')
    if (experiment !== authorization && !session.settings.chosen.has(name)) throw new NotHere('not chosen')
    const obstacle = experiment.cannot?.(session)
    if (obstacle !== undefined) throw new NotHere(obstacle)
    if (byHand && session.settings.yes) throw new NotHere('it needs a person: run it without --yes')
    if (cost !== undefined && !await session.ask(`${name}: ${experiment.learns}.\n  ${cost} Run it?`, byHand)) throw new NotHere('not wanted')
    await experiment.run(session)
    return { name, outcome: 'settled' }
  } catch (error) {
    if (error instanceof NotHere) return { name, outcome: 'skipped', reason: error.message }
    return { name, outcome: 'not-settled', reason: reasonOf(error) }
  }
}

/** The experiments may have ended any pair: a full authorization makes a new one. */
async function leaveConnected (session: Session): Promise<boolean> {
  session.beginEnd()
  session.findings.experiment = authorization.name
  try {
    await authorize(session)
    return true
  } catch (error) {
    session.say(`The last authorization gave no token that works (${reasonOf(error)}).`)
    return false
  }
}

/** The message of an error of any other kind may have a secret. */
function reasonOf (error: unknown): string {
  return error instanceof Unsettled ? error.message : `an unexpected error (${error instanceof Error ? error.name : typeof error})`
}
