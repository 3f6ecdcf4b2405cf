import Fastify, { type FastifyInstance } from 'fastify'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { isCloverError } from '../src/errors.js'
import { fastifyClover, type CloverOptions } from '../src/index.js'
import { memoryStorage } from '../src/storage/index.js'

const canary = 'CANARY!SECRET'

/** Options that are right, and which of them to change. `undefined` takes one away. */
function optionsWith (changes: Record<string, unknown>): CloverOptions {
  const right: CloverOptions = {
    environment: 'sandbox',
    appId: 'ABCDEFGHJKLMN',
    appSecret: 'an app secret',
    storage: memoryStorage(),
    cookieSecret: 'x'.repeat(32),
    baseUrl: 'https://shop.example',
    routes: { refresh: { onRequest: async () => {} } }
  }
  return { ...right, ...changes }
}

/** Boots a host; resolves with the error that stopped it, if any. */
async function boot (t: Test, options: CloverOptions, prepare?: (app: FastifyInstance) => void): Promise<Error | undefined> {
  const app = Fastify()
  t.teardown(() => app.close())
  prepare?.(app)
  try {
    await app.register(fastifyClover, options)
    await app.ready()
    return undefined
  } catch (error) {
    return error as Error
  }
}

/** The sentence that stopped the boot. It never tells the value. */
async function refusal (t: Test, changes: Record<string, unknown>): Promise<string> {
  const error = await boot(t, optionsWith(changes))
  const label = inspect(changes, { depth: 3 })
  if (error === undefined) throw new Error(`accepted: ${label}`)
  t.ok(isCloverError(error, 'FST_CLOVER_INVALID_OPTIONS'), `${label}: ${error.message}`)
  t.notMatch(inspect(error), /CANARY/, `${label} is not told`)
  return error.message
}

/** How many sentences a message has: each ends with a full stop before a capital or an option's name, or at the end. */
function sentences (message: string): number {
  return message.split(/\.(?= [a-z]|$)/i).filter(text => text !== '').length
}

t.test('every wrong or missing option stops the boot with one sentence that names it and never tells its value (security 33)', async t => {
  const short = `${canary}short`
  const wrong: Record<string, unknown[]> = {
    environment: [undefined, '', canary, 'production', null, 7, {}, { base: canary }, { base: 'europe', nonsense: canary }, { name: 'x', api: 'https://a.example' }],
    appId: [undefined, '', canary, null, 7, 'A'.repeat(65), 'A B', ['ABCDEFGHJKLMN']],
    appSecret: [undefined, '', null, true, 0, 7, [canary]],
    flow: [canary, 'V1', null, 1],
    cookieSecret: [undefined, '', short, [], [short], ['x'.repeat(32), short], null, 7, { canary }],
    baseUrl: [undefined, '', canary, `http://${canary}.example`, 'http://shop.example', 'ftp://shop.example', `https://shop.example?${canary}`,
      'https://shop.example/?', `https://shop.example/#${canary}`, `https://user:${canary}@shop.example`, `https://${canary.slice(0, 6)}@shop.example`,
      'https://shop.example//', 'https://shop.example/a//b', 'https://shop.example/a\\b', 'https://shop.example\\@evil.example', ' https://shop.example',
      'https://shop.example\n', 'shop.example', '//shop.example', '/path', 'https:', 'https://', 'http://127.0.0.1.evil.example', 'http://localhost.evil.example',
      'http://0.0.0.0:3000', 'javascript:alert(1)', null, 7],
    appMarketUrl: [canary, '', `http://${canary}.example`, 'http://www.clover.com/appmarket/apps/X', 'javascript:alert(1)', `https://user:${canary}@www.clover.com`, 'https://www.clover.com\\@evil.example',
      ' https://www.clover.com', 'https://www.clover.com/a b', '/appmarket', null, 7, true],
    userAgent: [canary, '', 'my-shop', 'my-shop/', '/2.1', 'my shop/2.1', 'my-shop / 2.1', ' my-shop/2.1', 'my-shop/2.1 ', 'my-shop/2.1  x', 'my-shop/2.1 (a', 'my-shop/2.1 (a(b))', 'my-shop/2.1 (\u00e9)',
      '(comment) my-shop/2.1', 'my-shop/2.1\r\nx-evil: 1', 'my-shop/2.1\n', `my-shop/${'1'.repeat(256)}`, null, 7],
    dangerouslyTrustMerchantId: [canary, 'true', 1, null],
    dangerouslyUseImplicitFlow: [canary, 'true', 1, null],
    minValidity: [canary, '60', -1, NaN, Infinity, 86_401, null],
    refreshAhead: [canary, -0.1, 0.91, NaN, null],
    callTimeout: [canary, 0, -1, 1.5, 120_001, NaN, Infinity, null],
    maxWait: [canary, 0, 1.5, 600_001, null],
    maxCalls: [canary, 0, 1.5, 1001, null],
    cache: [canary, true, null, { max: 0 }, { ttl: -1 }, { max: canary }, { nonsense: canary }, 7],
    onConnect: [canary, null, {}],
    onError: [canary, true],
    onReauthorizationRequired: [canary, 0],
    onDisconnect: [canary, []],
    onEvent: [canary, true, null],
    storage: [undefined, null, canary, {}, { get () {}, put () {} }, { get: canary, put () {}, delete () {} }, memoryStorage]
  }
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const message = await refusal(t, { [name]: value })
      t.match(message, new RegExp(`^${name} must be `), `${name}: ${inspect(value)}`)
      t.equal(sentences(message), 1, message)
    }
  }
})

