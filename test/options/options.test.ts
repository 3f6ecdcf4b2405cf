import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { inspect } from 'node:util'
import t from 'tap'
import { environments, fastifyClover, type CloverOptions } from '../../src/index.js'
import { CloverDataOptions } from '../../src/options/options.js'
import { resolveOptions } from '../../src/options/resolve-options.js'
import { memoryStorage } from '../../src/storage/index.js'
import { boot, canary, optionsWith, refusal, sentences } from '../harness/boot.js'

t.test('every wrong or missing option stops the boot with one sentence that has its name and never its value (security 33)', async t => {
  const short = `${canary}short`
  const wrong: Record<string, unknown[]> = {
    environment: [undefined, '', canary, 'production', null, 7, {}, { base: canary }, { base: 'europe', nonsense: canary }, { name: 'x', api: 'https://a.example' },
      ...['', 'x\u0000', 'x\ud800', 'x\n', 'x'.repeat(65)].map(name => ({ name, authorize: 'https://a.example', api: 'https://a.example', legacy: 'https://a.example' }))],
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
  let refused = 0
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const message = await refusal(t, { [name]: value })
      if (!message.startsWith(`${name} ${value === undefined ? 'is missing: it ' : value === '' ? 'is empty: it ' : ''}must be `) || sentences(message) !== 1) t.fail(`${name}: ${inspect(value)}: ${message}`)
      refused++
    }
  }
  t.ok(refused > 160, `${refused} values`)
})

t.test('deployment is a name, and a wrong or unset one is refused (security 33)', async t => {
  const must = "deployment must be a name of 1 to 32 letters, digits, dots, hyphens and underscores, such as 'production', or, after a store was moved on purpose, { name, takeOver, until }; it may be left out, but not be undefined, as an unset variable is."
  const unset: string | undefined = process.env.FASTIFY_CLOVER_TEST_NEVER_SET
  for (const deployment of [unset, '', canary, null, true, 7, ['production'], [], '-x', '.x', 'a b', 'a\n', 'ü', 'x'.repeat(33), new Date()]) t.equal(await refusal(t, { deployment }), must, inspect(deployment))
  for (const deployment of ['production', 'p', 'Production.eu-2_b', '1', 'x'.repeat(32)]) t.equal(await boot(t, optionsWith({ deployment })), undefined, deployment)
  t.match(await refusal(t, { deploymnt: canary }), /^deploymnt is not an option of fastify-clover: did you mean deployment\?/)
})

t.test('userAgent accepts products and comments in the form of the header', async t => {
  for (const userAgent of [undefined, 'my-shop/2.1', 'My.Shop~1/2.1-rc.1+build', 'my-shop/2.1 (+https://shop.example; support@shop.example)', 'my-shop/2.1 ()', 'my-shop/2.1 (a) worker node/20 (b) (c)']) {
    t.equal(await boot(t, optionsWith({ userAgent })), undefined, String(userAgent))
  }
})

t.test('several wrong options are named at once, a line for each', async t => {
  const message = await refusal(t, { appId: undefined, appSecret: '', cookieSecret: canary, routes: { launch: canary }, onError: 1, storage: null, nonsense: 1 })
  for (const name of ['appId', 'appSecret', 'cookieSecret', 'routes.launch', 'onError', 'storage', 'nonsense']) t.match(message, `${name} `)
  const later = await refusal(t, { cookieSecret: undefined, baseUrl: undefined, flow: 'v1', appSecret: false, routes: undefined, environment: { base: 'europe', api: 'http://x.example' } })
  for (const name of ['flow', 'routes.refresh', 'environment.api']) t.match(later, new RegExp(`^${name} must`, 'm'))
  for (const name of ['cookieSecret', 'baseUrl']) t.match(later, new RegExp(`^${name} is missing: it must be`, 'm'))
})

