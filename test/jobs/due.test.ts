import t from 'tap'
import type { Installation } from '../../src/installation.js'
import { gate, leap, merchantId, patiently, quiet, refused, anotherServer, startServer, unclear } from '../tokens/one-server.js'
import { connectMany, day, days, id, jobsOf } from './server-jobs.js'

async function all (ids: AsyncIterable<string>): Promise<string[]> {
  const list: string[] = []
  for await (const merchantId of ids) list.push(merchantId)
  return list.sort()
}

t.test('the merchants who are due are those whom a pass of keep-alive would refresh, and listing them changes nothing', async t => {
  const one = startServer(t)
  const { clover, storage, connect } = one
  const { due, keepAlive } = jobsOf(one)
  const ids = await connectMany(one, 250)
  await days(340)
  await connect(id(900))
  const calls = clover.calls.length
  const before = structuredClone([...storage.records])
  t.same(await all(due.list()), ids)
  t.same([...storage.records], before)
  t.equal(clover.calls.length, calls)
  t.match(await patiently(keepAlive.run({ rate: 1000 })), { due: 250, refreshed: 250 })
  t.same(await all(due.list()), [])
})

t.test('`within` is that of keep-alive', async t => {
  const one = startServer(t)
  const { due } = jobsOf(one)
  await one.connect()
  await days(300)
  t.same(await all(due.list()), [])
  t.equal(await due.refreshIfDue(merchantId), 'skipped')
  t.same(await all(due.list({ within: 70 * day })), [merchantId])
  t.equal(await patiently(due.refreshIfDue(merchantId, { within: 70 * day })), 'refreshed')
})

t.test('a merchant is refreshed once, however often the same job runs, on one server and on two', async t => {
  const one = startServer(t)
  const { clover, storage } = one
  const two = jobsOf(anotherServer({ clover, storage })).due
  const { due } = jobsOf(one)
  await one.connect()
  await days(340)
  const outcomes = await patiently(Promise.all([due, two, due, two].map(one => one.refreshIfDue(merchantId))))
  t.ok(outcomes.every(outcome => outcome === 'refreshed' || outcome === 'skipped'), outcomes.join())
  t.ok(outcomes.includes('refreshed'))
  t.equal(await due.refreshIfDue(merchantId), 'skipped')
  t.equal(clover.count('refresh'), 1)
})

t.test('a merchant whom another server has refreshed since the record was read is skipped', async t => {
  const one = startServer(t)
  const { clover, storage } = one
  const { due, jobs } = jobsOf(one, { maxCalls: 2 })
  await one.connect()
  await days(340)
  const slot = gate()
  const busy = jobs.slots.run(() => slot.promise)
  const outcome = due.refreshIfDue(merchantId)
  await quiet()
  t.equal(await patiently(jobsOf(anotherServer({ clover, storage })).due.refreshIfDue(merchantId)), 'refreshed')
  slot.open()
  await busy
  t.equal(await patiently(outcome), 'skipped')
  t.equal(clover.count('refresh'), 1)
})

t.test('a merchant who is not connected is skipped, and one who leaves meanwhile', async t => {
  const one = startServer(t)
  const { clover, disconnects } = one
  const { due } = jobsOf(one)
  t.equal(await due.refreshIfDue(merchantId), 'skipped')
  await one.connect()
  await days(340)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const outcome = due.refreshIfDue(merchantId)
  await quiet()
  await disconnects.disconnect(merchantId)
  answer.open()
  t.equal(await patiently(outcome), 'skipped')
})

t.test('a cut-off refresh is recovered, a refused merchant is refused, and failures of Clover and of the store are failures', async t => {
  const one = startServer(t)
  const { clover, storage, refreshes } = one
  const { due } = jobsOf(one)
  await one.connect()
  clover.intercept = (_call, run) => { run(); return unclear('lost', { malformed: true }) }
  await t.rejects(refreshes.refresh(merchantId, { enough: () => false }))
  clover.intercept = (_call, run) => run()
  await leap(60)
  t.equal(await patiently(due.refreshIfDue(merchantId)), 'refreshed')
  t.equal(clover.count('recover'), 1)

  await days(340)
  clover.intercept = () => refused
  t.equal(await patiently(due.refreshIfDue(merchantId)), 'refused')
  t.equal(await due.refreshIfDue(merchantId), 'skipped', 'it is tried again later')
  clover.intercept = () => unclear('status 503')
  await leap(61)
  t.equal(await patiently(due.refreshIfDue(merchantId)), 'failed')
  t.equal(await patiently(due.refreshIfDue(merchantId)), 'failed', 'its outcome is not known until its lease has expired')
  await leap(60)
  storage.break()
  t.equal(await patiently(due.refreshIfDue(merchantId)), 'failed')
})

t.test('a closing server takes no merchant, and calls none that it has not refreshed done', async t => {
  const one = startServer(t)
  const { clover } = one
  const controller = new AbortController()
  const { due, jobs } = jobsOf(one, { maxCalls: 2, closing: controller.signal })
  await one.connect()
  await days(340)
  const slot = gate()
  const busy = jobs.slots.run(() => slot.promise)
  const outcome = due.refreshIfDue(merchantId)
  await quiet()
  controller.abort()
  slot.open()
  await busy
  await t.rejects(outcome, { code: 'FST_CLOVER_CLOSING' })

  const last = new AbortController()
  const waiting = jobsOf(anotherServer({ clover, storage: one.storage }), { closing: last.signal }).due
  one.storage.records.set(merchantId, { ...one.storage.records.get(merchantId) as Installation, refreshLease: { by: 'another', until: Date.now() / 1000 + 30 } })
  const waits = waiting.refreshIfDue(merchantId)
  await quiet()
  last.abort()
  await t.rejects(patiently(waits), { code: 'FST_CLOVER_CLOSING' })
  await t.rejects(due.refreshIfDue(merchantId), { code: 'FST_CLOVER_CLOSING' })
  await t.rejects(due.list().next(), { code: 'FST_CLOVER_CLOSING' })
  t.equal(clover.count('refresh'), 0)
})

