import { subscribe } from 'node:diagnostics_channel'
import { diagnosticsChannels, type DiagnosticsEvent } from 'fastify-clover'
import { Counter, Histogram } from 'prom-client'

const labelNames = ['event', 'app', 'environment']
const events = new Counter({ name: 'clover_events_total', help: 'What happened to merchants and their tokens', labelNames })
const durations = new Histogram({ name: 'clover_duration_seconds', help: 'How long connections and refreshes took', labelNames })

for (const channel of Object.values(diagnosticsChannels)) {
  subscribe(channel, message => {
    const event = message as DiagnosticsEvent
    const labels = { event: event.type, app: event.appId, environment: event.environment } // merchants are too many for a label
    events.inc(labels)
    if ('duration' in event && event.duration !== undefined) durations.observe(labels, event.duration / 1000)
  })
}