t.test('userAgent takes products and comments as they stand in the header', async t => {
  for (const userAgent of [undefined, 'my-shop/2.1', 'My.Shop~1/2.1-rc.1+build', 'my-shop/2.1 (+https://shop.example; support@shop.example)', 'my-shop/2.1 ()', 'my-shop/2.1 (a) worker node/20 (b) (c)']) {
    t.equal(await boot(t, optionsWith({ userAgent })), undefined, String(userAgent))
  }
})

t.test('several wrong options are named at once, a sentence for each', async t => {
  const message = await refusal(t, { appId: undefined, appSecret: '', cookieSecret: canary, routes: { launch: canary }, onError: 1, storage: null, nonsense: 1 })
  for (const name of ['appId', 'appSecret', 'cookieSecret', 'routes.launch', 'onError', 'storage', 'nonsense']) t.match(message, `${name} `)
  const later = await refusal(t, { cookieSecret: undefined, baseUrl: undefined, flow: 'v1', appSecret: false, routes: undefined, environment: { base: 'europe', api: 'http://x.example' } })
  for (const name of ['cookieSecret', 'baseUrl', 'flow', 'routes.refresh', 'environment.api']) t.match(later, `${name} must`)
})

t.test('no options at all stop the boot with the names of those that are required', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const error: Error = await (async () => app.register(fastifyClover, {} as CloverOptions))().then(() => new Error('booted'), (error: Error) => error)
  for (const name of ['environment', 'appId', 'appSecret', 'storage']) t.match(error.message, `${name} must be`)
})

t.test('an unset environment variable of a secret stops the boot, since it must not silently give recovery away', async t => {
  const unset: string | undefined = process.env.FASTIFY_CLOVER_TEST_NEVER_SET
  // Compiles under strict, as the README's block does.
  const options: CloverOptions = {
    environment: 'sandbox', appId: unset, appSecret: unset, cookieSecret: unset, baseUrl: unset, storage: memoryStorage(), routes: { refresh: false }
  }
  const error = await boot(t, options)
  t.match(error?.message, /appId must be .*appSecret must be the App Secret/)
  t.match(await refusal(t, { appSecret: '' }), /^appSecret must be the App Secret/)
})

t.test('appSecret: false makes a low-trust app, which v1 cannot have', async t => {
  t.equal(await boot(t, optionsWith({ appSecret: false })), undefined)
  t.equal(await boot(t, optionsWith({ flow: 'v1' })), undefined)
  t.match(await refusal(t, { appSecret: false, flow: 'v1' }), /^flow must be 'v2' for a low-trust app/)
})

