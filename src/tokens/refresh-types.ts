import type { CloverClient, PairAnswer } from '../clover/client.js'
import type { Notify } from '../events/table.js'
import type { Installation } from '../installation.js'
import type { Heartbeat } from './heartbeat.js'
import type { ObtainedPair, RecordMaker } from './record.js'
import type { Runtime } from '../runtime.js'
import type { CallSlots } from '../concurrency/call-slots.js'
import type { Store } from './store.js'

/** @internal What the protocol of a refresh needs. */
export interface RefreshDependencies {
  store: Pick<Store, 'get' | 'put'>
  clover: Pick<CloverClient, 'refresh' | 'recover'>
  clock: { now (): number }
  runtime: Pick<Runtime, 'monotonic' | 'sleep' | 'jitter'>
  make: RecordMaker
  slots: Pick<CallSlots, 'run' | 'admit'>
  notify: Notify
  /** `low`: the app has no secret, and Clover offers no recovery. */
  trust: 'high' | 'low'
  /** Milliseconds: timeout of one call to Clover. */
  callTimeout: number
  /** Milliseconds: timeout of one call to the store. */
  storageTimeout: number
  /** Whether the server closes so soon that a refresh which begins now could not be finished. */
  isClosing?: () => boolean
}

/** @internal The result that a caller needs from a refresh. */
export interface RefreshGoal {
  /** Whether a stored record serves the caller as it is. */
  enough (record: Installation): boolean
  /** `true`: refreshes although the record is marked, for operators. Default: `false`. */
  force?: boolean
  /** Whether a caller still waits: otherwise the refresh is not begun. Default: always `true`. */
  isWanted?: () => boolean
}

/** @internal The record that serves the caller; `unsaved` if its pair is not stored yet. */
export interface Refreshed {
  record: Installation
  unsaved?: UnsavedPair
}

/** @internal A pair that Clover gave and the store does not have yet. It may be the merchant's only pair that works. */
export interface UnsavedPair {
  /** The record that is to be written. */
  next: Installation
  /** The revision that must be stored for the write to succeed. */
  expected: string
  /** The refresh token of the record from which the refresh began. */
  base: string
  /** The attempt that obtained it, as its leases name it. */
  by: string
  pair: ObtainedPair
  /** Unix seconds: when Clover first refused the merchant; undefined unless the write ends a mark. */
  refusedSince: number | undefined
}

/** @internal One attempt to refresh a record. */
export interface Claim {
  /** Names the attempt in its leases. */
  by: string
  /** The record as it was read, and then with this attempt's lease. */
  record: Installation
  /** How often one call to Clover is tried. */
  attempts: number
  /** `true`: a failed write of the lease is thrown instead of retried. */
  isLastTry: boolean
  /** Monotonic milliseconds: Clover's clock measures no duration, since answers move it. */
  began: number
  /** Another attempt left a lease or a mark: its recovery may still reach Clover, and end what this attempt obtains. */
  isDoubtful: boolean
  /** Whether a caller still waits. Always `true` once the lease is written: then the refresh is finished in any case. */
  isWanted: () => boolean
  /** Releases this attempt's place in the admission queue. */
  leaveQueue: () => void
  /** Renews the record while Clover is called. Absent in low trust. */
  heartbeat?: Heartbeat
}

/** @internal Thrown if all callers left before their refresh was begun. */
export class Unwanted extends Error {}

/** @internal One refresh, over all its rounds. */
export interface Run {
  merchantId: string
  goal: RefreshGoal
  /** Names this attempt in its leases. */
  by: string
  /** Monotonic milliseconds: then the wait for another server's refresh ends with an error. */
  giveUpAt: number
}

/** @internal A new pair, before it is written. */
export interface Obtained {
  claim: Claim
  answer: Extract<PairAnswer, { outcome: 'ok' | 'odd' }>
  /** The refresh token that was presented. */
  presented: string
  recovered: boolean
}
