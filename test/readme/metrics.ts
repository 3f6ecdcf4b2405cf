import { subscribe } from 'node:diagnostics_channel'
import { diagnosticsChannels, type DiagnosticsEvent } from 'fastify-clover'
import { Counter, Histogram } from 'prom-client'

const labelNames = ['event', 'app', 'environment']
const events = new Counter({ name: 'clover_events_total', help: 'What happened to merchants and their tokens', labelNames })
const durations = new Histogram({ name: 'clover_duration_seconds', help: 'How long connections and refreshes took', labelNames })

const { CLOVER_APP_ID: app = '', CLOVER_ENVIRONMENT: environment = '' } = process.env // the options of the plugin

for (const [name, channel] of Object.entries(diagnosticsChannels)) {
  // A series that began at 1, with its first event, would show Prometheus no increase, and an alert would miss that event.
  events.inc({ event: name, app, environment }, 0)
  subscribe(channel, message => {
    const event = message as DiagnosticsEvent
    const labels = { event: event.type, app: event.appId, environment: event.environment } // merchants are too many for a label
    events.inc(labels)
    if ('duration' in event && event.duration !== undefined) durations.observe(labels, event.duration / 1000)
  })
}
