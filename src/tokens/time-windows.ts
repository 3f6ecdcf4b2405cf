import { invalidOptions } from '../errors.js'

/** @internal A time from `since` to `until`, both included, in Unix milliseconds. */
export interface TimeWindow {
  since: number
  until: number
}

/** @internal The time of which a caller wants the elements. */
export interface Period extends TimeWindow {
  /** The field that has an element's time, where the caller names one. */
  field: string | undefined
}

/** Milliseconds: what Clover gives at most in one request. */
const longestWindow = 90 * 24 * 3_600_000

/** Clover has nothing older: a time before is in seconds by mistake. */
const earliest = Date.UTC(2000)

/**
 * @internal Checks the options for a period of time; undefined if the caller gave none.
 *
 * @param now Unix milliseconds by Clover's clock
 * @throws FST_CLOVER_INVALID_OPTIONS
 */
export function periodOf ({ since, until, timeField }: { since?: Date | number, until?: Date | number, timeField?: string }, now: number): Period | undefined {
  const problems: string[] = []
  const take = (name: string, value: Date | number) => {
    const time = value instanceof Date || typeof value === 'number' ? Number(value) : NaN
    if (!(Number.isFinite(time) && time >= earliest)) problems.push(`paginate() needs ${name} to be a Date, or Unix milliseconds from the year 2000 on.`)
    return time
  }
  if (since === undefined && (until !== undefined || timeField !== undefined)) problems.push('paginate() needs since where until or timeField is given.')
  if (timeField !== undefined && !(typeof timeField === 'string' && /^[A-Za-z_.]{1,100}$/.test(timeField))) problems.push('paginate() needs timeField to be the name of a field.')
  const from = since === undefined ? 0 : Math.ceil(take('since', since))
  const to = until === undefined ? now : Math.floor(take('until', until))
  if (until !== undefined && from > to) problems.push('paginate() needs since to be no later than until.')
  if (problems.length > 0) throw invalidOptions(problems)
  return since === undefined ? undefined : { since: from, until: Math.min(to, Math.floor(now)), field: timeField }
}

/** @internal Windows of 90 days at most that cover a period, the oldest first. None have a millisecond in common, so no element is in two. */
export function * windowsOf ({ since, until }: TimeWindow): Generator<TimeWindow, void, undefined> {
  for (let from = since; from <= until; from += longestWindow) yield { since: from, until: Math.min(until, from + longestWindow - 1) }
}
