import { subscribe } from 'node:diagnostics_channel'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { diagnosticsChannels, type DiagnosticsEvent } from 'fastify-clover'

const tracer = trace.getTracer('fastify-clover')
const { connected, refreshed, recovered, 'refresh-failed': failed } = diagnosticsChannels

for (const channel of [connected, refreshed, recovered, failed]) {
  subscribe(channel, message => {
    const event = message as DiagnosticsEvent<'connected' | 'refreshed' | 'recovered' | 'refresh-failed'>
    if (event.duration === undefined) return // adopted: there was nothing to wait for
    const end = Date.now()
    const span = tracer.startSpan(`clover ${event.type}`, {
      kind: SpanKind.CLIENT,
      startTime: end - event.duration,
      attributes: { 'clover.merchant_id': event.merchantId, 'clover.app_id': event.appId, 'clover.environment': event.environment }
    })
    if (event.type === 'refresh-failed') span.setStatus({ code: SpanStatusCode.ERROR, message: event.reason })
    span.end(end)
  })
}
