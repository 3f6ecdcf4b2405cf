import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { fastifyClover } from '../src/index.js'
import { memoryStorage } from '../src/storage/index.js'
import { boot, optionsWith, refusal } from './harness/boot.js'

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