t.test('the implicit flow is for the sandbox and for localhost: anything else stops the boot', async t => {
  const implicit = { flow: 'v1', dangerouslyUseImplicitFlow: true }
  const loopback = { authorize: 'http://localhost:3001', api: 'http://127.0.0.1:3001', legacy: 'http://[::1]:3001' }
  const sandbox = { authorize: 'https://sandbox.dev.clover.com', api: 'https://apisandbox.dev.clover.com', legacy: 'https://sandbox.dev.clover.com', ecommerce: 'https://scl-sandbox.dev.clover.com' }
  const right: unknown[] = ['sandbox', { base: 'sandbox' }, { base: 'sandbox', authorize: 'https://apisandbox.dev.clover.com' }, { base: 'sandbox', ...loopback }, { name: 'simulator', ...loopback },
    { name: 'simulator', ...loopback, ecommerce: 'https://localhost:3001' }, { name: 'sandbox', ...sandbox }]
  for (const environment of right) t.equal(await boot(t, optionsWith({ ...implicit, environment })), undefined, inspect(environment))
  const production: unknown[] = ['north-america', 'europe', 'latin-america', { base: 'north-america' }, { base: 'europe', legacy: 'https://sandbox.dev.clover.com' }, { base: 'latin-america', ...loopback },
    { base: 'europe', ...loopback }, { name: 'europe', ...loopback }, { base: 'sandbox', api: 'https://api.clover.com' }, { base: 'sandbox', legacy: 'https://www.clover.com' },
    { base: 'sandbox', ecommerce: 'https://scl.clover.com' }, { name: 'new-region', ...sandbox, api: 'https://api.clover.com' }, { name: 'proxy', ...loopback, legacy: 'https://clover.shop.example' },
    { name: 'x', ...loopback, authorize: 'https://localhost.evil.example' }, { name: 'x', ...loopback, authorize: 'https://sandbox.dev.clover.com.evil.example' }]
  for (const environment of production) {
    t.equal(await refusal(t, { ...implicit, environment }), 'dangerouslyUseImplicitFlow must be left out in production: it is for the sandbox, and for a simulator whose origins are all on localhost.', inspect(environment))
    t.equal(await boot(t, optionsWith({ flow: 'v1', dangerouslyUseImplicitFlow: false, environment })), undefined)
  }
  t.match(await refusal(t, { ...implicit, environment: { name: 'x', ...loopback, api: canary } }), /^environment\.api must be an https origin.*dangerouslyUseImplicitFlow must be left out in production/)
})

t.test('the implicit flow is v1\'s, needs no App Secret, and does not go with dangerouslyTrustMerchantId (security 15)', async t => {
  t.equal(await boot(t, optionsWith({ flow: 'v1', dangerouslyUseImplicitFlow: true, appSecret: false })), undefined)
  for (const flow of [undefined, 'v2']) {
    t.equal(await refusal(t, { flow, dangerouslyUseImplicitFlow: true }), "dangerouslyUseImplicitFlow must be left out unless flow is 'v1': v2 has no implicit flow.")
  }
  t.equal(await refusal(t, { flow: 'v1', dangerouslyUseImplicitFlow: true, dangerouslyTrustMerchantId: true }),
    'dangerouslyUseImplicitFlow must not be combined with dangerouslyTrustMerchantId: nothing would say whose a token is.')
  t.equal(await boot(t, optionsWith({ flow: 'v1', dangerouslyUseImplicitFlow: true, dangerouslyTrustMerchantId: false })), undefined)
})

t.test('prefix and unknown options are refused by name', async t => {
  const message = await refusal(t, { prefix: `/${canary}` })
  t.match(message, /^prefix does nothing here: register the plugin inside a scope/)
  t.match(await refusal(t, { apiKey: canary, prefix: '' }), /prefix does nothing here.* apiKey is not an option of fastify-clover\.$/)
  t.equal(await boot(t, optionsWith({ logLevel: 'warn', logSerializers: {} })), undefined, 'options of register itself are handed on by Fastify')
})

t.test('the same storage given to two registrations stops the boot, and is free again after close', async t => {
  const storage = memoryStorage()
  const first = Fastify()
  t.teardown(() => first.close())
  await first.register(fastifyClover, optionsWith({ storage }))
  await first.ready()
  t.match(await refusal(t, { storage }), /^storage must not be given to two registrations/)
  await first.close()
  t.equal(await boot(t, optionsWith({ storage })), undefined)
})

t.test('a storage that two scopes of one server are given stops the boot', async t => {
  const storage = memoryStorage()
  const app = Fastify()
  t.teardown(() => app.close())
  for (const prefix of ['/eu', '/us']) app.register(async scope => { await scope.register(fastifyClover, optionsWith({ storage })) }, { prefix })
  await t.rejects(async () => { await app.ready() }, { code: 'FST_CLOVER_INVALID_OPTIONS', message: /^storage must not be given to two registrations/ })
})

