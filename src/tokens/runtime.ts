import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

/** @internal What the plugin takes from the world: tests give their own. */
export interface Runtime {
  fetch: typeof globalThis.fetch
  /** The local clock, Unix milliseconds. */
  now (): number
  /** Milliseconds on a clock that nobody sets: for durations. */
  elapsed (): number
  /** Resolves after some milliseconds, or as soon as the signal is aborted. `ref: false`: does not keep the process alive. */
  sleep (milliseconds: number, signal?: AbortSignal, options?: { ref: boolean }): Promise<void>
  /** n random bytes as lower-case hexadecimal digits. */
  random (bytes: number): string
  /** A number from 0 up to 1, for jitter. */
  jitter (): number
  /** Milliseconds after which a call to the storage adapter counts as failed. */
  storageTimeout: number
  /** How many visits a second have their code exchanged. */
  visitRate: number
}

/** @internal Milliseconds since a moment by the local clock; 0 if that was set back meanwhile. */
export function elapsed ({ now }: Pick<Runtime, 'now'>, since: number): number {
  return Math.max(0, now() - since)
}

/** @internal */
export const realRuntime: Runtime = {
  // Looked up at each call, so that a host's instrumentation or mock of the global is honoured.
  fetch: (...args) => globalThis.fetch(...args),
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (milliseconds, signal, options) => setTimeout(milliseconds, undefined, { ...options, ...(signal && { signal }) }).catch(() => {}),
  random: bytes => randomBytes(bytes).toString('hex'),
  jitter: () => Math.random(),
  storageTimeout: 5_000,
  visitRate: 10
}
