/*
 * One of the servers behind the address: a process that `servers.ts` starts. It runs the same app as a single server does, tells the lab each event of
 * the diagnostics channels, and has a route for the lab's callers.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import { diagnosticsChannels, type DiagnosticsEvent } from 'fastify-clover'
import { buildApp } from '../app.js'
import { callerRoute } from './caller-route.js'
import type { FromServer, Pair, Start, ToServer } from './messages.js'

/** Milliseconds after which a close that has not ended is given up. */
const closeTimeout = 5_000

let app: FastifyInstance | undefined

process.on('message', (message: ToServer) => {
  if (message.type === 'start') start(message.start).catch((error: unknown) => tell({ type: 'failed', reason: String(error) }))
  if (message.type === 'adopt') adopt(message.pairs).then(count => tell({ type: 'adopted', count }), () => {})
  if (message.type === 'refresh') app?.clover.refresh(message.merchantId).catch(() => {}) // an event says what became of it
})

// Ctrl-C reaches every process of the terminal: the lab decides when its servers close. If the lab is gone, nobody needs them.
process.on('SIGINT', () => {})
process.on('SIGTERM', close)
process.on('disconnect', close)

tell({ type: 'loaded' })

async function start ({ settings, clover, labKey }: Start): Promise<void> {
  for (const channel of Object.values(diagnosticsChannels)) subscribe(channel, event => tell({ type: 'event', event: event as DiagnosticsEvent }))
  app = await buildApp(settings, { ...clover, close: async () => {} })
  await app.register(callerRoute, { key: labKey, api: clover.dashboard ?? '' })
  tell({ type: 'ready', origin: await app.listen({ host: '127.0.0.1', port: 0 }) })
}

/** Takes pairs over, a few at a time. Resolves with how many merchants are new. */
async function adopt (pairs: Pair[]): Promise<number> {
  const queue = pairs.values()
  let count = 0
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (const pair of queue) if (await app?.clover.adopt(pair)) count++
  }))
  return count
}

function close (): void {
  setTimeout(() => process.exit(1), closeTimeout).unref()
  const closed = app === undefined ? Promise.resolve() : app.close()
  closed.finally(() => process.exit())
}

function tell (message: FromServer): void {
  if (process.connected) process.send?.(message)
}
