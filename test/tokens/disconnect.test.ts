import t from 'tap'
import { bench, gate, leap, merchantId, quiet, server } from './bench.js'

/*
 * Merchants who are disconnected, and those who came back before.
 */

const code = (name: string) => ({ code: name, verifier: '' })

t.test('a disconnect during a callback is not undone', async t => {
  for (const returns of [true, false]) {
    const { connections, disconnects, storage, clover, connect } = bench(t)
    await connect()
    if (!returns) await leap(1801)
    const exchanged = gate()
    clover.intercept = async (call, run) => { const answer = run(); if (call === 'exchange') await exchanged.promise; return answer }
    const connecting = connections.connect(merchantId, code('two'))
    connecting.catch(() => {})
    await quiet()
    t.equal(await disconnects.disconnect(merchantId), true)
    exchanged.open()
    await t.rejects(connecting, { code: 'FST_CLOVER_UNAVAILABLE' })
    t.equal(storage.records.size, 0)
  }
})

t.test('disconnecting forgets the merchant everywhere in this process (security 34)', async t => {
  const { disconnects, keeper, storage, cache, eventsOf, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  t.equal(await disconnects.disconnect(merchantId), true)
  t.equal(storage.records.size, 0)
  t.equal(cache?.living(merchantId), undefined)
  t.equal(eventsOf('disconnected').length, 1)
  t.equal(await disconnects.disconnect(merchantId), false)
  t.equal(eventsOf('disconnected').length, 1)
  await t.rejects(disconnects.disconnect('nobody'), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
})

t.test('a disconnect follows a record that is refreshed meanwhile, and stops before a newer connection', async t => {
  const { disconnects, storage, clover, connect, mark } = bench(t)
  await connect()
  const other = server({ storage, clover })
  let deletes = 0
  storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) await other.protocol.run(merchantId, { force: true, enough: ({ refreshToken }) => refreshToken?.includes('>') === true })
    return run()
  }
  t.equal(await disconnects.disconnect(merchantId), true)
  t.equal(deletes, 2)
  await mark()
  deletes = 0
  storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) await other.connections.connect(merchantId, code('newer'), true)
    return run()
  }
  t.equal(await disconnects.disconnect(merchantId), false)
  t.equal(storage.records.get(merchantId)?.refreshToken, 'newer')
})

t.test('a disconnect of a connection made before a second leaves a later one, with all that is held for it', async t => {
  const { disconnects, keeper, storage, clover, flights, eventsOf, connect } = bench(t)
  const { connectedAt } = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await keeper.accessToken(merchantId)
  storage.mend()
  for (const second of [0, connectedAt - 1, connectedAt]) t.equal(await disconnects.disconnect(merchantId, second), false)
  t.ok(storage.records.get(merchantId))
  t.ok(flights.held(merchantId), 'the only trace of a living token')
  t.equal(await disconnects.disconnect(merchantId, connectedAt + 1), true)
  t.equal(storage.records.size, 0)
  t.equal(flights.held(merchantId), undefined)
  t.equal(eventsOf('disconnected').length, 1)
  t.equal(await disconnects.disconnect(merchantId, connectedAt + 1), false)
})

t.test('a merchant who came back and kept the pair is not disconnected by what happened before', async t => {
  const { connections, disconnects, storage, connect } = bench(t)
  const before = await connect()
  await leap(60)
  await connections.connect(merchantId, code('two'))
  const after = storage.records.get(merchantId)
  t.not(after?.revision, before.revision)
  t.match(after?.visitId, /^[0-9a-f]{32}$/)
  t.same(after, { ...before, revision: after?.revision, visitId: after?.visitId, returnedAt: before.connectedAt + 60 }, 'the rest stays')
  t.equal(await disconnects.disconnect(merchantId, before.connectedAt + 60), false)
  t.equal(await disconnects.disconnect(merchantId, before.connectedAt + 61), true)
})

t.test('that a merchant came back is noted beside somebody\'s refresh, whose lease stays', async t => {
  const { connections, storage, clover, connect } = bench(t)
  const { connectedAt } = await connect()
  const lease = { by: 'another server', until: connectedAt + 40 }
  clover.intercept = (call, run) => {
    const record = storage.records.get(merchantId)
    if (call === 'exchange' && record) storage.records.set(merchantId, { ...record, refreshLease: lease, dueAt: lease.until })
    return run()
  }
  t.same(await connections.connect(merchantId, code('two')), { isNew: false })
  t.match(storage.records.get(merchantId), { refreshLease: lease, dueAt: lease.until, returnedAt: connectedAt })
})

t.test('that a merchant came back is noted although others change the record, and although a write fails or only seems to', async t => {
  for (const trouble of ['changed', 'fails', 'seems to fail'] as const) {
    const { connections, storage, make, connect } = bench(t)
    const before = await connect()
    await leap(60)
    let puts = 0
    storage.intercept = async (method, run) => {
      if (method !== 'put' || ++puts > 9) return run()
      if (trouble === 'changed') storage.records.set(merchantId, make.leased(before, 'another server', before.connectedAt + 40 + puts))
      if (trouble === 'seems to fail') await run()
      if (trouble !== 'changed') throw new Error('reset')
      return run()
    }
    t.same(await connections.connect(merchantId, code('two')), { isNew: false }, trouble)
    t.equal(puts, trouble === 'seems to fail' ? 1 : 10)
    t.match(storage.records.get(merchantId), { returnedAt: before.connectedAt + 60, ...(trouble === 'changed' && { refreshLease: { until: before.connectedAt + 49 } }) })
  }
})

t.test('a merchant who came back is not connected unless that could be noted: a disconnect of before could end the connection unseen', async t => {
  for (const trouble of ['changed', 'fails'] as const) {
    const { connections, storage, make, connect, eventsOf } = bench(t)
    const before = await connect()
    storage.intercept = async (method, run) => {
      if (method === 'put' && trouble === 'fails') throw new Error('the database is down')
      if (method === 'put') storage.records.set(merchantId, make.leased(before, 'another server', before.connectedAt + 40))
      return run()
    }
    await t.rejects(connections.connect(merchantId, code('two')), { code: trouble === 'fails' ? 'FST_CLOVER_STORAGE' : 'FST_CLOVER_UNAVAILABLE' })
    t.same(eventsOf('connected'), [])
  }
})

t.test('a merchant who comes back while an uninstall of before is handled stays, with all that is held', async t => {
  const { disconnects, storage, connect, flights, clover } = bench(t)
  const { connectedAt } = await connect()
  await leap(60)
  const dropped: string[] = []
  const { drop } = flights
  flights.drop = (id, isOver) => { dropped.push(id); drop.call(flights, id, isOver) }
  const other = server({ storage, clover })
  let deletes = 0
  storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) await other.connections.connect(merchantId, code('two'))
    return run()
  }
  t.equal(await disconnects.disconnect(merchantId, connectedAt + 30), false)
  t.equal(deletes, 1)
  t.ok(storage.records.get(merchantId))
  t.same(dropped, [])
})

t.test('a record that does not open is not disconnected by time, since its own is not known', async t => {
  const { disconnects, storage, connect } = bench(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, sealed: { key: 'x' } } as typeof record)
  await t.rejects(disconnects.disconnect(merchantId, record.connectedAt + 1000), { code: 'FST_CLOVER_SEALED' })
  t.equal(storage.records.size, 1)
  t.equal(await disconnects.disconnect(merchantId), true)
})
