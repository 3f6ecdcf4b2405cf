import { channel, type Channel } from 'node:diagnostics_channel'
import { eventTypes, type DiagnosticsEvent, type DiagnosticsEventType, type Notify } from './table.js'

/** The names of the diagnostics channels, by event: `fastify-clover:refreshed` for `refreshed`, and so on. */
export const diagnosticsChannels = Object.freeze(
  Object.fromEntries(eventTypes.map(type => [type, `fastify-clover:${type}`]))
) as { readonly [Type in DiagnosticsEventType]: `fastify-clover:${Type}` }

const channels = Object.fromEntries(eventTypes.map(type => [type, channel(diagnosticsChannels[type])])) as Record<DiagnosticsEventType, Channel>

/**
 * @internal Publishes events on `node:diagnostics_channel`, for subscribers in this process.
 *
 * No message is built for a channel without subscribers. Node calls subscribers synchronously, and raises their errors on the next tick, so
 * that the plugin continues. See https://nodejs.org/api/diagnostics_channel.html
 */
export function publishEvents ({ appId, environment }: Pick<DiagnosticsEvent, 'appId' | 'environment'>): Notify {
  return event => {
    const { hasSubscribers } = channels[event.type]
    // Frozen, since every subscriber gets the same object.
    if (hasSubscribers) channels[event.type].publish(Object.freeze({ ...event, appId, environment }))
  }
}