t.test('a boot that failed leaves its storage free, though the host does not close', async t => {
  const storage = memoryStorage()
  const fails = async (prepare: (app: FastifyInstance) => unknown) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(fastifyClover, optionsWith({ storage }))
    prepare(app)
    await t.rejects(async () => { await app.ready() }, { message: 'the host\'s own' })
  }
  const fail = async () => { throw new Error('the host\'s own') }
  await fails(app => app.register(fail))
  await fails(app => app.addHook('onReady', fail))
  const inScopes = Fastify()
  t.teardown(() => inScopes.close())
  inScopes.register(async scope => { await scope.register(async inner => { await inner.register(fastifyClover, optionsWith({ storage })) }) })
  inScopes.register(async scope => { scope.addHook('onReady', fail) })
  await t.rejects(async () => { await inScopes.ready() }, { message: 'the host\'s own' })
  t.equal(await boot(t, optionsWith({ storage })), undefined)
})

t.test('a server that was refused a storage does not free it by closing', async t => {
  const storage = memoryStorage()
  t.equal(await boot(t, optionsWith({ storage })), undefined)
  const refused = Fastify()
  await refused.register(fastifyClover, optionsWith({ storage }))
  await t.rejects(async () => { await refused.ready() }, { message: /^storage must not be given to two registrations/ })
  await refused.close()
  t.match(await refusal(t, { storage }), /^storage must not be given to two registrations/)
})

t.test('a registration that was refused leaves its storage free', async t => {
  const storage = memoryStorage()
  t.match((await boot(t, optionsWith({ storage }), app => app.decorate('clover', {} as never)))?.message, /registered in this scope already/)
  t.match((await boot(t, optionsWith({ storage }), app => app.decorateRequest('clover', { getter: () => ({}) as never })))?.message, /clover/)
  t.equal(await boot(t, optionsWith({ storage })), undefined)
})

t.test('two registrations in one scope, or one inside the other, stop the boot', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyClover, optionsWith({}))
  await t.rejects(async () => { await app.register(fastifyClover, optionsWith({})) }, { code: 'FST_CLOVER_INVALID_OPTIONS', message: /registered in this scope already/ })
  const inside = async (scope: FastifyInstance) => { await scope.register(fastifyClover, optionsWith({ routes: false })) }
  await t.rejects(async () => { await app.register(inside, { prefix: '/inside' }) }, { code: 'FST_CLOVER_INVALID_OPTIONS', message: /registered in this scope already/ })
})

t.test('routes: false needs neither cookieSecret nor baseUrl, but checks them if they are given', async t => {
  t.equal(await boot(t, optionsWith({ routes: false, cookieSecret: undefined, baseUrl: undefined })), undefined)
  const refresh = { onRequest: async () => {} }
  t.equal(await boot(t, optionsWith({ routes: { launch: false, callback: false, refresh }, cookieSecret: undefined, baseUrl: undefined })), undefined)
  t.match(await refusal(t, { routes: false, baseUrl: 'http://shop.example' }), /^baseUrl must be/)
  t.match(await refusal(t, { routes: false, cookieSecret: canary }), /^cookieSecret must be/)
  t.match(await refusal(t, { routes: { launch: false, refresh: false }, cookieSecret: undefined }), /^cookieSecret must be/)
})

t.test('a launch without a callback is refused, a callback without a launch is not', async t => {
  t.match(await refusal(t, { routes: { callback: false, refresh: false } }), /^routes\.callback must not be false while routes\.launch is on/)
  t.equal(await boot(t, optionsWith({ routes: { launch: false, refresh: false } })), undefined)
})

t.test('baseUrl may be https with a port, a path and slashes at its end, or http on loopback', async t => {
  const right = ['https://shop.example/', 'https://shop.example:8443', 'https://shop.example/shops/clover/', 'http://localhost:3000', 'http://127.0.0.1', 'http://127.8.8.8:1/x',
    'http://[::1]:3000', 'HTTPS://SHOP.example', 'https://shöp.example', 'https://shop.example/a%20b']
  for (const baseUrl of right) t.equal(await boot(t, optionsWith({ baseUrl })), undefined, baseUrl)
})

t.test('appMarketUrl may be any https URL, or unset', async t => {
  for (const appMarketUrl of ['https://www.clover.com/appmarket/apps/ABCDEFGHJKLMN', 'https://sandbox.dev.clover.com/appmarket/apps/X?a=b#c', 'http://localhost:3001/appmarket/apps/X', process.env.FASTIFY_CLOVER_TEST_NEVER_SET]) {
    t.equal(await boot(t, optionsWith({ appMarketUrl })), undefined, String(appMarketUrl))
  }
})

