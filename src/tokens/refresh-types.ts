import type { CloverClient } from '../clover/client.js'
import type { Notify } from './events.js'
import type { Installation } from './installation.js'
import type { ObtainedPair, RecordMaker } from './record.js'
import type { Runtime } from './runtime.js'
import type { Slots } from './slots.js'
import type { Store } from './store.js'

/** @internal */
export interface RefreshDependencies {
  store: Pick<Store, 'get' | 'put'>
  clover: Pick<CloverClient, 'refresh' | 'recover'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'now' | 'sleep' | 'jitter'>
  make: RecordMaker
  slots: Pick<Slots, 'run' | 'near'>
  notify: Notify
  /** `low`: the app has no secret, and Clover no recovery for it. */
  trust: 'high' | 'low'
  /** Milliseconds of one call to Clover. */
  callTimeout: number
  /** Milliseconds of one call to the store. */
  storageTimeout: number
  /** Whether the server is so near to its end that what is begun now would not be finished. */
  isClosing?: () => boolean
}

/** @internal What a caller wants of a refresh. */
export interface RefreshGoal {
  /** Whether a stored record serves the caller as it is. */
  enough (record: Installation): boolean
  /** Try although the record is marked: for operators. */
  force?: boolean
}

/** @internal The record that serves the caller; `held` if its pair is not stored yet. */
export interface Refreshed {
  record: Installation
  held?: HeldPair
}

/** @internal A pair that Clover gave and the store does not have yet. It is the only trace of a living token: never let go of it lightly. */
export interface HeldPair {
  /** The record that is to be written. */
  next: Installation
  /** The revision that must be stored for the write to succeed. */
  expected: string
  /** The refresh token of the record from which the refresh began. */
  base: string
  /** The attempt that obtained it, as in its leases. */
  by: string
  pair: ObtainedPair
  /** Unix seconds: since when Clover had refused the merchant, where the write ends a mark. */
  refusedSince: number | undefined
}
