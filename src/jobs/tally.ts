import type { MigrationOutcome, MigrationProgress } from './migration-types.js'

/** The field of the progress that counts each outcome. */
const names = { migrated: 'migrated', 'already-connected': 'alreadyConnected', refused: 'refused', failed: 'failed' } as const

/** @internal Counts outcomes. */
export class Tally {
  readonly #total: number | undefined
  readonly #counts = { done: 0, migrated: 0, alreadyConnected: 0, refused: 0, failed: 0 }

  constructor (total: number | undefined) {
    this.#total = total
  }

  get done (): number {
    return this.#counts.done
  }

  add ({ outcome }: MigrationOutcome): void {
    this.#counts.done++
    this.#counts[names[outcome]]++
  }

  /** @param rate merchants a second */
  report (rate: number): MigrationProgress {
    const total = this.#total
    const left = total === undefined || rate <= 0 ? undefined : Math.max(0, total - this.done) / rate
    return { ...this.#counts, ...(total !== undefined && { total }), rate, ...(left !== undefined && { timeLeft: left }) }
  }
}

/** @internal How many items a source has; undefined if it is neither an array nor a Set. */
export function sizeOf (source: object): number | undefined {
  if (Array.isArray(source)) return source.length
  return source instanceof Set ? source.size : undefined
}
