import { Type, type Static } from '@sinclair/typebox'
import { LegacyTokenReply } from '../clover/wire.js'
import { MerchantId } from '../tokens/installation.js'

/** A merchant with a legacy token, for `migrateLegacy()`. */
export const LegacyToken = Type.Object({
  merchantId: MerchantId,
  legacyToken: Type.Optional(Type.String({
    ...LegacyTokenReply.properties.access_token, description: 'The v1 token; left out: the one that is stored for the merchant'
  }))
}, { $id: 'CloverLegacyToken', description: 'A merchant with a legacy token' })
export type LegacyToken = Static<typeof LegacyToken>

const place = { index: Type.Integer({ description: 'The item\'s place in the source, from 0' }) }
const why = {
  reason: Type.String({ description: 'A sentence, without secrets' }),
  code: Type.Optional(Type.String({ description: 'The code of the error, such as FST_CLOVER_DENIED' }))
}

/** What came of one item of `migrateLegacy()`. None holds a token or a code. */
export const MigrationOutcome = Type.Union([
  Type.Object({ ...place, merchantId: MerchantId, outcome: Type.Literal('migrated') },
    { description: 'The merchant has a pair of tokens now' }),
  Type.Object({ ...place, merchantId: MerchantId, outcome: Type.Literal('already-connected') },
    { description: 'The merchant had a pair, which was left alone' }),
  Type.Object({ ...place, merchantId: Type.Union([MerchantId, Type.Null()], { description: 'null: the item has none' }), outcome: Type.Literal('refused'), ...why },
    { description: 'The item, or Clover, says no: another run does not help' }),
  Type.Object({ ...place, merchantId: MerchantId, outcome: Type.Literal('failed'), ...why },
    { description: 'No usable answer: run it again' })
], { $id: 'CloverMigrationOutcome', description: 'What came of one item of migrateLegacy()' })
export type MigrationOutcome = Static<typeof MigrationOutcome>

/** How far `migrateLegacy()` is. */
export const MigrationProgress = Type.Object({
  done: Type.Integer(),
  migrated: Type.Integer(),
  alreadyConnected: Type.Integer(),
  refused: Type.Integer(),
  failed: Type.Integer(),
  total: Type.Optional(Type.Integer()),
  rate: Type.Number({ description: 'Merchants a second, of late' }),
  timeLeft: Type.Optional(Type.Number({ description: 'Seconds, where the total and the rate are known' }))
}, { $id: 'CloverMigrationProgress', description: 'How far migrateLegacy() is' })
export type MigrationProgress = Static<typeof MigrationProgress>

/** The options of `migrateLegacy()` that are data. `must` is what the error says of a wrong one. */
export const MigrationData = Type.Object({
  rate: Type.Optional(Type.Number({
    minimum: 0.01, maximum: 1000, default: 20, must: 'a number from 0.01 to 1000', description: 'Requests a second to Clover; a merchant takes three'
  })),
  concurrency: Type.Optional(Type.Integer({
    minimum: 1, maximum: 100, default: 4, must: 'a whole number from 1 to 100', description: 'Merchants at once; their calls are at most half of maxCalls'
  })),
  total: Type.Optional(Type.Integer({
    minimum: 0, must: 'a whole number', description: 'How many items there are, for the progress; known of an array or a Set'
  }))
}, { additionalProperties: false })

/** The options of `migrateLegacy()`. */
export interface MigrationOptions extends Static<typeof MigrationData> {
  /** Ends the run without an error: merchants under way are finished. */
  signal?: AbortSignal | undefined
  /** Told how far the run is, once a second at most and at its end. Not awaited. */
  onProgress?: ((progress: MigrationProgress) => unknown) | undefined
}
