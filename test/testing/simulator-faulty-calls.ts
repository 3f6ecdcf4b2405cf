import { type Test } from 'tap'
import { cloverSimulator, type CloverSimulator, type Endpoint, type Fault, type SimulatorOptions } from '../../src/testing/index.js'
import { until } from '../harness/waiting.js'

export const merchantId = 'FERNFILTER001'
export const other = 'LARKSTREET001'
export const start = 1_800_000_000_000

export async function simulator (t: Test, options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const clover = await cloverSimulator({ now: () => start, ...options })
  t.teardown(() => clover.close())
  return clover
}

export const post = (clover: CloverSimulator, path: string, body: unknown, init: RequestInit = {}) =>
  fetch(clover.origin + path, { method: 'POST', headers: { 'content-type': 'application/json', 'user-agent': 'test/1.0' }, body: JSON.stringify(body), ...init })

export const refresh = (clover: CloverSimulator, token: string, init?: RequestInit) =>
  post(clover, '/oauth/v2/refresh', { client_id: 'SIMULATORAPP1', refresh_token: token }, init)

export const merchant = (clover: CloverSimulator, token: string, id = merchantId, signal?: AbortSignal) =>
  fetch(`${clover.origin}/v3/merchants/${id}`, { headers: { authorization: `Bearer ${token}`, 'user-agent': 'test/1.0' }, ...(signal && { signal }) })

export const status = async (answer: Promise<Response>) => {
  const response = await answer
  await response.arrayBuffer()
  return response.status
}

/** Makes calls that stay open until the returned function makes their clients go away. */
export async function hold (t: Test, clover: CloverSimulator, on: Endpoint, calls: ((signal: AbortSignal) => Promise<Response>)[], latency: Partial<Fault> = {}) {
  clover.fault({ on, times: calls.length, kind: 'latency', ms: Infinity, ...latency } as Fault)
  const client = new AbortController()
  const arrived = clover.calls.length + calls.length
  const gone = calls.map(call => t.rejects(call(client.signal)))
  await until(() => clover.calls.length === arrived)
  const held = clover.calls.slice(-calls.length)
  return async () => {
    client.abort()
    await Promise.all(gone)
    await until(() => held.every(call => call.status !== undefined) && clover.openCalls === 0)
  }
}
