import { DueMerchants } from '../../src/jobs/due-merchants.js'
import { Jobs } from '../../src/jobs/jobs.js'
import { KeepAlive } from '../../src/jobs/keep-alive.js'
import type { Runtime } from '../../src/runtime.js'
import { leap, sleep, type anotherServer } from '../tokens/one-server.js'

type Server = ReturnType<typeof anotherServer>

/** Seconds of a day. */
export const day = 86_400

/** The jobs of a server of `startServer()`, and the entries that they log. */
export function jobsOf ({ store, refreshes, clock }: Server, { maxCalls = 8, closing = new AbortController().signal, ...given }: { maxCalls?: number, closing?: AbortSignal } & Partial<Pick<Runtime, 'jitter' | 'sleep'>> = {}) {
  const logs: Array<{ level: string, details: Record<string, unknown>, text: string }> = []
  const log = Object.fromEntries((['debug', 'info', 'warn', 'error'] as const).map(level =>
    [level, (details: Record<string, unknown>, text: string) => { logs.push({ level, details, text }) }])) as unknown as ConstructorParameters<typeof KeepAlive>[0]['log']
  const runtime = { monotonic: () => Date.now(), sleep, jitter: () => 0.5, ...given }
  const jobs = new Jobs(maxCalls, runtime, closing)
  const due = new DueMerchants({ store, refreshes, clock, runtime, jobs })
  const keepAlive = new KeepAlive({ store, due, runtime, jobs, log })
  return { jobs, due, keepAlive, logs }
}

/** A merchant id by its number. */
export const id = (number: number): string => `MERCHANT${String(number).padStart(5, '0')}`

/** Connects `count` merchants. */
export async function connectMany ({ connect }: Server, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => id(i))
  for (const merchantId of ids) await connect(merchantId)
  return ids
}

/** Lets `count` days pass at once. */
export const days = (count: number): Promise<void> => leap(count * day)
