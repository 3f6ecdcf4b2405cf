import t, { type Test } from 'tap'
import type { CloverOptions } from '../../src/options/options.js'
import { memoryStorage, type CloverStorage } from '../../src/storage/index.js'
import type { Installation, UnusableInstallation } from '../../src/installation.js'
import { approve, connect } from '../harness/browser.js'
import { bindAll } from '../readme/fragments/storage.js'
import { merchantA, merchantB, ordinaryOptions, startHost, type Host } from '../harness/host.js'
import { appEvent, authOf } from '../harness/webhook.js'

/*
 * A copy of production's store at another host: what it does there with the option deployment, and what it does without.
 */

const day = 86_400_000
/** How long an access token lives, and a little more. */
const aWhile = 31 * 60_000

/** All records of a store. */
async function recordsOf (storage: CloverStorage): Promise<Installation[]> {
  return (await storage.list?.({ limit: 1000 }))?.items ?? []
}

async function copyOf (storage: CloverStorage): Promise<CloverStorage> {
  const copy = memoryStorage()
  for (const record of await recordsOf(storage)) await copy.put(record, undefined)
  return copy
}

/** Production with a merchant of v2 and one of v1, and a host on a copy of its store. `options`: that host's. */
async function copied (t: Test, options: Partial<CloverOptions>, later = aWhile) {
  const store = memoryStorage()
  const production = await startHost(t, { options: { storage: { ...store }, deployment: 'production' } })
  const { clover, time } = production
  await connect(production.browser(), clover, merchantA)
  const legacyToken = clover.legacyToken({ merchantId: merchantB })
  const [record] = await recordsOf(store)
  const { refreshToken, ...v1 } = record as Installation
  await store.put({ ...v1, merchantId: merchantB, flow: 'v1', accessToken: legacyToken, accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null, dueAt: null }, undefined)
  time.pass(later)
  const copy = await copyOf(store)
  const before = await recordsOf(copy)
  const staging = await startHost(t, {
    simulator: clover,
    runtime: { wallClock: time.now, monotonic: () => performance.now() }, // the migration waits for its turns
    options: { storage: copy, routes: { ...ordinaryOptions(clover).routes, webhook: { auth: authOf(clover) } }, ...options }
  })
  const calls = clover.calls.length
  return {
    clover,
    time,
    production,
    staging,
    copy,
    legacyToken,
    /** The calls to Clover since, and the records of the copy before and now. */
    effects: async () => ({ calls: clover.calls.slice(calls).map(({ endpoint }) => endpoint), before, after: await recordsOf(copy) }),
    /** Whether production's pair still works. */
    isAlive: () => clover.isLive(String(refreshToken))
  }
}

interface Deed {
  run: (host: Host, legacyToken: string) => Promise<unknown>
  /** What it resolves with if every record is refused; otherwise it rejects with the error. */
  refusal?: object
  later?: number
  /** The harm without the option: it spends the refresh token of production, calls Clover with production's token, or only changes the copy. */
  harm: 'spends' | 'calls' | 'changes'
}

