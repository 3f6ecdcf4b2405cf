import type { FastifyInstance } from 'fastify'
import { publishEvents } from './channels.js'
import { logEvents, safeLogger } from './log.js'
import type { Environment } from '../environments.js'
import type { Notify } from './table.js'

/** @internal Calls a hook of the host. If the hook fails, that is logged. Resolves with whether it succeeded; nobody need wait for that. */
export function hostNotifier (fastify: Pick<FastifyInstance, 'log'>) {
  const log = safeLogger(fastify.log)
  return (name: string, run: () => unknown): Promise<boolean> => Promise.resolve().then(run).then(() => true, (err: unknown) => {
    log.error({ err }, `fastify-clover: ${name} threw`)
    return false
  })
}

/** The hooks of the host: the options of the same names. */
interface Hooks {
  onReauthorizationRequired?: (notice: { merchantId: string, since: number }) => unknown
  onReconnected?: (notice: { merchantId: string, since: number, by: 'refresh' | 'authorization' }) => unknown
  onDisconnect?: (notice: { merchantId: string }) => unknown
}

/** @internal Reports each event to the log, to the diagnostics channels, and to the host's hooks. A hook that throws must not stop a refresh. */
export function createNotify (fastify: FastifyInstance, { hooks, appId, environment }: { hooks: Hooks, appId: string, environment: Pick<Environment, 'name'> }): Notify {
  const { onReauthorizationRequired, onReconnected, onDisconnect } = hooks
  const log = logEvents(safeLogger(fastify.log))
  const publish = publishEvents({ appId, environment: environment.name })
  const notifyHost = hostNotifier(fastify)
  return event => {
    log(event)
    publish(event)
    if (event.type === 'reauthorization-required' && event.first && onReauthorizationRequired) {
      notifyHost('onReauthorizationRequired', () => onReauthorizationRequired({ merchantId: event.merchantId, since: event.since }))
    }
    if (event.type === 'reconnected' && onReconnected) {
      notifyHost('onReconnected', () => onReconnected({ merchantId: event.merchantId, since: event.since, by: event.by }))
    }
    if (event.type === 'disconnected' && onDisconnect) notifyHost('onDisconnect', () => onDisconnect({ merchantId: event.merchantId }))
  }
}
