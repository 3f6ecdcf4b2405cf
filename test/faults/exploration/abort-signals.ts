/*
 * Abort signals that do what the explored code needs of them, and no more. Each attempt makes several, and Node's take a tenth of the whole
 * exploration: each one is an event target with hooks, and each abort an exception.
 */

class PlainSignal {
  aborted = false
  reason: unknown
  readonly #listeners = new Set<() => void>()

  addEventListener (_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener)
  }

  removeEventListener (_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener)
  }

  throwIfAborted (): void {
    if (this.aborted) throw this.reason
  }

  abort (reason: unknown): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    for (const listener of [...this.#listeners]) listener()
  }
}

const aborted = new Error('aborted')

class PlainController {
  readonly signal = new PlainSignal()

  abort (reason: unknown = aborted): void {
    this.signal.abort(reason)
  }
}

/** Lets this process use them in the place of Node's. */
export function usePlainSignals (): void {
  Object.assign(globalThis, { AbortController: PlainController, AbortSignal: PlainSignal })
}