t.test('the number and the time of cached records can be set, one without the other', async t => {
  for (const cache of [{}, { max: 1 }, { ttl: 0 }, { max: 10, ttl: 60_000 }, false]) t.equal(await boot(t, optionsWith({ cache })), undefined, inspect(cache))
})

t.test('keep-alive can be switched off, and each of its settings be set without the others', async t => {
  const unset: number | undefined = undefined
  for (const keepAlive of [false, {}, { every: 60 }, { within: 0 }, { rate: 0.5, concurrency: 1 }, { every: unset }, Object.create(null)]) {
    t.equal(await boot(t, optionsWith({ keepAlive })), undefined, inspect(keepAlive))
  }
})

t.test('a wrong setting of keep-alive is named, and so is one that does not exist', async t => {
  const must = 'keepAlive must be false, or a plain object with every, within, rate and concurrency, all of them optional.'
  for (const keepAlive of [true, null, canary, 3600, [], [canary], new Map(), new Date()]) t.equal(await refusal(t, { keepAlive }), must, inspect(keepAlive))
  const wrong: Array<[Record<string, unknown>, string]> = [
    [{ every: 0 }, 'keepAlive.every must be a number of seconds from 1 to 604800.'],
    [{ every: NaN }, 'keepAlive.every must be a number of seconds from 1 to 604800.'],
    [{ within: canary }, 'keepAlive.within must be a number of seconds from 0 to 31536000.'],
    [{ rate: Infinity }, 'keepAlive.rate must be a number from 0.01 to 1000.'],
    [{ concurrency: 1.5 }, 'keepAlive.concurrency must be a whole number from 1 to 100.'],
    [{ evry: canary }, 'keepAlive.evry is not an option.'],
    [{ toString: canary }, 'keepAlive.toString is not an option.']
  ]
  for (const [keepAlive, sentence] of wrong) t.equal(await refusal(t, { keepAlive }), sentence, inspect(keepAlive))
  t.match(await refusal(t, { keepAlive: { every: -1, rate: 0 } }), /keepAlive\.every must be .*keepAlive\.rate must be/)
})

t.test('an origin that is overridden with undefined keeps its environment\'s', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const environment = { base: 'europe', authorize: process.env.FASTIFY_CLOVER_TEST_NEVER_SET }
  await app.register(fastifyClover, optionsWith({ environment }))
  const reply = await app.inject('/clover/launch')
  t.match(reply.headers.location, /^https:\/\/www\.eu\.clover\.com\/oauth\/v2\/authorize\?/)
})

t.test('wrong origins are named, without their value (security 20)', async t => {
  for (const origin of ['authorize', 'api', 'legacy', 'ecommerce']) {
    for (const value of ['http://clover.example', `https://clover.example/${canary}`, 'https://clover.example/', canary, `https://u:${canary}@clover.example`, 'ftp://clover.example']) {
      t.match(await refusal(t, { environment: { base: 'sandbox', [origin]: value } }), new RegExp(`^environment\\.${origin} must be an https origin`), value)
    }
  }
})

t.test('routes take a path, an object or false; anything else is named', async t => {
  const wrong: Array<[unknown, RegExp]> = [
    [null, /^routes must be false, or an object/], [canary, /^routes must be false, or an object/], [true, /^routes must be false/], [[], /^routes must be false/],
    [{ refresh: false, elsewhere: '/x' }, /^routes\.elsewhere is not a route/],
    [{ refresh: false, launch: null }, /^routes\.launch must be a path, an object/], [{ refresh: false, launch: true }, /^routes\.launch must be a path, an object/],
    [{ refresh: false, launch: ['/x'] }, /^routes\.launch must be a path, an object/]
  ]
  for (const [routes, sentence] of wrong) t.match(await refusal(t, { routes }), sentence, inspect(routes))
  for (const path of ['', '/', 'clover', '/clover/', '//clover', '/clover/:id', '/clover/*', '/clover?x', '/clover#x', '/a b', '/ä', '/../clover', '/clover/..', '/./clover', '/a//b', 7]) {
    t.match(await refusal(t, { routes: { refresh: false, callback: { path } } }), /^routes\.callback must have a path such as \/clover\/callback/, String(path))
    if (typeof path === 'string') t.match(await refusal(t, { routes: { refresh: false, callback: path } }), /^routes\.callback must have a path/, path)
  }
  for (const path of ['/c', '/.well-known/clover', '/a-b_c~d/e.f', '/v2..x']) {
    t.equal(await boot(t, optionsWith({ routes: { refresh: false, callback: path } })), undefined, path)
  }
})

