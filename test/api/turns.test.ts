import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { merchantA, merchantB } from '../harness/host.js'
import { apiHost, orders } from './api-host.js'
import { until } from '../harness/waiting.js'

const many = (count: number) => Array.from({ length: count }, (_, index) => `MANY${String(index).padStart(9, '0')}`)

t.test('at most 5 calls of a merchant are open at once', async t => {
  const { app, clover, connect } = await apiHost(t, { simulator: { latency: 60, rateLimits: true } })
  await connect()
  const answers = Promise.all(Array.from({ length: 15 }, () => app.clover.fetch(merchantA, orders)))
  await until(() => clover.atOnce('rest').open === 5)
  t.ok((await answers).every(({ status }) => status === 200))
  t.equal(clover.atOnce('rest').most, 5)
  t.equal(clover.count('rest', { ok: false }), 0, 'so Clover refused none')
})

t.test('at most 10 calls of an app are open at once, and no merchant has more than 5 of them', async t => {
  const merchants = many(4)
  const { app, clover, connect } = await apiHost(t, { simulator: { latency: 80, rateLimits: { appPerSecond: 1000 } } })
  for (const id of merchants) await connect(id)
  const answers = Promise.all(merchants.flatMap(id => Array.from({ length: 12 }, () => app.clover.fetch(id, orders))))
  await until(() => clover.atOnce('rest').open === 10)
  t.ok((await answers).every(({ status }) => status === 200))
  t.equal(clover.atOnce('rest').most, 10)
  for (const merchantId of merchants) t.ok(clover.atOnce('rest', { merchantId }).most <= 5)
  t.equal(clover.count('rest', { ok: false }), 0, 'Clover refused none')
})

t.test('merchants take turns: one with a thousand calls does not hold up the others', async t => {
  const busy = many(3)
  const { app, clover, connect } = await apiHost(t, { simulator: { latency: 2, callsKept: 10_000 } })
  for (const id of [...busy, merchantA, merchantB]) await connect(id)
  const abort = new AbortController()
  const crowd = busy.map(id => Promise.allSettled(Array.from({ length: 1000 }, () => app.clover.fetch(id, orders, { signal: abort.signal }))))
  await until(() => clover.count('rest') >= 20)
  const before = clover.count('rest')
  await Promise.all([merchantA, merchantB].map(id => app.clover.fetch(id, orders)))
  t.ok(clover.count('rest') - before < 60, `${clover.count('rest') - before} calls came before the answers`)
  abort.abort()
  await Promise.all(crowd)
})

t.test('a call frees its slot with the headers, so an unread body does not block other calls', async t => {
  const { app, clover, connect } = await apiHost(t)
  await connect()
  clover.fault({ on: 'rest', kind: 'reply', body: Buffer.alloc(5_000_000), times: 20 })
  const abort = new AbortController()
  for (let i = 0; i < 20; i++) t.equal((await app.clover.fetch(merchantA, orders, { signal: abort.signal })).status, 200)
  abort.abort()
})

t.test('the wait for a turn is bounded, and ends with the caller\'s signal; then its place in the queue is free', async t => {
  const { app, clover, connect } = await apiHost(t, { options: { maxWait: 300 } })
  await connect()
  clover.fault({ on: 'rest', kind: 'latency', ms: Infinity, times: 5 })
  const abort = new AbortController()
  const hanging = Promise.allSettled(Array.from({ length: 5 }, () => app.clover.fetch(merchantA, orders, { signal: abort.signal })))
  await until(() => clover.atOnce('rest').open === 5)
  const impatient = new AbortController()
  const waiting = app.clover.fetch(merchantA, orders, { signal: impatient.signal })
  const late = app.clover.fetch(merchantA, orders)
  const reason = new Error('enough')
  await setTimeout(20)
  impatient.abort(reason)
  await t.rejects(waiting, reason)
  await t.rejects(late, { code: 'FST_CLOVER_UNAVAILABLE', message: /too many calls at once/ })
  t.equal(clover.count('rest'), 5, 'neither was sent')
  abort.abort()
  await hanging
  t.equal((await app.clover.fetch(merchantA, orders)).status, 200)
})

t.test('a refresh does not wait behind a burst of calls', async t => {
  const { app, clover, connect } = await apiHost(t)
  const merchants = many(3)
  for (const id of merchants) await connect(id)
  clover.fault({ on: 'rest', kind: 'latency', ms: Infinity, times: Infinity })
  const abort = new AbortController()
  const burst = Promise.allSettled(merchants.flatMap(id => Array.from({ length: 8 }, () => app.clover.fetch(id, orders, { signal: abort.signal }))))
  await until(() => clover.atOnce('rest').open === 10)
  t.match(await app.clover.refresh(merchants[0] ?? ''), { merchantId: merchants[0] })
  abort.abort()
  await burst
})