t.test('one error names all problems, so that one start shows them', async t => {
  const unset: string | undefined = process.env.FASTIFY_CLOVER_TEST_NEVER_SET
  const without = await refusal(t, { appId: unset, appSecret: unset, cookieSecret: unset, baseUrl: unset, routes: undefined })
  t.match(without.split('\n'), [/^appId is missing/, /^appSecret is missing/, /^routes\.refresh must be guarded/, /^cookieSecret is missing/, /^baseUrl is missing/])
  const message = await refusal(t, {
    appId: canary,
    flow: 'v1',
    baseUrl: 'shop.example',
    appMarketUrl: canary,
    environment: { base: 'europe', api: canary },
    dangerouslyUseImplicitFlow: true,
    keepAlive: { every: 60 },
    storage: { get () {}, put () {}, delete () {} },
    cookieSecret: undefined,
    routes: { launch: { path: 'x/' }, callback: false, refresh: { path: canary }, webhook: { auth: undefined, path: '/clover/refresh' }, lanch: false }
  })
  const said = ['appId must be', 'baseUrl must be', 'appMarketUrl must be', 'environment.api must be', 'dangerouslyUseImplicitFlow must be left out in production', 'keepAlive must be false', 'cookieSecret is missing: it must be',
    'routes.launch must have a path', 'routes.callback must not be false', 'routes.refresh must have a path', 'routes.refresh must be guarded', 'routes.lanch is not a route']
  for (const words of said) t.equal(message.split(words).length, 2, words)
  t.match(await refusal(t, { environment: 'mars', dangerouslyUseImplicitFlow: true }), /^environment must be .*\ndangerouslyUseImplicitFlow must be left out unless flow is 'v1'/)
  t.match(await refusal(t, { routes: canary, cookieSecret: unset }), /routes must be false, or an object.*\ncookieSecret is missing: it must be/)
  t.match(await refusal(t, { routes: { launch: '/c', callback: '/c', webhook: canary } }), /routes\.webhook must be false.*\nroutes must have different paths.*\nroutes\.refresh must be guarded/)
})

t.test('for a misspelt option the error suggests the right one', async t => {
  const wrong: Array<[Record<string, unknown>, string]> = [
    [{ cookieSecrets: canary }, 'cookieSecret'], [{ cookiesecret: canary }, 'cookieSecret'], [{ appID: canary }, 'appId'], [{ minValidty: 60 }, 'minValidity'], [{ onconnect: canary }, 'onConnect'],
    [{ storag: canary }, 'storage'], [{ keepAlive: { evry: 1 } }, 'keepAlive.every'], [{ routes: { refresh: false, lanch: '/x' } }, 'routes.launch'],
    [{ routes: { refresh: false, launch: { pathh: '/x' } } }, 'routes.launch.path'], [{ routes: { refresh: { onRequst: async () => {}, guard: 'inherited' } } }, 'routes.refresh.onRequest'],
    [{ routes: { refresh: { gaurd: 'inherited', onRequest: async () => {} } } }, ''], [{ routes: { refresh: { guards: 'inherited', onRequest: async () => {} } } }, 'routes.refresh.guard'],
    [{ routes: { refresh: false, webhook: { auth: undefined, onVerificationcode: canary } } }, 'routes.webhook.onVerificationCode']
  ]
  for (const [changes, meant] of wrong) {
    if (meant === '') t.equal(await boot(t, optionsWith(changes)), undefined, 'five letters, two of them changed, may be another plugin\'s option')
    else t.match(await refusal(t, changes), new RegExp(`^${meant.replace(/\w+$/, '')}\\w+ is not an? \\w+( of fastify-clover| option)?: did you mean ${meant}\\?$`), inspect(changes))
  }
  t.equal(await refusal(t, { secret: canary }), 'secret is not an option of fastify-clover.')
  for (const [name, own] of [['clientId', 'appId'], ['clientSecret', 'appSecret']] as const) {
    t.equal(await refusal(t, { [name]: canary }), `${name} is not an option of fastify-clover: did you mean ${own}?`)
  }
  t.equal(await refusal(t, { routes: { refresh: false, elsewhere: canary } }), 'routes.elsewhere is not a route of fastify-clover: there are launch, callback, refresh, status, webhook.')
  t.equal(await boot(t, optionsWith({ routes: { refresh: false, launch: { helmet: { enableCSPNonces: true }, config: { rateLimit: {} }, websocket: false } } })), undefined, 'options that other plugins read')
})

