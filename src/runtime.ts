import { randomBytes } from 'node:crypto'

/** @internal Time, randomness and network of the plugin: tests inject their own. */
export interface Runtime {
  fetch: typeof globalThis.fetch
  /** Unix milliseconds by the machine's clock, which may be wrong, and may be set while the process runs. For dates only. */
  wallClock (): number
  /** Monotonic milliseconds, since an arbitrary moment. For durations only. */
  monotonic (): number
  /** Resolves after some milliseconds, or as soon as the signal is aborted. `ref: false`: does not keep the process alive. */
  sleep (milliseconds: number, signal?: AbortSignal, options?: { ref: boolean }): Promise<void>
  /** n random bytes as lower-case hexadecimal digits. */
  random (bytes: number): string
  /** A number from 0 up to 1, for jitter. */
  jitter (): number
  /** Milliseconds: timeout of a call to the storage adapter. */
  storageTimeout: number
  /** The most visits a second whose code is exchanged. */
  visitRate: number
}

/** @internal Milliseconds since a reading of the monotonic clock. */
export function durationSince ({ monotonic }: Pick<Runtime, 'monotonic'>, since: number): number {
  return monotonic() - since
}

/** @internal The time, randomness and network of a real process. */
export const realRuntime: Runtime = {
  // Looked up at each call, so that a host's instrumentation or mock of the global is honoured.
  fetch: (...args) => globalThis.fetch(...args),
  wallClock: () => Date.now(),
  monotonic: () => performance.now(),
  sleep,
  random: bytes => randomBytes(bytes).toString('hex'),
  jitter: () => Math.random(),
  storageTimeout: 5_000,
  visitRate: 10
}

/** That of `node:timers/promises` would make an error with its stack at each end by the signal. */
function sleep (milliseconds: number, signal?: AbortSignal, { ref } = { ref: true }): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) {
      resolve()
      return
    }
    const timer = setTimeout(end, milliseconds)
    if (!ref) timer.unref()
    signal?.addEventListener('abort', end)

    function end (): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
  })
}
