import { startDeadline, type Timing } from './deadline.js'

/**
 * @internal Settles as a promise does; rejects with `late()` after a timeout in milliseconds, or with the signal's reason when it is aborted.
 *
 * The work behind the promise goes on: others may be waiting for it too.
 */
export async function within<T> (promise: Promise<T>, milliseconds: number, late: () => unknown, signal?: AbortSignal, timing?: Timing): Promise<T> {
  promise.catch(() => {}) // it may reject when nobody waits any more
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

/**
 * @internal The same for work that need not begin once nobody waits for it: `start` gets a function that says whether this caller still waits.
 */
export async function waitFor<T> (
  start: (isWaiting: () => boolean) => Promise<T>,
  milliseconds: number,
  late: () => unknown,
  signal?: AbortSignal
): Promise<T> {
  let isWaiting = true
  try {
    return await within(start(() => isWaiting), milliseconds, late, signal)
  } finally {
    isWaiting = false
  }
}
