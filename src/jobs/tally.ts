import { notBegun, type MigrationOutcome, type MigrationProgress } from './migration-options.js'

/** The field of the progress that counts each outcome. */
const names = { migrated: 'migrated', 'already-connected': 'alreadyConnected', refused: 'refused', failed: 'failed' } as const

/** @internal Counts outcomes. */
export class Tally {
  readonly #total: number | undefined
  readonly #counts = { done: 0, migrated: 0, alreadyConnected: 0, refused: 0, failed: 0 }
  #attempted = 0

  constructor (total: number | undefined) {
    this.#total = total
  }

  /** The merchants who cost calls to Clover. The others are done in no time, and tell nothing about the time that is left. */
  get attempted (): number {
    return this.#attempted
  }

  add (outcome: MigrationOutcome): void {
    this.#counts.done++
    this.#counts[names[outcome.outcome]]++
    if (outcome.outcome !== 'already-connected' && !isNotBegun(outcome)) this.#attempted++
  }

  /** @param rate merchants a second */
  report (rate: number): MigrationProgress {
    const total = this.#total
    const left = total === undefined || rate <= 0 ? undefined : Math.max(0, total - this.#counts.done) / rate
    return { ...this.#counts, ...(total !== undefined && { total }), rate, ...(left !== undefined && { timeLeft: left }) }
  }
}

/** @internal Whether the run was stopped before this merchant's turn. */
export const isNotBegun = (outcome: MigrationOutcome) => outcome.outcome === 'failed' && outcome.reason === notBegun

/** @internal How many items a source has; undefined if it is neither an array nor a Set. */
export function sizeOf (source: object): number | undefined {
  if (Array.isArray(source)) return source.length
  return source instanceof Set ? source.size : undefined
}
