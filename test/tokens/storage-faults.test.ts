import { inspect } from 'node:util'
import t from 'tap'
import type { CloverStorage } from '../../src/storage/contract.js'
import type { Installation } from '../../src/tokens/installation.js'
import { Store } from '../../src/tokens/store.js'
import { advance, bench, gate, identity, leap, merchantId, patiently, quiet, unclear } from './bench.js'

t.test('a living token is served from memory while the store is down, however long (security 36)', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const { accessToken } = await connect()
  await keeper.accessToken(merchantId)
  storage.break()
  for (let second = 0; second < 1700; second += 50) {
    t.equal(await keeper.accessToken(merchantId), accessToken)
    await leap(50)
  }
  t.same(clover.calls, [])
  await leap(101)
  await t.rejects(patiently(keeper.accessToken(merchantId)), { code: 'FST_CLOVER_STORAGE', statusCode: 503, merchantId })
  storage.mend()
  await leap(10)
  t.not(await patiently(keeper.accessToken(merchantId)), accessToken)
})

t.test('a slow store is waited for a second while a token is at hand, and not asked by every caller', async t => {
  const { keeper, storage, connect } = bench(t)
  const { accessToken } = await connect()
  await keeper.accessToken(merchantId)
  await leap(11)
  storage.calls.length = 0
  storage.intercept = () => new Promise(() => {})
  const waiting = keeper.accessToken(merchantId)
  await advance(990)
  t.equal(await Promise.race([waiting, 'waiting']), 'waiting')
  await advance(20)
  t.equal(await waiting, accessToken)
  for (let i = 0; i < 10; i++) t.equal(await keeper.accessToken(merchantId), accessToken)
  t.same(storage.calls, ['get'])
})

t.test('without a token at hand a silent store is an error in time (security 36)', async t => {
  const { keeper, storage } = bench(t)
  storage.intercept = () => new Promise(() => {})
  const waiting = keeper.accessToken(merchantId)
  waiting.catch(() => {})
  await advance(5_010)
  await t.rejects(waiting, { code: 'FST_CLOVER_STORAGE', cause: { message: /no answer within 5000 ms/ } })
})

t.test('of many silent calls each ends in its own time, and those that are answered do not hold up the rest', async t => {
  const { storage, store } = bench(t)
  const answered = gate()
  storage.intercept = (_method, run) => storage.calls.length === 2 ? answered.promise.then(run) : new Promise(() => {})
  const ended: string[] = []
  const call = (name: string) => { store.get(merchantId).then(() => ended.push(name), () => ended.push(`${name} is late`)) }
  call('first')
  await advance(1_000)
  call('second')
  await advance(1_000)
  call('third')
  await advance(2_700)
  answered.open()
  await quiet()
  t.same(ended, ['second'])
  await advance(300)
  t.same(ended, ['second', 'first is late'])
  await advance(1_700)
  t.same(ended, ['second', 'first is late'])
  await advance(300)
  t.same(ended, ['second', 'first is late', 'third is late'])
})

t.test('a failing store is left alone for a moment, and for seconds at most', async t => {
  const { keeper, flights, storage, connect } = bench(t, { cache: false })
  await connect()
  await leap(1801)
  storage.break('put')
  for (let i = 0; i < 10; i++) {
    await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_STORAGE' })
    const puts = storage.calls.filter(call => call === 'put').length
    await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_STORAGE' })
    t.equal(storage.calls.filter(call => call === 'put').length, puts)
    await leap(5)
    t.notOk(flights.isOccupied(merchantId))
  }
})

t.test('a pair that the store does not take serves from memory, and is written as soon as the store does', async t => {
  const { keeper, flights, storage, clover, eventsOf, connect } = bench(t, { trust: 'low' })
  const before = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const token = await keeper.accessToken(merchantId)
  t.not(token, before.accessToken)
  t.equal(eventsOf('pair-held').length, 1)
  await advance(10_000, 100)
  t.equal(await keeper.accessToken(merchantId), token)
  t.equal((await keeper.installation(merchantId))?.updatedAt, flights.held(merchantId)?.updatedAt)
  t.equal(storage.records.get(merchantId)?.accessToken, before.accessToken)
  storage.mend()
  await advance(2_100, 100)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
  t.equal(eventsOf('pair-written').length, 1)
  t.equal(flights.held(merchantId), undefined)
  t.equal(await keeper.accessToken(merchantId), token)
  t.equal(clover.count('refresh'), 1)
})

