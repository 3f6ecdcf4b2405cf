import type { FastifyInstance } from 'fastify'
import { startDeadline, type Timing } from '../concurrency/deadline.js'
import type { LoadedByCommand } from '../plugin.js'

/** Milliseconds that the app's own hooks get beside the shutdowns of fastify-clover. */
const spare = 5_000

/**
 * @internal Closes an app. Resolves without it if a hook of the app's does not end, after the longest shutdown of fastify-clover and five seconds.
 *
 * @param onLate called then, with the seconds that it had
 * @throws the error of a close that fails
 */
export async function closeApp (app: FastifyInstance, { longestShutdown }: LoadedByCommand, onLate: (seconds: number) => void, timing?: Timing): Promise<void> {
  const milliseconds = longestShutdown + spare
  await new Promise<void>((resolve, reject) => {
    const cancel = startDeadline(milliseconds, () => {
      onLate(Math.round(milliseconds / 1000))
      resolve()
    }, timing)
    app.close().finally(cancel).then(resolve, reject)
  })
}
