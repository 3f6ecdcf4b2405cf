import type { Io } from './io.js'
import { loadApp, type LoadedApp } from './load-app.js'
import { clearLine } from './report.js'

/**
 * @internal Loads an app, does the work with it, and closes it, also after a failure. Resolves as the work does.
 *
 * @param options `scope`: as for `loadApp`
 * @throws as `loadApp` and the work do, and the error of a close that fails
 */
export async function useApp<T> (file: string, { scope }: { scope?: string | undefined }, io: Io, work: (loaded: LoadedApp) => Promise<T>): Promise<T> {
  // A line of the log must not continue the line of the progress.
  const log = { write: (text: string) => io.stderr.write(io.isTerminal ? `${clearLine}${text}` : text) }
  const loaded = await loadApp(file, { scope, log })
  try {
    return await work(loaded)
  } finally {
    await loaded.app.close()
  }
}
