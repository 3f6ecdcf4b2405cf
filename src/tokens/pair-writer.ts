import { reasonOf, storageFailed } from '../errors.js'
import type { Installation } from '../installation.js'
import { durationSince } from '../runtime.js'
import type { Obtained, RefreshDependencies, Refreshed, UnsavedPair } from './refresh-types.js'

/**
 * How often the write of a pair is tried while others change the record. A round is lost only if somebody writes between its read and its write, so only a
 * faulty store reaches this limit. More rounds than elsewhere: there a caller gets an error and comes again, but this pair may be
 * the only one that works.
 */
const maxRounds = 50

/** @internal What {@link PairWriter} needs. */
export type PairWriterDependencies = Pick<RefreshDependencies, 'store' | 'make' | 'clock' | 'runtime' | 'notify' | 'trust'>

/**
 * @internal Writes the pairs that Clover gave for a refresh. Each may be the merchant's only one that works, so none is given up while the store fails,
 * and none is written over a newer one.
 */
export class PairWriter {
  readonly #use: PairWriterDependencies

  constructor (dependencies: PairWriterDependencies) {
    this.#use = dependencies
  }

  /** Writes a new pair (rule 4); resolves with undefined if it was dropped. If the write fails, the unsaved pair serves callers meanwhile. */
  async keep ({ claim, answer, presented, recovered }: Obtained, base: string): Promise<Refreshed | undefined> {
    const { make, clock, runtime, notify, trust } = this.#use
    const { record, by } = claim
    const { merchantId, accessToken, accessTokenExpiration } = record
    // A low-trust app has no recovery that could arrive late.
    const isDoubtful = trust === 'high' && (recovered || claim.isDoubtful)
    const pair = { accessToken, accessTokenExpiration, refreshTokenExpiration: null, ...answer.value, presented, recovered, isDoubtful }
    const next = make.withPair(record, pair, clock.now())
    // Without a new access token the old one stays, with its own times.
    if (answer.outcome === 'odd' && answer.value.accessToken === undefined) next.updatedAt = record.updatedAt
    const unsaved = { next, expected: record.revision, base, by, pair, refusedSince: record.reauthorizationRequired?.since }
    // Called only after the write: a subscriber that throws may end the process, and an unsaved pair with it.
    const report = () => {
      if (answer.outcome === 'odd') notify({ type: 'odd-reply', merchantId, reason: answer.reason })
      notify({ type: recovered ? 'recovered' : 'refreshed', merchantId, duration: durationSince(runtime, claim.began) })
    }
    try {
      const stored = await this.save(unsaved)
      report()
      return stored && { record: stored }
    } catch (error) {
      report()
      notify({ type: 'pair-held', merchantId, reason: reasonOf(error) })
      return { record: unsaved.next, unsaved }
    }
  }

  /**
   * Writes an unsaved pair, over another record only if that has no newer pair (rule 5). Resolves with the stored record, or with undefined if the
   * pair was dropped for a newer one or for a disconnect. If the store fails it rejects; it may then be called again.
   */
  async save (unsaved: UnsavedPair): Promise<Installation | undefined> {
    const { store, make, notify } = this.#use
    const { base, by } = unsaved
    const { merchantId } = unsaved.next
    for (let round = 0; round < maxRounds; round++) {
      const { pair } = unsaved
      if (await store.put(unsaved.next, unsaved.expected)) return this.#stored(unsaved, unsaved.next)
      const current = await store.get(merchantId)
      if (current !== undefined) {
        const isStored = current.refreshToken === pair.refreshToken || current.spentRefreshToken === pair.refreshToken
        if (isStored) return this.#stored(unsaved, current)
        const untouched = current.refreshToken === base
        // The stored pair came from a refresh with the same token. This one came from a later recovery, which ended the stored one.
        const replaced = current.spentRefreshToken === pair.presented && pair.recovered && !current.recovered
        if (untouched || replaced) {
          const { refreshLease: lease, reauthorizationRequired: mark } = current
          // Another attempt may have sent a recovery with the same token, which Clover may handle after this pair was given.
          if (this.#use.trust === 'high' && (mark || (lease && lease.by !== by))) unsaved.pair = { ...pair, isDoubtful: true }
          const { updatedAt } = unsaved.next
          unsaved.next = { ...make.withPair(current, unsaved.pair, updatedAt), updatedAt }
          unsaved.expected = current.revision
          unsaved.refusedSince = mark?.since
          continue
        }
      }
      notify({ type: 'pair-dropped', merchantId })
      return undefined
    }
    throw storageFailed('put', 'it refuses a write although the revision is the stored one', merchantId)
  }

  /** Reports that the merchant works again, if the stored pair ended a mark. */
  #stored (unsaved: UnsavedPair, record: Installation): Installation {
    const { merchantId } = record
    if (unsaved.refusedSince !== undefined) this.#use.notify({ type: 'reconnected', merchantId, since: unsaved.refusedSince, by: 'refresh' })
    unsaved.refusedSince = undefined
    return record
  }
}
