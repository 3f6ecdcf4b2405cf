import { randomUUID } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import { optionsOf, requireOptions } from '../checks/arguments.js'
import type { CloverStorage, Installation } from './contract.js'
import { fromDocument, fromRow, toDocument } from './document.js'
import { withDurability } from './durability.js'
import { withPlainErrors } from './driver-error.js'
import { pageOf } from './page.js'
import { connectionOf, type RedisClient } from './redis-client.js'
import { askDurability } from './redis-durability.js'
import { scanPage } from './redis-scan.js'
import { deleteScript, getScript, putScript, rowScript, runScript, type Script } from './redis-script.js'

/** The options of `redisStorage`. */
export interface RedisStorageOptions {
  /** The prefix of each key, 1 to 200 characters. A client's own `keyPrefix` comes before it. Default: `clover:`. */
  prefix?: string
}

const Options = optionsOf<RedisStorageOptions>({
  prefix: Type.String({ minLength: 1, maxLength: 200, must: 'a string of 1 to 200 characters' })
})

/**
 * Keeps installations in the host's Redis, through the host's own client: a hash for each merchant, under a key of its own.
 *
 * It is only as durable as that Redis. `appendonly yes` is required: with `appendfsync everysec` a crash may lose the writes of the last second, with
 * `always` none. A replica may lack the last writes after a failover. If the write of a refreshed pair is lost, the merchant needs recovery or must
 * authorize again. `maxmemory-policy` must be `noeviction`, or Redis deletes merchants when its memory is full. For data that must not be lost, prefer
 * a SQL database.
 *
 * Works on a cluster. If a failover happens or slots move to other nodes during a listing, it may miss merchants. A user of
 * Redis's access control needs EVALSHA, EVAL, SCAN and EXISTS, and in scripts HGET, HMGET, HSET and DEL.
 *
 * Throws a TypeError for an argument of another type. Sends nothing until it is used.
 */
export function redisStorage (client: RedisClient, options: RedisStorageOptions = {}): Required<CloverStorage> {
  const connection = connectionOf(client)
  requireOptions('redisStorage', Options, options)
  const { prefix = 'clover:' } = options

  const run = (script: Script, merchantId: string, ...args: string[]) => runScript(connection, script, prefix + merchantId, args)
  // A client may be configured to return numbers as strings, and strings as buffers.
  const isOne = (reply: unknown) => String(reply) === '1'

  async function read (merchantId: string): Promise<Installation | undefined> {
    const reply = await run(getScript, merchantId)
    if (reply === null) return undefined
    return fromDocument(reply) ?? await readRow(merchantId)
  }

  async function readRow (merchantId: string, dueBefore?: number): Promise<Installation | undefined> {
    const reply = await run(rowScript, merchantId, ...(dueBefore === undefined ? [] : [String(dueBefore)]))
    if (!Array.isArray(reply)) return undefined
    const [revision, dueAt, document] = reply as unknown[]
    return fromRow({ revision, dueAt, document }, merchantId)
  }

  const storage: Required<CloverStorage> = {
    get: merchantId => withPlainErrors(() => read(merchantId)),

    put: (next, expected) => withPlainErrors(async () => isOne(await run(putScript, next.merchantId,
      expected === undefined ? 'insert' : 'update', expected ?? '', randomUUID(), next.revision, String(next.dueAt ?? ''), toDocument(next)))),

    delete: (merchantId, expected) => withPlainErrors(async () =>
      isOne(await run(deleteScript, merchantId, ...(expected === undefined ? [] : [expected])))),

    list: ({ cursor, limit, dueBefore }) => withPlainErrors(async () => {
      const page = await scanPage(connection, prefix, limit, cursor)
      const records = await Promise.all(page.merchantIds.map(merchantId => readRow(merchantId, dueBefore)))
      return pageOf(records.filter(record => record !== undefined), page.cursor)
    })
  }
  return withDurability(storage, () => withPlainErrors(() => askDurability(connection, prefix)))
}
