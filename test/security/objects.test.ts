import { randomBytes } from 'node:crypto'
import { format, inspect } from 'node:util'
import Fastify from 'fastify'
import t from 'tap'
import { fastifyClover, type CloverOptions } from '../../src/index.js'
import { encryptedStorage, memoryStorage, postgresStorage, redisStorage, sqliteStorage, type CloverStorage } from '../../src/storage/index.js'
import { record } from '../../src/testing/conformance/records.js'
import { connect } from '../harness/browser.js'
import { merchantA } from '../harness/host.js'
import { openSqlite } from '../harness/sqlite.js'
import { canaries, canary, channelNames, startWatchedHost } from './watched-host.js'
import { formsOf } from './canaries.js'

/** What is found in a value, shown in every way. */
function findings (value: unknown, depth = 20): string[] {
  return [inspect(value, { depth, showHidden: false, getters: true, maxArrayLength: Infinity, maxStringLength: Infinity }), inspect(value, { depth: Math.min(depth, 6), showHidden: true, showProxy: true }), format(value), String(JSON.stringify(value))]
    .flatMap(text => canaries.find(text))
}

t.test('each way to write a secret is found, in half as well, and nothing else is', async t => {
  const secret = canary()
  for (const [form, text] of Object.entries(formsOf(secret))) {
    t.same(canaries.find(`before ${text} after`).length > 0, true, form)
    // Of the 64 bytes of this one: fewer than half, also where a byte takes three characters or more.
    const length = form.includes('bytes') ? 40 : 20
    t.ok(canaries.find(`a${text.slice(0, length)}b`).length > 0, `${form}, its head`)
    t.ok(canaries.find(`a${text.slice(-length)}b`).length > 0, `${form}, its end`)
  }
  for (const prefix of ['', 'x', 'xx', '{"token":"']) {
    for (const encoding of ['base64', 'base64url', 'hex'] as const) t.ok(canaries.find(Buffer.from(`${prefix}${secret}"}`).toString(encoding)).length > 0, `${encoding} of a text that begins with ${prefix}`)
  }
  const bytes = canaries.note('key', randomBytes(32))
  for (const text of [inspect(bytes), JSON.stringify(bytes), inspect({ a: { b: bytes } })]) t.ok(canaries.find(text).some(found => found.startsWith('key')), text)
  t.same(canaries.find(randomBytes(10_000).toString('hex')), [])
  t.same(canaries.find(`a ${secret}`, ['planted']), [])
  t.throws(() => canaries.note('code', 'too short'), /make it longer/)
})

t.test('diagnostics channels are found by their names among what the package exports', async t => {
  const names = channelNames({ list: ['fastify-clover:refresh'], table: { a: { b: 'tracing:fastify-clover:call:start' } }, run () {}, other: 'fastify-clover' })
  for (const name of ['fastify-clover:refresh', 'tracing:fastify-clover:call:start', 'fastify-clover:recovered']) t.ok(names.includes(name), name)
  t.notOk(names.includes('fastify-clover'))
})

t.test('a storage shows neither its keys nor its records (security 33)', async t => {
  const keys = [
    { id: 'bytes', key: canaries.note('key', randomBytes(32)) }, { id: 'hex', key: canary('key') }, { id: 'base64', key: canaries.note('key', randomBytes(32).toString('base64')) }
  ]
  const database = openSqlite(':memory:')
  t.teardown(() => database.close())
  const tokens = { accessToken: canary('access token'), refreshToken: canary('refresh token'), spentRefreshToken: canary('refresh token') }
  const stores: Record<string, CloverStorage> = {
    memory: memoryStorage(),
    sqlite: sqliteStorage(database),
    'encrypted over memory': encryptedStorage(memoryStorage(), { keys }),
    postgres: postgresStorage({ query: async () => ({ rows: [{ document: JSON.stringify({ ...record(), ...tokens }) }] }) }),
    redis: redisStorage({ eval: async () => 1, evalsha: async () => 1, scan: async () => ['0', []], call: async () => 1 } as never)
  }
  for (const [name, storage] of Object.entries(stores)) {
    if (name !== 'redis') {
      await storage.put({ ...record(), ...tokens }, undefined)
      await storage.get(record().merchantId)
    }
    t.same(findings(storage), [], name)
  }
  for (const wrong of [[{ id: 'short', key: canary('key').slice(1) }], [{ id: canary('key').slice(0, 40), key: canary('key') }], [...keys, ...keys]]) {
    const error: unknown = await Promise.resolve().then(() => encryptedStorage(memoryStorage(), { keys: wrong })).catch((error: unknown) => error)
    t.ok(error instanceof TypeError)
    t.same(findings(error), [])
  }
})

for (const sealed of [false, true]) {
  t.test(`neither the plugin's objects nor the Fastify instance show a secret, ${sealed ? 'sealed' : 'plain'} (security 33)`, async t => {
    let seen: unknown[] = []
    const host = await startWatchedHost(t, { verbose: false, sealed }, {
      after: app => {
        app.get('/handler', async request => {
          const token = await request.clover.accessToken(merchantA)
          seen = [request.clover, request, request.server]
          return token.length
        })
      }
    })
    await connect(host.browser(), host.clover, merchantA)
    host.time.pass(31 * 60_000)
    await host.app.inject('/handler')
    const { app } = host
    const summaries: unknown[] = [await app.clover.installation(merchantA), await app.clover.refresh(merchantA)]
    for await (const summary of app.clover.installations()) summaries.push(summary)
    for (const value of [...seen, app.clover, ...summaries]) t.same(findings(value), [])
    t.equal(JSON.stringify(app.clover), '{}')
    // Where pairs are held and calls are in progress.
    host.broken = 'put'
    host.clover.fault({ on: 'refresh', kind: 'latency', ms: 40 })
    const refresh = app.clover.refresh(merchantA).catch((error: unknown) => error)
    await new Promise(resolve => setTimeout(resolve, 20))
    t.same(findings(app), [])
    t.same(findings(await refresh), [])
    host.broken = 'none'
    t.same(canaries.find(app.printRoutes({ includeHooks: true, includeMeta: true, commonPrefix: false }) + app.printPlugins()), [])
    await app.close()
    t.same(findings(app), [])
  })
}

t.test('the options are in nothing that the instance shows, from the registration on (security 33)', async t => {
  const secrets = { appSecret: canary('app secret'), cookieSecret: [canary('cookie secret'), canary('cookie secret')] }
  const options = (): CloverOptions => ({
    environment: 'sandbox', appId: 'CANARYAPPID00', ...secrets, storage: memoryStorage(), baseUrl: 'https://shop.example', routes: { refresh: { guard: 'inherited' } }
  })
  const app = Fastify()
  t.teardown(() => app.close())
  const moments: string[] = []
  const look = (moment: string) => {
    moments.push(moment)
    t.same(findings(app, 12), [], moment)
  }
  await app.register(fastifyClover, options())
  look('registered')
  app.addHook('onReady', async () => { look('about to be ready') })
  app.register(async scope => { scope.get('/', async () => '') })
  await app.ready()
  look('ready')
  t.equal(moments.length, 3)

  const wrong = Fastify()
  t.teardown(() => wrong.close())
  const error: unknown = await wrong.register(fastifyClover, { ...options(), baseUrl: canary() }).then(() => undefined, (error: unknown) => error)
  t.ok(error instanceof Error)
  t.same(findings(error), [], 'nor in the error that stops a boot')
  t.same(findings(wrong, 12), [])
})
