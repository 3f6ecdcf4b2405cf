import t, { type Test } from 'tap'
import type { TokenReply } from '../../src/clover/wire.js'
import { encryptedStorage } from '../../src/storage/index.js'
import { connect } from '../harness/browser.js'
import { highTrust, startHost } from '../harness/host.js'
import { isLong } from '../harness/share.js'
import { openSqlite } from '../harness/sqlite.js'
import { openStore, findStores, type StoreAddress } from './stores.js'

/*
 * One document in the store is damaged, as by somebody else's program (rule 22, security 40): that is its merchant's trouble and nobody
 * else's. On real databases.
 */

const count = 30
const merchants = Array.from({ length: count }, (_, i) => `DAMAGED0000${String(i).padStart(2, '0')}`)
const damaged = merchants[11] as string
const day = 86_400_000

/** Writes something that is not JSON in the place of a merchant's document. */
async function damage (address: StoreAddress, merchantId: string): Promise<void> {
  if (address.kind === 'sqlite') {
    const database = openSqlite(address.file, { timeout: 5_000 })
    database.prepare('UPDATE clover_installations SET document = ? WHERE merchant_id = ?').run('{"refreshToken":', merchantId)
    database.close()
  } else if (address.kind === 'postgres') {
    const { default: pg } = await import('pg')
    const client = new pg.Client(address.url)
    await client.connect()
    await client.query(`UPDATE ${address.table} SET document = $1 WHERE merchant_id = $2`, ['{"refreshToken":', merchantId])
    await client.end()
  } else if (address.kind === 'redis') {
    const { Redis } = await import('ioredis')
    const redis = new Redis(address.url)
    const keys = await redis.keys(`${address.prefix}*${merchantId}*`)
    for (const key of keys) await redis.hset(key, 'document', '{"refreshToken":')
    await redis.quit()
  }
}

for (const { kind, skip, make } of await findStores()) {
  for (const isSealed of isLong || kind === 'sqlite' ? [false, true] : [false]) {
    t.test(`${kind}${isSealed ? ', sealed' : ''}: one damaged document among ${count} merchants (security 40)`, { skip }, async t => {
      const address = make(t)
      const { storage: plain, close } = await openStore(address)
      const sealing = encryptedStorage(plain, { keys: [{ id: 'one', key: Buffer.alloc(32, 1) }] })
      const storage = isSealed ? sealing : plain
      const host = await startHost(t, { runtime: { monotonic: () => performance.now() }, simulator: { merchants: merchants.map(id => ({ id })), refreshTokenLifetime: 10 * 86_400 }, options: { storage, keepAlive: false } })
      t.teardown(close)
      const { app: { clover: plugin }, clover, browser, time, messages } = host
      await Promise.all(merchants.map(merchantId => plugin.adopt(pairOf(clover.connect({ merchantId, appId: highTrust }), merchantId))))
      await damage(address, damaged)
      time.pass(6 * day) // more than half of their refresh tokens' life

      await checkListings(t, plugin, count - 1)
      t.match(await plugin.keepAlive({ rate: 1000, concurrency: 8 }), { candidates: count, due: count - 1, refreshed: count - 1, failed: 0, unusable: 1, isComplete: true })
      if (isSealed) t.match(await sealing.reseal(), { done: count, failed: [damaged] })
      await t.rejects(plugin.accessToken(damaged), { code: 'FST_CLOVER_UNREADABLE', merchantId: damaged })
      t.match(messages.filter(({ type }) => type === 'record-not-opened'), [{ merchantId: damaged }], 'it is reported once')

      t.equal((await connect(browser(), clover, damaged)).statusCode, 302, 'the merchant opens the app')
      t.ok(clover.isLiveAccessToken(await plugin.accessToken(damaged)), 'and is connected')
      await checkListings(t, plugin, count)

      await damage(address, damaged)
      t.equal(await plugin.disconnect(damaged), true, 'or an operator disconnects it')
      await checkListings(t, plugin, count - 1, 0)
    })
  }
}

async function checkListings (t: Test, plugin: { installations (options: { unusable: true }): AsyncIterable<{ merchantId: string | null } | { unusable: string }> }, usable: number, unusable = count - usable): Promise<void> {
  const found = { usable: 0, unusable: 0 }
  for await (const each of plugin.installations({ unusable: true })) found['unusable' in each ? 'unusable' : 'usable']++
  t.same(found, { usable, unusable })
}

function pairOf (reply: TokenReply, merchantId: string) {
  return {
    merchantId,
    accessToken: reply.access_token,
    accessTokenExpiration: reply.access_token_expiration,
    refreshToken: reply.refresh_token,
    refreshTokenExpiration: reply.refresh_token_expiration
  }
}
