import { Type, type Static } from '@sinclair/typebox'
import { Callback, optionsOf, Signal } from '../checks/arguments.js'
import { LegacyTokenReply } from '../clover/wire.js'
import { MerchantId } from '../installation.js'

/** A merchant with a legacy token, for `migrateLegacy()`. */
export const LegacyToken = Type.Object({
  /** The merchant: 13 characters of A-Z and 0-9. */
  merchantId: MerchantId,
  /** The v1 token. Default: the one that is stored for the merchant. */
  legacyToken: Type.Optional(Type.String({
    ...LegacyTokenReply.properties.access_token, description: 'The v1 token; left out: the one that is stored for the merchant'
  }))
}, { $id: 'CloverLegacyToken', description: 'A merchant with a legacy token' })
export type LegacyToken = Static<typeof LegacyToken>

/** What every outcome has. */
const place = {
  /** The item's place in the source, from 0. */
  index: Type.Integer({ description: 'The item\'s place in the source, from 0' })
}
const merchant = {
  /** Clover's merchant id: 13 characters of A-Z and 0-9. */
  merchantId: MerchantId
}
/** What an outcome has that brought no pair. */
const why = {
  /** A sentence, without secrets. */
  reason: Type.String({ description: 'A sentence, without secrets' }),
  /** The code of the error, such as `FST_CLOVER_DENIED`; absent: there is none, as when the run was stopped. */
  code: Type.Optional(Type.String({ description: 'The code of the error, such as FST_CLOVER_DENIED; absent: there is none, as when the run was stopped' }))
}

/** The outcome of one item of `migrateLegacy()`. It contains no token and no code. */
export const MigrationOutcome = Type.Union([
  Type.Object({
    ...place,
    ...merchant,
    /** The merchant has a pair of tokens now. */
    outcome: Type.Literal('migrated')
  }, { description: 'The merchant has a pair of tokens now' }),
  Type.Object({
    ...place,
    ...merchant,
    /** The merchant had a pair, which was kept. */
    outcome: Type.Literal('already-connected')
  }, { description: 'The merchant had a pair, which was kept' }),
  Type.Object({
    ...place,
    /** Clover's merchant id; null: the item has none. */
    merchantId: Type.Union([MerchantId, Type.Null()], { description: 'Clover\'s merchant id; null: the item has none' }),
    /** The item is wrong, or Clover refused it, or the stored record is of another app or deployment: another run does not help. */
    outcome: Type.Literal('refused'),
    ...why
  }, { description: 'The item is wrong, or Clover refused it, or the stored record is of another app or deployment: another run does not help' }),
  Type.Object({
    ...place,
    ...merchant,
    /** No usable answer: run it again. */
    outcome: Type.Literal('failed'),
    ...why
  }, { description: 'No usable answer: run it again' })
], { $id: 'CloverMigrationOutcome', description: 'The outcome of one item of migrateLegacy()' })
export type MigrationOutcome = Static<typeof MigrationOutcome>

/** @internal The reason of a merchant whom a stop left unbegun: no call was made for it. */
export const notBegun = 'The run was stopped before this merchant was begun: run it again.'

/** The progress of `migrateLegacy()`: counts of items. */
export const MigrationProgress = Type.Object({
  /** Items that have an outcome: the sum of the next four. */
  done: Type.Integer({ description: 'Items that have an outcome: the sum of the next four' }),
  /** Items whose merchant has a pair of tokens now. */
  migrated: Type.Integer({ description: 'Items whose merchant has a pair of tokens now' }),
  /** Items whose merchant had a pair, which was kept. */
  alreadyConnected: Type.Integer({ description: 'Items whose merchant had a pair, which was kept' }),
  /** Items for which another run does not help. */
  refused: Type.Integer({ description: 'Items for which another run does not help' }),
  /** Items without a usable answer: run it again. */
  failed: Type.Integer({ description: 'Items without a usable answer: run it again' }),
  /** Items in all; absent: unknown. */
  total: Type.Optional(Type.Integer({ description: 'Items in all; absent: unknown' })),
  /** Merchants a second, averaged over the last half minute; those who had a pair already do not count. */
  rate: Type.Number({ description: 'Merchants a second, averaged over the last half minute; those who had a pair already do not count' }),
  /** Seconds until the end at that rate; absent: the total or the rate is unknown. */
  timeLeft: Type.Optional(Type.Number({ description: 'Seconds until the end at that rate; absent: the total or the rate is unknown' }))
}, { $id: 'CloverMigrationProgress', description: 'The progress of migrateLegacy()' })
export type MigrationProgress = Static<typeof MigrationProgress>

const fields = {
  /** Requests a second to Clover, of this process, 0.01 to 1000; a merchant takes three. Default: 20. */
  rate: Type.Number({ minimum: 0.01, maximum: 1000, default: 20, must: 'a number from 0.01 to 1000' }),
  /** Merchants at once, 1 to 100; their requests are capped at half of `maxCalls`. Default: 4. */
  concurrency: Type.Integer({ minimum: 1, maximum: 100, default: 4, must: 'a whole number from 1 to 100' }),
  /** How many items there are, for the progress. Default: the length of an array or the size of a Set, otherwise unknown. */
  total: Type.Integer({ minimum: 0, must: 'a whole number' })
}

/** The options of `migrateLegacy()` that are data. `must` is the error text for a wrong value. */
export const MigrationData = Type.Object(fields, { additionalProperties: false })
export type MigrationData = Static<typeof MigrationData>

/** The options of `migrateLegacy()`. */
export interface MigrationOptions extends Partial<MigrationData> {
  /** Ends the run early without an error: merchants in progress are finished. */
  signal?: AbortSignal | undefined
  /** Called with the numbers so far, once a second at most and at the end of the run. Not awaited. */
  onProgress?: ((progress: MigrationProgress) => unknown) | undefined
}

/** @internal The schema of the options of `migrateLegacy()`. */
export const MigrationArgument = optionsOf<MigrationOptions>({ ...fields, signal: Signal, onProgress: Callback() })
