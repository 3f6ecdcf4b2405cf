import t, { type Test } from 'tap'
import type { TokenEvent } from '../../src/tokens/events.js'
import type { Installation } from '../../src/tokens/installation.js'
import { bench, BenchClover, BenchStorage, gate, leap, merchantId, patiently, quiet, refused, server, type BenchOptions } from './bench.js'

/*
 * People who open an app that is connected (rule 9), with a Clover that keeps the newest refresh tokens of a merchant and ends the others.
 */

interface ClusterOptions extends BenchOptions {
  /** How many servers share the store. */
  count?: number
  /** How many refresh tokens Clover keeps. */
  kept?: number
  alwaysGivesRefreshToken?: boolean
}

function cluster (t: Test, { count = 1, kept = 3, alwaysGivesRefreshToken = false, ...options }: ClusterOptions = {}) {
  const storage = new BenchStorage()
  const clover = new BenchClover({ refreshTokensPerMerchant: kept, alwaysGivesRefreshToken })
  const first = bench(t, { ...options, storage, clover })
  const servers = [first, ...Array.from({ length: count - 1 }, () => server({ ...options, storage, clover }))]
  const stored = () => storage.records.get(merchantId) as Installation
  const isAlive = () => clover.inner.isLive(stored().refreshToken) && !stored().reauthorizationRequired
  /** Another integration authorizes until Clover has ended every other refresh token. */
  const kill = () => { for (let i = 0; i < kept; i++) clover.inner.authorize(`stranger-${++names}`) }
  const events = (type: TokenEvent['type']) => servers.flatMap(each => each.eventsOf(type))
  return { ...first, first, servers, storage, clover, stored, isAlive, kill, events }
}

let names = 0
const code = () => ({ code: `visit-${++names}`, verifier: '' })

/** Somebody opens the app, and goes through Clover once more where that is asked for. */
async function open ({ connections }: Pick<ReturnType<typeof server>, 'connections'>): Promise<{ isNew: boolean }> {
  const visit = await connections.connect(merchantId, code())
  const last = visit === 'again' ? await connections.connect(merchantId, code(), true) : visit
  if (last === 'again') throw new Error('a full round never ends with another')
  return last
}

const eightAtOnce = ({ servers }: ReturnType<typeof cluster>) =>
  patiently(Promise.all(Array.from({ length: 8 }, (_, i) => open(servers[i % servers.length] as ReturnType<typeof server>))))

for (const trust of ['high', 'low'] as const) {
  for (const trustMerchantId of [false, true]) {
    for (const count of [1, 4]) {
      t.test(`${trust} trust, ${count} server(s)${trustMerchantId ? ', without a question to Clover' : ''}: no number of visits ends the stored pair`, async t => {
        const all = cluster(t, { trust, trustMerchantId, count })
        const { clover, isAlive, stored, events, servers, first } = all
        const before = await first.connect()
        const visits = async (tokens: 'living' | 'expired') => {
          clover.calls.length = 0
          t.same(await eightAtOnce(all), Array(8).fill({ isNew: false }), `eight at once, access token ${tokens}`)
          t.equal(clover.count('exchange'), 8, 'nobody goes through Clover twice')
          const asked = trustMerchantId ? 0 : tokens === 'living' ? 16 : 8
          t.equal(clover.count('merchant'), asked, 'Clover is asked about each visit, and about the stored token while that lives')
          t.equal(clover.count('refresh'), trustMerchantId || tokens === 'expired' ? 1 : 0, 'one refresh for all, where one is needed')
          t.ok(isAlive())
        }
        await visits('living')
        await leap(1801)
        await visits('expired')
        for (let i = 0; i < 50; i++) await patiently(open(servers[i % count] ?? first))
        t.ok(isAlive())
        t.equal(stored().connectionId, before.connectionId, 'the pair was never replaced')
        t.same([events('reauthorization-required'), events('reconnected')], [[], []])
      })
    }
  }
}

t.test('of eight people who open an app that is not connected at one server, the first gets a pair and the others keep it', async t => {
  for (const trust of ['high', 'low'] as const) {
    for (const trustMerchantId of [false, true]) {
      const all = cluster(t, { trust, trustMerchantId, kept: 1 })
      t.same((await eightAtOnce(all)).filter(({ isNew }) => isNew), [{ isNew: true }])
      t.equal(all.clover.count('exchange'), 8)
      t.ok(all.isAlive(), 'although Clover keeps one refresh token only')
    }
  }
})

