import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { Redis } from 'ioredis'
import { createClient, RESP_TYPES } from 'redis'
import t from 'tap'
import { redisStorage, type ListPage, type NodeRedisCluster, type RedisClient } from '../../src/storage/index.js'
import { after, merchant, record } from '../../src/testing/conformance/records.js'
import { addressOf, findRedis, uniqueName } from '../harness/services.js'
import { conforms, ofClient } from './conforms.js'
import { testReadyAdapter } from './ready-adapter.js'

const { url, skip } = await findRedis()
const options = { disconnectTimeout: 100, lazyConnect: true, maxRetriesPerRequest: 1 }
const redis = new Redis(url, options)
const otherRedis = new Redis(url, options)
const nodeRedis = createClient({ url })
const otherNodeRedis = createClient({ url })
if (!skip) await Promise.all([nodeRedis.connect(), otherNodeRedis.connect()])
t.teardown(async () => {
  for (const client of [redis, otherRedis]) client.disconnect()
  if (!skip) await Promise.all([nodeRedis.close(), otherNodeRedis.close()])
})

const newPrefix = () => `${uniqueName('keys')}:`

async function drop (prefix: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1000 })) if (keys.length > 0) await redis.unlink(keys)
}

/** A prefix of this test's own; its keys go when the test ends. */
function ownPrefix (t: { teardown (work: () => unknown): unknown }): string {
  const prefix = newPrefix()
  t.teardown(async () => await drop(prefix))
  return prefix
}

async function listed (storage: ReturnType<typeof redisStorage>, limit: number): Promise<string[]> {
  const merchants: string[] = []
  let page: ListPage = { items: [], cursor: '' }
  for (let first = true; page.cursor !== undefined; first = false) {
    page = await storage.list(first ? { limit } : { limit, cursor: page.cursor })
    if (page.items.length > limit) throw new Error('A page is longer than its limit.')
    merchants.push(...page.items.map(({ merchantId }) => merchantId))
  }
  return merchants.sort()
}

t.test('ioredis, which @fastify/redis decorates with, conforms with two connections', { skip }, async t => {
  await conforms(t, () => {
    const prefix = newPrefix()
    return { storage: redisStorage(redis, { prefix }), another: redisStorage(otherRedis, { prefix }), cleanup: () => drop(prefix) }
  })
})

t.test('node-redis conforms with two connections', { skip }, async t => {
  await conforms(t, () => {
    const prefix = newPrefix()
    return { storage: redisStorage(nodeRedis, { prefix }), another: redisStorage(otherNodeRedis, { prefix }), cleanup: () => drop(prefix) }
  })
})

t.test('clients with unusual settings conform: key prefix, numbers as strings, strings as buffers', { skip }, async t => {
  const keyPrefix = newPrefix()
  const prefixed = new Redis(url, { ...options, keyPrefix, stringNumbers: true, enableAutoPipelining: true })
  t.teardown(() => prefixed.disconnect())
  const buffers = nodeRedis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.NUMBER]: String })
  await conforms(t, () => {
    const prefix = newPrefix()
    return {
      storage: redisStorage(prefixed, { prefix }),
      another: redisStorage(buffers, { prefix: keyPrefix + prefix }),
      cleanup: () => drop(keyPrefix)
    }
  }, ofClient)
})

t.test('a Redis that has lost its scripts gets them again', { skip }, async t => {
  for (const client of [redis, nodeRedis] as const) {
    const storage = redisStorage(client, { prefix: ownPrefix(t) })
    const first = record()
    for (const use of [async () => await storage.put(first, undefined), async () => (await storage.get(first.merchantId))?.revision === first.revision,
      async () => await storage.delete(first.merchantId, first.revision)]) {
      await redis.script('FLUSH')
      t.equal(await use(), true)
    }
  }
})

