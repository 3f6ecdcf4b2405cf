import { mock } from 'node:test'
import { metrics } from '@opentelemetry/api'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { register } from 'prom-client'
import t from 'tap'
import { memoryStorage } from '../../src/storage/index.js'
import { eventTable } from '../../src/events/table.js'
import { guideTo, read } from './documents.js'
import { connect } from '../harness/browser.js'
import { highTrust, lowTrust, merchantA, merchantB, startHost } from '../harness/host.js'
import { until } from '../harness/waiting.js'

/*
 * The code for gauges of the guide to operations, run as it is with the real prom-client and OpenTelemetry SDK; and the dashboard, which shows what that code
 * and the code of the guide to events count.
 */

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
t.teardown(() => reader.shutdown())
const { gauges } = await import('./gauges.js')
const { observableGauge } = await import('./observable-gauge.js')
await import('./metrics.js')

const states = ['connected', 'dueSoon', 'doubtful', 'interrupted', 'reauthorizationRequired', 'unusable']
const shown = async (metric: string) => Number((await register.metrics()).split(`\n${metric} `)[1]?.split('\n')[0])

t.test('the guide\'s gauges show how many merchants are in which state', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { app, browser, clover, storage } = await startHost(t, { after: async app => { await app.register(gauges, { app: highTrust }); await app.register(observableGauge, { app: highTrust }) } })
  for (const state of states) await until(`prom-client has ${state}`, async () => await shown(`clover_merchants{app="${highTrust}",state="${state}"}`) === 0)
  await connect(browser(), clover, merchantA)
  await connect(browser(), clover, merchantB)
  const record = await storage.get(merchantA)
  const { merchants, nextRefreshTokenExpiration, ...counts } = await app.clover.summary()
  t.equal(merchants, 2)
  t.equal(nextRefreshTokenExpiration, record?.refreshTokenExpiration)

  mock.timers.tick(60_000)
  await until('prom-client has the new numbers', async () => await shown(`clover_merchants{app="${highTrust}",state="connected"}`) === 2)
  t.equal(await shown(`clover_next_refresh_token_expiration_seconds{app="${highTrust}"}`), nextRefreshTokenExpiration)

  await reader.forceFlush()
  const points = exporter.getMetrics().at(-1)?.scopeMetrics.flatMap(({ metrics }) => metrics).find(({ descriptor }) => descriptor.name === 'clover.merchants')?.dataPoints
  t.ok(points?.every(({ attributes }) => attributes.app === highTrust))
  t.same(Object.fromEntries(points?.map(({ attributes, value }) => [attributes.state, value]) ?? []), counts)
})

t.test('the gauges of two registrations stay apart', async t => {
  await startHost(t, { appId: lowTrust, after: async app => { await app.register(gauges, { app: lowTrust }) } })
  await until('prom-client has both', async () => await shown(`clover_merchants{app="${lowTrust}",state="connected"}`) === 0)
  t.equal(await shown(`clover_merchants{app="${highTrust}",state="connected"}`), 2)
})

t.test('a database that is down or does not answer does not stop the boot, and its error is logged', async t => {
  const hostWith = (list: () => Promise<never>) => startHost(t, {
    options: { storage: { ...memoryStorage(), list }, keepAlive: false },
    after: async app => { await app.register(gauges, { app: highTrust }) }
  })
  await hostWith(() => new Promise(() => {}))
  const { logs } = await hostWith(() => Promise.reject(new Error('the database is down')))
  await until('the error is logged', () => logs.some(line => line.includes('"level":50') && line.includes('the database is down')))
  t.pass('both have booted')
})

t.test('the dashboard asks only for metrics that the guides\' code makes, and for each of them', async t => {
  const dashboard = JSON.parse(read('example/grafana.json')) as { panels: Array<{ title: string, targets?: Array<{ expr: string }> }> }
  const asked = new Set(dashboard.panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => expr.match(/clover_\w+/g) ?? [])))
  const made = register.getMetricsAsArray().flatMap(({ name, type }) => String(type) === 'histogram' ? [`${name}_bucket`] : [name])
  t.same([...asked].sort(), made.filter(name => name.startsWith('clover_')).sort())
  const exprs = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join('\n')
  for (const [, state = ''] of exprs.matchAll(/state="(\w+)"/g)) t.ok(states.includes(state), state)
  for (const event of ['refreshed', 'recovered', 'refresh-failed', 'reauthorization-required', 'pair-held', 'record-not-opened']) t.match(exprs, event)
})

t.test('the guide\'s alerts ask for metrics and events that exist', async t => {
  const [, rules = ''] = /```yaml\n([^]*?)```/.exec(guideTo('operations')) ?? []
  const exprs = [...rules.matchAll(/expr: (.*)/g)].map(([, expr = '']) => expr)
  t.equal(exprs.length, 6)
  const made = register.getMetricsAsArray().map(({ name }) => name)
  for (const name of exprs.join().match(/clover_\w+/g) ?? []) t.ok(made.includes(name), name)
  for (const [, event = ''] of exprs.join().matchAll(/event="([\w-]+)"/g)) t.ok(event in eventTable, event)
  for (const expr of exprs.filter(expr => !expr.includes('clover_events_total'))) t.match(expr, 'by (app)')
  for (const [, state = ''] of exprs.join().matchAll(/state="(\w+)"/g)) t.ok(states.includes(state), state)
})
