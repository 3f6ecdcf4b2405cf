import { Type, type Static } from '@sinclair/typebox'
import { Callback, optionsOf, Signal } from '../checks/arguments.js'

const fields = {
  /** Seconds, 0 to 31536000: a refresh token that ends within them is refreshed; at most half of its lifetime is used. Default: 2592000 (30 days). */
  within: Type.Number({ minimum: 0, maximum: 31_536_000, default: 2_592_000, must: 'a number of seconds from 0 to 31536000' }),
  /** Requests a second to Clover, of this process, 0.01 to 1000. Default: 5. */
  rate: Type.Number({ minimum: 0.01, maximum: 1000, default: 5, must: 'a number from 0.01 to 1000' }),
  /** Merchants at once, 1 to 100; capped at half of `maxCalls`. Default: 4. */
  concurrency: Type.Integer({ minimum: 1, maximum: 100, default: 4, must: 'a whole number from 1 to 100' })
}

/** The settings of a keep-alive pass, with their defaults. `must` is the error text for a wrong value. */
export const KeepAlivePass = Type.Object(fields, { additionalProperties: false })
export type KeepAlivePass = Static<typeof KeepAlivePass>

/** The plugin's option `keepAlive`, unless it is `false`: how often a pass is made, and how. */
export const KeepAliveSchedule = Type.Object({
  /** Seconds between two passes, 1 to 604800. Default: 3600. */
  every: Type.Number({ minimum: 1, maximum: 604_800, default: 3600, must: 'a number of seconds from 1 to 604800' }),
  ...fields
}, { additionalProperties: false })
export type KeepAliveSchedule = Static<typeof KeepAliveSchedule>

/** The result of a keep-alive pass: counts of records and merchants. */
export const KeepAliveSummary = Type.Object({
  /** Records that were read: all, or in passes after the first of a day only those that the store finds due. */
  candidates: Type.Integer({ description: 'Records that were read: all, or in passes after the first of a day only those that the store finds due' }),
  /** Merchants whose tokens had to be refreshed. */
  due: Type.Integer({ description: 'Merchants whose tokens had to be refreshed' }),
  /** Merchants of these: refreshed, recovered, or found to work after all. */
  refreshed: Type.Integer({ description: 'Merchants of these: refreshed, recovered, or found to work after all' }),
  /** Merchants of these: no longer due when their turn came, since another server was faster or they left, or not begun. */
  skipped: Type.Integer({ description: 'Merchants of these: no longer due when their turn came, since another server was faster or they left, or not begun' }),
  /** Merchants of these: Clover refuses every stored token, so the merchant must authorize again. Tried again later. */
  refused: Type.Integer({ description: 'Merchants of these: Clover refuses every stored token, so the merchant must authorize again. Tried again later' }),
  /** Merchants of these: no usable answer of Clover or of the store. Tried again at the next pass. */
  failed: Type.Integer({ description: 'Merchants of these: no usable answer of Clover or of the store. Tried again at the next pass' }),
  /** Merchants who would be due, but whose refresh is in progress elsewhere or failed a moment ago: left to the next pass. */
  inProgress: Type.Integer({ description: 'Merchants who would be due, but whose refresh is in progress elsewhere or failed a moment ago: left to the next pass' }),
  /** Records that cannot be read, or that are of another app or deployment: they are passed over. */
  unusable: Type.Integer({ description: 'Records that cannot be read, or that are of another app or deployment: they are passed over' }),
  /** Whether the pass came to its end; false: it was stopped before. */
  isComplete: Type.Boolean({ description: 'Whether the pass came to its end; false: it was stopped before' })
}, { $id: 'CloverKeepAliveSummary', description: 'A pass of keep-alive' })
export type KeepAliveSummary = Static<typeof KeepAliveSummary>

/** The options of `keepAlive()`, which makes one pass. */
export interface KeepAliveOptions extends Partial<KeepAlivePass> {
  /** Ends the pass early: refreshes in progress are finished. */
  signal?: AbortSignal | undefined
  /** Called with the numbers so far, once a second at most and at the end of the pass. Not awaited. */
  onProgress?: ((progress: KeepAliveSummary) => unknown) | undefined
}

/** @internal The schema of the options of `keepAlive()`. */
export const KeepAliveArgument = optionsOf<KeepAliveOptions & { every?: undefined }>({
  ...fields,
  every: Type.Never({ must: "left out: keepAlive() makes one pass, and the plugin's option keepAlive: { every } says how often the server makes one by itself" }),
  signal: Signal,
  onProgress: Callback()
})