t.test('the listing ends with its signal, also in the middle of a page', async t => {
  const one = startServer(t)
  const { due } = jobsOf(one)
  await connectMany(one, 150)
  await days(340)
  const controller = new AbortController()
  let count = 0
  for await (const merchantId of due.list({ signal: controller.signal })) {
    t.match(merchantId, /^MERCHANT/)
    if (++count === 30) controller.abort()
  }
  t.equal(count, 30)
})

t.test('a server that begins to close does not end the listing as if it were complete', async t => {
  const one = startServer(t)
  const closing = new AbortController()
  const { due } = jobsOf(one, { closing: closing.signal })
  await connectMany(one, 150)
  await days(340)
  let count = 0
  await t.rejects(async () => {
    for await (const merchantId of due.list()) if (merchantId !== '' && ++count === 30) closing.abort()
  }, { code: 'FST_CLOVER_CLOSING' })
  t.equal(count, 30)
})

t.test('due() needs the adapter\'s list', async t => {
  const one = startServer(t)
  const { due } = jobsOf(one)
  Object.defineProperty(one.storage, 'list', { value: undefined })
  await t.rejects(due.list().next(), { code: 'FST_CLOVER_STORAGE', cause: { message: /due\(\) needs it/ } })
})

t.test('unusable records are passed over', async t => {
  const one = startServer(t)
  const { storage } = one
  const { due } = jobsOf(one)
  await connectMany(one, 3)
  await days(340)
  storage.records.set(id(1), { ...storage.records.get(id(1)), accessToken: 7 } as never)
  t.same(await all(due.list()), [id(0), id(2)])
  await t.rejects(due.refreshIfDue(id(1)), { code: 'FST_CLOVER_UNREADABLE' }, 'another try does not help')
})

t.test('wrong arguments', async t => {
  const { due } = jobsOf(startServer(t))
  const wrong = 'canary' as never
  await t.rejects(due.refreshIfDue(wrong), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  await t.rejects(due.refreshIfDue(merchantId, { within: NaN }), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /refreshIfDue\(\): within must be a number of seconds/ })
  await t.rejects(due.list({ within: -1 }).next(), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /due\(\): within must be a number of seconds/ })
  await t.rejects(due.list({ signal: wrong }).next(), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /signal must be an AbortSignal/ })
  t.same(await all(due.list({ within: undefined, signal: undefined })), [])
})

t.test('a merchant whose pair is not stored yet is not done', async t => {
  const one = startServer(t)
  const { storage } = one
  const { due, keepAlive } = jobsOf(one)
  await connectMany(one, 2)
  await days(340)
  storage.intercept = async (method, run) => {
    if (method === 'put' && clover.count('refresh') > 0) throw new Error('the disk is full')
    return run()
  }
  const { clover } = one
  t.equal(await patiently(due.refreshIfDue(id(0))), 'failed')
  storage.repair()
  await patiently(one.refreshes.drain(60_000))
  t.equal(await due.refreshIfDue(id(0)), 'skipped', 'it is stored now')
  storage.intercept = async (method, run) => {
    if (method === 'put' && clover.count('refresh') > 1) throw new Error('the disk is full')
    return run()
  }
  t.match(await patiently(keepAlive.run()), { due: 1, refreshed: 0, failed: 1 })
  storage.repair()
  await patiently(one.refreshes.drain(60_000))
})

t.test('a merchant whose refresh failed a moment ago is counted in the next pass, and refreshed once the lease has expired', async t => {
  const one = startServer(t)
  const { clover } = one
  const { keepAlive } = jobsOf(one)
  await one.connect()
  await days(340)
  clover.intercept = () => unclear('status 503')
  t.match(await patiently(keepAlive.run()), { due: 1, failed: 1, inProgress: 0 })
  clover.intercept = (_call, run) => run()
  t.match(await patiently(keepAlive.run()), { due: 0, failed: 0, inProgress: 1, isComplete: true })
  await leap(60)
  t.match(await patiently(keepAlive.run()), { due: 1, refreshed: 1, inProgress: 0 })
})

t.test('a job that met the refresh of another server is tried again', async t => {
  const one = startServer(t)
  const { clover, storage } = one
  const { due } = jobsOf(one)
  await one.connect()
  await days(340)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const first = due.refreshIfDue(merchantId)
  await quiet()
  t.equal(await patiently(jobsOf(anotherServer({ clover, storage })).due.refreshIfDue(merchantId)), 'failed', 'after some seconds')
  const second = jobsOf(anotherServer({ clover, storage })).due.refreshIfDue(merchantId)
  await quiet()
  answer.open()
  t.equal(await patiently(first), 'refreshed')
  t.equal(await patiently(second), 'skipped', 'it waits for a moment')
  t.equal(await jobsOf(anotherServer({ clover, storage })).due.refreshIfDue(merchantId), 'skipped')
})
