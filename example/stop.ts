/** Milliseconds in which further signals belong to the first one. */
const oneStop = 5_000

/**
 * Calls `stop` when somebody presses Ctrl-C, or asks the process to end.
 *
 * One Ctrl-C arrives several times: the terminal sends SIGINT to every process of the group, and npm, which is one of them, sends it on. So what
 * comes within five seconds of the first is ignored. A signal after that ends the process at once.
 */
export function onStop (stop: () => void): void {
  let first: number | undefined
  for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15]] as const) {
    process.on(signal, () => {
      if (first === undefined) {
        first = performance.now()
        stop()
      } else if (performance.now() - first > oneStop) {
        process.exit(128 + number)
      }
    })
  }
}
