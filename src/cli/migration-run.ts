import type { Clover } from '../decorator.js'
import type { LegacyToken, MigrationOptions } from '../jobs/migration-options.js'
import { isNotBegun } from '../jobs/tally.js'
import type { LegacyList } from './legacy-list.js'
import type { Reject } from './rejects.js'

/** @internal The numbers of a run: counts of merchants. */
export interface MigrationCounts {
  /** Merchants of the list; of standard input those that were done. */
  total: number
  done: number
  migrated: number
  alreadyConnected: number
  refused: number
  failed: number
  /** Merchants whom another run has to begin; of standard input it is not known. */
  left?: number
  /** `false`: the run ended before the end of the list. */
  isComplete: boolean
}

/** @internal One run of the migration over a list. */
export class MigrationRun {
  readonly #list: LegacyList
  readonly #counts = { migrated: 0, 'already-connected': 0, refused: 0, failed: 0 }
  /** The rows of the merchants in progress, by their place in the list. */
  readonly #rows = new Map<number, number>()
  #read = 0
  #isRead = false

  constructor (list: LegacyList) {
    this.#list = list
  }

  /** Moves the merchants, and hands over each who was not moved. @throws as `migrateLegacy()` does; UsageError for a row that is not in the format */
  async run (clover: Pick<Clover, 'migrateLegacy'>, options: MigrationOptions, onReject: (reject: Reject) => Promise<void>): Promise<void> {
    const { total } = this.#list
    for await (const result of clover.migrateLegacy(this.#merchants(), { ...options, ...(total !== undefined && { total }) })) {
      const { index, merchantId, outcome } = result
      const row = this.#rows.get(index)
      this.#rows.delete(index)
      if (isNotBegun(result)) continue
      this.#counts[outcome]++
      if (result.outcome === 'refused' || result.outcome === 'failed') {
        await onReject({ row, merchantId, outcome: result.outcome, ...(result.code !== undefined && { code: result.code }), reason: result.reason })
      }
    }
  }

  get counts (): MigrationCounts {
    const { 'already-connected': alreadyConnected, ...counts } = this.#counts
    const done = counts.migrated + alreadyConnected + counts.refused + counts.failed
    const { total } = this.#list
    return {
      total: total ?? done,
      done,
      ...counts,
      alreadyConnected,
      ...(total !== undefined && { left: total - done }),
      isComplete: this.#isRead && done === this.#read
    }
  }

  async * #merchants (): AsyncGenerator<LegacyToken, void, undefined> {
    for await (const { number, merchant } of this.#list.rows()) {
      this.#rows.set(this.#read++, number)
      yield merchant
    }
    this.#isRead = true
  }
}