t.test('a put that ioredis repeats after a lost answer resolves true', { skip }, async t => {
  const { hostname, port } = addressOf(url, 6379)
  let cut = false
  const proxy = createServer(client => {
    const server = connect({ host: hostname, port })
    client.on('data', data => server.write(data)).on('error', () => {}).on('close', () => server.destroy())
    server.on('error', () => {}).on('close', () => client.destroy()).on('data', data => {
      if (!cut) client.write(data)
      else client.destroy()
      cut = false
    })
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const flaky = new Redis((proxy.address() as AddressInfo).port, '127.0.0.1', { retryStrategy: () => 1, disconnectTimeout: 100 })
  t.teardown(() => { flaky.disconnect(); proxy.close() })

  const storage = redisStorage(flaky, { prefix: ownPrefix(t) })
  const first = record()
  await storage.put(record({ merchantId: merchant(2) }), undefined)
  cut = true
  t.equal(await storage.put(first, undefined), true, 'a first record')
  t.equal(cut, false)
  const second = after(first)
  cut = true
  t.equal(await storage.put(second, first.revision), true, 'an update')
  t.same(await storage.get(first.merchantId), second)
  t.equal(await storage.put(second, first.revision), false, 'the same put again from the caller is another put')
})

t.test('a listing of a larger store, in a database with other keys, finds each merchant once and nothing else', { skip }, async t => {
  const prefix = ownPrefix(t)
  const storage = redisStorage(redis, { prefix })
  const records = Array.from({ length: 2500 }, (_, index) => record({ merchantId: merchant(index) }))
  await Promise.all(records.map(async one => await storage.put(one, undefined)))
  await redis.set(`${prefix}cache`, 'a string')
  await redis.set(`${prefix}other-13-long`, 'a string of 13 characters')
  await redisStorage(redis, { prefix: `${prefix}eu:` }).put(record({ merchantId: 'EUROPE0000001' }), undefined)
  const merchants = await listed(storage, 100)
  t.same([...new Set(merchants)], records.map(({ merchantId }) => merchantId))
})

t.test('a prefix may have characters that SCAN uses in patterns', { skip }, async t => {
  const own = ownPrefix(t)
  for (const odd of ['a*b:', '[ab]?:', 'back\\slash:', '{tag}:', 'žluťoučký^-:']) {
    const storage = redisStorage(redis, { prefix: own + odd })
    await storage.put(record(), undefined)
    await redisStorage(redis, { prefix: `${own}axb:` }).put(record({ merchantId: merchant(2) }), undefined)
    t.same(await listed(storage, 10), [record().merchantId], odd)
  }
})

t.test('the adapter behaves like every ready adapter', { skip }, async t => await testReadyAdapter(t, redisStorage(redis, { prefix: ownPrefix(t) })))

t.test('a record is a hash with the columns of the contract, and is not given an expiration', { skip }, async t => {
  const prefix = ownPrefix(t)
  const first = record({ dueAt: 12.5 })
  await redisStorage(redis, { prefix }).put(first, undefined)
  const key = prefix + first.merchantId
  t.match(await redis.hgetall(key), { revision: first.revision, due_at: '12.5', document: JSON.stringify(first) })
  t.equal(await redis.ttl(key), -1)
})

t.test('an error has no token, although ioredis puts the command into its own errors', { skip }, async t => {
  const prefix = ownPrefix(t)
  const user = uniqueName('user')
  t.teardown(async () => await redis.acl('DELUSER', user))
  for (const forbidden of ['hmget', 'hset']) {
    await redis.acl('SETUSER', user, 'on', '>password', `~${prefix}*`, '+@all', `-${forbidden}`)
    const limited = new Redis(url, { ...options, username: user, password: 'password' })
    t.teardown(() => limited.disconnect())
    const storage = redisStorage(limited, { prefix })
    const error = await storage.put(record({ accessToken: 'secret-token' }), undefined).then(() => undefined, (error: unknown) => error)
    t.match(error, { message: /NOPERM|ACL failure|can't run this command|no permissions/i, command: undefined, cause: undefined }, forbidden)
    t.notMatch(JSON.stringify(Object.getOwnPropertyDescriptors(error)), /secret-token/)
  }
})

t.test('a listing continues at its position, in whatever order a cluster client names its primaries', async t => {
  const masters = ['b:1', 'a:1', 'c:1'].map(address => ({ address }))
  const scanned: string[] = []
  const cluster: NodeRedisCluster = {
    masters,
    sendCommand: async () => 0,
    nodeClient: ({ address }) => ({ sendCommand: async () => { scanned.push(address); return ['0', []] } })
  }
  const storage = redisStorage(cluster)
  for (let cursor: string | undefined; scanned.length < 3;) {
    cursor = (await storage.list(cursor === undefined ? { limit: 1 } : { limit: 1, cursor })).cursor
    masters.reverse()
  }
  t.same(scanned, ['a:1', 'b:1', 'c:1'])
})

t.test('a foreign cursor is refused', { skip }, async t => {
  const storage = redisStorage(redis, { prefix: newPrefix() })
  for (const cursor of ['', '0', merchant(1), '0123456789abcdef/0/0/;']) {
    await t.rejects(storage.list({ limit: 1, cursor }), { message: /cursor of a listing must be/ })
  }
})

t.test('a Redis that cannot be reached rejects', async t => {
  const nowhere = new Redis(1, '127.0.0.1', { ...options, maxRetriesPerRequest: 0, retryStrategy: null })
  nowhere.on('error', () => {})
  t.teardown(() => nowhere.disconnect())
  await t.rejects(redisStorage(nowhere).get(merchant(1)), /.+/)
  await t.rejects(redisStorage(createClient()).get(merchant(1)), { message: /closed/ }, 'a node-redis client that the host has not connected')
})

t.test('a wrong client and a wrong prefix are refused at once', async t => {
  for (const bad of [undefined, null, 'redis://localhost', {}, { get () {}, set () {} }]) {
    t.throws(() => redisStorage(bad as unknown as RedisClient), { name: 'TypeError', message: /ioredis or node-redis, or fastify.redis/ })
  }
  for (const prefix of ['', 'x'.repeat(201), 5, null]) {
    t.throws(() => redisStorage(redis, { prefix: prefix as string }), { name: 'TypeError', message: /prefix must be/ })
  }
})
