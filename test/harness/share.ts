/*
 * The long searches have a short share in `npm test`, and their full share in `npm run test:long`, which sets FASTIFY_CLOVER_LONG. `.ci/run` runs
 * both. Without other settings each share is the same every time, so that a failure is due to what was changed; the variables in test/README.md
 * draw new cases.
 */

/** Whether this run is the full share. */
export const isLong = process.env.FASTIFY_CLOVER_LONG === '1'

/** Why a test is skipped that belongs to the full share only; false in the full share, where it runs. For tap's option `skip`. */
export const onlyLong = !isLong && 'a part of npm run test:long'

/** How much of a search this run does. */
export function share<T> (short: T, full: T): T {
  return isLong ? full : short
}

/** The number in an environment variable, or else one that is given. */
export function numberOf (variable: string, otherwise: number): number {
  return Number(process.env[variable] ?? otherwise)
}
