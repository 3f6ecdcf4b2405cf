import type { CloverBehaviour } from './clover.js'
import type { TokenModules } from './modules.js'

/*
 * The types of a run: its tasks, its faults, and its operations in progress.
 */

/** A task of a process. */
export type Task = 'call' | 'force' | 'connect' | 'disconnect'

/**
 * What may go wrong. `put`: a write errors, done or not done. `ghost`: a write errors and is done later. `get`: a read errors. `lost`: Clover's answer is
 * lost, before or after Clover handled the request. `orphan`: it times out, and Clover handles it later. `expire`: a lease ends although
 * its holder is at work. `silence`: the holder is at work, and others take it for dead. `refuse`: Clover says 401 to a good token. `outage`: it says so, or 503, to everybody for a while. `odd`: a reply
 * without access token.
 */
export type Fault = 'put' | 'ghost' | 'get' | 'lost' | 'orphan' | 'crash' | 'expire' | 'silence' | 'refuse' | 'outage' | 'odd'

export interface Scenario extends CloverBehaviour {
  name: string
  trust: 'high' | 'low'
  /** The tasks of each process, begun in this order. */
  processes: readonly (readonly Task[])[]
  /** What is stored at first. */
  start: 'stale' | 'fresh' | 'marked' | 'dead' | 'none'
  faults: readonly Fault[]
  /** The most faults in one run. */
  budget: number
  /** How often the access token grows stale during the run. */
  ages?: number
  /** After the run nobody asks for the merchant for fifteen days: only keep-alive looks at what is due. */
  quiet?: boolean
  /** What is asked answers at a moment of its own, later than it took effect; tasks begin at one of their own; sleeps take time. */
  loose?: boolean
  /**
   * How often attempts renew their records during the run. Only then are their sleeps between two renewals steps, and may a server take a silent
   * attempt for dead before its lease ends. Default: no renewals.
   */
  heartbeats?: number
  /** Takes so long to go through completely that it belongs to the full share. */
  isLarge?: boolean
}

export interface Action {
  /** Names the step in a trace; unique among those possible at a moment. */
  label: string
  cost: 0 | 1
  process: number
  apply: () => void
}

/** A property that a run broke. */
export interface Violation { property: string, what: string }

/** A call to the store or to Clover, or a sleep, in progress. */
export interface Operation {
  process: Process
  kind: 'get' | 'put' | 'delete' | 'refresh' | 'recover' | 'exchange' | 'merchant' | 'sleep'
  label: string
  /** What it does to the store or at Clover, and the answer to it; absent once done. */
  effect?: (() => unknown) | undefined
  /** The answer, once the effect has happened. */
  answer?: unknown
  resolve: (value: unknown) => void
  reject: (error: Error) => void
  /** For sleeps: when it ends (Unix milliseconds), and whether a signal can end it. */
  wakeAt?: number
  wakeable?: boolean
  /** A sleep between two renewals of an attempt. */
  isHeartbeat?: boolean
}

/** A server. */
export interface Process {
  index: number
  generation: number
  isDead: boolean
  /** All that it has learnt, by which its state is known. */
  history: number
  ids: number
  queue: Task[]
  running: number
  /** A pair that came from Clover to this process and is not stored. */
  unstored: string | undefined
  /** The revision that it read last. */
  seen: string | undefined
  lastDelivered: string
  parts: Parts
}

/** A process's own parts of the plugin. */
export interface Parts {
  refreshes: ReturnType<TokenModules['createRefreshing']>['refreshes']
  reader: ReturnType<TokenModules['createRefreshing']>['reader']
  make: InstanceType<TokenModules['RecordMaker']>
  connecting: (began: { step: number }) => ReturnType<TokenModules['createConnecting']>
}
