import { createHash } from 'node:crypto'
import { isMerchantId } from '../installation.js'
import type { Connection, Primary } from './redis-client.js'

/** Keys that Redis examines in one SCAN: a listing in a large shared database should not need a call for every few keys. */
const scanCount = '1000'

/** The position of a listing, with the ids that a SCAN returned beyond the page's limit. */
interface Position {
  /** A hash of the primaries' addresses. */
  primaries: string
  /** The index of the primary that is scanned. */
  index: number
  /** The SCAN cursor of that primary. */
  scan: string
  /** Merchant ids found but not returned yet. */
  found: string[]
}

/** The merchant ids of a page, and the cursor of the next. */
export interface ScanPage {
  merchantIds: string[]
  cursor: string | undefined
}

/**
 * Finds the merchants that have a key, with at most one SCAN.
 *
 * SCAN returns every key that exists throughout the listing, even if others are added or deleted. Throws a TypeError for a cursor that it did not make.
 */
export async function scanPage (connection: Connection, prefix: string, limit: number, cursor: string | undefined): Promise<ScanPage> {
  const primaries = await connection.primaries(prefix)
  const position = resume(primaries, cursor)
  const primary = primaries[position.index]
  if (position.found.length === 0 && primary) {
    const { next, keys } = await scan(primary, position.scan, connection.keyPrefix() + prefix)
    position.found = keys
    position.scan = next
    if (next === '0') position.index++
  }
  const merchantIds = position.found.splice(0, limit)
  const ended = position.found.length === 0 && position.index >= primaries.length
  return { merchantIds, cursor: ended ? undefined : encode(position) }
}

async function scan (primary: Primary, cursor: string, prefix: string): Promise<{ next: string, keys: string[] }> {
  const pattern = prefix.replace(/[\\*?[\]]/g, '\\$&') + '?'.repeat(13)
  const [next, keys] = await primary.send(['scan', cursor, 'MATCH', pattern, 'COUNT', scanCount]) as [unknown, unknown[]]
  // Another store's prefix may begin with this one: skip its keys.
  const merchantIds = keys.map(key => String(key).slice(prefix.length)).filter(isMerchantId)
  return { next: String(next), keys: [...new Set(merchantIds)] }
}

function resume (primaries: Primary[], cursor: string | undefined): Position {
  const start = { primaries: fingerprint(primaries), index: 0, scan: '0', found: [] }
  if (cursor === undefined) return start
  const position = decode(cursor)
  // A SCAN cursor is valid only on the server that made it. If a cluster has other primaries now, the listing starts again: it repeats records rather
  // than miss some.
  return position.primaries === start.primaries ? position : start
}

function fingerprint (primaries: Primary[]): string {
  return createHash('sha256').update(primaries.map(({ address }) => address).join(' ')).digest('hex').slice(0, 16)
}

function encode ({ primaries, index, scan, found }: Position): string {
  return [primaries, index, scan, found.join(',')].join('/')
}

function decode (cursor: string): Position {
  const match = /^([0-9a-f]{16})\/(\d+)\/(\d+)\/([A-Z0-9,]*)$/.exec(cursor)
  if (!match) throw new TypeError('The cursor of a listing must be the one that came with the page before.')
  const [, primaries = '', index = '', scan = '', found = ''] = match
  return { primaries, index: Number(index), scan, found: found === '' ? [] : found.split(',') }
}
