import t from 'tap'
import { leap, merchantId, patiently, quiet, refused, anotherServer } from './one-server.js'
import { cluster, code } from './visitors.js'

t.test('a visit checks the unsaved pair instead of the stored one', async t => {
  const { connections, accessTokens, storage, clover, refreshes, connect } = cluster(t)
  await connect()
  await leap(1801)
  clover.intercept = (call, run) => { if (call === 'refresh') storage.break('put'); return run() }
  const token = await accessTokens.accessToken(merchantId)
  t.ok(refreshes.unsaved(merchantId))
  const asked: string[] = []
  clover.calls.length = 0
  clover.intercept = (call, run, token) => {
    if (call === 'merchant') asked.push(token)
    storage.repair()
    return run()
  }
  t.same(await connections.connect(merchantId, code()), { isNew: false })
  t.equal(asked[1], token)
  t.equal(clover.count('refresh'), 0, 'it needs no refresh')
})

t.test('a refresh that another server has in progress does not keep a visitor of a high-trust app waiting', async t => {
  const { connections, storage, clover, connect, stored } = cluster(t)
  const record = await connect()
  const refreshLease = { by: 'another server', until: Date.now() / 1000 + 40 }
  storage.records.set(merchantId, { ...record, refreshLease, dueAt: refreshLease.until })
  t.same(await connections.connect(merchantId, code()), { isNew: false }, 'at once')
  t.same(clover.calls, ['exchange', 'merchant', 'merchant'])
  t.match(stored(), { refreshLease, returnedAt: 1_800_000_000 })
})

t.test('in low trust a visit waits for a refresh in progress, since that may have ended the pair', async t => {
  for (const outcome of ['refreshed', 'lost'] as const) {
    const { connections, storage, clover, connect, make, isAlive } = cluster(t, { trust: 'low', maxWait: 60_000 })
    const record = await connect()
    const leased = make.leased(record, 'another server', Date.now() / 1000 + 40)
    storage.records.set(merchantId, leased)
    const visiting = connections.connect(merchantId, code())
    const state = { isDone: false }
    visiting.finally(() => { state.isDone = true }).catch(() => {})
    await quiet()
    t.notOk(state.isDone)
    const answer = clover.inner.refresh(record.refreshToken ?? '')
    if (answer.outcome !== 'ok') throw new Error('refused')
    if (outcome === 'refreshed') {
      storage.records.set(merchantId, make.withPair(leased, { ...answer.value, presented: record.refreshToken ?? '', recovered: false, isDoubtful: false }, Date.now() / 1000))
    }
    t.same(await patiently(visiting), outcome === 'refreshed' ? { isNew: false } : 'needs-full-round')
    t.equal(clover.count('refresh'), outcome === 'refreshed' ? 0 : 1)
    t.equal(isAlive(), outcome === 'refreshed')
  }
})

t.test('a visit that would wait longer than maxWait is a 503', async t => {
  const { connections, storage, connect, make } = cluster(t, { trust: 'low', maxWait: 5_000 })
  storage.records.set(merchantId, make.leased(await connect(), 'another server', Date.now() / 1000 + 40))
  await t.rejects(patiently(connections.connect(merchantId, code())), { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('a disconnect during a visit is not undone, at whatever step it comes', async t => {
  const starts = {
    'a living pair': async () => {},
    'an expired access token': async () => { await leap(1801) },
    'a dead pair': async ({ kill }: ReturnType<typeof cluster>) => { kill(); await leap(1801) }
  }
  for (const trust of ['high', 'low'] as const) {
    for (const [name, start] of Object.entries(starts)) {
      for (const isFullRound of [false, true]) {
        let steps = 0
        for (let at = 1, isOver = false; !isOver; at++) {
          const all = cluster(t, { trust, count: 2 })
          const { connections, storage, clover, connect, servers } = all
          await connect()
          await start(all)
          if (name === 'a dead pair' && isFullRound) await connections.connect(merchantId, code())
          let count = 0
          let isForgotten: boolean | undefined
          const come = async () => {
            if (++count !== at) return
            const { intercept } = storage
            storage.repair()
            isForgotten = await (servers[1] as ReturnType<typeof anotherServer>).disconnects.disconnect(merchantId)
            storage.intercept = intercept
          }
          storage.intercept = async (_method, run) => { await come(); return run() }
          clover.intercept = async (_call, run) => { await come(); return run() }
          const outcome = await patiently(connections.connect(merchantId, code(), isFullRound)).catch((error: { code: string }) => error.code)
          if (isForgotten === undefined) {
            isOver = true
            steps = at - 1
            continue
          }
          const what = `${trust} trust, ${name}${isFullRound ? ', full round' : ''}, before step ${at}`
          t.equal(isForgotten, true, what)
          // The first steps read the record. A visit that has read nothing yet is the later of the two: it connects the merchant.
          const isLater = at <= (isFullRound ? 2 : 1)
          t.same(outcome, isLater ? { isNew: true } : 'FST_CLOVER_UNAVAILABLE', what)
          t.equal(storage.records.size, isLater ? 1 : 0, what)
        }
        t.ok(steps >= 4, `${steps} steps`)
      }
    }
  }
})

t.test('a made-up code causes one call, also beside a first visit that has just stored a pair (security 39)', async t => {
  const { connections, clover } = cluster(t)
  const visit = connections.connect(merchantId, code())
  clover.intercept = (call, run) => call === 'exchange' && clover.count('exchange') > 1 ? refused : run()
  await t.rejects(connections.connect(merchantId, code()), { code: 'FST_CLOVER_DENIED' })
  t.same(await visit, { isNew: true })
  t.same(clover.calls, ['exchange', 'merchant', 'exchange'])
})
