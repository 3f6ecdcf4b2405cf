import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { cert, key } from '../harness/certificate.js'

/** What came back from the app, or what a proxy makes of it. */
export interface Passed {
  status: number
  headers: OutgoingHttpHeaders
  body: string
}

/** What a proxy does to the requests and answers that pass it. Default: nothing. */
export interface Manners {
  /** Ends TLS, with a certificate of its own. */
  tls?: boolean
  /** The path and query that the app gets. */
  path?: (url: string) => string
  /** The answer that the visitor gets. */
  answer?: (passed: Passed, request: IncomingMessage) => Passed
  /** Answers in the app's place, where it returns something. */
  instead?: (request: IncomingMessage) => Passed | undefined
}

/** A reverse proxy in front of an app. */
export interface ReverseProxy {
  port: number
  /** The app's port, once it listens. */
  target: number
  /** `GET /path` and so on, as the visitors sent them. */
  requests: string[]
  manners: Manners
}

/** Starts a reverse proxy on a port of its own. */
export async function startProxy (t: Test, manners: Manners = {}): Promise<ReverseProxy> {
  const proxy: ReverseProxy = { port: 0, target: 0, requests: [], manners }
  const listener: RequestListener = (incoming, outgoing) => {
    proxy.requests.push(`${incoming.method} ${incoming.url}`)
    const send = ({ status, headers, body }: Passed) => { outgoing.writeHead(status, headers).end(body) }
    const made = proxy.manners.instead?.(incoming)
    if (made !== undefined) return send(made)
    pass(incoming, proxy).then(
      passed => { send(proxy.manners.answer?.(passed, incoming) ?? passed) },
      () => { send({ status: 502, headers: {}, body: 'Bad Gateway' }) })
  }
  const server = manners.tls ? createTlsServer({ cert, key }, listener) : createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  proxy.port = (server.address() as AddressInfo).port
  return proxy
}

async function pass (incoming: IncomingMessage, { target, manners }: ReverseProxy): Promise<Passed> {
  const path = manners.path?.(String(incoming.url)) ?? String(incoming.url)
  const sent = request({ host: '127.0.0.1', port: target, method: incoming.method, path, headers: incoming.headers, agent: false })
  incoming.pipe(sent)
  const [received] = await once(sent, 'response') as [IncomingMessage]
  let body = ''
  for await (const chunk of received.setEncoding('utf8')) body += String(chunk)
  const { 'transfer-encoding': _, connection, 'content-length': length, ...headers } = received.headers
  return { status: Number(received.statusCode), headers, body }
}

/** `fetch` over https that trusts the certificate of the tests; other addresses as usual. */
export const trustingFetch: typeof fetch = async (input, init = {}) => {
  const url = new URL(String(input))
  if (url.protocol !== 'https:') return await fetch(input, init)
  const { request } = await import('node:https')
  const sent = request(url, { method: init.method ?? 'GET', headers: Object.fromEntries(new Headers(init.headers)), ca: cert, agent: false, ...(init.signal && { signal: init.signal }) })
  sent.end(init.body)
  const [received] = await once(sent, 'response') as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of received) chunks.push(chunk as Buffer)
  const headers = new Headers()
  for (let i = 0; i < received.rawHeaders.length; i += 2) headers.append(String(received.rawHeaders[i]), String(received.rawHeaders[i + 1]))
  return new Response(chunks.length === 0 ? null : Buffer.concat(chunks), { status: Number(received.statusCode), headers })
}
