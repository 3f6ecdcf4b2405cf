import { Type, type Static } from '@sinclair/typebox'
import { optionsOf, Signal } from '../checks/arguments.js'
import { KeepAlivePass } from './keep-alive-options.js'

/** The options of `due()`. */
export interface DueOptions {
  /** Seconds, 0 to 31536000: as for `keepAlive()`. Default: 2592000 (30 days). */
  within?: number | undefined
  /** Ends the listing early, without an error. */
  signal?: AbortSignal | undefined
}

/** The result of `refreshIfDue()`. */
export const DueOutcome = Type.Union([
  Type.Literal('refreshed', { description: 'The merchant has new tokens, or the stored ones were found to work after all' }),
  Type.Literal('skipped', { description: 'The merchant is not due, or not connected any more' }),
  Type.Literal('refused', { description: 'Clover refuses every stored token: the merchant must authorize again. Due again a day later' }),
  Type.Literal('failed', { description: 'No usable answer of Clover or of the store, or a refresh whose outcome is not known yet: try again in a minute or later' })
], { $id: 'CloverDueOutcome', description: 'What became of a merchant' })
export type DueOutcome = Static<typeof DueOutcome>

const { within } = KeepAlivePass.properties

/** @internal The schema of the options of `due()`. */
export const DueArgument = optionsOf<DueOptions>({ within, signal: Signal })

/** @internal The schema of the options of `refreshIfDue()`. */
export const RefreshIfDueArgument = optionsOf<Pick<DueOptions, 'within'>>({ within })
