import t, { type Test } from 'tap'
import type { Installation } from '../../src/installation.js'
import { unreadableNotice } from '../../src/tokens/unreadable.js'
import { id, jobsOf } from '../jobs/server-jobs.js'
import { installations } from '../../src/tokens/installations.js'
import { startServer, TestStorage, gate, leap, merchantId, otherMerchantId, patiently, quiet, anotherServer, type ServerOptions } from './one-server.js'

/*
 * Stored records that cannot be read (rule 22): they affect one merchant, whose next visit replaces the record (security 40).
 */

const code = (name: string) => ({ code: name, verifier: '' })
const now = () => Date.now() / 1000

/** The kinds of damage of a record, the error that its merchant gets, and whether another server may be able to read it. */
const kinds = {
  'has a wrong field': { damage: (record: Installation) => ({ ...record, accessToken: '' }), error: 'FST_CLOVER_UNREADABLE' },
  'has no revision': { damage: ({ merchantId }: Installation) => ({ merchantId, nonsense: true }), error: 'FST_CLOVER_UNREADABLE' },
  'is no object': { damage: () => 'nonsense', error: 'FST_CLOVER_UNREADABLE' },
  'has an empty revision': { damage: (record: Installation) => ({ ...record, revision: '' }), error: 'FST_CLOVER_UNREADABLE' },
  'is sealed with a key that is not here': { damage: (record: Installation) => ({ ...record, sealed: '2026-11' }), error: 'FST_CLOVER_SEALED' }
} as const

async function damaged (t: Test, kind: keyof typeof kinds, options?: ServerOptions) {
  const one = startServer(t, options)
  const record = await one.connect()
  const damage = () => { one.storage.records.set(merchantId, kinds[kind].damage(record) as unknown as Installation) }
  damage()
  return { ...one, record, damage, stored: () => one.storage.records.get(merchantId) as Installation, error: { code: kinds[kind].error, statusCode: 500, merchantId } }
}

