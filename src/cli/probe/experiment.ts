import type { Session } from './session.js'
import type { Switches } from './findings.js'

/** @internal One experiment, or a few that need the same. */
export interface Experiment {
  /** What `--only` and `--skip` call it. */
  name: string
  /** The switches of the simulator that it settles. */
  settles: ReadonlyArray<keyof Switches>
  /** What it finds out, in a few words for `--help`. */
  learns: string
  /** What it may cost, as a sentence: a person is asked. */
  cost?: string
  /** A person must do something at Clover: it runs only if they say yes. */
  byHand?: true
  /** A reason not to run it here, such as the app's trust. */
  cannot?: (session: Session) => string | undefined
  /**
   * Makes the experiment, and writes what it finds to the session's findings.
   *
   * @throws Unsettled if Clover's answers say nothing, NotHere if it turns out that it cannot be made
   */
  run (session: Session): Promise<void>
}

/** @internal For experiments of recovery. */
export function needsHighTrust ({ isHighTrust }: Session): string | undefined {
  return isHighTrust ? undefined : 'an app of low trust has no recovery'
}
