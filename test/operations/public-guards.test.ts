import t from 'tap'
import type { CloverRoutes } from '../../src/options/options.js'
import { guard, startDoctorHost } from './doctor-host.js'

t.test('refresh: a guard that refuses, in whatever hook and words, is in order', async t => {
  const routes: Array<NonNullable<CloverRoutes['refresh']>> = [
    { onRequest: guard }, { preParsing: async () => { throw Object.assign(new Error('no'), { statusCode: 403 }) } }, { preValidation: guard }, { preHandler: guard },
    { onRequest: async (_request, reply) => await reply.redirect('/login') }
  ]
  for (const [index, refresh] of routes.entries()) {
    const { diagnose } = await startDoctorHost(t, { routes: { refresh } })
    t.match((await diagnose())['refresh-guard'], { status: 'ok', message: /refuses a stranger/ }, String(index))
  }
  let status = 0
  const unclear = await startDoctorHost(t, { routes: { refresh: { onRequest: async (_request, reply) => await reply.code(status).send({}) } } })
  for (status of [400, 404, 405]) {
    t.match((await unclear.diagnose())['refresh-guard'], { status: 'warning', message: /cannot be seen/, fix: /401 or 403/ }, 'an error handler may answer the same')
  }
  const operators = await startDoctorHost(t, { routes: { launch: false, callback: false, refresh: { onRequest: async (_request, reply) => await reply.redirect('/login') } } })
  t.match((await operators.diagnose())['refresh-guard'], { status: 'ok', message: /a redirect to .*\/login/ })
  const inherited = await startDoctorHost(t, {
    routes: { refresh: { guard: 'inherited' } },
    before: app => { app.addHook('onRequest', async (request, reply) => request.url === '/clover/refresh' ? await guard(request, reply) : undefined) }
  })
  t.match((await inherited.diagnose())['refresh-guard'], { status: 'ok' })
})

t.test('refresh: a guard that lets a stranger through is an error, and the stranger refreshes nobody', async t => {
  const { diagnose, clover, connect } = await startDoctorHost(t, { routes: { refresh: { onRequest: async () => {} } } })
  await connect()
  t.match((await diagnose())['refresh-guard'], { status: 'error', message: /lets a stranger through/, fix: /onRequest hook/ })
  t.equal(clover.count('refresh'), 0)
  const addsCredentials = await startDoctorHost(t, { routes: { refresh: { onRequest: async request => { request.headers.authorization = 'added' } } } })
  t.match((await addsCredentials.diagnose())['refresh-guard'], { status: 'error' })
  type Reply = (error: Error) => { status: number, headers?: Record<string, string>, body?: object }
  let reply: Reply = () => ({ status: 500 })
  const ownErrors = await startDoctorHost(t, {
    routes: { refresh: { onRequest: async () => {} } },
    before: app => {
      app.setErrorHandler((error: Error, _request, answer) => {
        const { status, headers = {}, body = {} } = reply(error)
        return answer.code(status).headers(headers).send(body)
      })
    }
  })
  const through: Array<[Reply, string]> = [
    [() => ({ status: 409 }), 'error'],
    [() => ({ status: 200 }), 'error'],
    [() => ({ status: 400, body: { code: 'FST_CLOVER_NOT_CONNECTED' } }), 'error'],
    [error => 'launchUrl' in error ? { status: 302, headers: { location: String(error.launchUrl) } } : { status: 400 }, 'error'],
    [error => 'launchUrl' in error ? { status: 404 } : { status: 400 }, 'warning'],
    ...[400, 404, 422, 500].map((status): [Reply, string] => [() => ({ status }), 'warning'])
  ]
  for (const [given, status] of through) {
    reply = given
    t.match((await ownErrors.diagnose())['refresh-guard'], { status }, reply.toString())
  }
})

t.test('webhook: without its code in the options it refuses all the same', async t => {
  const { diagnose } = await startDoctorHost(t, { routes: { webhook: { auth: undefined } } })
  t.match(await diagnose(), { webhook: { status: 'ok' }, 'webhook-auth': { status: 'warning' } })
})
