import type { Io } from './io.js'
import { loadApp, type LoadedApp } from './load-app.js'
import { clearLine } from './report.js'

/**
 * @internal Loads an app, does the work with it, and closes it, also after a failure. Resolves as the work does.
 *
 * @param options `scope`: as for `loadApp`
 * @throws as `loadApp` and the work do, the error of a close that fails, and an error if it is stopped before the app is loaded
 */
export async function useApp<T> (file: string, { scope }: { scope?: string | undefined }, io: Io, work: (loaded: LoadedApp) => Promise<T>): Promise<T> {
  // A line of the log must not continue the line of the progress.
  const log = { write: (text: string) => io.stderr.write(io.isTerminal ? `${clearLine}${text}` : text) }
  const loaded = await unlessStopped(file, io.signal, () => loadApp(file, { scope, log, timing: io.timing }))
  try {
    return await work(loaded)
  } finally {
    await loaded.close()
  }
}

/** The loaded app; rejects as soon as the command must stop. An app that is ready after that is closed. */
function unlessStopped (file: string, signal: AbortSignal, load: () => Promise<LoadedApp>): Promise<LoadedApp> {
  return new Promise((resolve, reject) => {
    const stopped = () => new Error(`stopped before ${file} was loaded.`)
    if (signal.aborted) return reject(stopped())
    const loading = load()
    const onAbort = () => {
      reject(stopped())
      loading.then(loaded => loaded.close()).catch(() => {})
    }
    const settle = () => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort)
    loading.finally(settle).then(resolve, reject)
  })
}