t.test('a pair in hand is written before the next refresh, and while it cannot be, its token is no answer to its own rejection', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const token = await keeper.accessToken(merchantId)
  t.equal((await keeper.refresh(merchantId).catch((error: { code: string }) => error.code)), 'FST_CLOVER_STORAGE')
  await t.rejects(patiently(keeper.accessToken(merchantId, { rejected: token })), { code: 'FST_CLOVER_STORAGE' })
  t.equal(clover.count('refresh'), 1)
  clover.intercept = (_call, run) => run()
  storage.mend()
  await leap(10)
  const next = await patiently(keeper.accessToken(merchantId, { rejected: token }))
  t.not(next, token)
  t.equal(clover.count('refresh'), 2)
})

t.test('whoever asks for what the pair in hand is good for gets it while the store still fails', async t => {
  const { flights, storage, clover, connect } = bench(t)
  const { accessToken: old } = await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  const record = await flights.refresh(merchantId, { enough: ({ accessToken }) => accessToken !== old })
  t.equal((await flights.refresh(merchantId, { enough: () => true })).accessToken, record.accessToken)
})

t.test('a held pair gives way to a newer one', async t => {
  const { keeper, flights, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await keeper.accessToken(merchantId)
  clover.intercept = (_call, run) => run()
  const held = flights.held(merchantId)
  const record = storage.records.get(merchantId)
  if (!record) return t.fail()
  storage.records.set(merchantId, { ...record, refreshToken: 'newer', accessToken: 'newer-access', accessTokenExpiration: 1_900_000_000, revision: 'f'.repeat(32) })
  storage.mend()
  await advance(3_000, 50)
  t.ok(held)
  t.equal(flights.held(merchantId), undefined)
  t.equal(eventsOf('pair-dropped').length, 1)
  t.equal(await keeper.accessToken(merchantId), 'newer-access')
})

t.test('a held pair is dropped with the merchant, and a disconnect that fails leaves it', async t => {
  const { keeper, connections, flights, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const token = await keeper.accessToken(merchantId)
  storage.intercept = async (method, run) => { if (method !== 'get') throw new Error('down'); return run() }
  await t.rejects(connections.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE' })
  t.equal(await keeper.accessToken(merchantId), token)
  storage.break('put')
  t.equal(await connections.disconnect(merchantId), true)
  t.equal(flights.held(merchantId), undefined)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
  storage.mend()
  await advance(3_000, 50)
  t.equal(storage.records.size, 0)
})

t.test('a pair whose write lands while the merchant leaves is not taken back into memory (security 34)', async t => {
  const { keeper, connections, cache, eventsOf, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  await keeper.accessToken(merchantId)
  const written = gate()
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'put') await written.promise
    return answer
  }
  await advance(3_000)
  t.equal(await connections.disconnect(merchantId), true)
  written.open()
  await advance(100)
  t.equal(cache?.living(merchantId), undefined)
  t.equal(eventsOf('pair-written').length, 0)
  t.equal(storage.records.size, 0)
})

t.test('a record that changes while it is about to be marked is looked at again', async t => {
  const { keeper, storage, clover, eventsOf, connect } = bench(t, { trust: 'low' })
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return { outcome: 'refused', status: 401, recoveryAvailable: false }
  }
  t.equal(await keeper.accessToken(merchantId), 'newer')
  t.equal(eventsOf('reauthorization-required').length, 0)
})

t.test('whoever loses the record to another server before a recovery gives way', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return { outcome: 'refused', status: 401, recoveryAvailable: true }
  }
  t.equal(await keeper.accessToken(merchantId), 'newer')
  t.same(clover.calls, ['refresh'])
})

t.test('whoever loses the record to another server before a second try gives way', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const record = await connect()
  await leap(1801)
  clover.intercept = () => {
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return unclear('status 503')
  }
  t.equal(await patiently(keeper.accessToken(merchantId)), 'newer')
  t.same(clover.calls, ['refresh'])
})

t.test('whoever loses the record to another server between two recoveries gives way', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  await connect()
  await patiently(keeper.refresh(merchantId))
  const record = storage.records.get(merchantId)
  if (!record) return t.fail()
  await leap(1801)
  clover.calls.length = 0
  clover.intercept = call => {
    if (call === 'refresh') return { outcome: 'refused', status: 401, recoveryAvailable: true }
    storage.records.set(merchantId, { ...record, accessToken: 'newer', accessTokenExpiration: 1_900_000_000, revision: 'e'.repeat(32) })
    return unclear('status 503')
  }
  t.equal(await patiently(keeper.accessToken(merchantId)), 'newer')
  t.same(clover.calls, ['refresh', 'recover'])
})

