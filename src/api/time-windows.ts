import { Type } from '@sinclair/typebox'
import { invalidOptions } from '../errors.js'

/** @internal The time from `since` to `until`, both included, in Unix milliseconds. */
export interface TimeWindow {
  since: number
  until: number
}

/** @internal The time window of a call to `paginate()`. */
export interface Period extends TimeWindow {
  /** The field with an element's time; undefined for the collection's default. */
  field: string | undefined
}

/** Milliseconds: the longest window of one request to Clover. */
const longestWindow = 90 * 24 * 3_600_000

/** Clover has nothing older: an earlier time is probably in seconds by mistake. */
const earliest = Date.UTC(2000)

/** @internal A point in time, as a caller may give it. */
export const Time = Type.Union([Type.Date({ minimumTimestamp: earliest }), Type.Number({ minimum: earliest })], {
  must: 'a Date, or Unix milliseconds from the year 2000 on'
})

/**
 * @internal Checks the options for a period of time; undefined if the caller gave none.
 *
 * @param now Unix milliseconds by Clover's clock
 * @throws FST_CLOVER_INVALID_OPTIONS
 */
export function periodOf ({ since, until, timeField }: { since?: Date | number, until?: Date | number, timeField?: string }, now: number): Period | undefined {
  const problems: string[] = []
  if (since === undefined && (until !== undefined || timeField !== undefined)) problems.push('paginate() needs since if until or timeField is given.')
  const from = since === undefined ? 0 : Math.ceil(Number(since))
  const to = until === undefined ? now : Math.floor(Number(until))
  if (until !== undefined && from > to) problems.push('paginate() needs since to be no later than until.')
  if (problems.length > 0) throw invalidOptions(problems)
  return since === undefined ? undefined : { since: from, until: Math.min(to, Math.floor(now)), field: timeField }
}

/** @internal Splits a period into windows of at most 90 days, the oldest first. They do not overlap, so each element is in one. */
export function * windowsOf ({ since, until }: TimeWindow): Generator<TimeWindow, void, undefined> {
  for (let from = since; from <= until; from += longestWindow) yield { since: from, until: Math.min(until, from + longestWindow - 1) }
}
