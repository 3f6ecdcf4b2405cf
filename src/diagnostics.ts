import { channel, type Channel } from 'node:diagnostics_channel'
import { eventTypes, type DiagnosticsEvent, type DiagnosticsEventType, type Notify } from './tokens/events.js'

/** The names of the diagnostics channels, by event: `fastify-clover:refreshed` for `refreshed`, and so on. */
export const diagnosticsChannels = Object.freeze(
  Object.fromEntries(eventTypes.map(type => [type, `fastify-clover:${type}`]))
) as { readonly [Type in DiagnosticsEventType]: `fastify-clover:${Type}` }

const channels = Object.fromEntries(eventTypes.map(type => [type, channel(diagnosticsChannels[type])])) as Record<DiagnosticsEventType, Channel>

/**
 * @internal Publishes what happens to tokens on `node:diagnostics_channel`, for whoever subscribed in this process.
 *
 * Nothing is built for a channel without subscribers. Node runs subscribers at once, and raises what they throw on the next tick: the plugin
 * goes on. See https://nodejs.org/api/diagnostics_channel.html
 */
export function publishEvents ({ appId, environment }: Pick<DiagnosticsEvent, 'appId' | 'environment'>): Notify {
  return event => {
    const { hasSubscribers } = channels[event.type]
    // Frozen, since every subscriber is handed the same object.
    if (hasSubscribers) channels[event.type].publish(Object.freeze({ ...event, appId, environment }))
  }
}
