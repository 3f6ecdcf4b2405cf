import { owner, type Owner } from './leases.js'
import type { Setting } from './setting.js'

/** A refresh token, by a number that says nothing but which one it is; 0: none. */
export type Token = number

/** The token that a move has just made. It gets its number when the state is written down. */
export const newToken: Token = 255

/**
 * A remembered revision. Revisions never repeat, so it matters only whether the remembered one is stored still.
 * `none`: no record is expected to be there.
 */
export type Revision = 'none' | 'stored' | 'outdated'

/** The stored record: the fields that the rules use. */
export interface StoredRecord {
  /** `refreshToken` */
  token: Token
  /** `spentRefreshToken` */
  spent: Token
  isRecovered: boolean
  /** `refreshLease.by` */
  lease: Owner
  /** The lease's time is over. */
  isLeaseOver: boolean
  /** `reauthorizationRequired` */
  isMarked: boolean
  /** It has `confirmAt`. */
  isDoubtful: boolean
}

/** The tokens of one authorization at Clover. */
export interface Chain {
  /** The refresh token that works. */
  live: Token
  /** The token that was spent for it, with which it can be recovered. */
  spent: Token
}

export type Call = 'refresh' | 'recover' | 'recover the spent'

/** A request whose caller has given up, and which Clover may still handle. */
export interface LateRequest {
  isRecovery: boolean
  token: Token
}

/** A write that failed for its caller, and that may still happen: over the stored record, or where there is none. */
export interface LateWrite {
  record: StoredRecord
  over: 'none' | 'stored'
  /** A callback's pair. */
  isConnection: boolean
  /** The process whose callback it is, while that lasts; -1: nobody's. */
  callback: number
}

/**
 * Where a refresh is.
 *
 * - `idle`: nobody refreshes.
 * - `lease`: is about to write its lease, and to send its call then.
 * - `look`: does not know whether its lease was written, and is about to read.
 * - `asked`: has sent its call.
 * - `write`: has a pair that is not stored, and is about to write it.
 * - `settle`: was refused the write, and is about to read.
 * - `mark`: every token was refused; is about to write the mark.
 */
export type Step = 'idle' | 'lease' | 'look' | 'asked' | 'write' | 'settle' | 'mark'

export interface Process {
  step: Step
  /** The call that comes next or was sent. */
  call: Call
  /** The tokens of the record from which the refresh began. */
  base: Token
  spent: Token
  revision: Revision
  /** A recovery of the presented token may still be on its way (rule 18). */
  isDoubtful: boolean
  /** The next attempt of this process may go on under this one's lease. */
  isRemembered: boolean
  /** Clover has handled the call, and the answer is on its way. */
  isAnswered: boolean
  /** The new pair: in the answer, or held; 0: Clover refused. */
  pair: Token
  /** The token presented for the held pair. */
  presented: Token
  /** The held pair came by recovery. */
  isRecovered: boolean
  callback: Callback
}

/** A callback of an authorization, at work beside the process's refresh. */
export interface Callback {
  step: 'idle' | 'exchange' | 'write' | 'look'
  /** The refresh token of its pair. */
  token: Token
  revision: Revision
  /** Whose connection is stored, by `connectionId`. `none`: there was no record when the callback began; `same`: the one that it found. */
  stored: 'none' | 'same' | 'mine' | 'other'
  /** A write of its failed, and may have happened. */
  isUnknown: boolean
}

export interface World {
  record: StoredRecord | undefined
  /** At most two, the older first. */
  chains: Chain[]
  lateRequest: LateRequest | undefined
  lateWrite: LateWrite | undefined
  processes: Process[]
  /** The stored pair was alive when a recovery ended it, and is stored still: for P2. */
  isKilled: boolean
  /** The merchant has left, and only a new authorization can help. */
  hasLeft: boolean
  /** How many more faults can happen; without a limit always 0. */
  faultsLeft: number
  /** Where refreshes wait for a token to grow old: the token that did, and the calls made for it. For P4. */
  stale: Token
  calls: number
  agesLeft: number
}

export const idleCallback: Readonly<Callback> = { step: 'idle', token: 0, revision: 'none', stored: 'none', isUnknown: false }

export const idleProcess: Readonly<Omit<Process, 'callback'>> = {
  step: 'idle', call: 'refresh', base: 0, spent: 0, revision: 'none', isDoubtful: false, isRemembered: false, isAnswered: false, pair: 0, presented: 0, isRecovered: false
}

/** A merchant who is connected, or one who is not yet; nobody does anything. */
export function start ({ processes, start, faultsAtMost, ages }: Setting): World {
  const hasLeft = start === 'left'
  const record = { token: 1, spent: 0, isRecovered: false, lease: owner.nobody, isLeaseOver: false, isMarked: hasLeft, isDoubtful: false }
  return {
    record: start === 'nothing' ? undefined : record,
    chains: start === 'connected' ? [{ live: 1, spent: 0 }] : [],
    lateRequest: undefined,
    lateWrite: undefined,
    processes: Array.from({ length: processes }, () => ({ ...idleProcess, callback: { ...idleCallback } })),
    isKilled: false,
    hasLeft,
    faultsLeft: faultsAtMost === Infinity ? 0 : faultsAtMost,
    stale: 0,
    calls: 0,
    agesLeft: ages
  }
}

export function copy (world: World): World {
  const { record, chains, lateWrite, lateRequest, processes, isKilled, hasLeft, faultsLeft, stale, calls, agesLeft } = world
  return {
    record: record && { ...record },
    chains: chains.map(({ live, spent }) => ({ live, spent })),
    lateRequest,
    lateWrite: lateWrite && { ...lateWrite, record: { ...lateWrite.record } },
    processes: processes.map(copyProcess),
    isKilled,
    hasLeft,
    faultsLeft,
    stale,
    calls,
    agesLeft
  }
}

/** Each field by its name: millions of times, that is four times as fast as `...`. */
function copyProcess ({ step, call, base, spent, revision, isDoubtful, isRemembered, isAnswered, pair, presented, isRecovered, callback }: Process): Process {
  const { step: at, token, revision: of, stored, isUnknown } = callback
  return { step, call, base, spent, revision, isDoubtful, isRemembered, isAnswered, pair, presented, isRecovered, callback: { step: at, token, revision: of, stored, isUnknown } }
}