for (const kind of Object.keys(kinds) as Array<keyof typeof kinds>) {
  t.test(`a record that ${kind} is an error for its merchant, is reported once, and stays until it is replaced or disconnected`, async t => {
    const { accessTokens, refreshes, events, stored, error, eventsOf } = await damaged(t, kind, { cache: false })
    const before = structuredClone(stored())
    for (let i = 0; i < 3; i++) {
      await t.rejects(accessTokens.accessToken(merchantId), error)
      await t.rejects(accessTokens.refresh(merchantId), error)
      await t.rejects(accessTokens.installation(merchantId), error)
      await t.rejects(refreshes.refresh(merchantId, { enough: () => false }), error)
    }
    t.match(events, [{ type: 'record-not-opened', merchantId, reason: /cannot be read|does not open/ }])
    t.equal(events.length, 1)
    t.notMatch(events, /access-|code-/, 'without a token')
    await leap(600)
    await t.rejects(accessTokens.accessToken(merchantId), error)
    t.equal(eventsOf('record-not-opened').length, 2, 'and again after ten minutes')
    t.same(stored(), before)
  })

  t.test(`a record that ${kind} is replaced when its merchant opens the app`, async t => {
    for (const trustMerchantId of [false, true]) {
      const { connections, accessTokens, clover, stored, eventsOf } = await damaged(t, kind, { trustMerchantId })
      t.same(await connections.connect(merchantId, code(`visit-${kind}`)), { isNew: false }, 'something was stored before')
      t.match(eventsOf('connected'), [{ isNew: false }])
      t.equal(await accessTokens.accessToken(merchantId), stored().accessToken)
      t.ok(clover.inner.isLive(stored().refreshToken))
      t.same(clover.calls, trustMerchantId ? ['exchange'] : ['exchange', 'merchant'], 'the whole pair, at once')
    }
  })

  t.test(`a record that ${kind} is replaced by one of several who open the app at once, on two servers`, async t => {
    const { connections, clover, storage, stored } = await damaged(t, kind)
    const other = anotherServer({ storage, clover })
    const visits = Array.from({ length: 6 }, (_, i) => [connections, other.connections][i % 2]?.connect(merchantId, code(`several-${kind}-${i}`)))
    t.same(await patiently(Promise.all(visits)), Array(6).fill({ isNew: false }))
    t.ok(clover.inner.isLive(stored().refreshToken))
    t.notOk(stored().reauthorizationRequired)
  })

  t.test(`a record that ${kind} is replaced by a pair that is adopted`, async t => {
    const { adopt, clover, stored, eventsOf } = await damaged(t, kind)
    clover.intercept = () => ({ outcome: 'ok', value: merchantId })
    const tokens = { accessToken: 'theirs-access', accessTokenExpiration: now() + 1000, refreshToken: 'theirs', refreshTokenExpiration: now() + 100_000 }
    t.equal(await adopt({ merchantId, ...tokens }), true)
    t.match(stored(), tokens)
    t.match(eventsOf('connected'), [{ isNew: false }])
  })

  t.test(`a merchant whose record ${kind} can be disconnected`, async t => {
    const { disconnects, accessTokens, storage, refreshes, clover, damage, cache, eventsOf } = await damaged(t, kind)
    // An earlier refresh, whose pair could not be stored.
    await disconnects.disconnect(merchantId)
    storage.records.clear()
    await anotherServer({ storage, clover }).connect()
    await leap(1801)
    clover.intercept = (_call, run) => { storage.break('put'); return run() }
    await accessTokens.accessToken(merchantId)
    t.ok(refreshes.unsaved(merchantId))
    storage.repair()
    damage()
    t.equal(await disconnects.disconnect(merchantId), true)
    t.equal(storage.records.size, 0)
    t.equal(refreshes.unsaved(merchantId), undefined)
    t.equal(cache?.living(merchantId), undefined)
    t.equal(eventsOf('disconnected').length, 2, 'each once')
    await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED' })
    t.equal(await disconnects.disconnect(merchantId), false)
  })

  t.test(`an uninstall ${kinds[kind].error === 'FST_CLOVER_SEALED' ? 'does not forget' : 'forgets'} a merchant whose record ${kind}`, async t => {
    const { disconnects, storage, record, eventsOf, error } = await damaged(t, kind)
    if (error.code === 'FST_CLOVER_SEALED') {
      await t.rejects(disconnects.disconnect(merchantId, record.connectedAt + 60), error, 'another server can tell when the merchant connected')
      t.equal(storage.records.size, 1)
    } else {
      t.equal(await disconnects.disconnect(merchantId, record.connectedAt + 60), true, 'when it connected cannot be told any more')
      t.equal(storage.records.size, 0)
    }
    t.equal(eventsOf('disconnected').length, error.code === 'FST_CLOVER_SEALED' ? 0 : 1)
  })

  t.test(`29 other merchants are listed and kept alive beside a record that ${kind}`, async t => {
    const one = startServer(t)
    for (let i = 0; i < 30; i++) await one.connect(id(i))
    const record = one.storage.records.get(id(7)) as Installation
    one.storage.records.set(id(7), kinds[kind].damage(record) as unknown as Installation)
    const listed: unknown[] = []
    for await (const { merchantId } of installations(one.store)) listed.push(merchantId)
    t.equal(listed.length, 29)
    t.notOk(listed.includes(id(7)))
    const unusable: unknown[] = []
    for await (const item of installations(one.store, { unusable: true })) if ('unusable' in item) unusable.push(item)
    const isNamed = kind !== 'is no object'
    t.match(unusable, [{ merchantId: isNamed ? id(7) : null, unusable: /cannot be read|does not open/ }])
    await leap(340 * 86_400)
    const summary = await patiently(jobsOf(one).keepAlive.run({ rate: 1000 }))
    t.match(summary, { candidates: 30, due: 29, refreshed: 29, failed: 0, unusable: 1, isComplete: true })
    t.equal(one.eventsOf('record-not-opened').length, isNamed ? 2 : 0, 'once in ten minutes; whose record it is must be known for that')
    t.equal(one.eventsOf('refreshed').length, 29)
  })
}

t.test('a token in memory is served while the record is damaged, until it expires', async t => {
  const { accessTokens, record, damage, storage, eventsOf } = await damaged(t, 'has a wrong field')
  storage.records.set(merchantId, record)
  t.equal(await accessTokens.accessToken(merchantId), record.accessToken)
  damage()
  for (let second = 0; second < 1700; second += 100) {
    t.equal(await accessTokens.accessToken(merchantId), record.accessToken)
    await leap(100)
  }
  await leap(101)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_UNREADABLE' })
  t.ok(eventsOf('record-not-opened').length >= 1)
})

t.test('a token in memory is not served if the record is sealed with an unknown key: that is no outage', async t => {
  const { accessTokens, record, damage, storage } = await damaged(t, 'is sealed with a key that is not here')
  storage.records.set(merchantId, record)
  await accessTokens.accessToken(merchantId)
  damage()
  await leap(11)
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_SEALED' })
})

t.test('a refresh whose record is damaged meanwhile serves its token, and its pair replaces nothing', async t => {
  const { accessTokens, clover, record, damage, storage, connections } = await damaged(t, 'has a wrong field')
  storage.records.set(merchantId, record)
  await leap(1801)
  clover.intercept = (call, run) => { if (call === 'refresh') damage(); return run() }
  const token = await accessTokens.accessToken(merchantId)
  t.not(token, record.accessToken)
  await quiet()
  t.equal(storage.records.get(merchantId)?.accessToken, '', 'the damaged record cannot be compared with the unsaved one')
  clover.intercept = (_call, run) => run()
  t.same(await connections.connect(merchantId, code('after')), { isNew: false })
  t.equal(await accessTokens.accessToken(merchantId), 'access-after', 'a visit ends it')
})