t.test('an option named like a member of every object is unknown too', async t => {
  for (const name of ['toString', 'constructor', 'hasOwnProperty', '__proto__']) {
    const odd = Object.defineProperty({}, name, { value: canary, enumerable: true })
    const changes = Object.defineProperty({ ...optionsWith({}) }, name, { value: canary, enumerable: true }) as Record<string, unknown>
    t.equal((await boot(t, changes as unknown as CloverOptions))?.message, `${name} is not an option of fastify-clover.`)
    t.equal(await refusal(t, { keepAlive: odd }), `keepAlive.${name} is not an option.`)
    t.match(await refusal(t, { cache: odd }), /^cache must be /, name)
    t.match(await refusal(t, { environment: Object.assign(odd, { base: 'sandbox' }) }), /^environment must be /, name)
    t.match(await refusal(t, { routes: Object.defineProperty({ refresh: false }, name, { value: canary, enumerable: true }) }), `routes.${name} is not a route`, name)
  }
})

t.test('a secret with a line break at its end is refused', async t => {
  const right = { appId: 'ABCDEFGHJKLMN', appSecret: canary, cookieSecret: canary.padEnd(32, 'x') }
  for (const [name, value] of Object.entries(right)) {
    for (const given of [`${value}\n`, `${value}\r\n`, ` ${value}`, `${value}\t`, ' '.repeat(40)]) {
      t.equal(await refusal(t, { [name]: given }), `${name} must not begin or end with a space or line break, which a file often has at its end: trim it.`, inspect(given.replace(value, '')))
    }
  }
  t.match(await refusal(t, { cookieSecret: [right.cookieSecret, `${right.cookieSecret}\n`] }), /^cookieSecret must not begin or end with a space/)
  t.equal(await boot(t, optionsWith({ appSecret: 'two words', cookieSecret: 'blanks between the words are not at its ends' })), undefined)
})

t.test('the sentence about cookieSecret has the command that makes one', async t => {
  for (const cookieSecret of [undefined, 'short']) t.match(await refusal(t, { cookieSecret }), 'openssl rand -base64 32')
})

t.test('the error for a storage adapter names a missing method, or says that the function must be called', async t => {
  const { get, put } = memoryStorage()
  const must = 'storage must be a storage adapter with the methods get, put and delete'
  t.equal(await refusal(t, { storage: { get, delete: get } }), `${must}, but it has no put: see fastify-clover/storage for ready ones.`)
  t.equal(await refusal(t, { storage: { put } }), `${must}, but it has no get and no delete: see fastify-clover/storage for ready ones.`)
  t.equal(await refusal(t, { storage: memoryStorage }), `${must}, not a function that makes one: call it, as in storage: memoryStorage().`)
})

t.test('without options the boot stops with the names of the required ones', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const error: Error = await (async () => app.register(fastifyClover, {} as CloverOptions))().then(() => new Error('booted'), (error: Error) => error)
  for (const name of ['environment', 'appId', 'appSecret', 'storage']) t.match(error.message, `${name} is missing: it must be`)
})

t.test('an unset environment variable of a secret stops the boot, so that it does not silently make the app low trust', async t => {
  const unset: string | undefined = process.env.FASTIFY_CLOVER_TEST_NEVER_SET
  // Compiles under strict, as the README's block does.
  const options: CloverOptions = {
    environment: 'sandbox', appId: unset, appSecret: unset, cookieSecret: unset, baseUrl: unset, storage: memoryStorage(), routes: { refresh: false }
  }
  const error = await boot(t, options)
  t.match(error?.message, /^appId is missing: it must be .*\nappSecret is missing: it must be the App Secret/)
  t.match(await refusal(t, { appSecret: '' }), /^appSecret is empty: it must be the App Secret/)
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
  t.match(await refusal(t, { ...implicit, environment: { name: 'x', ...loopback, api: canary } }), /^environment\.api must be an https origin.*dangerouslyUseImplicitFlow must be left out in production/s)
})

