import type { Unknowns } from './unknowns.js'

/** An element of a collection. */
export type Row = Readonly<Record<string, unknown>>

/** A comparison of the `filter` parameter, such as `createdTime>=1700000000000`. */
export interface Filter {
  field: string
  operator: string
  value: string
}

/** Milliseconds: the longest history that Clover returns in one request. */
const longestHistory = 90 * 24 * 3_600_000

const comparisons: Record<string, (comparison: number) => boolean> = {
  '=': comparison => comparison === 0,
  '!=': comparison => comparison !== 0,
  '>': comparison => comparison > 0,
  '>=': comparison => comparison >= 0,
  '<': comparison => comparison < 0,
  '<=': comparison => comparison <= 0
}

/** Reads `filter` parameters; undefined if one is malformed. Source: https://docs.clover.com/docs/applying-filters */
export function parseFilters (texts: string | string[] = []): Filter[] | undefined {
  const filters = [texts].flat().map(text => /^(?<field>[\w.]+)(?<operator>!=|>=|<=|=|>|<)(?<value>.*)$/.exec(text)?.groups)
  return filters.includes(undefined) ? undefined : filters as unknown as Filter[]
}

/** The rows that match all filters. A row without a filter's field does not match it. */
export function filtered (rows: readonly Row[], filters: readonly Filter[]): readonly Row[] {
  return rows.filter(row => filters.every(({ field, operator, value }) =>
    row[field] !== undefined && comparisons[operator]?.(compared(row[field], typeof row[field] === 'number' ? Number(value) : value))))
}

/**
 * The orders that Clover returns: without a time filter, those of the last 90 days. For a window of more than 90 days, `longWindow` decides: its last 90
 * days, or undefined, which means that the request is refused.
 *
 * Source: https://docs.clover.com/docs/limits-added-to-calls-to-payments-and-orders-endpoints
 */
export function recent (rows: readonly Row[], filters: readonly Filter[], now: number, longWindow: Unknowns['longWindow']): readonly Row[] | undefined {
  const bounds = filters.filter(({ field, operator }) => /time$/i.test(field) && operator !== '!=')
  const field = bounds[0]?.field ?? 'createdTime'
  const limitsBy = (operators: string) =>
    bounds.filter(bound => bound.field === field && operators.includes(bound.operator.charAt(0))).map(({ value }) => Number(value))
  const until = Math.min(...limitsBy('<='), Infinity)
  const end = until === Infinity ? now : until
  const since = bounds.length === 0 ? end - longestHistory : Math.max(...limitsBy('>='), -Infinity)
  const isTooLong = end - since > longestHistory
  if (isTooLong && longWindow === 'refused') return undefined
  const from = isTooLong ? end - longestHistory : since
  return rows.filter(row => typeof row[field] !== 'number' || (row[field] >= from && row[field] <= until))
}

/** A page by limit and offset. Without `orderBy` the rows keep their order. Source: https://docs.clover.com/dev/docs/sorting-collections */
export function page (rows: readonly Row[], { limit = '100', offset = '0', orderBy = '' }: { limit?: string, offset?: string, orderBy?: string }): Row[] {
  const orders = orderBy.split(',').filter(Boolean).map(order => order.trim().split(/\s+/))
  const compare = (a: Row, b: Row) => orders.reduce((result, [field = '', direction]) =>
    result || (direction?.toUpperCase() === 'DESC' ? -1 : 1) * compared(a[field], b[field]), 0)
  return rows.toSorted(compare).slice(Number(offset), Number(offset) + Math.min(1000, Number(limit)))
}

/**
 * A page of the ecommerce API, by limit and by the id of an element; undefined if there is no such element.
 *
 * `startingAfter` decides whether the page begins with that element, as in Clover's examples, or after it. Source:
 * https://docs.clover.com/docs/ecommerce-paginating-requests
 */
export function list (rows: readonly Row[], { limit = '10', starting_after: cursor }: { limit?: string, starting_after?: string }, startingAfter: Unknowns['startingAfter']): { data: readonly Row[], has_more: boolean } | undefined {
  const place = cursor === undefined ? 0 : rows.findIndex(({ id }) => id === cursor)
  if (place === -1) return undefined
  const rest = rows.slice(cursor !== undefined && startingAfter === 'exclusive' ? place + 1 : place)
  const data = rest.slice(0, Math.min(100, Number(limit)))
  return { data, has_more: rest.length > data.length }
}

function compared (a: unknown, b: unknown): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))
}