t.test('a write that errors and lands is known again', async t => {
  const { keeper, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'put') throw new Error('connection reset')
    return answer
  }
  const token = await keeper.accessToken(merchantId)
  storage.mend()
  await advance(3_000, 50)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
  t.equal(eventsOf('pair-written').length, 1)
  t.equal(clover.count('refresh'), 1)
})

t.test('a store that refuses every write does not keep anybody busy for ever', async t => {
  const { keeper, connections, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => {
    storage.intercept = async (method, run) => method === 'get' ? run() : false
    return run()
  }
  await keeper.accessToken(merchantId)
  await t.rejects(connections.disconnect(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { message: /refuses to delete/ } })
  clover.intercept = (_call, run) => run()
  await t.rejects(connections.connect(merchantId, { code: 'anew', verifier: '' }), { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('draining waits until what is under way has landed', async t => {
  const { keeper, flights, storage, clover, connect } = bench(t)
  t.equal(await flights.drain(1000), true, 'at once where nothing is')
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; storage.break(); return run() }
  const caller = keeper.accessToken(merchantId)
  await quiet()
  const drained = flights.drain(10_000)
  await advance(100)
  t.equal(await Promise.race([drained, 'draining']), 'draining')
  answer.open()
  const token = await caller
  await advance(500)
  t.equal(await Promise.race([drained, 'draining']), 'draining', 'a held pair is waited for, too')
  storage.mend()
  await advance(2_000)
  t.equal(await drained, true)
  t.equal(storage.records.get(merchantId)?.accessToken, token)
})

t.test('draining tries at once what would wait', async t => {
  const { keeper, flights, storage, clover, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await keeper.accessToken(merchantId)
  await advance(10_000, 100)
  storage.mend()
  t.equal(await flights.drain(0).then(() => flights.held(merchantId)), undefined)
})

t.test('draining ends at its deadline, and what is lost is said', async t => {
  const { keeper, flights, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  clover.intercept = (_call, run) => { storage.break(); return run() }
  await keeper.accessToken(merchantId)
  const drained = flights.drain(1_000)
  await advance(1_050)
  t.equal(await drained, false)
  flights.close()
  t.equal(eventsOf('pair-abandoned').length, 1)
  storage.calls.length = 0
  await advance(5_000, 50)
  t.same(storage.calls, [])
})

t.test('after closing nothing is started; a pair that comes then, and cannot be written, is said to be lost', async t => {
  const { keeper, flights, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; storage.break(); return run() }
  const caller = keeper.accessToken(merchantId)
  await quiet()
  flights.close()
  await t.rejects(flights.refresh('MERCHANT00009', { enough: () => true }), { code: 'FST_CLOVER_CLOSING' })
  answer.open()
  t.type(await caller, 'string')
  t.equal(eventsOf('pair-abandoned').length, 1)
  storage.mend()
  await advance(5_000, 50)
  t.equal(storage.records.get(merchantId)?.refreshToken?.includes('>'), false)
})

t.test('a record that was read before a disconnect is not kept after it (security 34)', async t => {
  const { keeper, connections, cache, storage, connect } = bench(t)
  const record = await connect()
  const held = gate()
  storage.intercept = async (method, run) => {
    const answer = await run()
    if (method === 'get' && storage.calls.length === 1) await held.promise
    return answer
  }
  const caller = keeper.accessToken(merchantId)
  await quiet()
  t.equal(await connections.disconnect(merchantId), true)
  held.open()
  t.equal(await caller, record.accessToken, 'it began before')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a merchant who leaves while the store is silent does not come back into memory (security 34)', async t => {
  const { keeper, connections, cache, storage, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  await leap(11)
  storage.calls.length = 0
  storage.intercept = async (_method, run) => storage.calls.length === 1 ? new Promise(() => {}) : run()
  const caller = keeper.accessToken(merchantId)
  await quiet()
  t.equal(await connections.disconnect(merchantId), true)
  caller.catch(() => {})
  await advance(5_010)
  await t.rejects(caller, { code: 'FST_CLOVER_STORAGE' }, 'nor is its token handed out')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a disconnect during a refresh is final (security 34)', async t => {
  const { keeper, connections, storage, clover, eventsOf, connect } = bench(t)
  await connect()
  await leap(1801)
  const answer = gate()
  clover.intercept = async (_call, run) => { await answer.promise; return run() }
  const caller = keeper.accessToken(merchantId)
  caller.catch(() => {})
  await quiet()
  t.equal(await connections.disconnect(merchantId), true)
  answer.open()
  await t.rejects(patiently(caller), { code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal(storage.records.size, 0)
  t.equal(eventsOf('pair-dropped').length, 1)
})

t.test('the cache of a store that no longer has the merchant is emptied at the next look', async t => {
  const { keeper, storage, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  storage.records.clear()
  await leap(11)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a living entry of the cache that has died is let go', async t => {
  const { keeper, cache, connect } = bench(t)
  await connect()
  await keeper.accessToken(merchantId)
  t.ok(cache?.living(merchantId))
  await leap(1801)
  t.equal(cache?.living(merchantId), undefined)
})

t.test('a record of another app or environment serves nobody, not even from memory (security 23)', async t => {
  for (const change of [{ appId: 'OTHER00000001' }, { environment: 'europe' }, { merchantId: 'MERCHANT00002' }]) {
    const { keeper, storage, connect } = bench(t)
    const record = await connect()
    await keeper.accessToken(merchantId)
    storage.records.set(merchantId, { ...record, ...change })
    await leap(11)
    await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_OTHER_APP', statusCode: 500, merchantId })
  }
})

function storeOver (storage: Partial<Record<keyof CloverStorage, unknown>>): Store {
  const { appId, environment } = identity
  return new Store({ storage: storage as unknown as CloverStorage, appId, environment, timeout: 5_000 })
}

t.test('junk from a store is an error of the store', async t => {
  const { storage, connect } = bench(t)
  const record = await connect()
  for (const junk of [0, '', 'record', [], {}, { ...record, refreshToken: 5 }, { ...record, revision: 'ABC' }]) {
    await t.rejects(storeOver({ get: async () => junk }).get(merchantId), { code: 'FST_CLOVER_STORAGE', merchantId })
  }
  t.equal(await storeOver({ get: async () => null }).get(merchantId), undefined)
  t.equal(await storeOver({ get: () => undefined }).get(merchantId), undefined)
  for (const junk of [undefined, null, 1, 'true', {}]) {
    await t.rejects(storeOver({ put: async () => junk }).put(record, record.revision), { code: 'FST_CLOVER_STORAGE', cause: { message: /true or false/ } })
    await t.rejects(storeOver({ delete: async () => junk }).delete(merchantId, record.revision), { code: 'FST_CLOVER_STORAGE' })
  }
  for (const junk of [undefined, null, [], {}, { items: 5 }, { items: [null] }, { items: [{}] }]) {
    await t.rejects(storeOver({ list: async () => junk }).list({ limit: 5 }), { code: 'FST_CLOVER_STORAGE' })
  }
  t.same(await storeOver({ list: async () => ({ items: [record], cursor: null }) }).list({ limit: 5 }), { items: [record] })
  await t.rejects(storeOver({ list: async () => ({ items: [{ ...record, appId: 'OTHER' }] }) }).list({ limit: 5 }), { code: 'FST_CLOVER_OTHER_APP' })
  await t.rejects(storeOver({ get: () => { throw new Error('at once') } }).get(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { message: /at once/ } })
  t.equal(storeOver({}).canList, false)
  t.equal(storeOver(storage).canList, true)
  await t.rejects(storeOver({}).list({ limit: 5 }), { code: 'FST_CLOVER_STORAGE', cause: { message: /needed for listings/ } })
})

t.test('what a store says of its failure holds no token, and keeps its name and code (security 33)', async t => {
  const { connect } = bench(t)
  const record: Installation = { ...await connect(), spentRefreshToken: 'spent-secret' }
  const store = storeOver({
    put: async (next: Installation) => { throw Object.assign(new TypeError(`cannot insert ${JSON.stringify(next)}`), { code: 'SQLITE_FULL' }) },
    get: async () => { throw 'a string' } // eslint-disable-line no-throw-literal
  })
  const error = await store.put(record, record.revision).catch((error: unknown) => error) as Error & { cause: Error & { code: string } }
  for (const text of [error.message, error.cause.message, error.cause.stack ?? '', JSON.stringify(error)]) {
    for (const secret of [record.accessToken, record.refreshToken ?? '', 'spent-secret']) t.notOk(text.includes(secret))
  }
  t.equal(error.cause.code, 'SQLITE_FULL')
  t.equal(error.cause.name, 'TypeError')
  await t.rejects(store.get(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { message: /a string/ } })
})

t.test('what a store quotes of a record that was never read here is not told either; words and codes are (security 33)', async t => {
  const { connect } = bench(t)
  const record = await connect()
  const tokens = ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLW9mLWNhbmFyeQ', 'f'.repeat(10) + '0123456789abcdef', '1b4e28ba-2fa1-11d2-883f-0016d3cca427', 'AbCdEfGhIjKlMnOpQrStUvWx']
  const failing = (error: unknown) => storeOver({ get: async () => { throw error }, list: async () => { throw error } })
  for (const token of tokens) {
    const quoting = Object.assign(new Error(`relation clover_installations_of_mine: the row {"accessToken":"${token}"} and '${encodeURIComponent(token)}' at db-1.internal.example:5432 (42P01)`), { name: `Error of ${token}`, code: `code of ${token}`, detail: token })
    for (const call of [failing(quoting).get(merchantId), failing(quoting).list({ limit: 1 })]) {
      const error = await call.then(() => undefined, (error: unknown) => error) as Error & { cause: Error & { code?: unknown } }
      t.notOk(inspect(error, { depth: 9, showHidden: true }).includes(token.slice(-16)), token)
      t.match(error.cause.message, /^relation clover_installations_of_mine: the row .* at db-1\.internal\.example:5432 \(42P01\)$/)
      t.equal(error.cause.name, 'Error')
      t.equal(error.cause.code, undefined)
    }
  }
  for (const [code, kept] of [[1062, 1062], ['42P01', '42P01'], ['ConditionalCheckFailedException', 'ConditionalCheckFailedException'], [record, undefined], [tokens[1], undefined]] as const) {
    await t.rejects(failing(Object.assign(new Error('down'), { code })).get(merchantId), { code: 'FST_CLOVER_STORAGE', cause: { code: kept } })
  }
  await t.rejects(failing(new Error('x'.repeat(30_000))).get(merchantId), { cause: { message: 'x'.repeat(500) } })
})

t.test('an error of encryptedStorage comes through as it is', async t => {
  const sealed = Object.assign(new Error('does not open'), { code: 'FST_CLOVER_SEALED' })
  await t.rejects(storeOver({ get: async () => { throw sealed } }).get(merchantId), sealed)
})

t.test('a store that changes what it was given, or gives what it holds, harms nobody', async t => {
  const { connect } = bench(t)
  const record = await connect()
  const given: Installation[] = []
  const store = storeOver({ put: async (next: Installation) => { given.push(next); return true } })
  await store.put(record, undefined)
  t.not(given[0], record)
  t.same(given[0], record)
})

t.test('fields that a later version added are kept by every write', async t => {
  const { keeper, clover, storage, connect } = bench(t)
  const record = await connect()
  storage.records.set(merchantId, Object.assign({ ...record }, { later: { kept: true } }))
  await patiently(keeper.refresh(merchantId))
  t.match(storage.records.get(merchantId), { later: { kept: true } })
  clover.intercept = () => unclear('503')
  await t.rejects(patiently(keeper.refresh(merchantId)))
  t.match(storage.records.get(merchantId), { later: { kept: true }, refreshLease: {} })
})

t.test('while a pair is held, no older token is served from the cache', async t => {
  const { keeper, storage, clover, connect } = bench(t)
  const { accessToken: old } = await connect()
  t.equal(await keeper.accessToken(merchantId), old)
  clover.intercept = (_call, run) => { storage.break('put'); return run() }
  const fresh = await keeper.accessToken(merchantId, { rejected: old })
  t.not(fresh, old)
  t.equal(await keeper.accessToken(merchantId), fresh)
})

t.test('a reading that ends after the close brings no token back (security 35)', async t => {
  const { keeper, storage, cache, connect } = bench(t)
  await connect()
  const answer = gate()
  storage.intercept = async (_method, run) => { await answer.promise; return run() }
  const reading = keeper.accessToken(merchantId)
  await quiet()
  keeper.close()
  answer.open()
  t.type(await reading, 'string')
  t.equal(cache?.living(merchantId), undefined)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_CLOSING' })
})

t.test('a sealed record is not taken for a plain one (security 32)', async t => {
  const { keeper, storage, connect } = bench(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, sealed: '2026-11' } as Installation)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_SEALED', message: /not wrapped in encryptedStorage/ })
})

t.test('a record that does not open can be disconnected, and is gone then', async t => {
  const { keeper, connections, storage, eventsOf, connect } = bench(t)
  const record = await connect()
  storage.records.set(merchantId, { ...record, sealed: '2026-11' } as Installation)
  t.equal(await connections.disconnect(merchantId), true)
  t.equal(eventsOf('disconnected').length, 1)
  await t.rejects(keeper.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
})

t.test('a caller who waits for a silent store is served by what was written meanwhile', async t => {
  const { keeper, reader, storage, connect } = bench(t)
  const record = await connect()
  await keeper.accessToken(merchantId)
  await leap(11)
  storage.intercept = () => new Promise(() => {})
  const waiting = keeper.accessToken(merchantId)
  await quiet()
  reader.keep({ ...record, accessToken: 'newer' })
  await advance(1_010)
  t.equal(await waiting, 'newer')
})
