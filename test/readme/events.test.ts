import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { register } from 'prom-client'
import t from 'tap'
import { diagnosticsChannels } from '../../src/events/channels.js'
import { connect } from '../harness/browser.js'
import { highTrust, merchantA, startHost } from '../harness/host.js'

/*
 * The code for metrics and traces of the guide to events, run as it is: real refreshes through the simulator, the real prom-client and OpenTelemetry SDK.
 */

const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
Object.assign(process.env, { CLOVER_APP_ID: highTrust, CLOVER_ENVIRONMENT: 'simulator' })
await import('./metrics.js')
await import('./tracing.js')
delete process.env.CLOVER_APP_ID
delete process.env.CLOVER_ENVIRONMENT

const labels = (event: string) => `event="${event}",app="${highTrust}",environment="simulator"`

t.test('each event is counted from 0 on, so that an alert sees the first one', async t => {
  const metrics = await register.metrics()
  for (const event of Object.keys(diagnosticsChannels)) t.match(metrics, `clover_events_total{${labels(event)}} 0\n`, event)
})

t.test('the guide\'s code counts and traces what happens', async t => {
  const { app, browser, clover, leaks } = await startHost(t, { simulator: { now: Date.now }, runtime: { wallClock: Date.now } })
  await connect(browser(), clover, merchantA)
  clover.fault({ on: 'refresh', kind: 'latency', ms: 120 })
  const before = Date.now()
  await app.clover.refresh(merchantA)
  const after = Date.now()
  clover.fault({ on: 'refresh', kind: 'drop-after' })
  await app.clover.refresh(merchantA)
  clover.fault({ on: 'refresh', kind: 'reply', body: 'not JSON' })
  await t.rejects(app.clover.refresh(merchantA))
  await app.clover.disconnect(merchantA)

  await t.test('in prom-client\'s metrics', async t => {
    const metrics = await register.metrics()
    for (const event of ['connected', 'refreshed', 'refresh-refused', 'recovered', 'refresh-failed', 'disconnected']) {
      t.match(metrics, `clover_events_total{${labels(event)}} 1\n`, event)
    }
    t.equal(metrics.match(/^clover_events_total\{/gm)?.length, Object.keys(diagnosticsChannels).length, 'the series that were at 0, and no others')
    for (const event of ['connected', 'refreshed', 'recovered', 'refresh-failed']) t.match(metrics, `clover_duration_seconds_count{${labels(event)}} 1\n`, event)
    const seconds = Number(metrics.split(`clover_duration_seconds_sum{${labels('refreshed')}} `)[1]?.split('\n')[0])
    t.ok(seconds >= 0.1 && seconds <= (after - before) / 1000, `refreshed in ${seconds} seconds`)
    t.same(leaks(metrics), [])
  })

  await t.test('in OpenTelemetry\'s spans', async t => {
    const spans = exporter.getFinishedSpans()
    t.same(spans.map(({ name }) => name), ['clover connected', 'clover refreshed', 'clover recovered', 'clover refresh-failed'])
    const attributes = { 'clover.merchant_id': merchantA, 'clover.app_id': highTrust, 'clover.environment': 'simulator' }
    for (const span of spans) t.same(span.attributes, attributes, span.name)
    const [, refreshed, , failed] = spans
    const milliseconds = ([seconds = 0, nanoseconds = 0]: readonly number[] = []) => seconds * 1000 + nanoseconds / 1e6
    t.ok(milliseconds(refreshed?.duration) >= 100)
    t.ok(milliseconds(refreshed?.startTime) >= before - 1)
    t.ok(milliseconds(refreshed?.endTime) <= after + 1)
    t.match(failed?.status, { code: 2, message: '/oauth/v2/refresh: it is not JSON' })
    t.equal(refreshed?.status.code, 0)
    t.same(leaks(JSON.stringify(spans.map(({ name, attributes, status }) => ({ name, attributes, status })))), [])
  })
})
