import { Cluster } from 'ioredis'
import { createCluster } from 'redis'
import t from 'tap'
import { redisStorage } from '../../src/storage/index.js'
import { merchant, record } from '../../src/testing/conformance/records.js'
import { conforms, ofClient, ofServers } from './conforms.js'
import { startRedisCluster } from './redis-cluster.js'

let skip: string | false = false
const cluster = await startRedisCluster(3, t.testdir()).catch((error: Error) => {
  if (process.env.FASTIFY_CLOVER_REQUIRE_SERVICES === '1') throw error
  skip = `No Redis cluster could be started here: ${error.message}`
})
const ports = cluster?.ports ?? []
const ioredis = new Cluster(ports.map(port => ({ port, host: '127.0.0.1' })), { lazyConnect: true, slotsRefreshTimeout: 5_000 })
const nodeRedis = createCluster({ rootNodes: ports.map(port => ({ url: `redis://127.0.0.1:${port}` })), useReplicas: true })
if (cluster) await nodeRedis.connect()

t.teardown(async () => {
  ioredis.disconnect()
  if (cluster) await nodeRedis.close()
  await cluster?.stop()
})

let prefixes = 0
const newPrefix = () => `p${prefixes++}:`

async function listed (storage: ReturnType<typeof redisStorage>): Promise<string[]> {
  const merchants: string[] = []
  let cursor: string | undefined
  do {
    const page = await storage.list(cursor === undefined ? { limit: 7 } : { limit: 7, cursor })
    merchants.push(...page.items.map(({ merchantId }) => merchantId))
    cursor = page.cursor
  } while (cursor !== undefined)
  return merchants.sort()
}

t.test('an ioredis Cluster conforms, and so does a second client, of node-redis', { skip }, async t => {
  await conforms(t, () => {
    const prefix = newPrefix()
    return { storage: redisStorage(ioredis, { prefix }), another: redisStorage(nodeRedis, { prefix }) }
  }, ofServers)
})

t.test('a node-redis cluster conforms, and so does a second client, of ioredis', { skip }, async t => {
  await conforms(t, () => {
    const prefix = newPrefix()
    return { storage: redisStorage(nodeRedis, { prefix }), another: redisStorage(ioredis, { prefix }) }
  }, ofClient)
})

t.test('a client that has not connected yet, and has settings of its own, lists every primary', { skip }, async t => {
  const keyPrefix = newPrefix()
  const late = () => {
    const client = new Cluster(ports.slice(0, 1).map(port => ({ port, host: '127.0.0.1' })), {
      lazyConnect: true, slotsRefreshTimeout: 5_000, enableAutoPipelining: true, keyPrefix, scaleReads: 'slave'
    })
    t.teardown(() => client.disconnect())
    return redisStorage(client)
  }
  const storage = late()
  const records = Array.from({ length: 60 }, (_, index) => record({ merchantId: merchant(index) }))
  const stored = await Promise.all(records.map(async one => await storage.put(one, undefined)))
  t.same(new Set(stored), new Set([true]), 'auto-pipelining keeps the keys of different nodes apart')
  t.same(await listed(late()), records.map(({ merchantId }) => merchantId))
})

t.test('a listing begins again if the primaries are others than before', { skip }, async t => {
  const storage = redisStorage(ioredis, { prefix: newPrefix() })
  await Promise.all(Array.from({ length: 30 }, async (_, index) => await storage.put(record({ merchantId: merchant(index) }), undefined)))
  const first = await storage.list({ limit: 1 })
  const second = await storage.list({ limit: 1, cursor: first.cursor ?? '' })
  t.notSame(second.items, first.items)
  const before = (first.cursor ?? '').replace(/^[0-9a-f]{16}/, '0123456789abcdef')
  t.same(await storage.list({ limit: 1, cursor: before }), first)
})