t.test('a record that is damaged while a pair is stored is replaced, with its revision or without', async t => {
  for (const kind of ['has a wrong field', 'is no object'] as const) {
    const { connections, storage, record, stored } = await damaged(t, kind)
    storage.records.clear()
    let puts = 0
    storage.intercept = async (method, run) => {
      if (method === 'put' && ++puts === 1) storage.records.set(merchantId, kinds[kind].damage(record) as unknown as Installation)
      return run()
    }
    await connections.connect(merchantId, code(`meanwhile-${kind}`))
    t.equal(stored().refreshToken, `meanwhile-${kind}`)
  }
})

t.test('a damaged record that the store does not delete is an error in the end', async t => {
  for (const method of ['put', 'delete'] as const) {
    const { connections, storage } = await damaged(t, 'is no object')
    storage.intercept = async (called, run) => called === method ? false : run()
    await t.rejects(connections.connect(merchantId, code(`kept-${method}`)), { code: 'FST_CLOVER_UNAVAILABLE' })
    storage.break(method)
    await t.rejects(connections.connect(merchantId, code(`failing-${method}`)), { code: 'FST_CLOVER_STORAGE' })
  }
})

t.test('a disconnect of a damaged record leaves a connection that has replaced it, and deletes one that is damaged again', async t => {
  const { disconnects, storage, clover, record, stored } = await damaged(t, 'has a wrong field')
  const other = anotherServer({ storage, clover })
  let deletes = 0
  storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) await other.connections.connect(merchantId, code('newer'))
    return run()
  }
  t.equal(await disconnects.disconnect(merchantId), false)
  t.equal(stored().refreshToken, 'newer')

  const broken = (revision: string) => { storage.records.set(merchantId, { ...record, accessToken: '', revision: revision.repeat(32) }) }
  broken('a')
  deletes = 0
  storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) broken('b')
    return run()
  }
  t.equal(await disconnects.disconnect(merchantId), true)
  t.equal(deletes, 2)
  t.equal(storage.records.size, 0)
})

t.test('a connection that is damaged while it is disconnected is deleted too', async t => {
  const one = startServer(t)
  const record = await one.connect()
  let deletes = 0
  one.storage.intercept = async (method, run) => {
    if (method === 'delete' && ++deletes === 1) one.storage.records.set(merchantId, { ...record, accessToken: '', revision: 'b'.repeat(32) })
    return run()
  }
  t.equal(await one.disconnects.disconnect(merchantId), true)
  t.equal(one.storage.records.size, 0)
})

t.test('two servers that replace a damaged record at once leave the pair of one of them', async t => {
  const { records } = new TestStorage()
  const one = startServer(t, { storage: Object.assign(new TestStorage(), { records }) })
  await one.connect()
  records.set(merchantId, 'nonsense' as unknown as Installation)
  const two = anotherServer({ storage: Object.assign(new TestStorage(), { records }), clover: one.clover })
  const hold = gate()
  let puts = 0
  two.storage.intercept = async (method, run) => { if (method === 'put' && ++puts === 1) await hold.promise; return run() }
  const late = two.connections.connect(merchantId, code('late'))
  await quiet()
  await one.connections.connect(merchantId, code('early'))
  hold.open()
  t.same(await late, { isNew: false })
  t.equal(records.get(merchantId)?.refreshToken, 'early>', 'it was checked, since the later exchange might have ended it')
  t.ok(one.clover.inner.isLive(records.get(merchantId)?.refreshToken))
})

t.test('other merchants are served beside a damaged record (security 40)', async t => {
  const { accessTokens, connect, connections } = await damaged(t, 'is no object')
  const { accessToken } = await connect(otherMerchantId)
  t.equal(await accessTokens.accessToken(otherMerchantId), accessToken)
  t.same(await connections.connect(otherMerchantId, code('other')), { isNew: false })
})

t.test('a thousand damaged records are reported in ten minutes, each once, and then again', async t => {
  let now = 0
  const reported: string[] = []
  const report = unreadableNotice(event => { reported.push((event as { merchantId: string }).merchantId) }, () => now)
  for (let i = 0; i < 1_500; i++) for (let again = 0; again < 2; again++) report(`MERCHANT${i}`, 'damaged')
  t.equal(reported.length, 1_000)
  t.equal(new Set(reported).size, 1_000)
  now = 599_999
  report('MERCHANT1', 'damaged')
  t.equal(reported.length, 1_000)
  now = 600_000
  report('MERCHANT1', 'damaged')
  t.equal(reported.length, 1_001)
})
