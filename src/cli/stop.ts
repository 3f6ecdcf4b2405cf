/** Milliseconds in which further signals belong to the first one. */
const oneStop = 5_000

/** @internal The part of the process that signals come to. */
export interface SignalTarget {
  on (signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  exit (code: number): unknown
}

/**
 * @internal Returns a signal that is aborted when somebody presses Ctrl-C, or asks the process to end.
 *
 * One Ctrl-C may arrive several times: the terminal sends SIGINT to every process of the group, and npm, which is one of them, sends it on. So
 * what comes within five seconds of the first is ignored. A signal after that ends the process at once.
 *
 * @param now monotonic milliseconds
 */
export function stopOnSignals (target: SignalTarget, now: () => number): AbortSignal {
  const stop = new AbortController()
  let first: number | undefined
  for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15]] as const) {
    target.on(signal, () => {
      first ??= now()
      if (now() - first > oneStop) target.exit(128 + number)
      stop.abort()
    })
  }
  return stop.signal
}
