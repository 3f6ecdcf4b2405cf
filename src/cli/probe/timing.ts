import { realRuntime, type Runtime } from '../../runtime.js'

/** @internal The clocks of the probe, and how long it waits, in milliseconds: tests inject their own. */
export interface ProbeTiming extends Pick<Runtime, 'fetch' | 'wallClock' | 'monotonic' | 'sleep' | 'random'> {
  /** The timeout of a call to Clover. */
  callTimeout: number
  /** How long a request of the browser is held: proxies end those that take a minute. */
  hold: number
  /** How long a person may take at Clover. */
  patience: number
  /** The same, once the probe was stopped. */
  lastPatience: number
  /** After this time without the browser a hint is printed. */
  hint: number
  /** How long the browser may take to fetch the last page. */
  farewell: number
}

/** @internal The times of the probe at a real Clover. */
export const realTiming: ProbeTiming = {
  ...realRuntime,
  callTimeout: 20_000,
  hold: 25_000,
  patience: 900_000,
  lastPatience: 60_000,
  hint: 30_000,
  farewell: 3_000
}
