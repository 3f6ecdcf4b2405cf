import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freePort } from '../harness/ports.js'

/** The example as a process of its own, as `npm start` runs it. */
export interface ExampleServer {
  url: string
  /** The simulator's dashboard. */
  dashboard: string
  operatorPassword: string
  /** Asks it to stop, and resolves with its exit code. */
  stop (): Promise<number | null>
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Starts the example on free ports, with three servers. It runs what is built in `dist`, as an app that has installed the package does. */
export async function startExample (options: { database: string, accessTokenLifetime: number, env?: Record<string, string> }): Promise<ExampleServer> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--import', 'tsx', 'example/server.ts'], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      TSX_TSCONFIG_PATH: 'example/tsconfig.json',
      PORT: String(await freePort()),
      SIMULATOR_PORT: String(await freePort()),
      DATABASE: options.database,
      ACCESS_TOKEN_LIFETIME: String(options.accessTokenLifetime),
      LOG_LEVEL: 'silent',
      MERCHANTS: '0',
      ...options.env,
      _TAPJS_PROCESSINFO_COVERAGE_: '0' // what runs here is dist, whose coverage does not add up with that of src
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const closed = once(child, 'close') as Promise<[number | null]>
  let printed = ''
  const started = new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed += text
        if (/password \S+\n/.test(printed)) resolve()
      })
    }
    closed.then(([code]) => reject(new Error(`The example ended with ${code} and printed:\n${printed}`)), reject)
  })
  await started
  const find = (pattern: RegExp) => pattern.exec(printed)?.[1] ?? ''
  return {
    url: find(/^Open (\S+)/m),
    dashboard: find(/simulator is at (\S+):/),
    operatorPassword: find(/password (\S+)/),
    stop: async () => {
      child.kill('SIGINT')
      const [code] = await closed
      return code
    }
  }
}
