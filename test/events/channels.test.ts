import { fork } from 'node:child_process'
import { once } from 'node:events'
import { channel } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { Value } from '@sinclair/typebox/value'
import t from 'tap'
import { publishEvents } from '../../src/events/channels.js'
import { diagnosticsChannels, diagnosticsSchemas, type DiagnosticsEvent } from '../../src/index.js'
import { memoryStorage, sqliteStorage } from '../../src/storage/index.js'
import { cloverSimulator } from '../../src/testing/index.js'
import { eventTable, eventTypes, type TokenEvent } from '../../src/events/table.js'
import { unreadableNotice } from '../../src/tokens/unreadable.js'
import { bareEnvironment, bundle } from '../harness/bundle.js'
import { collectMessages, merchantA, startHost } from '../harness/host.js'
import { openSqlite } from '../harness/sqlite.js'
import { adoptable } from '../harness/pairs.js'
import type { Plan, Report } from './throwing-host.js'

const identity = { appId: 'APP0000000001', environment: 'sandbox' }

t.test('each event has a channel of its name, and a schema with a description', async t => {
  t.same(Object.keys(diagnosticsChannels), eventTypes)
  t.same(Object.keys(diagnosticsSchemas), eventTypes)
  for (const type of eventTypes) {
    t.equal(diagnosticsChannels[type], `fastify-clover:${type}`)
    const { properties, description, required } = diagnosticsSchemas[type]
    t.equal(properties.type.const, type)
    t.equal(description, eventTable[type][1])
    t.same(required?.slice(0, 3), ['type', 'appId', 'environment'])
    for (const [name, field] of Object.entries(properties)) {
      if (name !== 'type') t.ok(field.description, `${type}.${name} is described`)
    }
  }
  t.ok(Object.isFrozen(diagnosticsChannels))
  t.ok(Object.isFrozen(diagnosticsSchemas))
})

t.test('no message is built for a channel without subscribers', async t => {
  const reads: string[] = []
  const event = new Proxy<TokenEvent>({ type: 'refreshed', merchantId: merchantA, duration: 5 }, {
    get: (target, key, receiver) => { reads.push(String(key)); return Reflect.get(target, key, receiver) },
    ownKeys: target => { reads.push('all'); return Reflect.ownKeys(target) }
  })
  const publish = publishEvents(identity)
  t.notOk(channel(diagnosticsChannels.refreshed).hasSubscribers)
  publish(event)
  t.same(new Set(reads), new Set(['type']), 'only the name was read')

  const messages = collectMessages(t)
  publish(event)
  t.ok(reads.includes('all'))
  t.same(messages, [{ type: 'refreshed', merchantId: merchantA, duration: 5, ...identity }])
  t.ok(Value.Check(diagnosticsSchemas.refreshed, messages[0]))
})

t.test('a subscriber to one channel gets nothing of the others', async t => {
  const seen: unknown[] = []
  const subscriber = (message: unknown) => { seen.push(message) }
  channel(diagnosticsChannels.disconnected).subscribe(subscriber)
  t.teardown(() => channel(diagnosticsChannels.disconnected).unsubscribe(subscriber))
  const publish = publishEvents(identity)
  publish({ type: 'pair-written', merchantId: merchantA })
  publish({ type: 'disconnected', merchantId: merchantA })
  t.same(seen, [{ type: 'disconnected', merchantId: merchantA, ...identity } satisfies DiagnosticsEvent<'disconnected'>])
})

t.test('if no record can be opened, a thousand merchants are reported in ten minutes, each once', async t => {
  let now = 0
  const named: string[] = []
  const notOpened = unreadableNotice(event => { if ('merchantId' in event) named.push(String(event.merchantId)) }, () => now)
  const all = Array.from({ length: 3000 }, (_, index) => `MERCHANT${String(index).padStart(5, '0')}`)
  for (let minute = 0; minute < 10; minute++) {
    now = minute * 60_000
    for (const merchantId of all) notOpened(merchantId, 'why')
  }
  t.same(named, all.slice(0, 1000))
  now = 600_000
  for (const merchantId of all.reverse()) notOpened(merchantId, 'why')
  t.same(named.slice(1000), all.slice(0, 1000), 'then again')
})

t.test('a log that throws, as when its disk is full, loses no unsaved pair', async t => {
  const storage = memoryStorage()
  let isFull = false
  const failing = { ...storage, put: (...args: Parameters<typeof storage.put>) => isFull && args[0].spentRefreshToken !== undefined ? Promise.reject(new Error('ENOSPC')) : storage.put(...args) }
  const { app, clover, messages } = await startHost(t, { options: { storage: failing, onDisconnect: () => { throw new Error('the host\'s own') } } })
  const pair = clover.connect({ merchantId: merchantA })
  await app.clover.adopt(adoptable(merchantA, pair))
  const throwing = () => { throw new Error('ENOSPC') }
  Object.assign(app.log, { debug: throwing, info: throwing, warn: throwing, error: throwing })
  isFull = true
  await app.clover.refresh(merchantA)
  t.match(messages.map(({ type }) => type), ['connected', 'refreshed', 'pair-held'])
  isFull = false
  await app.close()
  t.ok(clover.isLive(String((await storage.get(merchantA))?.refreshToken)), 'it was held, and written before the server was closed')
  await app.clover.disconnect(merchantA)
  await new Promise(resolve => setImmediate(resolve))
})

t.test('a subscriber that throws does not break a refresh', async t => {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const [app] = clover.apps
  const folder = t.testdir()
  const [program = ''] = await bundle(['test/events/throwing-host.ts'], folder)
  const run = async (name: string, handles: boolean) => {
    const plan: Plan = {
      environment: clover.environment, appId: app.id, appSecret: app.secret, file: join(folder, name), handles, merchantId: merchantA, pair: clover.connect({ merchantId: merchantA })
    }
    const child = fork(program, [JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'], execArgv: [], env: bareEnvironment })
    const reports: Report[] = []
    child.on('message', report => { reports.push(report as Report) })
    let stderr = ''
    child.stderr?.on('data', chunk => { stderr += chunk })
    const [code] = await once(child, 'close')
    const database = openSqlite(plan.file)
    t.teardown(() => { database.close() })
    const stored = await sqliteStorage(database).get(merchantA)
    return { code, reports, stderr, first: plan.pair.refresh_token, stored: stored?.refreshToken ?? '' }
  }

  const [handled, unhandled] = await Promise.all([run('handled.sqlite', true), run('unhandled.sqlite', false)])
  t.same(handled.reports.filter(report => 'uncaught' in report), [{ uncaught: 'the subscriber threw' }], 'Node raises it as an uncaught exception')
  t.same(handled.reports.filter(report => 'refreshed' in report), [{ refreshed: true }])
  t.equal(handled.code, 0)
  t.equal(unhandled.code, 1, 'which ends a process that does not handle it')
  t.match(unhandled.stderr, /the subscriber threw/)
  for (const { stored, first } of [handled, unhandled]) {
    t.not(stored, first)
    t.ok(clover.isLive(stored), 'the new pair was stored before')
  }
})
