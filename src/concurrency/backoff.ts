/** @internal Waits that grow, in milliseconds. */
export interface Backoff {
  first: number
  longest: number
  /** How many times as long as the wait before; 2 by default. */
  factor?: number
}

/** @internal The milliseconds of a wait, with jitter; `round` counts from 0. */
export function backoff ({ first, longest, factor = 2 }: Backoff, round: number, jitter: () => number): number {
  return spread(Math.min(longest, first * factor ** round), jitter)
}

/** @internal Half of a wait at least, and all of it at most: calls that failed together are not repeated together. */
export function spread (wait: number, jitter: () => number): number {
  return wait * (0.5 + jitter() / 2)
}
