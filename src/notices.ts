import type { FastifyInstance } from 'fastify'
import { publishEvents } from './diagnostics.js'
import { logEvents, unfailing } from './logging.js'
import type { ResolvedOptions } from './resolve-options.js'
import type { Notify } from './tokens/events.js'

/** @internal Runs a host's notice, and waits for it nowhere: one that throws must stop nothing. */
export function teller (fastify: Pick<FastifyInstance, 'log'>) {
  const log = unfailing(fastify.log)
  return (name: string, run: () => unknown): void => {
    Promise.resolve().then(run).catch((err: unknown) => { log.error({ err }, `fastify-clover: ${name} threw`) })
  }
}

/** @internal Tells the log, the diagnostics channels, and the host where it asked for it: a host's notice that throws must not stop a refresh. */
export function notifier (fastify: FastifyInstance, { hooks, appId, environment }: Pick<ResolvedOptions, 'hooks' | 'appId' | 'environment'>): Notify {
  const { onReauthorizationRequired, onReconnected, onDisconnect } = hooks
  const log = logEvents(unfailing(fastify.log))
  const publish = publishEvents({ appId, environment: environment.name })
  const tell = teller(fastify)
  return event => {
    log(event)
    publish(event)
    if (event.type === 'reauthorization-required' && event.first && onReauthorizationRequired) {
      tell('onReauthorizationRequired', () => onReauthorizationRequired({ merchantId: event.merchantId, since: event.since }))
    }
    if (event.type === 'reconnected' && onReconnected) {
      tell('onReconnected', () => onReconnected({ merchantId: event.merchantId, since: event.since, by: event.by }))
    }
    if (event.type === 'disconnected' && onDisconnect) tell('onDisconnect', () => onDisconnect({ merchantId: event.merchantId }))
  }
}
