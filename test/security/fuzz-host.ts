import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { CloverOptions } from '../../src/options/options.js'
import { kRuntime, plugin } from '../../src/plugin.js'
import type { CloverStorage } from '../../src/storage/contract.js'
import { memoryStorage } from '../../src/storage/index.js'
import type { Runtime } from '../../src/runtime.js'
import { cookieSecret, highTrust } from '../harness/host.js'
import { Time } from '../harness/time.js'
import { fakeFetch, type FakeCall } from './fake-clover.js'
import { Random } from './random.js'
import { usedHeap, watchProcess } from './fuzz-checks.js'
import { numberOf, share } from '../harness/share.js'

export const cases = numberOf('FASTIFY_CLOVER_FUZZ', share(200, 1_000))
export const seed = numberOf('FASTIFY_CLOVER_FUZZ_SEED', process.env.FASTIFY_CLOVER_FUZZ === undefined ? 1 : Date.now() % 2 ** 31)

export const merchants = Array.from({ length: 50 }, (_, index) => `MERCHANT${String(index).padStart(5, '0')}`)
export const names = ['merchant_id', 'merchantId', 'employee_id', 'client_id', 'code', 'return_to', 'state', 'error', 'error_description', 'code[]', 'state[x]', '__proto__', 'constructor']
export const rawTails = ['', '', '', '&', '&&', '&=', '&code', '&%', '&%zz=%zz', '&a=%c3%28', '&code=canary-1&code=canary-2', ';x', '?x', '&merchant_id', '&=canary']

export interface FuzzHost { app: FastifyInstance, time: Time, storage: CloverStorage, problems: string[] }

/** A host whose Clover is a function. Its log, at level trace, must hold no canary; nothing is stored for a merchant whom Clover did not name. */
export async function startFuzzHost (t: Test, answer: (call: FakeCall) => Response, isOf: (token: string, merchantId: string) => boolean): Promise<FuzzHost> {
  watchProcess(t)
  const time = new Time()
  const problems: string[] = []
  const storage = memoryStorage()
  const watched: CloverStorage = {
    ...storage,
    put: (next, expected) => {
      if (!isOf(next.accessToken, next.merchantId)) problems.push(`stored for ${next.merchantId}: ${next.accessToken}`)
      return storage.put(next, expected)
    }
  }
  const app = Fastify({ logger: { level: 'trace', stream: { write: line => { if (line.includes('canary')) problems.push(`logged: ${line}`) } } } })
  t.teardown(() => app.close())
  // Jumps in time take the place of waiting.
  const runtime: Partial<Runtime> = { fetch: fakeFetch(answer), wallClock: time.now, sleep: async milliseconds => { time.pass(Math.min(milliseconds, 60_000)) } }
  await app.register(plugin, {
    environment: { name: 'fuzz', authorize: 'https://a.example', api: 'https://b.example', legacy: 'https://c.example' },
    appId: highTrust,
    appSecret: 'canary-app-secret',
    storage: watched,
    cookieSecret,
    baseUrl: 'https://shop.example',
    callTimeout: 1_000,
    keepAlive: false, // sleeps end at once here
    routes: { refresh: { onRequest: async () => {} } },
    [kRuntime]: runtime
  } as CloverOptions)
  await app.ready()
  return { app, time, storage, problems }
}

/** Runs every case, names the one that fails, and holds the heap to what it was after the first fifth. */
export async function fuzz (t: Test, problems: string[], one: (random: Random) => Promise<string>): Promise<Map<string, number>> {
  t.comment(`FASTIFY_CLOVER_FUZZ_SEED=${seed} FASTIFY_CLOVER_FUZZ=${cases}`)
  t.setTimeout(0)
  const seen = new Map<string, number>()
  const warm = Math.floor(cases / 5)
  let before = 0
  const start = performance.now()
  for (let index = 0; index < cases; index++) {
    if (index === warm) before = await usedHeap()
    // A turn of the event loop, as a server has all the time: without it no timer of a call's deadline is ever freed.
    if (index % 16 === 0) await new Promise(resolve => setImmediate(resolve))
    try {
      const outcome = await one(new Random(seed, index))
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
      if (problems[0] !== undefined) throw new Error(problems[0])
    } catch (error) {
      throw new Error(`case ${index} of FASTIFY_CLOVER_FUZZ_SEED=${seed}: ${String(error)}`, { cause: error })
    }
  }
  await new Promise(resolve => setTimeout(resolve, 1_100)) // deadlines of the last calls
  const grown = await usedHeap() - before
  const outcomes = [...seen].sort(([, a], [, b]) => b - a).map(([key, count]) => `${key}: ${count}`).join(', ')
  t.comment(`${cases} in ${Math.round(performance.now() - start)} ms; heap ${Math.round(before / 1024)} KiB, grown by ${Math.round(grown / 1024)} KiB; ${outcomes}`)
  t.ok(grown < 8 * 1024 * 1024, `the heap grew by ${grown} bytes`)
  return seen
}

export function encode (text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, ''))
}

/** A query of known and unknown names, tidy or not. */
export function oddQuery (random: Random, fixed: Record<string, string> = {}): string {
  const values = (name: string) => name.startsWith('merchant') && random.chance(0.6) ? random.pick(...merchants) : name === 'return_to' && random.chance(0.5) ? `/orders/${random.int(100)}` : name === 'code' ? `canary-${random.text(20, 120)}` : random.nasty()
  const odd = random.some(names, 3).map(name => [name, values(name)] as const)
  return [...Object.entries(fixed), ...odd].map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&') + random.pick(...rawTails)
}

/** A Cookie header of some that were set, some changed, and some of strangers. */
export function oddCookies (random: Random, pool: readonly string[]): string {
  const visible = (text: string) => text.replace(/[^\x20-\x7e\u0080-\u00ff]/g, '')
  const strange = Array.from({ length: random.int(3) }, () => visible(`${random.nasty()}=${random.nasty()}`))
  return [...random.some(pool, 8), ...random.some(pool, 2).map(cookie => visible(random.mutated(cookie))), ...strange].join('; ')
}

export function setCookies (headers: Record<string, unknown>): string[] {
  return [headers['set-cookie'] ?? []].flat().map(line => String(line).slice(0, String(line).indexOf(';'))).filter(pair => !pair.endsWith('='))
}

export function addTo (pool: string[], cookies: string[]): void {
  pool.push(...cookies)
  pool.splice(0, pool.length - 12)
}

export const headersOf = (random: Random) => ({ accept: random.pick('text/html', 'application/json', '*/*', ''), 'sec-fetch-dest': random.pick('document', 'document', 'iframe', 'fencedframe', 'empty', 'x'), host: random.pick('shop.example', 'evil.example') })
