/** The faults of a world. */
export interface Faults {
  /** A request never reaches Clover, or its answer is lost. */
  answers?: boolean
  /** A caller gives up on a request that Clover handles later. */
  lateRequests?: boolean
  /** Clover refuses a token that works. */
  refusals?: boolean
  /** A process ends at any moment, and starts again without memory. */
  crashes?: boolean
  /** A lease ends although its attempt is at work: its time is over, or the attempt is stopped for so long that it counts as dead. */
  leases?: boolean
  /** The store fails, and did or did not do what it was asked for. */
  store?: boolean
  /** A write that failed happens later. */
  lateWrites?: boolean
  /** A crash or a lost answer may also hit a pair that nothing brings back: one of a recovery that works once, or any pair in low trust. */
  irreplaceable?: boolean
}

/** A world to go through: who is there, and what can happen. */
export interface Setting {
  processes: number
  /** `low`: Clover has no recovery. */
  trust: 'high' | 'low'
  /** Whether Clover recovers again with a token that it has recovered with. */
  recovery: 'reusable' | 'once'
  /** Whether Clover says so where it refuses a token that it would recover. */
  offersRecovery: boolean
  /** `left`: the merchant has left at Clover, so that the stored pair is dead, and has not authorized again. */
  start: 'connected' | 'nothing' | 'left'
  faults: Faults
  /** The most faults, connections and disconnections in one history. */
  faultsAtMost: number
  /** Callbacks that may be in progress at once. */
  callbacks: number
  /** Attempts renew their records while they wait for Clover, or between two calls. */
  heartbeats: boolean
  disconnects: boolean
  /** If more than 0, tokens are refreshed only once they have grown old, so often. Otherwise anybody refreshes at any time. */
  ages: number
}

export const quiet: Setting = {
  processes: 2, trust: 'high', recovery: 'reusable', offersRecovery: true, start: 'connected', faults: {}, faultsAtMost: Infinity, callbacks: 0, heartbeats: false, disconnects: false, ages: 0
}
