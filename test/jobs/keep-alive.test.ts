import t from 'tap'
import { startServer, gate, leap, merchantId, otherMerchantId, patiently, refused, anotherServer, unclear } from '../tokens/one-server.js'
import { connectMany, day, days, id, jobsOf } from './server-jobs.js'

t.test('merchants whose refresh token nears its end are refreshed, and nobody else', async t => {
  const one = startServer(t)
  const { clover, storage, connect } = one
  const { keepAlive, logs } = jobsOf(one)
  await connect()
  await days(340)
  await connect(otherMerchantId)
  const before = storage.records.get(otherMerchantId)
  t.same(await patiently(keepAlive.run()), { candidates: 2, due: 1, refreshed: 1, skipped: 0, refused: 0, failed: 0, inProgress: 0, unusable: 0, isComplete: true })
  t.same(clover.calls, ['refresh'])
  t.ok(Number(storage.records.get(merchantId)?.refreshTokenExpiration) > Date.now() / 1000 + 364 * day)
  t.same(storage.records.get(otherMerchantId), before)
  t.match(logs, [{ level: 'info', details: { clover: { event: 'keep-alive', refreshed: 1 } } }])
  t.match(await patiently(keepAlive.run()), { candidates: 2, due: 0 })
  t.equal(logs.at(-1)?.level, 'debug', 'a pass that finds nothing to do says so quietly')
})

t.test('a refresh token is refreshed `within` seconds before its end, but not before half of its life', async t => {
  const one = startServer(t)
  const { storage, connect } = one
  const { keepAlive } = jobsOf(one)
  const record = await connect()
  await days(300)
  t.match(await patiently(keepAlive.run()), { due: 0 })
  t.match(await patiently(keepAlive.run({ within: 70 * day })), { due: 1, refreshed: 1 })
  storage.records.set(merchantId, { ...record, updatedAt: Date.now() / 1000, refreshTokenExpiration: Date.now() / 1000 + 10 * day })
  await days(4)
  t.match(await patiently(keepAlive.run()), { due: 0 }, 'tokens that live for ten days are not refreshed at every pass')
  await days(1.5)
  t.match(await patiently(keepAlive.run()), { due: 1, refreshed: 1 })
})

t.test('a refresh whose answer was lost is recovered as soon as its lease has expired, although the access token is valid', async t => {
  const one = startServer(t)
  const { clover, refreshes, eventsOf, storage, connect } = one
  const { keepAlive } = jobsOf(one)
  await connect()
  clover.intercept = (_call, run) => { run(); return unclear('lost', { malformed: true }) }
  await t.rejects(refreshes.refresh(merchantId, { enough: () => false }))
  clover.intercept = (_call, run) => run()
  clover.calls.length = 0
  t.match(await patiently(jobsOf(anotherServer({ storage, clover })).keepAlive.run()), { due: 0 }, 'an unexpired lease is a refresh in progress')
  await leap(60)
  t.match(await patiently(keepAlive.run()), { due: 1, refreshed: 1 })
  t.same(clover.calls, ['refresh', 'recover'])
  t.equal(eventsOf('recovered').length, 1)
  t.notOk(storage.records.get(merchantId)?.refreshLease)
})

