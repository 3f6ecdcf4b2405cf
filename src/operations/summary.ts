import { Type, type Static } from '@sinclair/typebox'
import { checkOptions, optionsOf, Signal } from '../checks/arguments.js'
import { closing, storageFailed } from '../errors.js'
import { summarize, type Installation, type InstallationSummary } from '../installation.js'
import { isDue } from '../jobs/due.js'
import type { Jobs } from '../jobs/jobs.js'
import { KeepAlivePass } from '../jobs/keep-alive-options.js'
import { readPages } from '../storage/page.js'
import { isAhead, limits } from '../tokens/freshness.js'
import type { Store } from '../tokens/store.js'

const Count = (description: string) => Type.Integer({ minimum: 0, description })

/**
 * How many merchants are in which state. Each record counts in one state only, the first of these that holds: `unusable`, `reauthorizationRequired`,
 * `interrupted`, `doubtful`, `dueSoon`, `connected`.
 */
export const CloverSummary = Type.Object({
  /** All records: the sum of the states. */
  merchants: Count('All records: the sum of the states'),
  /** Merchants whose tokens work, or can be refreshed, and for whom nothing has to be done soon. */
  connected: Count('Merchants whose tokens work, or can be refreshed, and for whom nothing has to be done soon'),
  /** Merchants whose refresh token expires soon, or has an unknown expiration and is a day old: keep-alive refreshes them. */
  dueSoon: Count('Merchants whose refresh token expires soon, or has an unknown expiration and is a day old: keep-alive refreshes them'),
  /** Merchants whose tokens a late request could still end: keep-alive confirms them at its first pass after fifteen minutes. */
  doubtful: Count('Merchants whose tokens a late request could still end: keep-alive confirms them at its first pass after fifteen minutes'),
  /** Merchants whose refresh was cut off, such as by a crash, and whose lease has expired: keep-alive recovers them. */
  interrupted: Count('Merchants whose refresh was cut off, such as by a crash, and whose lease has expired: keep-alive recovers them'),
  /** Merchants of whom Clover refuses every stored token: they must open the app again. */
  reauthorizationRequired: Count('Merchants of whom Clover refuses every stored token: they must open the app again'),
  /** Records that are damaged, do not open, or are of another app, environment or deployment. */
  unusable: Count('Records that are damaged, do not open, or are of another app, environment or deployment'),
  /** Unix seconds: when the first refresh token expires, of those that Clover does not refuse; null: none is known. */
  nextRefreshTokenExpiration: Type.Union([Type.Number(), Type.Null()], {
    description: 'Unix seconds: when the first refresh token expires, of those that Clover does not refuse; null: none is known'
  })
}, { title: 'CloverSummary', description: 'How many merchants are in which state' })
export type CloverSummary = Static<typeof CloverSummary>

/** The state of a usable record, as `summary()` counts it. */
export type MerchantState = 'connected' | 'dueSoon' | 'doubtful' | 'interrupted' | 'reauthorizationRequired'

/** A merchant of `installations()`. */
export interface ListedInstallation extends InstallationSummary {
  /** The state in which `summary()` counts the merchant. */
  state: MerchantState
}

/** The options of `summary()`. */
export interface SummaryOptions {
  /**
   * Seconds, 0 to 31536000: a refresh token that expires within them, or within half of its life if that is shorter, is due soon. Default: 2592000
   * (30 days).
   */
  within?: number | undefined
  /** Ends the pass: `summary()` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

const { within: Within } = KeepAlivePass.properties
const SummaryArgument = optionsOf<SummaryOptions>({ within: Within, signal: Signal })

/** Records a page: a page is held in memory, and a smaller one takes more round trips. */
const pageSize = 500

/** @internal What {@link Summaries} needs. */
export interface SummariesDependencies {
  store: Pick<Store, 'list' | 'canList'>
  /** Unix seconds by Clover's clock. */
  clock: { now (): number }
  jobs: Pick<Jobs, 'begin'>
}

/** @internal Counts merchants by state: one pass over the store, one page of records in memory. */
export class Summaries {
  readonly #use: SummariesDependencies

  constructor (dependencies: SummariesDependencies) {
    this.#use = dependencies
  }

  /** Backs `summary()`. */
  async run (options: SummaryOptions = {}): Promise<CloverSummary> {
    checkOptions('summary', SummaryArgument, options)
    const { store, clock, jobs } = this.#use
    const { within = Within.default as number, signal } = options
    if (!store.canList) throw storageFailed('list, which it does not have', 'summary() needs it')
    const stop = jobs.begin(signal)
    const summary: CloverSummary = {
      merchants: 0, connected: 0, dueSoon: 0, doubtful: 0, interrupted: 0, reauthorizationRequired: 0, unusable: 0, nextRefreshTokenExpiration: null
    }
    for await (const { items, unusable } of readPages(from => store.list({ limit: pageSize, ...from }))) {
      if (stop.aborted) throw signal?.aborted ? signal.reason : closing()
      const now = clock.now()
      summary.merchants += items.length + unusable.length
      summary.unusable += unusable.length
      for (const record of items) {
        const state = stateOf(record, within, now)
        summary[state]++
        const { refreshTokenExpiration } = record
        if (state === 'reauthorizationRequired' || refreshTokenExpiration === null) continue
        summary.nextRefreshTokenExpiration = Math.min(summary.nextRefreshTokenExpiration ?? Infinity, refreshTokenExpiration)
      }
    }
    return summary
  }
}

/** @internal A record without secrets, with its state; `now` in Unix seconds by Clover's clock. */
export function listed (record: Installation, now: number): ListedInstallation {
  return { ...summarize(record), state: stateOf(record, Within.default as number, now) }
}

/** The state of a record. `within` in seconds, `now` in Unix seconds by Clover's clock. */
function stateOf (record: Installation, within: number, now: number): MerchantState {
  const { reauthorizationRequired, refreshLease, confirmAt } = record
  if (reauthorizationRequired) return 'reauthorizationRequired'
  if (refreshLease && !isAhead(refreshLease.until, now, limits.lease)) return 'interrupted'
  if (confirmAt !== undefined) return 'doubtful'
  const { refreshLease: _lease, ...unleased } = record
  return isDue(unleased, within, now) ? 'dueSoon' : 'connected'
}
