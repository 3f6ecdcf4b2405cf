import t from 'tap'
import { startServer, gate, leap, merchantId, quiet, anotherServer } from './one-server.js'

/*
 * Disconnects, also of merchants who have authorized again.
 */

const code = (name: string) => ({ code: name, verifier: '' })

t.test('a disconnect during a callback is not undone', async t => {
  for (const returns of [true, false]) {
    const { connections, disconnects, storage, clover, connect } = startServer(t)
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

t.test('disconnecting removes the merchant from everywhere in this process (security 34)', async t => {
  const { disconnects, accessTokens, storage, cache, eventsOf, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  t.equal(await disconnects.disconnect(merchantId), true)
  t.equal(storage.records.size, 0)
  t.equal(cache?.living(merchantId), undefined)
  t.equal(eventsOf('disconnected').length, 1)
  t.equal(await disconnects.disconnect(merchantId), false)
  t.equal(eventsOf('disconnected').length, 1)
  await t.rejects(disconnects.disconnect('nobody'), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
})

t.test('a disconnect deletes a record that is refreshed meanwhile, and leaves a newer connection', async t => {
  const { disconnects, storage, clover, connect, mark } = startServer(t)
  await connect()
  const other = anotherServer({ storage, clover })
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

t.test('a disconnect with a time leaves a connection made at that time or later, with its unsaved pair', async t => {
  const { disconnects, accessTokens, storage, clover, refreshes, eventsOf, connect } = startServer(t)
  const { connectedAt } = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await accessTokens.accessToken(merchantId)
  storage.repair()
  for (const second of [0, connectedAt - 1, connectedAt]) t.equal(await disconnects.disconnect(merchantId, second), false)
  t.ok(storage.records.get(merchantId))
  t.ok(refreshes.unsaved(merchantId), 'the only trace of a living token')
  t.equal(await disconnects.disconnect(merchantId, connectedAt + 1), true)
  t.equal(storage.records.size, 0)
  t.equal(refreshes.unsaved(merchantId), undefined)
  t.equal(eventsOf('disconnected').length, 1)
  t.equal(await disconnects.disconnect(merchantId, connectedAt + 1), false)
})

t.test('a merchant who came back and kept the pair is not disconnected by an earlier uninstall', async t => {
  const { connections, disconnects, storage, connect } = startServer(t)
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

t.test('a visit is noted in the record while a refresh is in progress, and its lease stays', async t => {
  const { connections, storage, clover, connect } = startServer(t)
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

t.test('a visit is noted although others change the record, and although a write fails or only seems to', async t => {
  for (const trouble of ['changed', 'fails', 'seems to fail'] as const) {
    const { connections, storage, make, connect } = startServer(t)
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

t.test('a visit that cannot be noted is an error: an earlier disconnect could end the connection unnoticed', async t => {
  for (const trouble of ['changed', 'fails'] as const) {
    const { connections, storage, make, connect, eventsOf } = startServer(t)
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

t.test('a merchant who comes back while an earlier uninstall is handled stays, with an unsaved pair', async t => {
  const { disconnects, storage, connect, refreshes, clover } = startServer(t)
  const { connectedAt } = await connect()
  await leap(60)
  const dropped: string[] = []
  const { drop } = refreshes
  refreshes.drop = (id, isOver) => { dropped.push(id); drop.call(refreshes, id, isOver) }
  const other = anotherServer({ storage, clover })
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

t.test('a sealed record that cannot be opened is not disconnected by time, since its own time is unknown', async t => {
  const { disconnects, storage, connect } = startServer(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, sealed: { key: 'x' } } as typeof record)
  await t.rejects(disconnects.disconnect(merchantId, record.connectedAt + 1000), { code: 'FST_CLOVER_SEALED' })
  t.equal(storage.records.size, 1)
  t.equal(await disconnects.disconnect(merchantId), true)
})

t.test('a merchant who leaves while a new pair is written gets no token any more, neither a valid one nor one from memory', async t => {
  for (const age of [1790, 1801]) {
    const { disconnects, accessTokens, storage, cache, refreshes, clover, connect } = startServer(t)
    await connect()
    await leap(age)
    const written = gate()
    storage.intercept = async (method, run) => {
      const result = await run()
      if (method === 'put' && storage.records.get(merchantId)?.refreshLease === undefined) await written.promise
      return result
    }
    const waiting = accessTokens.accessToken(merchantId)
    waiting.catch(() => {})
    await quiet()
    t.equal(await disconnects.disconnect(merchantId), true)
    written.open()
    await t.rejects(waiting, { code: 'FST_CLOVER_NOT_CONNECTED' }, `${age} seconds`)
    t.equal(cache?.recent(merchantId), undefined)
    await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
    t.notOk(refreshes.isBusyOrBackingOff(merchantId))
    t.equal(clover.count('refresh'), 1)
  }
})

t.test('a merchant whom another server has disconnected is removed from this cache at once, not after its ttl', async t => {
  const { disconnects, accessTokens, storage, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  storage.records.delete(merchantId)
  t.type(await accessTokens.accessToken(merchantId), 'string', 'from memory')
  t.equal(await disconnects.disconnect(merchantId), false)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a disconnect of unknown outcome also removes the merchant from memory', async t => {
  const { disconnects, accessTokens, storage, connect } = startServer(t)
  await connect()
  await accessTokens.accessToken(merchantId)
  storage.intercept = async (method, run) => {
    const result = await run()
    if (method === 'delete') {
      storage.break()
      throw new Error('the connection was lost')
    }
    return result
  }
  await t.rejects(disconnects.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE' })
  storage.repair()
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})