t.test('two routes of one path are refused', async t => {
  t.match(await refusal(t, { routes: { launch: '/clover', callback: '/clover', refresh: false } }), /^routes must have a path each/)
  t.match(await refusal(t, { routes: { refresh: { path: '/clover/launch', guard: 'inherited' } } }), /^routes must have a path each/)
})

t.test('route options that are the plugin\'s own are refused by name', async t => {
  const owned = ['method', 'url', 'handler', 'exposeHeadRoute', 'logSerializers', 'validatorCompiler', 'serializerCompiler', 'schemaErrorFormatter', 'bodyLimit', 'attachValidation']
  for (const name of ['launch', 'callback', 'refresh', 'webhook']) {
    for (const option of owned) {
      const route = { [option]: canary, ...(name === 'refresh' && { guard: 'inherited' }) }
      t.equal(await refusal(t, { routes: { refresh: false, [name]: route } }), `routes.${name}.${option} is the plugin's own and cannot be set.`)
    }
  }
  for (const schema of [{ querystring: {} }, { body: {} }, { response: {} }, { headers: {} }, { params: {} }, canary]) {
    t.match(await refusal(t, { routes: { refresh: false, launch: { schema } } }), /^routes\.launch\.schema may only have hide, /, inspect(schema))
  }
})

t.test('a refresh route that nobody guards stops the boot (security 26)', async t => {
  const unguarded = [undefined, '/clover/refresh', {}, { path: '/r' }, { onRequest: undefined }, { onRequest: [] }, { preHandler: 'x' }, { onSend: async () => {} }, { onResponse: async () => {} },
    { preSerialization: async () => {} }, { onRequest: [undefined] }]
  for (const refresh of unguarded) {
    t.match(await refusal(t, { routes: refresh === undefined ? undefined : { refresh } }), /^routes\.refresh must be guarded: give it an onRequest hook/, inspect(refresh))
  }
  t.match(await refusal(t, { routes: { refresh: { guard: 'none' } } }), /^guard must be 'inherited', and is for routes\.refresh alone/)
  t.match(await refusal(t, { routes: { refresh: false, launch: { guard: 'inherited' } } }), /^guard must be 'inherited', and is for routes\.refresh alone/)
  const hook = async () => {}
  const guarded = [false, { guard: 'inherited' }, { onRequest: hook }, { preParsing: hook }, { preValidation: hook }, { preHandler: hook }, { preHandler: [hook, hook] }]
  for (const refresh of guarded) t.equal(await boot(t, optionsWith({ routes: { refresh } })), undefined, inspect(refresh))
})

t.test('a webhook route without its shared value is for being set up, and must say so: a path alone is refused', async t => {
  const clear = /^routes\.webhook must be false, or an object with auth, the Clover Auth Code of the developer dashboard \(undefined until Clover has verified the route\)/
  for (const webhook of ['/clover/webhook', '', canary, true, null, 7, []]) t.match(await refusal(t, { routes: { refresh: false, webhook } }), clear, inspect(webhook))
  for (const auth of [true, null, 7, canary, ' '.repeat(36), `${canary.repeat(3)}\n`, `${canary} ${canary}`, 'ü'.repeat(36), 'x'.repeat(257), {}, [canary.repeat(3), canary], [false], [null]]) {
    t.match(await refusal(t, { routes: { refresh: false, webhook: { auth } } }), /^routes\.webhook\.auth must be the Clover Auth Code of the developer dashboard \(16 characters or more, no spaces\)/, inspect(auth))
  }
  t.match(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, onVerificationCode: canary } } }), /^routes\.webhook\.onVerificationCode must be a function\.$/)
  t.match(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, path: '/w/' } } }), /^routes\.webhook must have a path such as \/clover\/webhook/)
  t.match(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, path: '/clover/launch' } } }), /^routes must have a path each/)
  t.match(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, guard: 'inherited' } } }), /^guard must be 'inherited', and is for routes\.refresh alone/)
  const unset: string | undefined = process.env.FASTIFY_CLOVER_TEST_NEVER_SET
  for (const auth of [unset, '', false, [], [unset], canary.repeat(3), [canary.repeat(3), unset]]) t.equal(await boot(t, optionsWith({ routes: { refresh: false, webhook: { auth } } })), undefined, inspect(auth))
  for (const webhook of [{}, undefined, false]) t.equal(await boot(t, optionsWith({ routes: { refresh: false, webhook } })), undefined, inspect(webhook))
})