t.test('the implicit flow is v1\'s, needs no App Secret, and does not go with dangerouslyTrustMerchantId (security 15)', async t => {
  t.equal(await boot(t, optionsWith({ flow: 'v1', dangerouslyUseImplicitFlow: true, appSecret: false })), undefined)
  for (const flow of [undefined, 'v2']) {
    t.equal(await refusal(t, { flow, dangerouslyUseImplicitFlow: true }), "dangerouslyUseImplicitFlow must be left out unless flow is 'v1': v2 has no implicit flow.")
  }
  t.equal(await refusal(t, { flow: 'v1', dangerouslyUseImplicitFlow: true, dangerouslyTrustMerchantId: true }),
    'dangerouslyUseImplicitFlow must not be combined with dangerouslyTrustMerchantId: the owner of a token would never be checked.')
  t.equal(await boot(t, optionsWith({ flow: 'v1', dangerouslyUseImplicitFlow: true, dangerouslyTrustMerchantId: false })), undefined)
})

t.test('prefix and unknown options are refused by name', async t => {
  const message = await refusal(t, { prefix: `/${canary}` })
  t.match(message, /^prefix has no effect here: register the plugin inside a scope/)
  t.match(await refusal(t, { apiKey: canary, prefix: '' }), /prefix has no effect here.*\napiKey is not an option of fastify-clover\.$/)
  t.equal(await boot(t, optionsWith({ logLevel: 'warn', logSerializers: {} })), undefined, 'options of register itself are handed on by Fastify')
})

t.test('routes: false needs neither cookieSecret nor baseUrl, but checks them if they are given', async t => {
  t.equal(await boot(t, optionsWith({ routes: false, cookieSecret: undefined, baseUrl: undefined })), undefined)
  const refresh = { onRequest: async () => {} }
  t.equal(await boot(t, optionsWith({ routes: { launch: false, callback: false, refresh }, cookieSecret: undefined, baseUrl: undefined })), undefined)
  t.match(await refusal(t, { routes: false, baseUrl: 'http://shop.example' }), /^baseUrl must be/)
  t.match(await refusal(t, { routes: false, cookieSecret: canary }), /^cookieSecret must be/)
  t.match(await refusal(t, { routes: { launch: false, refresh: false }, cookieSecret: undefined }), /^cookieSecret is missing: it must be/)
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

t.test('max and ttl of the cache can be set, one without the other', async t => {
  for (const cache of [{}, { max: 1 }, { ttl: 0 }, { max: 10, ttl: 60_000 }, false]) t.equal(await boot(t, optionsWith({ cache })), undefined, inspect(cache))
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

t.test('a baseUrl that is the redirect URI is refused: each callback would be a 404', async t => {
  const routes = { refresh: false } as const
  const sentence = /^baseUrl must be without the callback's path/
  t.match(await refusal(t, { baseUrl: 'http://localhost:3000/clover/callback', routes }), sentence)
  t.match(await refusal(t, { baseUrl: 'https://shop.example/connect/done/', routes: { ...routes, callback: '/done' } }), sentence)
  t.equal(await boot(t, optionsWith({ baseUrl: 'https://shop.example/clover', routes })), undefined)
  t.equal(await boot(t, optionsWith({ baseUrl: 'https://shop.example/clover/callback', routes: false })), undefined)
  t.notMatch(await refusal(t, { baseUrl: 'https://shop.example/clover/callback', routes: { callback: 'no path' } }), /without the callback/)
})

t.test('a number that is left out is the default of its schema, which its docblock tells', async t => {
  const source = readFileSync('src/options/options.ts', 'utf8')
  const told = [...source.matchAll(/Default: ([\d.]+)\. \*\/\n {2}(\w+): /g)].map(([, value, name]) => [String(name), Number(value)])
  const names = ['minValidity', 'refreshAhead', 'callTimeout', 'maxWait', 'maxCalls'] as const
  const { max, ttl } = (CloverDataOptions.properties.cache as unknown as { anyOf: [unknown, { properties: Record<'max' | 'ttl', { default: number }> }] }).anyOf[1].properties
  t.same(told, [['max', max.default], ['ttl', ttl.default], ...names.map(name => [name, CloverDataOptions.properties[name].default])])
  const resolved = resolveOptions(optionsWith({}))
  t.same(names.map(name => resolved[name]), names.map(name => CloverDataOptions.properties[name].default))
  t.same(resolved.cache, { max: max.default, ttl: ttl.default })
  t.equal(resolved.minValidity, 60)
})

t.test('the sentence about environment names each of Clover\'s', async t => {
  const message = await refusal(t, { environment: undefined })
  for (const name of Object.keys(environments)) t.match(message, `'${name}'`, name)
})
