import t, { type Test } from 'tap'
import type { Installation } from '../../src/installation.js'
import { startServer, merchantId, otherMerchantId } from './one-server.js'

/*
 * What becomes of a new authorization's pair whose write is refused or fails (rule 8): the cases that no callback brings about by itself.
 */

const pair = { accessToken: 'access-new', accessTokenExpiration: 1_800_001_800, refreshToken: 'new', refreshTokenExpiration: 1_830_000_000 }

/** A server with an empty store, and the record of another authorization, which a test puts there. */
async function placing (t: Test) {
  const one = startServer(t)
  const { storage, placements, store, connect } = one
  const theirs: Installation = { ...await connect(otherMerchantId), merchantId }
  storage.records.clear()
  storage.calls.length = 0
  return {
    ...one,
    theirs,
    prepare: async (overwriteUnknown = false) => placements.prepare(merchantId, pair, await store.find(merchantId), overwriteUnknown),
    /** What happens in place of the first write. */
    first: (instead: () => boolean) => {
      let puts = 0
      storage.intercept = async (method, run) => method === 'put' && ++puts === 1 ? instead() : run()
    },
    puts: () => storage.calls.filter(method => method === 'put').length,
    damaged: { ...theirs, accessToken: '' },
    put: (record: Installation) => { storage.records.set(merchantId, record) },
    stored: () => storage.records.get(merchantId)
  }
}

const fails = () => { throw new Error('reset') }

t.test('a pair that is stored is not read again', async t => {
  const { placements, storage, prepare, stored } = await placing(t)
  const placement = await prepare()
  storage.calls.length = 0
  t.equal(await placements.place(placement), true)
  t.same(storage.calls, ['put'])
  t.match(stored(), pair)
})

t.test('a first authorization is stored although its write was refused, if nothing is there any more', async t => {
  const { placements, first, prepare, puts, stored } = await placing(t)
  first(() => false)
  t.equal(await placements.place(await prepare()), true)
  t.equal(puts(), 2)
  t.match(stored(), pair)
})

t.test('a record that was there and is gone is not made again: a disconnect came between', async t => {
  for (const first of [() => false, fails]) {
    const { placements, first: instead, prepare, storage, put, theirs, puts, stored } = await placing(t)
    put(theirs)
    const placement = await prepare(true)
    instead(() => { storage.records.clear(); return first() })
    await t.rejects(placements.place(placement), { code: first === fails ? 'FST_CLOVER_STORAGE' : 'FST_CLOVER_UNAVAILABLE' })
    t.equal(puts(), 1)
    t.equal(stored(), undefined)
  }
})

t.test('where nothing is there after a write of unknown outcome, only a pair whose credential is spent is written again', async t => {
  for (const overwriteUnknown of [true, false]) {
    const { placements, first, prepare, puts, stored } = await placing(t)
    const placement = await prepare(overwriteUnknown)
    first(fails)
    if (overwriteUnknown) t.equal(await placements.place(placement), true)
    else await t.rejects(placements.place(placement), { code: 'FST_CLOVER_STORAGE' })
    t.equal(puts(), overwriteUnknown ? 2 : 1)
    t.equal(stored()?.refreshToken, overwriteUnknown ? 'new' : undefined)
  }
})

t.test('an unreadable record that is deleted before it is replaced is no reason to stop, since nothing says that it was a connection', async t => {
  const { placements, first, prepare, storage, put, damaged, puts, stored } = await placing(t)
  put(damaged)
  const placement = await prepare()
  first(() => { storage.records.clear(); return false })
  t.equal(await placements.place(placement), true)
  t.equal(puts(), 2)
  t.match(stored(), pair)
})

t.test('an unreadable record whose revision is known is replaced and not deleted', async t => {
  const { placements, first, prepare, storage, put, damaged, stored } = await placing(t)
  const placement = await prepare()
  first(() => { put(damaged); return false })
  t.equal(await placements.place(placement), true)
  t.notOk(storage.calls.includes('delete'))
  t.match(stored(), pair)
})

t.test('a write over an unreadable record is tried ten times, whether it is refused or fails', async t => {
  for (const [outcome, code] of [[() => false, 'FST_CLOVER_UNAVAILABLE'], [fails, 'FST_CLOVER_STORAGE']] as const) {
    const { placements, prepare, storage, put, damaged, puts } = await placing(t)
    put(damaged)
    const placement = await prepare()
    storage.intercept = async (method, run) => method === 'put' ? outcome() : run()
    await t.rejects(placements.place(placement), { code })
    t.equal(puts(), 10)
  }
})

t.test('a v1 token that another authorization stored gives way only to a pair whose credential is spent, and a pair to neither', async t => {
  for (const overwriteUnknown of [true, false]) {
    for (const isV1 of [true, false]) {
      const { placements, first, prepare, put, theirs, stored } = await placing(t)
      const placement = await prepare(overwriteUnknown)
      first(() => { put({ ...theirs, ...(isV1 && { refreshToken: null }) }); return false })
      const isWritten = overwriteUnknown && isV1
      t.equal(await placements.place(placement), isWritten)
      t.equal(stored()?.connectionId === theirs.connectionId, !isWritten)
    }
  }
})

t.test('a mark that others set or take away before the pair is stored is reported as it is then', async t => {
  for (const isMarked of [true, false]) {
    const { placements, first, prepare, put, theirs, eventsOf } = await placing(t)
    const mark = { reauthorizationRequired: { since: 1_799_999_000, retryAt: 1_800_000_060 } }
    put({ ...theirs, ...(!isMarked && mark) })
    const placement = await prepare()
    first(() => { put({ ...theirs, ...(isMarked && mark), revision: 'f'.repeat(32) }); return false })
    t.equal(await placements.place(placement), true)
    t.match(eventsOf('reconnected'), isMarked ? [{ since: 1_799_999_000, by: 'authorization' }] : [])
    t.equal(eventsOf('reconnected').length, isMarked ? 1 : 0)
  }
})
