import { startDeadline, type Timing } from '../concurrency/deadline.js'

/**
 * @internal Waits for a promise, but no longer than some milliseconds and no longer than the caller wants.
 *
 * Rejects with `late()` or with the signal's reason. What is waited for goes on: others may be waiting for it too.
 */
export async function within<T> (promise: Promise<T>, milliseconds: number, late: () => unknown, signal?: AbortSignal, timing?: Timing): Promise<T> {
  promise.catch(() => {}) // it may reject after nobody waits any more
  signal?.throwIfAborted()
  let end: (() => void) | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    const cancel = startDeadline(milliseconds, () => reject(late()), timing)
    const onAbort = () => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort)
    end = () => {
      cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    end?.()
  }
}
