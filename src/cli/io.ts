import type { Timing } from '../concurrency/deadline.js'

/** @internal Where a command prints to. `columns`: the width of a terminal. */
export interface Output {
  write (text: string): unknown
  columns?: number
}

/** @internal What a command reads and prints to: the process's own, or a test's. */
export interface Io {
  stdout: Output
  stderr: Output
  stdin: AsyncIterable<Uint8Array | string>
  /** Whether a person sees both stdout and stderr. Programs get JSON. */
  isTerminal: boolean
  env: Record<string, string | undefined>
  /** Aborted when the command must stop: it finishes what is in progress. */
  signal: AbortSignal
  /** The timers of deadlines. Default: real ones. */
  timing?: Timing
}
