import { createHash } from 'node:crypto'
import type { Test } from 'tap'
import { cloverSimulator, type CloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'

export const merchantId = 'FERNFILTER001'
export const other = 'LARKSTREET001'
export const start = 1_800_000_000_000

export async function simulator (t: Test, options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const clover = await cloverSimulator({ now: () => start, ...options })
  t.teardown(() => clover.close())
  return clover
}

export interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

export async function ask (url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...init, headers: { 'user-agent': 'test/1.0', ...init.headers } as Record<string, string> })
  return { status: response.status, headers: response.headers, body: await response.json() as Record<string, unknown> }
}

export const post = (clover: CloverSimulator, path: string, body: unknown) =>
  ask(clover.origin + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

export const get = (clover: CloverSimulator, path: string, token?: string) =>
  ask(clover.origin + path, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })

export function high (clover: CloverSimulator) {
  const app = clover.apps[0]
  if (app === undefined || app.secret === false) throw new Error('no high-trust app')
  return { client_id: app.id, client_secret: app.secret }
}

export const low = { client_id: 'SIMULATORAPP2' }
export const verifier = 'v'.repeat(43)
export const codeChallenge = createHash('sha256').update(verifier).digest('base64url')

export const refresh = (clover: CloverSimulator, token: string, appId = 'SIMULATORAPP1') =>
  post(clover, '/oauth/v2/refresh', { client_id: appId, refresh_token: token })
export const recover = (clover: CloverSimulator, token: string) => post(clover, '/oauth/v2/recovery', { ...high(clover), recovery_token: token })

export const refreshed = async (clover: CloverSimulator, token: string) => {
  const { body } = await refresh(clover, token)
  return { access: String(body.access_token), refresh: String(body.refresh_token) }
}