const deeds: Record<string, Deed> = {
  accessToken: { run: ({ app }) => app.clover.accessToken(merchantA), harm: 'spends' },
  fetch: { run: ({ app }) => app.clover.fetch(merchantA, '/v3/merchants/{mId}/orders'), harm: 'spends' },
  'fetch with a v1 token': { run: ({ app }) => app.clover.fetch(merchantB, '/v3/merchants/{mId}/orders'), harm: 'calls' },
  paginate: { run: ({ app }) => app.clover.paginate(merchantA, '/v3/merchants/{mId}/items').next(), harm: 'spends' },
  ecommercePublicKey: { run: ({ app }) => app.clover.ecommercePublicKey(merchantA), harm: 'spends' },
  refresh: { run: ({ app }) => app.clover.refresh(merchantA), harm: 'spends' },
  'the refresh route': {
    run: async ({ app }) => {
      const reply = await app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })
      return { status: reply.statusCode, code: reply.json().code }
    },
    refusal: { status: 500, code: 'FST_CLOVER_OTHER_DEPLOYMENT' },
    harm: 'spends'
  },
  keepAlive: { run: ({ app }) => app.clover.keepAlive(), refusal: { candidates: 2, due: 0, refreshed: 0, failed: 0, unusable: 2, isComplete: true }, later: 340 * day, harm: 'spends' },
  'migrateLegacy with the stored token': { run: ({ app }) => migrate(app, { merchantId: merchantB }), refusal: { outcome: 'refused', code: 'FST_CLOVER_OTHER_DEPLOYMENT' }, harm: 'calls' },
  'migrateLegacy with the token of a file': {
    run: ({ app }, legacyToken) => migrate(app, { merchantId: merchantB, legacyToken }),
    refusal: { outcome: 'refused', code: 'FST_CLOVER_OTHER_DEPLOYMENT' },
    harm: 'calls'
  },
  disconnect: { run: ({ app }) => app.clover.disconnect(merchantA), harm: 'changes' },
  'an uninstall': {
    run: async ({ app, clover }) => {
      const payload = { appId: appEvent('DELETE', 0).objectId.slice(2), merchants: { [merchantA]: [appEvent('DELETE', clover.now())] } }
      const reply = await app.inject({ method: 'POST', url: '/clover/webhook', headers: { 'x-clover-auth': authOf(clover) }, payload })
      return { status: reply.statusCode, ...(reply.body !== '' && { code: reply.json().code }) }
    },
    refusal: { status: 500, code: 'FST_CLOVER_OTHER_DEPLOYMENT' },
    harm: 'changes'
  },
  'a visit of the merchant': {
    run: async ({ clover, browser }) => {
      const visitor = browser()
      const reply = await visitor.visit(approve(clover, await visitor.visit(`/clover/launch?merchant_id=${merchantA}`)))
      return { status: reply.statusCode, isExplained: reply.body.includes('FST_CLOVER_OTHER_DEPLOYMENT') }
    },
    refusal: { status: 500, isExplained: true },
    harm: 'spends'
  }
}

async function migrate (app: Host['app'], item: { merchantId: string, legacyToken?: string }) {
  return (await app.clover.migrateLegacy([item]).next()).value
}

for (const [name, { run, refusal, later, harm }] of Object.entries(deeds)) {
  t.test(`${name}: a copy of another deployment's store makes no call to Clover and stays as it is (security 43)`, async t => {
    const { production, staging, effects, isAlive, legacyToken } = await copied(t, { deployment: 'staging' }, later)
    const result = run(staging, legacyToken)
    if (refusal === undefined) await t.rejects(result, { code: 'FST_CLOVER_OTHER_DEPLOYMENT', statusCode: 500 })
    else t.match(await result, refusal)
    const { calls, before, after } = await effects()
    t.same(calls, [])
    t.same(after, before)
    t.ok(isAlive())
    t.ok(await production.app.clover.accessToken(merchantA), 'production goes on')
  })

  t.test(`${name}: without the option the copy does harm`, async t => {
    const { staging, effects, isAlive, legacyToken } = await copied(t, {}, later)
    await run(staging, legacyToken)
    const { calls, before, after } = await effects()
    t.equal(calls.length > 0, harm !== 'changes', calls.join())
    t.equal(isAlive(), harm !== 'spends')
    if (harm === 'changes') t.strictNotSame(after, before)
  })
}

t.test('the records of the other deployment are listed with the reason', async t => {
  const { staging } = await copied(t, { deployment: 'staging' })
  const listed: UnusableInstallation[] = []
  for await (const item of staging.app.clover.installations({ unusable: true })) if ('unusable' in item) listed.push(item)
  t.same(listed.map(({ merchantId }) => merchantId).sort(), [merchantA, merchantB])
  for (const { unusable } of listed) t.match(unusable, /the record belongs to production, and this server to staging/)
})

