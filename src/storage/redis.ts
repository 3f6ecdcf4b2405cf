import { randomUUID } from 'node:crypto'
import type { CloverStorage, Installation } from './contract.js'
import { fromRow, toDocument } from './document.js'
import { withPlainErrors } from './driver-error.js'
import { pageOf } from './page.js'
import { connectionOf, type RedisClient } from './redis-client.js'
import { scanPage } from './redis-scan.js'
import { deleteScript, getScript, putScript, runScript, type Script } from './redis-script.js'

/** The options of `redisStorage`. */
export interface RedisStorageOptions {
  /** What each key begins with, default `clover:`; 1 to 200 characters. A client's own `keyPrefix` comes before it. */
  prefix?: string
}

/**
 * Keeps installations in the host's Redis, through the host's own client: a hash for each merchant, under a key of its own.
 *
 * It is as durable as that Redis. `appendonly yes` is a must: with `appendfsync everysec` a crash may lose the writes of the last
 * second, with `always` none. A replica that takes over may lack the last writes. A lost write of a refreshed pair is a merchant that
 * needs recovery, or that must authorize again. `maxmemory-policy` must be `noeviction`, or Redis drops merchants when its memory is full.
 * For data that must not be lost, prefer a SQL database.
 *
 * Works on a cluster. A failover, or slots that move to other nodes, during a listing may leave merchants out of that one. A user of
 * Redis's access control needs EVALSHA, EVAL, SCAN and EXISTS, and in scripts HGET, HMGET, HSET and DEL.
 *
 * Throws a TypeError for an argument of another kind. Sends nothing until it is used.
 */
export function redisStorage (client: RedisClient, { prefix = 'clover:' }: RedisStorageOptions = {}): Required<CloverStorage> {
  const connection = connectionOf(client)
  if (typeof prefix !== 'string' || prefix.length < 1 || prefix.length > 200) {
    throw new TypeError('redisStorage: the option prefix must be a string of 1 to 200 characters.')
  }

  const run = (script: Script, merchantId: string, ...args: string[]) => runScript(connection, script, prefix + merchantId, args)
  // A client may be set to give numbers as strings, and strings as buffers.
  const isOne = (reply: unknown) => String(reply) === '1'

  async function read (merchantId: string, dueBefore?: number): Promise<Installation | undefined> {
    const reply = await run(getScript, merchantId, ...(dueBefore === undefined ? [] : [String(dueBefore)]))
    if (!Array.isArray(reply)) return undefined
    const [revision, dueAt, document] = reply as unknown[]
    return fromRow({ revision, dueAt, document }, merchantId)
  }

  return {
    get: merchantId => withPlainErrors(() => read(merchantId)),

    put: (next, expected) => withPlainErrors(async () => isOne(await run(putScript, next.merchantId,
      expected === undefined ? 'insert' : 'update', expected ?? '', randomUUID(), next.revision, String(next.dueAt ?? ''), toDocument(next)))),

    delete: (merchantId, expected) => withPlainErrors(async () =>
      isOne(await run(deleteScript, merchantId, ...(expected === undefined ? [] : [expected])))),

    list: ({ cursor, limit, dueBefore }) => withPlainErrors(async () => {
      const page = await scanPage(connection, prefix, limit, cursor)
      const records = await Promise.all(page.merchantIds.map(merchantId => read(merchantId, dueBefore)))
      return pageOf(records.filter(record => record !== undefined), page.cursor)
    })
  }
}
