import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { cert, key } from '../harness/certificate.js'
import { merchantA, startHost } from '../harness/host.js'

/*
 * A host that ends https itself, with HTTP/2 and with HTTP/1.1: a merchant connects, and is served.
 */

interface Reply { status: number, headers: Record<string, unknown>, body: string }
type Get = (path: string, headers?: Record<string, string>) => Promise<Reply>

/** Gets over HTTP/2, on one connection. */
function overHttp2 (t: Test, origin: string): Get {
  const session = connectHttp2(origin, { ca: cert })
  t.teardown(() => { session.close() })
  return async (path, headers = {}) => {
    const stream = session.request({ ':path': path, accept: 'text/html', ...headers })
    const [answer] = await once(stream, 'response') as [Record<string, unknown>]
    let body = ''
    for await (const chunk of stream.setEncoding('utf8')) body += String(chunk)
    return { status: Number(answer[':status']), headers: answer, body }
  }
}

/** Gets over HTTP/1.1. */
function overHttp1 (t: Test, origin: string): Get {
  const agent = new Agent({ ca: cert, keepAlive: true })
  t.teardown(() => { agent.destroy() })
  return async (path, headers = {}) => {
    const sent = request(origin + path, { agent, headers: { accept: 'text/html', ...headers } }).end()
    const [answer] = await once(sent, 'response') as [IncomingMessage]
    let body = ''
    for await (const chunk of answer.setEncoding('utf8')) body += String(chunk)
    return { status: answer.statusCode ?? 0, headers: answer.headers, body }
  }
}

const cookiesOf = ({ headers }: Reply) => [headers['set-cookie']].flat().map(cookie => String(cookie).split(';')[0])

for (const [name, over] of [['HTTP/2', overHttp2], ['HTTP/1.1', overHttp1]] as const) {
  t.test(`https with ${name}: a merchant connects, the cookie is secure, and the handler has a token`, async t => {
    const { url, clover } = await startHost(t, {
      listens: 'localhost',
      fastify: { http2: true, https: { cert, key, allowHTTP1: true }, forceCloseConnections: true } as FastifyServerOptions,
      options: { baseUrl: 'https://shop.example' },
      after: app => { app.get('/token', async request => await request.clover.accessToken(merchantA)) }
    })
    const get = over(t, url)

    t.match(await get('/token'), { status: 409, body: /FST_CLOVER_NOT_CONNECTED/ })
    const launch = await get(`/clover/launch?merchant_id=${merchantA}&return_to=/orders`)
    t.equal(launch.status, 302)
    t.match(String(launch.headers['set-cookie']), /^__Host-.*Secure/)
    const authorize = new URL(String(launch.headers.location))
    t.equal(authorize.searchParams.get('redirect_uri'), 'https://shop.example/clover/callback')
    const { code } = clover.authorize({ merchantId: merchantA })
    const query = new URLSearchParams({ code: String(code), merchant_id: merchantA, state: String(authorize.searchParams.get('state')) })
    const callback = await get(`/clover/callback?${query}`, { cookie: cookiesOf(launch).join('; ') })
    t.match(callback, { status: 302, headers: { location: '/orders' } })
    const token = await get('/token')
    t.ok(clover.isLiveAccessToken(token.body))

    const again = await get(`/clover/callback?${query}`, { cookie: cookiesOf(launch).join('; ') })
    t.not(again.status, 200, 'a code works once')
    const strange = await get(`/clover/callback?code=made-up&merchant_id=${merchantA}`)
    t.equal(strange.status, 302, 'a callback that nobody asked for starts a launch')
    t.match(await get('/clover/launch?merchant_id=bad'), { status: 400, body: /<p>/ })
  })
}
