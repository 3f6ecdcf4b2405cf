import { Type, type Static } from '@sinclair/typebox'

/** The options of `keepAlive()` that are data. `must` is what the error says of a wrong one. */
export const KeepAliveData = Type.Object({
  every: Type.Optional(Type.Number({
    minimum: 1, maximum: 604_800, must: 'a number of seconds from 1 to 604800', description: 'Seconds between two passes; left out: one pass'
  })),
  within: Type.Optional(Type.Number({
    minimum: 0,
    maximum: 31_536_000,
    default: 2_592_000,
    must: 'a number of seconds from 0 to 31536000',
    description: 'Seconds of life that a refresh token must have left; at most half of its life is asked for'
  })),
  rate: Type.Optional(Type.Number({
    minimum: 0.01, maximum: 1000, default: 5, must: 'a number from 0.01 to 1000', description: 'Requests a second to Clover'
  })),
  concurrency: Type.Optional(Type.Integer({
    minimum: 1, maximum: 100, default: 4, must: 'a whole number from 1 to 100', description: 'Merchants at once; at most half of maxCalls'
  }))
}, { additionalProperties: false })

/** What a pass of `keepAlive()` came to. */
export const KeepAliveSummary = Type.Object({
  looked: Type.Integer({ description: 'Records that the store listed' }),
  due: Type.Integer({ description: 'Merchants whose tokens had to be refreshed' }),
  refreshed: Type.Integer({ description: 'Of these: refreshed, recovered, or found to work after all' }),
  skipped: Type.Integer({ description: 'Of these: no longer due when their turn came, since another server was faster or they left, or not begun' }),
  refused: Type.Integer({ description: 'Of these: Clover refuses every stored token, so the merchant must authorize again. Tried again later' }),
  failed: Type.Integer({ description: 'Of these: no usable answer of Clover or of the store. Tried again at the next pass' }),
  unusable: Type.Integer({ description: 'Records that do not open, or that another app made: nothing is done for them' }),
  isComplete: Type.Boolean({ description: 'false: it was stopped before its end' })
}, { $id: 'CloverKeepAliveSummary', description: 'A pass of keepAlive()' })
export type KeepAliveSummary = Static<typeof KeepAliveSummary>

/** The options of `keepAlive()`. */
export interface KeepAliveOptions extends Static<typeof KeepAliveData> {
  /** Ends it: refreshes under way are finished. */
  signal?: AbortSignal | undefined
  /** Told how far a pass is, once a second at most and at its end. Not awaited. */
  onProgress?: ((progress: KeepAliveSummary) => unknown) | undefined
}
