import { Type, type Static } from '@sinclair/typebox'

const fields = {
  within: Type.Number({
    minimum: 0,
    maximum: 31_536_000,
    default: 2_592_000,
    must: 'a number of seconds from 0 to 31536000',
    description: 'Seconds: a refresh token that ends within them is refreshed. At most half of its life is used'
  }),
  rate: Type.Number({
    minimum: 0.01, maximum: 1000, default: 5, must: 'a number from 0.01 to 1000', description: 'Requests a second to Clover, of this process'
  }),
  concurrency: Type.Integer({
    minimum: 1, maximum: 100, default: 4, must: 'a whole number from 1 to 100', description: 'Merchants at once; at most half of maxCalls'
  })
}

/** How a pass of keep-alive is made, each field with its default. `must` is what the error says of a wrong one. */
export const KeepAlivePass = Type.Object(fields, { additionalProperties: false })
export type KeepAlivePass = Static<typeof KeepAlivePass>

/** @internal What `keepAlive()` checks its options against. */
export const KeepAliveArgument = Type.Object({
  ...fields,
  every: Type.Undefined({ must: "left out: keepAlive() makes one pass, and the plugin's option keepAlive: { every } says how often the server makes one by itself" })
})

/** The plugin's option `keepAlive`, unless it is `false`: how often a pass is made, and how. */
export const KeepAliveSchedule = Type.Object({
  every: Type.Number({
    minimum: 1, maximum: 604_800, default: 3600, must: 'a number of seconds from 1 to 604800', description: 'Seconds between two passes'
  }),
  ...fields
}, { additionalProperties: false })
export type KeepAliveSchedule = Static<typeof KeepAliveSchedule>

/** What a pass of keep-alive came to. */
export const KeepAliveSummary = Type.Object({
  candidates: Type.Integer({ description: 'Records that were read: all, or in passes after the first of a day only those that the store finds due' }),
  due: Type.Integer({ description: 'Merchants whose tokens had to be refreshed' }),
  refreshed: Type.Integer({ description: 'Of these: refreshed, recovered, or found to work after all' }),
  skipped: Type.Integer({ description: 'Of these: no longer due when their turn came, since another server was faster or they left, or not begun' }),
  refused: Type.Integer({ description: 'Of these: Clover refuses every stored token, so the merchant must authorize again. Tried again later' }),
  failed: Type.Integer({ description: 'Of these: no usable answer of Clover or of the store. Tried again at the next pass' }),
  unusable: Type.Integer({ description: 'Records that do not open, or that another app made: nothing is done for them' }),
  isComplete: Type.Boolean({ description: 'false: it was stopped before its end' })
}, { $id: 'CloverKeepAliveSummary', description: 'A pass of keep-alive' })
export type KeepAliveSummary = Static<typeof KeepAliveSummary>

/** The options of `keepAlive()`, which makes one pass. */
export interface KeepAliveOptions extends Partial<KeepAlivePass> {
  /** Ends the pass early: refreshes in progress are finished. */
  signal?: AbortSignal | undefined
  /** Called with the numbers so far, once a second at most and at the end of the pass. Not awaited. */
  onProgress?: ((progress: KeepAliveSummary) => unknown) | undefined
}
