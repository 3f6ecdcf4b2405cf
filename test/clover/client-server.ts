import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test } from 'tap'
import type { CloverApp } from '../../src/clover/app.js'
import { createCloverClient, type CloverClient } from '../../src/clover/client.js'
import { CloverClock } from '../../src/clover/clock.js'
import { createCloverHttp } from '../../src/clover/http.js'

/*
 * Clover's endpoints, against a real server whose every answer the test decides.
 */

export interface Seen { method: string, url: string, headers: IncomingMessage['headers'], body: string }
export type Answer = (response: ServerResponse, seen: Seen) => void

export const expiration = 1_900_000_000
export const pair = { access_token: 'ACCESS', access_token_expiration: expiration, refresh_token: 'REFRESH', refresh_token_expiration: expiration + 1 }
export const ownPair = { accessToken: 'ACCESS', accessTokenExpiration: expiration, refreshToken: 'REFRESH', refreshTokenExpiration: expiration + 1 }
export const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Answer => response => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
export const text = (body: string, status = 200): Answer => response => { response.writeHead(status, { 'content-type': 'text/html' }).end(body) }

export interface Setup { client: CloverClient, seen: Seen[], clock: CloverClock, app: CloverApp, origin: string }

export async function clover (t: Test, answer: Answer, options: Partial<CloverApp> & { callTimeout?: number, now?: () => number } = {}): Promise<Setup> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const call = { method: String(request.method), url: String(request.url), headers: request.headers, body }
    seen.push(call)
    answer(response, call)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { callTimeout = 2_000, now = Date.now, ...overrides } = options
  const app: CloverApp = {
    environment: { name: 'test', authorize: origin, api: origin, legacy: origin }, appId: 'APP', appSecret: 'CANARY-secret', flow: 'v2', ...overrides
  }
  const clock = new CloverClock(now)
  return { client: createCloverClient(app, createCloverHttp({ fetch, clock, callTimeout, userAgent: 'shop/1 fastify-clover/0' })), seen, clock, app, origin }
}

export const exchange = { code: 'CANARY-code', verifier: 'CANARY-verifier', withRefreshToken: true }
export const bodyOf = ([call]: Seen[]): unknown => JSON.parse(call?.body ?? '')
