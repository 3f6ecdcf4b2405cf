import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:https'
import t, { type Test } from 'tap'
import { ownServer } from '../api/api-host.js'
import { cert, key } from '../harness/certificate.js'
import { freePort } from '../harness/ports.js'
import { complaints, startDoctorHost } from './doctor-host.js'

/** A server that takes connections and does with them what a test wants. */
async function tcpServer (t: Test, onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { for (const socket of sockets) socket.destroy(); server.close() })
  return (server.address() as AddressInfo).port
}

async function selfSigned (t: Test): Promise<string> {
  const server = createTlsServer({ cert, key }, (_request, response) => { response.end() }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

/** The origins that cannot be reached, each with the words that name its fault. */
async function faultyOrigins (t: Test): Promise<Array<[origin: string, words: RegExp]>> {
  const plain = await tcpServer(t, socket => { socket.end('HTTP/1.1 400 Bad Request\r\n\r\n') })
  const silent = await tcpServer(t, () => {})
  const rude = await tcpServer(t, socket => { socket.once('data', () => { socket.destroy() }) })
  return [
    ['https://no-such-host.invalid', /its name does not resolve \((?:ENOTFOUND|EAI_AGAIN)\)/],
    [`http://127.0.0.1:${await freePort()}`, /it refuses the connection \(ECONNREFUSED\)/],
    [await selfSigned(t), /its certificate does not fit \(DEPTH_ZERO_SELF_SIGNED_CERT\)/],
    [`https://127.0.0.1:${plain}`, /it does not speak TLS \((?:EPROTO|ERR_SSL_\w+)\)/],
    [`http://127.0.0.1:${silent}`, /it does not answer in time \(1000 ms\)/],
    [`http://127.0.0.1:${rude}`, /the connection fails \((?:UND_ERR_SOCKET|ECONNRESET)\)/]
  ]
}

t.test('an origin that cannot be reached is an error where this server goes, and a warning where others go', async t => {
  for (const [origin, words] of await faultyOrigins(t)) {
    const callTimeout = words.source.includes('in time') ? 1000 : 5000
    const { diagnose } = await startDoctorHost(t, {
      runtime: { fetch: globalThis.fetch },
      listens: false,
      options: ({ clover }) => ({ callTimeout, environment: { ...clover.environment, authorize: origin, ecommerce: origin } })
    })
    const browsers = await diagnose()
    t.match(browsers, {
      'clover-api': { status: 'ok' },
      'clover-authorize': { status: 'warning', message: words, fix: /./ },
      'clover-ecommerce': { status: 'warning', message: words, fix: /./ },
      clock: { status: 'ok' }
    }, origin)
    const { diagnose: again } = await startDoctorHost(t, {
      runtime: { fetch: globalThis.fetch },
      listens: false,
      options: ({ clover }) => ({ callTimeout, environment: { ...clover.environment, api: origin } })
    })
    t.match(await again(), { 'clover-api': { status: 'error', message: words, fix: /./ }, 'clover-authorize': { status: 'ok' }, clock: { status: 'not-checked' } }, origin)
  }
})

t.test('a failure without a code is reported without one', async t => {
  const { diagnose } = await startDoctorHost(t, { listens: false, runtime: { fetch: async () => { throw new TypeError('fetch failed: https://canary') } } })
  t.match((await diagnose())['clover-api'], { status: 'error', message: /^http:\/\/localhost:\d+ cannot be reached: the connection fails\.$/ })
})

t.test('the flow decides which origins are used; one that is not is not asked', async t => {
  const legacy = `http://127.0.0.1:${await freePort()}`
  const { diagnose } = await startDoctorHost(t, { options: ({ clover }) => ({ environment: { ...clover.environment, legacy } }) })
  t.match(await diagnose(), { 'clover-legacy': { status: 'not-checked' } })
  const { diagnose: v1 } = await startDoctorHost(t, { options: ({ clover }) => ({ flow: 'v1', environment: { ...clover.environment, legacy } }) })
  t.match(await v1(), { 'clover-legacy': { status: 'error', message: /refuses/ }, 'clover-authorize': { status: 'not-checked' } })
  const { diagnose: healthy } = await startDoctorHost(t, { options: { flow: 'v1' } })
  t.same(complaints(await healthy()), [])
})

t.test('an environment without ecommerce has none to ask', async t => {
  const { diagnose, connect } = await startDoctorHost(t, {
    options: ({ clover: { environment: { ecommerce: _, ...environment } } }) => ({ environment })
  })
  await connect()
  const findings = await diagnose({ merchantId: 'MERCHANT0000A' })
  t.match(findings, { 'clover-ecommerce': { status: 'not-checked' }, 'ecommerce-key': { status: 'not-checked' } })
  t.same(complaints(findings), [])
})

t.test('an origin that answers with 5xx is a warning, one that answers with 404 is in order', async t => {
  for (const [status, expected] of [[503, 'warning'], [500, 'warning'], [404, 'ok'], [401, 'ok'], [301, 'ok']] as const) {
    const { origin, requests } = await ownServer(t, (_request, response) => { response.writeHead(status, { location: '/' }).end() })
    const { diagnose } = await startDoctorHost(t, { listens: false, options: ({ clover }) => ({ environment: { ...clover.environment, api: origin } }) })
    t.match(await diagnose(), { 'clover-api': { status: expected } })
    t.equal(requests.length, 1, 'asked once, and no redirect is followed')
    t.match(requests[0]?.headers['user-agent'], /^fastify-clover\//)
    t.equal(requests[0]?.headers.authorization, undefined)
  }
})

t.test('this machine\'s clock is compared with Clover\'s', async t => {
  const { diagnose, clover, time } = await startDoctorHost(t)
  for (const [seconds, status, words] of [
    [0, 'ok', /agrees/], [20, 'ok', /agrees/], [-20, 'ok', /agrees/],
    [60, 'warning', /behind Clover's/], [-60, 'warning', /ahead of Clover's/],
    [600, 'error', /\b(?:599|600) seconds behind/], [-600, 'error', /\b(?:599|600) seconds ahead/], [86_400, 'error', /behind/]
  ] as const) {
    clover.setNow(() => time.now() + seconds * 1000)
    t.match(await diagnose(), { clock: { status, message: words } }, `${seconds} s`)
  }
})

t.test('a slow answer, and one from a cache, is no wrong clock', async t => {
  const headers: Record<string, string> = {}
  const { origin } = await ownServer(t, (_request, response) => {
    response.sendDate = false
    response.writeHead(200, headers).end()
  })
  let passes = 0
  const { diagnose, time } = await startDoctorHost(t, {
    listens: false,
    runtime: {
      fetch: async (input, init) => {
        const response = await fetch(input, init)
        time.pass(passes)
        return response
      }
    },
    options: ({ clover }) => ({ environment: { ...clover.environment, api: origin, authorize: origin, ecommerce: origin } })
  })
  const clock = async () => (await diagnose()).clock
  t.match(await clock(), { status: 'not-checked' }, 'there is no Date')
  headers.date = 'yesterday'
  t.match(await clock(), { status: 'not-checked' })
  passes = 60_000
  headers.date = new Date(time.now()).toUTCString()
  t.match(await clock(), { status: 'ok' }, 'the answer was a minute on its way')
  passes = 0
  headers.date = new Date(time.now() - 3_600_000).toUTCString()
  t.match(await clock(), { status: 'error' })
  headers.age = '3600'
  t.match(await clock(), { status: 'ok' })
})
