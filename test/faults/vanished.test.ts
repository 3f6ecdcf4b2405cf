import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { cloverSimulator } from '../../src/testing/index.js'
import { events } from '../harness/host.js'
import { Answers } from './answers.js'
import { connectMerchants, highTrust, lowTrust, planFor } from './merchants.js'
import { until } from '../harness/waiting.js'
import { adoptable } from '../harness/pairs.js'
import { findPrivateServers } from './private-servers.js'
import { startServer } from './server.js'
import { openStore } from './stores.js'

/*
 * A Redis that drops keys by itself, or at an operator's word, while refreshes are in progress. A record that is gone is a merchant who left: nothing
 * writes it back, and everybody else is served.
 */

const redis = findPrivateServers().find(({ kind }) => kind === 'redis')
const skip = redis === undefined ? 'no Redis' : redis.skip
const merchantCount = 20

async function setUp (t: Test, appId: string) {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const server = await redis?.make(t)
  if (server === undefined) throw new Error('no Redis')
  const address = server.address(server.port)
  const { storage, close } = await openStore(address)
  t.teardown(close)
  const merchants = await connectMerchants(clover, storage, appId, merchantCount)
  const logs: string[] = []
  // Clover's answers are held until the keys are gone.
  const answers = new Answers()
  const app = await startServer(planFor(clover, { appId, maxCalls: merchantCount }), storage, { logs, runtime: { fetch: answers.fetch } })
  t.teardown(() => app.close())
  const admin = new Redis(server.port)
  t.teardown(() => { admin.disconnect() })
  const token = (merchantId: string) => app.clover.accessToken(merchantId).then(() => 'token', ({ code }: { code: string }) => code)
  return { clover, storage, merchants, logs, app, admin, token, answers, events: (type: string) => events(logs).filter(({ event }) => event === type) }
}

for (const appId of [highTrust, lowTrust]) {
  t.test(`FLUSHALL while refreshes are in progress disconnects every merchant, and each can connect again (${appId === lowTrust ? 'low' : 'high'} trust)`, { skip }, async t => {
    const one = await setUp(t, appId)
    const asked = Promise.all(one.merchants.map(one.token))
    await until('Clover has spent every token', () => one.clover.count('refresh', { ok: true }) >= merchantCount)
    await one.admin.flushall()
    one.answers.release()
    t.same(await asked, one.merchants.map(() => 'FST_CLOVER_NOT_CONNECTED'))
    t.equal(one.events('pair-dropped').length, merchantCount, 'each is told in the log')
    t.equal(await one.admin.dbsize(), 0, 'nothing was written back')
    const [merchantId = ''] = one.merchants
    const pair = one.clover.connect({ merchantId, appId })
    t.equal(await one.app.clover.adopt(adoptable(merchantId, pair)), true)
    t.equal(await one.token(merchantId), 'token')
  })
}

t.test('a Redis that evicts keys disconnects those merchants only', { skip }, async t => {
  const one = await setUp(t, highTrust)
  await one.admin.config('SET', 'maxmemory-policy', 'allkeys-random')
  const asked = Promise.all(one.merchants.map(one.token))
  await until('Clover has spent every token', () => one.clover.count('refresh', { ok: true }) >= merchantCount)
  // Redis takes keys at random until there is room for the next: about half of them here, of the merchants' too.
  const fillers = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`filler:${i}`, 'x'.repeat(500)]))
  await one.admin.mset(fillers)
  const used = Number(/used_memory:(\d+)/.exec(await one.admin.info('memory'))?.[1])
  await one.admin.config('SET', 'maxmemory', String(used - 1_800_000))
  await one.admin.set('filler', 'x')
  await one.admin.config('SET', 'maxmemory', '0')
  one.answers.release()
  const first = await asked
  t.same([...new Set(first)].filter(came => !['token', 'FST_CLOVER_NOT_CONNECTED', 'FST_CLOVER_STORAGE'].includes(came)), [])
  await until('what was held is written', () => one.events('pair-held').length === one.events('pair-written').length + one.events('pair-dropped').filter(({ merchantId }) => one.events('pair-held').some(held => held.merchantId === merchantId)).length)
  let gone = 0
  for (const merchantId of one.merchants) {
    const record = await one.storage.get(merchantId)
    if (record) t.ok(one.clover.isLive(record.refreshToken ?? ''), `${merchantId} is connected`)
    else gone++
    t.equal(await one.token(merchantId), record ? 'token' : 'FST_CLOVER_NOT_CONNECTED')
  }
  t.ok(gone < merchantCount, `${gone} of ${merchantCount} were evicted`)
})
