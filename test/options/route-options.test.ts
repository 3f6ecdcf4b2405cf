import { inspect } from 'node:util'
import t from 'tap'
import { boot, canary, optionsWith, refusal } from '../harness/boot.js'

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
  t.match(await refusal(t, { routes: { launch: '/clover', callback: '/clover', refresh: false } }), /^routes must have different paths/)
  t.match(await refusal(t, { routes: { refresh: { path: '/clover/launch', guard: 'inherited' } } }), /^routes must have different paths/)
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

t.test('a refresh route without a guard stops the boot (security 26)', async t => {
  const unguarded = [undefined, '/clover/refresh', {}, { path: '/r' }, { onRequest: undefined }, { onRequest: [] }, { preHandler: 'x' }, { onSend: async () => {} }, { onResponse: async () => {} },
    { preSerialization: async () => {} }, { onRequest: [undefined] }]
  for (const refresh of unguarded) {
    t.match(await refusal(t, { routes: refresh === undefined ? undefined : { refresh } }), /^routes\.refresh must be guarded: give it an onRequest hook/, inspect(refresh))
  }
  for (const guard of ['none', 'inherit', true]) t.equal(await refusal(t, { routes: { refresh: { guard } } }), "routes.refresh.guard must be 'inherited', which means that hooks of the scope guard the route.")
  t.equal(await refusal(t, { routes: { refresh: false, launch: { guard: 'inherited' } } }), 'routes.launch.guard must be left out: guard is for routes.refresh and routes.status only.')
  const hook = async () => {}
  const guarded = [false, { guard: 'inherited' }, { onRequest: hook }, { preParsing: hook }, { preValidation: hook }, { preHandler: hook }, { preHandler: [hook, hook] }]
  for (const refresh of guarded) t.equal(await boot(t, optionsWith({ routes: { refresh } })), undefined, inspect(refresh))
})

t.test('a webhook route needs auth, even if undefined: only a path is refused', async t => {
  const clear = /^routes\.webhook must be false, or an object with auth, the Clover Auth Code of the developer dashboard \(undefined until Clover has verified the route\)/
  for (const webhook of ['/clover/webhook', '', canary, true, null, 7, []]) t.match(await refusal(t, { routes: { refresh: false, webhook } }), clear, inspect(webhook))
  for (const auth of [true, null, 7, canary, ' '.repeat(36), `${canary.repeat(3)}\n`, `${canary} ${canary}`, 'ü'.repeat(36), 'x'.repeat(257), {}, [canary.repeat(3), canary], [false], [null]]) {
    t.match(await refusal(t, { routes: { refresh: false, webhook: { auth } } }), /^routes\.webhook\.auth must be the Clover Auth Code of the developer dashboard \(16 characters or more, no spaces\)/, inspect(auth))
  }
  t.match(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, onVerificationCode: canary } } }), /^routes\.webhook\.onVerificationCode must be a function\.$/)
  for (const awaitEvents of [canary, 'true', 1, 0, null, {}]) {
    t.equal(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, awaitEvents } }, onEvent: () => {} }), 'routes.webhook.awaitEvents must be true or false.', inspect(awaitEvents))
  }
  t.equal(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, awaitEvent: true } }, onEvent: () => {} }), 'routes.webhook.awaitEvent is not a route option: did you mean routes.webhook.awaitEvents?')
  t.equal(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, awaitEvents: true } } }), 'routes.webhook.awaitEvents must be false or left out without onEvent: there is nothing to wait for.')
  for (const awaitEvents of [undefined, false]) t.equal(await boot(t, optionsWith({ routes: { refresh: false, webhook: { auth: undefined, awaitEvents } } })), undefined)
  t.equal(await boot(t, optionsWith({ routes: { refresh: false, webhook: { auth: undefined, awaitEvents: true } }, onEvent: () => {} })), undefined)
  t.match(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, path: '/w/' } } }), /^routes\.webhook must have a path such as \/clover\/webhook/)
  t.match(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, path: '/clover/launch' } } }), /^routes must have different paths/)
  t.match(await refusal(t, { routes: { refresh: false, webhook: { auth: undefined, guard: 'inherited' } } }), /^routes\.webhook\.guard must be left out: guard is for routes\.refresh and routes\.status only/)
  const unset: string | undefined = process.env.FASTIFY_CLOVER_TEST_NEVER_SET
  for (const auth of [unset, '', false, [], [unset], canary.repeat(3), [canary.repeat(3), unset]]) t.equal(await boot(t, optionsWith({ routes: { refresh: false, webhook: { auth } } })), undefined, inspect(auth))
  for (const webhook of [{}, undefined, false]) t.equal(await boot(t, optionsWith({ routes: { refresh: false, webhook } })), undefined, inspect(webhook))
})