t.test('a marked merchant is tried at its retryAt, and costs no call before', async t => {
  const one = startServer(t)
  const { clover, refreshes, storage, connect } = one
  const { keepAlive } = jobsOf(one)
  await connect()
  clover.intercept = () => refused
  await t.rejects(refreshes.refresh(merchantId, { enough: () => false }), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  clover.calls.length = 0
  t.match(await patiently(keepAlive.run()), { due: 0 })
  await leap(61)
  t.match(await patiently(keepAlive.run()), { due: 1, refused: 1 })
  t.ok(Number(storage.records.get(merchantId)?.reauthorizationRequired?.retryAt) > Date.now() / 1000 + 60, 'and then later and later')
  clover.intercept = (_call, run) => run()
  await leap(86_401)
  t.match(await patiently(keepAlive.run()), { due: 1, refreshed: 1 })
  t.notOk(storage.records.get(merchantId)?.reauthorizationRequired)
})

t.test('v1 records are skipped, and a refresh token whose end is unknown is refreshed after a day', async t => {
  const one = startServer(t)
  const { clover, storage, connect } = one
  const { keepAlive } = jobsOf(one)
  const record = await connect()
  storage.records.set(otherMerchantId, { ...record, merchantId: otherMerchantId, flow: 'v1', refreshToken: null, refreshTokenExpiration: null, accessTokenExpiration: null, dueAt: null })
  storage.records.set(merchantId, { ...record, refreshTokenExpiration: null, dueAt: record.updatedAt + day })
  t.match(await patiently(keepAlive.run()), { candidates: 2, due: 0 })
  await days(1)
  t.match(await patiently(keepAlive.run()), { candidates: 2, due: 1, refreshed: 1 })
  t.same(clover.calls, ['refresh'])
  storage.records.set(merchantId, { ...record, refreshTokenExpiration: null, dueAt: null })
  t.match(await patiently(keepAlive.run()), { due: 1 }, 'also in a record that an earlier version wrote')
})

t.test('two servers at once refresh each merchant once', async t => {
  const one = startServer(t)
  const ids = await connectMany(one, 120)
  const two = anotherServer({ storage: one.storage, clover: one.clover })
  await days(340)
  const rolls = [0.1, 0.7, 0.3, 0.9, 0.5]
  const passes = await patiently(Promise.all([
    jobsOf(one).keepAlive.run({ rate: 50 }),
    jobsOf(two).keepAlive.run({ rate: 50 }),
    jobsOf(anotherServer({ storage: one.storage, clover: one.clover }), { jitter: () => Number(rolls[Math.floor(Math.random() * 5)]) }).keepAlive.run({ rate: 50 })
  ]))
  t.equal(one.clover.count('refresh'), ids.length)
  t.equal(one.clover.count('recover'), 0)
  t.same(passes.map(pass => pass && pass.failed + pass.refused), [0, 0, 0])
})

t.test('requests are spaced evenly, and use the whole rate', async t => {
  const one = startServer(t)
  await connectMany(one, 150)
  await days(340)
  const at: number[] = []
  one.clover.intercept = (_call, run) => { at.push(Date.now()); return run() }
  t.match(await patiently(jobsOf(one).keepAlive.run({ rate: 10 })), { refreshed: 150 })
  t.ok(at.every((time, i) => time >= Number(at[i - 11] ?? 0) + 1000), 'never more than ten in a second, give or take one')
  const rate = (at.length - 1) / (Number(at.at(-1)) - Number(at[0])) * 1000
  t.ok(rate > 9 && rate < 10.2, `${rate} a second`)
})

t.test('a merchant who was refreshed or left during the wait for a turn costs no call and no turn', async t => {
  const one = startServer(t)
  const ids = await connectMany(one, 40)
  await days(340)
  const { keepAlive } = jobsOf(one)
  const hold = gate()
  one.storage.intercept = async (method, run) => { const result = await run(); if (method === 'list') await hold.promise; return result }
  const pass = keepAlive.run({ rate: 1 })
  for (const merchantId of ids.slice(0, 20)) await patiently(one.refreshes.refresh(merchantId, { enough: () => false }))
  for (const merchantId of ids.slice(20, 39)) one.storage.records.delete(merchantId)
  one.clover.calls.length = 0
  const began = Date.now()
  hold.open()
  t.match(await patiently(pass), { due: 40, refreshed: 1, skipped: 39 })
  t.same(one.clover.calls, ['refresh'])
  t.ok(Date.now() - began < 5000, `${Date.now() - began} ms`)
})

t.test('failures slow the pass down, are counted, and do not end it', async t => {
  const one = startServer(t)
  await connectMany(one, 16)
  await days(340)
  const { keepAlive, logs } = jobsOf(one)
  one.clover.intercept = () => unclear('status 503')
  const began = Date.now()
  t.match(await patiently(keepAlive.run({ rate: 10 })), { due: 16, failed: 16, isComplete: true })
  t.ok(Date.now() - began > 12_000, `${Date.now() - began} ms`)
  t.match(logs.at(-1), { level: 'info', details: { clover: { failed: 16 } } })
  one.clover.calls.length = 0
  t.match(await patiently(keepAlive.run({ rate: 10 })), { candidates: 16, refreshed: 0 }, 'a merchant in its backoff is skipped')
  one.clover.intercept = (_call, run) => run()
  await leap(120)
  t.match(await patiently(keepAlive.run()), { due: 16, refreshed: 16 })
})

t.test('an unusable record does not stop the pass', async t => {
  const one = startServer(t)
  const record = await one.connect()
  one.storage.records.set(id(7), { ...record, merchantId: id(7), appId: 'ANOTHERAPP' })
  await days(340)
  t.match(await patiently(jobsOf(one).keepAlive.run()), { candidates: 2, due: 1, refreshed: 1, unusable: 1 })
})

t.test('a merchant whose refresh may be refused costs two turns, since a recovery may follow', async t => {
  const seconds: number[] = []
  for (const isDoubtful of [false, true]) {
    const one = startServer(t)
    await connectMany(one, 20)
    await days(340)
    if (isDoubtful) for (const [key, record] of one.storage.records) one.storage.records.set(key, { ...record, refreshLease: { by: 'the dead', until: record.updatedAt } })
    const began = Date.now()
    t.match(await patiently(jobsOf(one).keepAlive.run({ rate: 1 })), { refreshed: 20 })
    seconds.push((Date.now() - began) / 1000)
  }
  const [once = 0, twice = 0] = seconds
  t.ok(twice > 1.8 * once && twice < 2.2 * once, `${once} s, ${twice} s`)
})
