import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { merchantA, startHost, type Host, type HostOptions } from '../harness/host.js'
import { adoptable } from '../harness/pairs.js'

/** A host whose waits only move the test's clock. `waits`: each wait in milliseconds. */
export interface ApiHost extends Host {
  waits: number[]
  /** Connects a merchant, and resolves with the access token. */
  connect: (merchantId?: string) => Promise<string>
}

export const orders = '/v3/merchants/{mId}/orders'

/** Starts a host for calls to Clover's API. Default: no jitter. */
export async function apiHost (t: Test, options: HostOptions = {}): Promise<ApiHost> {
  const waits: number[] = []
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds)
    host.time.pass(milliseconds)
  }
  const host: Host = await startHost(t, { ...options, runtime: { sleep, jitter: () => 0, ...options.runtime } })
  const { app, clover } = host
  const connect = async (merchantId = merchantA) => {
    const pair = clover.connect({ merchantId })
    await app.clover.adopt(adoptable(merchantId, pair))
    return pair.access_token
  }
  return { ...host, waits, connect }
}

/** A server other than the simulator, and the requests that it got. */
export async function ownServer (t: Test, listener: RequestListener = (_request, response) => { response.end('{}') }): Promise<{ origin: string, requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    listener(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}