t.test('where Clover gives refresh tokens that were not asked for, the stored one works after any number of visits', async t => {
  for (const count of [1, 4]) {
    for (const trustMerchantId of [false, true]) {
      const all = cluster(t, { trust: 'low', count, trustMerchantId, alwaysGivesRefreshToken: true })
      await eightAtOnce(all)
      t.ok(all.isAlive(), 'a first visit of eight at once')
      await leap(1801)
      await eightAtOnce(all)
      t.ok(all.isAlive(), 'the next')
      for (let i = 0; i < 50; i++) {
        await open(all.servers[i % count] ?? all.first)
        if (!all.isAlive()) t.fail(`visit ${i} left a dead pair`)
      }
      t.equal(all.stored().accessToken, `access-${all.stored().refreshToken}`, 'a full pair, kept as one')
    }
  }
})

t.test('a dead pair sends the browser through Clover once more, and that full exchange replaces it', async t => {
  for (const trust of ['high', 'low'] as const) {
    for (const trustMerchantId of [false, true]) {
      const { connections, clover, connect, kill, isAlive, stored, events } = cluster(t, { trust, trustMerchantId })
      const before = await connect()
      kill()
      await leap(1801)
      t.equal(await connections.connect(merchantId, code()), 'again')
      t.equal(stored().connectionId, before.connectionId, 'the record is kept until then')
      t.ok(stored().reauthorizationRequired)
      clover.calls.length = 0
      t.equal(await connections.connect(merchantId, code()), 'again', 'also for the next, who comes while the pair is known to be dead')
      t.same(clover.calls, trustMerchantId ? ['exchange'] : ['exchange', 'merchant'], 'at no further cost')
      t.same(events('connected'), [], 'nobody is connected yet')
      t.same(await connections.connect(merchantId, code(), true), { isNew: false })
      t.ok(isAlive())
      t.not(stored().connectionId, before.connectionId)
    }
  }
})

t.test('a merchant whom Clover refused is not called connected because the access token lives on', async t => {
  const { connections, clover, mark, isAlive } = cluster(t)
  await mark()
  t.equal(await connections.connect(merchantId, code()), 'again')
  t.same(clover.calls, ['exchange', 'merchant'])
  t.same(await connections.connect(merchantId, code(), true), { isNew: false })
  t.ok(isAlive())
})

t.test('a pair whose access token Clover does not know, or knows for another merchant, is refreshed before it is called alive', async t => {
  for (const answer of [refused, { ...refused, status: 404 }, { outcome: 'ok', value: 'MERCHANT00002' }]) {
    const { connections, clover, connect, stored, isAlive } = cluster(t)
    const { accessToken } = await connect()
    clover.intercept = (call, run, token) => call === 'merchant' && token === accessToken ? answer : run()
    t.same(await connections.connect(merchantId, code()), { isNew: false })
    t.same(clover.calls, ['exchange', 'merchant', 'merchant', 'refresh'])
    t.not(stored().accessToken, accessToken)
    t.ok(isAlive())
  }
})

t.test('eight full rounds at once make one full exchange', async t => {
  const { connections, clover, connect, kill, isAlive } = cluster(t, { kept: 1 })
  await connect()
  kill()
  await leap(1801)
  t.same(await Promise.all(Array.from({ length: 8 }, () => connections.connect(merchantId, code()))), Array(8).fill('again'))
  const withRefreshToken: boolean[] = []
  const { exchange } = clover.inner
  clover.inner.exchange = (name, isFull) => { withRefreshToken.push(isFull); return exchange.call(clover.inner, name, isFull) }
  t.same(await Promise.all(Array.from({ length: 8 }, () => connections.connect(merchantId, code(), true))), Array(8).fill({ isNew: false }))
  t.same(withRefreshToken, [true, ...Array(7).fill(false)])
  t.ok(isAlive())
})