t.test('a visit at a host that shares production\'s store does not replace its record', async t => {
  const store = memoryStorage()
  const production = await startHost(t, { options: { storage: { ...store }, deployment: 'production' } })
  const { clover, time } = production
  const staging = await startHost(t, { simulator: clover, runtime: { wallClock: time.now }, options: { storage: { ...store }, deployment: 'staging' } })
  await connect(production.browser(), clover, merchantA)
  const record = await store.get(merchantA)
  const reply = await connect(staging.browser(), clover, merchantA)
  t.equal(reply.statusCode, 500)
  t.match(reply.body, 'give each deployment a store')
  t.notMatch(reply.body, 'production', 'a visitor does not read the names')
  t.match(staging.logs.join(''), 'the record belongs to production, and this server to staging')
  t.same(await store.get(merchantA), record)
  await connect(staging.browser(), clover, merchantB)
  t.equal((await store.get(merchantB))?.deployment, 'staging', 'a merchant who is new is its own')
  await t.rejects(production.app.clover.accessToken(merchantB), { code: 'FST_CLOVER_OTHER_DEPLOYMENT' })
})

t.test('the option comes to a store without a failed request, and one loop binds every record', async t => {
  const store = memoryStorage()
  const old = await startHost(t, { options: { storage: { ...store } } })
  const { clover, time } = old
  for (const merchantId of [merchantA, merchantB]) await connect(old.browser(), clover, merchantId)
  const next = await startHost(t, { simulator: clover, runtime: { wallClock: time.now }, options: { storage: { ...store }, deployment: 'production' } })
  // Both kinds of servers run, as in a rolling deployment.
  for (const { app, browser } of [next, old, next, old]) {
    time.pass(aWhile)
    t.ok(clover.isLiveAccessToken(await app.clover.accessToken(merchantA)))
    await connect(browser(), clover, merchantA)
    t.equal((await store.get(merchantA))?.deployment, 'production')
  }
  t.notOk((await store.get(merchantB))?.deployment, 'nothing was written for this one')

  clover.uninstall(merchantB)
  await bindAll(next.app)
  t.same((await recordsOf(store)).map(({ deployment }) => deployment), ['production', 'production'], 'also one that Clover refuses')
  t.match(next.logs.join(''), 'FST_CLOVER_REAUTHORIZATION_REQUIRED')
  const staging = await startHost(t, { simulator: clover, runtime: { wallClock: time.now }, options: { storage: await copyOf(store), deployment: 'staging' } })
  for (const merchantId of [merchantA, merchantB]) await t.rejects(staging.app.clover.accessToken(merchantId), { code: 'FST_CLOVER_OTHER_DEPLOYMENT' })
})

t.test('a store that was moved on purpose is taken over until the end of a day, and the log says so', async t => {
  const until = (days: number, { time }: Pick<Host, 'time'>) => new Date(time.now() + days * day).toISOString().slice(0, 10)
  const first = await copied(t, {})
  const deployment = { name: 'production-eu', takeOver: 'production', until: until(1, first) }
  const moved = await startHost(t, { simulator: first.clover, runtime: { wallClock: first.time.now }, options: { storage: { ...first.copy }, deployment } })
  t.match(moved.logs.join(''), `deployment.takeOver is on until the end of ${deployment.until} (UTC): records of the deployment production are served here, and bound to production-eu`)
  t.ok(await moved.app.clover.accessToken(merchantA))
  t.equal((await first.copy.get(merchantA))?.deployment, 'production-eu')
  t.ok(await moved.app.clover.accessToken(merchantB))
  t.equal((await first.copy.get(merchantB))?.deployment, 'production', 'a v1 token is not written')

  first.time.pass(2 * day)
  await t.rejects(moved.app.clover.accessToken(merchantB), { code: 'FST_CLOVER_OTHER_DEPLOYMENT' }, 'if it is left on, the next copy is refused')
  t.ok(await moved.app.clover.accessToken(merchantA))
  const later = await startHost(t, { simulator: first.clover, runtime: { wallClock: first.time.now }, options: { storage: { ...first.copy }, deployment } })
  t.match(later.logs.join(''), `deployment.takeOver has ended with ${deployment.until} (UTC): records of the deployment production are refused again; set deployment: 'production-eu'`)
  await t.rejects(later.app.clover.accessToken(merchantB), { code: 'FST_CLOVER_OTHER_DEPLOYMENT' })
})
