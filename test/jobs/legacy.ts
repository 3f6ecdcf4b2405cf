import type { Test } from 'tap'
import type { LegacyToken, MigrationOptions, MigrationOutcome } from '../../src/index.js'
import { memoryStorage } from '../../src/storage/index.js'
import type { CloverSimulator, SimulatorOptions } from '../../src/testing/index.js'
import type { Installation } from '../../src/tokens/installation.js'
import { realRuntime } from '../../src/tokens/runtime.js'
import { highTrust, startClover, startHost, Time, type Host, type HostOptions } from '../helpers/host.js'
import { id } from './bench.js'

/** Time that runs a hundred times faster, for everything that waits. */
export class FastTime extends Time {
  readonly #began = performance.now()
  readonly #from = Date.now()
  override readonly now = () => Math.floor(this.#from + (performance.now() - this.#began) * 100)
}

export interface LegacyWorld {
  time: FastTime
  clover: CloverSimulator
  storage: Required<ReturnType<typeof memoryStorage>>
  /** A server of its own, over the one store. */
  host: (options?: HostOptions['options'], runtime?: HostOptions['runtime']) => Promise<Host>
  /** Merchants with legacy tokens, as from a file. */
  legacy: (count: number) => Required<LegacyToken>[]
  record: (number: number) => Promise<Installation | undefined>
}

/** A Clover with merchants who have legacy tokens, and servers that share a store. */
export async function legacyWorld (t: Test, { appId = highTrust, ...simulator }: SimulatorOptions & { appId?: string } = {}): Promise<LegacyWorld> {
  const time = new FastTime()
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
      runtime: { now: time.now, sleep: (milliseconds, signal) => realRuntime.sleep(milliseconds / 100, signal), ...runtime }
    })
  }
}

/** Runs to the end. */
export async function all (run: AsyncIterable<MigrationOutcome>): Promise<MigrationOutcome[]> {
  const outcomes: MigrationOutcome[] = []
  for await (const outcome of run) outcomes.push(outcome)
  return outcomes
}

/** What came of each, in the order of the source. */
export const kinds = (outcomes: MigrationOutcome[]): string[] => [...outcomes].sort((a, b) => a.index - b.index).map(({ outcome }) => outcome)

/** As fast as it goes. */
export const fast: MigrationOptions = { rate: 1000 }