t.test('a full round that finds a living pair keeps it', async t => {
  for (const trustMerchantId of [false, true]) {
    const { connections, clover, connect, stored, isAlive } = cluster(t, { kept: 1, trustMerchantId })
    const { connectionId } = await connect()
    t.same(await connections.connect(merchantId, code(), true), { isNew: false })
    t.equal(stored().connectionId, connectionId)
    t.equal(stored().returnedAt, 1_800_000_000)
    t.same(clover.calls, trustMerchantId ? ['refresh', 'exchange'] : ['merchant', 'exchange', 'merchant'], 'it is looked at once')
    t.ok(isAlive())
  }
})

t.test('a full round in which Clover gives no answer about the stored pair is a 503, and costs no code', async t => {
  for (const isExpired of [false, true]) {
    const { connections, clover, connect, isAlive } = cluster(t)
    await connect()
    if (isExpired) await leap(1801)
    clover.intercept = (call, run) => call === 'exchange' ? run() : { outcome: 'unclear', reason: 'status 503', malformed: false }
    await t.rejects(patiently(connections.connect(merchantId, code(), true)), { code: 'FST_CLOVER_UNAVAILABLE' })
    t.equal(clover.count('exchange'), 0)
    t.equal(clover.count('refresh') > 0, isExpired, 'and nothing is refreshed while the token lives')
    t.ok(isAlive())
  }
})

t.test('a pair that is not stored yet counts as the merchant\'s: a visit looks at that one', async t => {
  const { connections, keeper, storage, clover, flights, connect } = cluster(t)
  await connect()
  await leap(1801)
  clover.intercept = (call, run) => { if (call === 'refresh') storage.break('put'); return run() }
  const token = await keeper.accessToken(merchantId)
  t.ok(flights.held(merchantId))
  const asked: string[] = []
  clover.calls.length = 0
  clover.intercept = (call, run, token) => {
    if (call === 'merchant') asked.push(token)
    storage.mend()
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
    t.same(await patiently(visiting), outcome === 'refreshed' ? { isNew: false } : 'again')
    t.equal(clover.count('refresh'), outcome === 'refreshed' ? 0 : 1)
    t.equal(isAlive(), outcome === 'refreshed')
  }
})

t.test('a visit that must wait for longer than maxWait is a 503', async t => {
  const { connections, storage, connect, make } = cluster(t, { trust: 'low', maxWait: 5_000 })
  storage.records.set(merchantId, make.leased(await connect(), 'another server', Date.now() / 1000 + 40))
  await t.rejects(patiently(connections.connect(merchantId, code())), { code: 'FST_CLOVER_UNAVAILABLE' })
})

t.test('a disconnect in the middle of a visit is not undone, wherever it comes', async t => {
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
            storage.mend()
            isForgotten = await (servers[1] as ReturnType<typeof server>).disconnects.disconnect(merchantId)
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

t.test('a record that is damaged while somebody visits sends the browser through Clover once more, which replaces it', async t => {
  const { connections, storage, clover, connect, stored, isAlive } = cluster(t)
  await connect()
  await leap(1801)
  clover.intercept = (call, run) => {
    if (call === 'exchange') storage.records.set(merchantId, { ...stored(), accessToken: '' })
    return run()
  }
  t.equal(await connections.connect(merchantId, code()), 'again')
  clover.intercept = (_call, run) => run()
  t.same(await connections.connect(merchantId, code(), true), { isNew: false })
  t.ok(isAlive())
})

t.test('too many people who wait for a full exchange are a 503 with a time to come back, and cost no code', async t => {
  const { connections, clover, isAlive } = cluster(t)
  const hold = gate()
  clover.intercept = async (call, run) => { if (call === 'exchange') await hold.promise; return run() }
  const visits = Array.from({ length: 33 }, () => connections.connect(merchantId, code()).then(() => 'connected', (error: { code: string, headers: object }) => error))
  await quiet()
  t.equal(clover.count('exchange'), 1, 'one at a time')
  const late = await visits[32]
  t.match(late, { code: 'FST_CLOVER_UNAVAILABLE', statusCode: 503, headers: { 'retry-after': '5' } })
  hold.open()
  t.same((await Promise.all(visits)).filter(outcome => outcome === 'connected').length, 32)
  t.equal(clover.count('exchange'), 32)
  t.ok(isAlive())
  t.same(await connections.connect(merchantId, code()), { isNew: false }, 'then there is room again')
})
