import { Value } from '@sinclair/typebox/value'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { CloverSummary } from '../../src/index.js'
import { memoryStorage } from '../../src/storage/index.js'
import { boot, optionsWith, refusal } from '../harness/boot.js'
import { connect } from '../harness/browser.js'
import { merchantA, merchantB, startHost } from '../harness/host.js'
import { until } from '../harness/waiting.js'

const monitor = { authorization: 'Bearer monitor' }
const onRequest = async (request: FastifyRequest) => {
  if (request.headers.authorization !== monitor.authorization) throw Object.assign(new Error('not a monitor'), { statusCode: 401 })
}

t.test('a monitor gets the numbers, and nothing else (security 26)', async t => {
  const { app, clover, browser, leaks } = await startHost(t, { options: { routes: { refresh: false, status: { onRequest } } } })
  await connect(browser(), clover, merchantA)
  await connect(browser(), clover, merchantB)
  const calls = clover.calls.length
  const reply = await app.inject({ url: '/clover/status', headers: monitor })
  t.equal(reply.statusCode, 200)
  t.match(reply.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'content-type': 'application/json; charset=utf-8' })
  t.ok(Value.Check(CloverSummary, reply.json()))
  t.match(reply.json(), { merchants: 2, connected: 2, unusable: 0 })
  t.same(reply.json(), await app.clover.summary())
  t.same(leaks(reply.body, [merchantA, merchantB]), [])
  t.equal(clover.calls.length, calls, 'Clover is not called')
})

t.test('strangers are refused, and other methods (security 26)', async t => {
  const { app } = await startHost(t, { options: { routes: { refresh: false, status: { onRequest, path: '/monitor' } } } })
  for (const url of ['/monitor', '/monitor/']) {
    t.equal((await app.inject({ url })).statusCode, 401, url)
    t.equal((await app.inject({ url, headers: monitor })).statusCode, 200, url)
    for (const method of ['HEAD', 'POST', 'DELETE'] as const) t.equal((await app.inject({ method, url, headers: monitor })).statusCode, 405, `${method} ${url}`)
  }
  t.equal((await app.inject({ url: '/clover/status', headers: monitor })).statusCode, 404)
})

t.test('it is off by default, and must be guarded', async t => {
  const { app } = await startHost(t)
  t.equal((await app.inject({ url: '/clover/status' })).statusCode, 404)
  const base = { refresh: false } as const
  t.match(await refusal(t, { routes: { ...base, status: {} } }), /^routes\.status must be guarded: .*, or set it to false\.$/)
  t.match(await refusal(t, { routes: { ...base, status: '/status' } }), /^routes\.status must be guarded/)
  t.match(await refusal(t, { routes: { ...base, status: true } }), /^routes\.status must be a path, an object/)
  t.match(await refusal(t, { routes: { ...base, status: { guard: 'canary' } } }), /^routes\.status\.guard must be 'inherited'/)
  t.match(await refusal(t, { routes: { ...base, status: { onRequest, path: '/clover/launch' } } }), /^routes must have different paths/)
  t.match(await refusal(t, { routes: { ...base, launch: { guard: 'inherited' } } }), /guard is for routes\.refresh and routes\.status only/)
  t.equal(await boot(t, optionsWith({ routes: { ...base, status: { guard: 'inherited' } } })), undefined)
  for (const status of [undefined, false]) t.equal(await boot(t, optionsWith({ routes: { ...base, status } })), undefined)
})

t.test('it needs an adapter that lists', async t => {
  const { list, ...methods } = memoryStorage()
  t.ok(list)
  const sentence = await refusal(t, { storage: methods, routes: { refresh: false, status: { onRequest } } })
  t.equal(sentence, 'routes.status must be false or left out with this storage adapter: the route needs its method list, which it does not have.')
})

t.test('requests that come during a pass share it', async t => {
  const storage = memoryStorage()
  const held: Array<() => void> = []
  let passes = 0
  const list: typeof storage.list = async query => {
    passes++
    await new Promise<void>(resolve => { held.push(resolve) })
    return storage.list(query)
  }
  const end = async () => {
    await until('a pass has begun', () => held.length > 0)
    await new Promise(setImmediate)
    held.shift()?.()
  }
  const { app } = await startHost(t, { options: { storage: { ...storage, list }, keepAlive: false, routes: { refresh: false, status: { onRequest } } } })
  const ask = () => app.inject({ url: '/clover/status', headers: monitor })
  const first = [ask(), ask(), ask()]
  await end()
  for (const { statusCode } of await Promise.all(first)) t.equal(statusCode, 200)
  t.equal(passes, 1)
  const later = ask()
  await end()
  t.equal((await later).statusCode, 200)
})

t.test('a store that fails is a 503', async t => {
  const storage = { ...memoryStorage(), list: async () => { throw new Error('canary') } }
  const { app } = await startHost(t, { options: { storage, keepAlive: false, routes: { refresh: false, status: { onRequest } } } })
  const reply = await app.inject({ url: '/clover/status', headers: monitor })
  t.match(reply, { statusCode: 503 })
  t.match(reply.json(), { code: 'FST_CLOVER_STORAGE' })
  t.notMatch(reply.body, 'canary')
})
