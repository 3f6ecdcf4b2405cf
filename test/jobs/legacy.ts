import type { Test } from 'tap'
import type { LegacyToken, MigrationOptions, MigrationOutcome } from '../../src/index.js'
import { memoryStorage } from '../../src/storage/index.js'
import type { CloverSimulator, SimulatorOptions } from '../../src/testing/index.js'
import type { Installation } from '../../src/installation.js'
import { realRuntime } from '../../src/runtime.js'
import { highTrust, startClover, startHost, type Host, type HostOptions } from '../harness/host.js'
import { FastTime } from '../harness/time.js'
import { id } from './server-jobs.js'

export interface LegacyFixture {
  time: FastTime
  clover: CloverSimulator
  storage: Required<ReturnType<typeof memoryStorage>>
  /** Starts a server of its own on the shared store. */
  host: (options?: HostOptions['options'], runtime?: HostOptions['runtime']) => Promise<Host>
  /** Merchants with legacy tokens, as from a file. */
  legacy: (count: number) => Required<LegacyToken>[]
  record: (number: number) => Promise<Installation | undefined>
}

/** A Clover with merchants who have legacy tokens, and servers that share a store. */
export async function legacyFixture (t: Test, { appId = highTrust, ...simulator }: SimulatorOptions & { appId?: string } = {}): Promise<LegacyFixture> {
  const time = new FastTime(100)
  const clover = await startClover(t, time, simulator)
  const storage = memoryStorage()
  return {
    time,
    clover,
    storage,
    legacy: count => Array.from({ length: count }, (_, i) => ({ merchantId: id(i), legacyToken: clover.legacyToken({ merchantId: id(i), appId }) })),
    record: async number => await storage.get(id(number)) ?? undefined,
    host: (options = {}, runtime = {}) => startHost(t, {
      simulator: clover,
      appId,
      options: { routes: false, storage: { ...storage }, ...options },
      runtime: { wallClock: time.now, sleep: (milliseconds, signal) => realRuntime.sleep(milliseconds / 100, signal), ...runtime }
    })
  }
}

/** Runs a migration to its end. */
export async function all (run: AsyncIterable<MigrationOutcome>): Promise<MigrationOutcome[]> {
  const outcomes: MigrationOutcome[] = []
  for await (const outcome of run) outcomes.push(outcome)
  return outcomes
}

/** The outcome of each item, in the order of the source. */
export const kinds = (outcomes: MigrationOutcome[]): string[] => [...outcomes].sort((a, b) => a.index - b.index).map(({ outcome }) => outcome)

/** The highest rate. */
export const fast: MigrationOptions = { rate: 1000 }
