import { createHash } from 'node:crypto'
import { isMerchantId } from '../tokens/installation.js'
import type { Connection, Primary } from './redis-client.js'

/** Keys that Redis looks at in one SCAN: a listing in a large database shared with others should not need a call for each few keys. */
const scanCount = '1000'

/** How far a listing has come: with the ids that a SCAN returned beyond what the page could hold. */
interface Position {
  /** Which primaries the listing walks through. */
  primaries: string
  /** The primary that is being scanned, by its place in their order. */
  index: number
  /** That primary's own cursor. */
  scan: string
  /** Merchant ids found and not handed out yet. */
  found: string[]
}

/** The merchant ids of a page, and the cursor of the next. */
export interface ScanPage {
  merchantIds: string[]
  cursor: string | undefined
}

/**
 * Finds the merchants that have a key, with one SCAN at most.
 *
 * SCAN returns every key that is there throughout, however many others come and go. Throws if the cursor is not one of its own.
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
  // Keys of another store whose prefix begins with this one are not this store's.
  const merchantIds = keys.map(key => String(key).slice(prefix.length)).filter(isMerchantId)
  return { next: String(next), keys: [...new Set(merchantIds)] }
}

function resume (primaries: Primary[], cursor: string | undefined): Position {
  const start = { primaries: fingerprint(primaries), index: 0, scan: '0', found: [] }
  if (cursor === undefined) return start
  const position = decode(cursor)
  // A cursor means nothing to a server other than the one that made it. After a failover the listing begins again: records come
  // twice, but none is missed.
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
