import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { isCloverError } from '../../src/errors.js'
import { cloverSimulator } from '../../src/testing/index.js'
import type { Runtime } from '../../src/runtime.js'
import { events } from '../harness/host.js'
import { Answers } from './answers.js'
import { connectMerchants, findLost, highTrust, lowTrust, patiently, planFor } from './merchants.js'
import { isLong, share } from '../harness/share.js'
import { until } from '../harness/waiting.js'
import { findPrivateServers, type PrivateServer } from './private-servers.js'
import { Proxy, type Manner } from './proxy.js'
import { leaseOf, startServer, type ServerPlan } from './server.js'
import { openStore, type StoreAddress } from './stores.js'

/** A way in which a store is away. */
interface Outage {
  name: string
  begin (): Promise<void>
  end (): Promise<void>
  /** Milliseconds at least. */
  lasts: number
}

// MariaDB takes part in the full share.
const servers = findPrivateServers().filter(({ kind }) => isLong || kind !== 'mariadb')
const callersOfServer = share(4, 10)
/** Milliseconds. */
const pastEveryLease = 600_000
t.jobs = 2

for (const { kind, skip, make } of servers) {
  t.test(kind, { skip, buffered: true }, async t => {
    const server = await make(t)
    await t.test('a store that stops, crashes, or is cut off while refreshes are in flight loses nobody, and fails no request whose token lives',
      t => surviveOutages(t, server))
    await t.test('a server that is cut off alone, past its lease, gives way to the pair that another one recovered', t => giveWay(t, server))
    for (const manner of share(['refuse', 'mute'] as const, ['refuse', 'reset', 'blackhole', 'mute'] as const)) {
      await t.test(`${manner}: the pair of a low-trust app is held, serves, and is stored once the store is back`, t => holdPairs(t, server, manner))
    }
  })
}

async function surviveOutages (t: Test, server: PrivateServer): Promise<void> {
  const clover = await cloverSimulator({ latency: () => 20 * Math.random() })
  t.teardown(() => clover.close())
  clover.fault({ on: ['refresh', 'recovery'], kind: 'latency', ms: 30, when: 'after', times: Infinity })
  const plan = planFor(clover, { callTimeout: 2_000, storageTimeout: 500, cache: { ttl: 50 } })
  const proxy = await new Proxy(server.port).start(t)
  const direct = server.address(server.port)
  const { storage, close } = await openStore(direct)
  t.teardown(close)
  const connect = (count: number, age = {}) => connectMerchants(clover, storage, highTrust, count, age)
  const merchants = await connect(30)

  const logs: string[] = []
  const answers = new Answers()
  answers.release()
  const apps = await Promise.all([1, 2].map(() => start(t, server.address(proxy.port), plan, logs, { fetch: answers.fetch })))
  const load = startLoad(apps, merchants)
  t.teardown(() => load.stop())
  const cut = (manner: Manner, lasts = 1_500): Outage => ({ name: manner, lasts, begin: () => proxy.set(manner), end: () => proxy.set('pass') })
  const outages: Outage[] = [
    { name: 'stop', lasts: 500, begin: () => server.stop(), end: () => server.start() },
    { name: 'crash', lasts: 500, begin: () => server.crash(), end: () => server.start() },
    cut('refuse'), cut('reset'), cut('mute'),
    // Longer than a lease: the other server may then recover what this one still holds.
    cut('blackhole', leaseOf(plan) + 1_200)
  ]
  for (const { name, lasts, begin, end } of outages.filter(({ name }) => isLong || ['crash', 'mute'].includes(name))) {
    // What may happen to a living token: nothing is due, a refresh in the background, a refresh that the caller waits for.
    const living = (await Promise.all([connect(3, { updated: 0, expires: 3600 }), connect(3, { expires: 100 }), connect(3, { expires: 50 })])).flat()
    await Promise.all(apps.flatMap(app => living.map(merchantId => patiently(() => app.clover.installation(merchantId))))) // into the caches
    merchants.push(...living)
    const failures: unknown[] = []
    let served = 0
    const heldBefore = count(logs, 'pair-held')
    // However slow the machine is, there are answers of Clover that come when the store is away.
    answers.hold()
    await until('refreshes are in flight', () => answers.waiting > 1)
    await begin()
    const began = performance.now()
    answers.release()
    // It lasts until it has been felt.
    const felt = until(`${name}: a pair is held`, () => count(logs, 'pair-held') > heldBefore)
    const { signal: isBack, back } = after(Promise.all([setTimeout(lasts), felt]), end)
    const readers = apps.flatMap(app => living.map(async merchantId => {
      while (!isBack.aborted) {
        try {
          if (clover.isLiveAccessToken(await app.clover.accessToken(merchantId))) served++
          else failures.push(`${merchantId}: a dead token`)
        } catch (error) {
          failures.push(error)
        }
        await setTimeout(20)
      }
    }))
    await back
    const lasted = Math.round(performance.now() - began)
    await Promise.all(readers)
    t.same(failures, [], `${name}: no request fails whose token lives`)
    t.ok(served >= readers.length, `${name}: all were served`)
    const before = load.tally.token ?? 0
    await until(`${name}: refreshes go on`, () => (load.tally.token ?? 0) > before + 50)
    t.comment(`${name}: ${served} requests served in ${lasted} ms, ${count(logs, 'pair-held') - heldBefore} pairs held`)
  }
  await load.stop()
  await Promise.all(apps.map(app => app.close()))
  t.comment(`${clover.count('refresh', { ok: true })} refreshes, ${clover.count('recovery', { ok: true })} recoveries; ${JSON.stringify(load.tally)}`)

  const { token, FST_CLOVER_STORAGE: away, FST_CLOVER_UNAVAILABLE: busy, ...others } = load.tally
  t.same(others, {}, 'a caller whose token is dead is told that the store is away, and nothing else')
  t.ok(token && away, 'both happened')
  t.ok(count(logs, 'pair-held') > 0, 'pairs were in flight when the store went away')
  t.equal(count(logs, 'pair-held'), count(logs, 'pair-written') + count(logs, 'pair-dropped'), 'each was written, or was older than what is stored')
  t.equal(count(logs, 'pair-abandoned'), 0)
  t.equal(count(logs, 'reauthorization-required'), 0)
  t.same(await findLost(clover, planFor(clover), direct, merchants), [], `none of ${merchants.length} merchants is lost`)
}

async function giveWay (t: Test, server: PrivateServer): Promise<void> {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const plan = planFor(clover, { cache: { ttl: 0 } })
  const proxy = await new Proxy(server.port).start(t)
  const direct = named(server.address(server.port), 'give_way')
  const { storage, close } = await openStore(direct)
  t.teardown(close)
  const merchants = await connectMerchants(clover, storage, highTrust, 5)
  const logs: string[] = []
  const answers = new Answers()
  const [cutOff, other] = [
    await start(t, named(server.address(proxy.port), 'give_way'), { ...plan, storageTimeout: 1_000 }, logs, { fetch: answers.fetch }),
    await start(t, direct, { ...plan, clockAhead: pastEveryLease }, [])
  ]

  const { asked } = await startRefreshes(cutOff, merchants, answers)
  await proxy.set('blackhole')
  answers.release()
  await asked
  t.equal(count(logs, 'pair-held'), merchants.length, 'the pairs are held')
  clover.setNow(() => Date.now() + pastEveryLease)
  const tokens = await Promise.all(merchants.map(merchantId => other.clover.accessToken(merchantId)))
  t.equal(clover.count('recovery', { ok: true }), merchants.length, 'the other server recovers them')

  await proxy.set('pass')
  await until('the held pairs are dropped', () => count(logs, 'pair-dropped') === merchants.length)
  const stored = await Promise.all(merchants.map(merchantId => storage.get(merchantId)))
  t.same(stored.map(record => record?.accessToken), tokens, 'what the other stored stays')
  // Before the server that was cut off reads it: by its clock, which is ten minutes behind, the pair is to be confirmed, which spends it.
  t.ok(stored.every(record => clover.isLive(record?.refreshToken ?? '') && clover.isLiveAccessToken(record?.accessToken ?? '')), 'it is live')
  t.same(await Promise.all(merchants.map(merchantId => cutOff.clover.accessToken(merchantId))), tokens, 'and both serve it')
  await Promise.all([cutOff.close(), other.close()])
  t.same(await findLost(clover, { ...plan, clockAhead: pastEveryLease }, direct, merchants), [])
}

async function holdPairs (t: Test, server: PrivateServer, manner: Manner): Promise<void> {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const plan = planFor(clover, { appId: lowTrust, storageTimeout: 1_000 })
  const proxy = await new Proxy(server.port).start(t)
  const direct = named(server.address(server.port), `held_${manner}`)
  const { storage, close } = await openStore(direct)
  t.teardown(close)
  const merchants = await connectMerchants(clover, storage, lowTrust, 5)
  const logs: string[] = []
  const answers = new Answers()
  const app = await start(t, named(server.address(proxy.port), `held_${manner}`), plan, logs, { fetch: answers.fetch })

  const { asked } = await startRefreshes(app, merchants, answers)
  await proxy.set(manner)
  answers.release()
  const tokens = await asked
  t.ok(tokens.every(token => clover.isLiveAccessToken(token)), 'the new tokens serve')
  t.equal(count(logs, 'pair-held'), merchants.length, 'from memory')
  t.same(await Promise.all(merchants.map(merchantId => app.clover.accessToken(merchantId))), tokens, 'again and again')
  await proxy.set('pass')
  await until('the pairs are stored', () => count(logs, 'pair-written') === merchants.length)
  const stored = await Promise.all(merchants.map(merchantId => storage.get(merchantId)))
  t.same(stored.map(record => record?.accessToken), tokens)
  t.ok(stored.every(record => clover.isLive(record?.refreshToken ?? '')), 'the stored refresh tokens are the live ones')
  t.equal(clover.count('refresh'), merchants.length, 'one refresh of each')
  await app.close()
  t.same(await findLost(clover, plan, direct, merchants), [])
}

/**
 * Has callers ask for tokens, and resolves once Clover's answers to all their refreshes wait. `asked` has the tokens. Until then a caller asks again if a
 * busy machine makes the store too late; what fails later fails the test.
 */
async function startRefreshes (app: FastifyInstance, merchants: readonly string[], answers: Answers): Promise<{ asked: Promise<string[]> }> {
  let areWaiting = false
  const ask = async (merchantId: string): Promise<string> => {
    for (;;) {
      try {
        return await app.clover.accessToken(merchantId)
      } catch (error) {
        if (areWaiting || !(isCloverError(error, 'FST_CLOVER_STORAGE') || isCloverError(error, 'FST_CLOVER_UNAVAILABLE'))) throw error
        await setTimeout(20)
      }
    }
  }
  const asked = Promise.all(merchants.map(ask))
  await Promise.race([asked, until('Clover answered every refresh', () => answers.waiting === merchants.length)])
  areWaiting = true
  return { asked }
}

/** A server with a store of its own connections. */
async function start (t: Test, address: StoreAddress, plan: ServerPlan, logs: string[], runtime: Partial<Runtime> = {}): Promise<FastifyInstance> {
  const { storage, close } = await openStore(address)
  const app = await startServer(plan, storage, { logs, runtime, before: app => { app.addHook('onClose', close) } })
  t.teardown(() => app.close())
  return app
}

/** Another store at the same server. */
function named (address: StoreAddress, name: string): StoreAddress {
  if (address.kind === 'postgres' || address.kind === 'mariadb') return { ...address, table: name }
  return address.kind === 'redis' ? { ...address, prefix: `${name}:` } : address
}

/** Does something after something else; `signal` says when it is done. */
function after (event: Promise<unknown>, work: () => Promise<void>) {
  const done = new AbortController()
  const back = event.then(work).finally(() => done.abort())
  return { signal: done.signal, back }
}

/** Lets callers refuse token after token, so that refreshes are in flight at every moment, and counts what they get. */
function startLoad (apps: FastifyInstance[], merchants: readonly string[]) {
  const loaded = [...merchants]
  const tally: Record<string, number> = {}
  const end = new AbortController()
  async function call (app: FastifyInstance): Promise<void> {
    while (!end.signal.aborted) {
      const merchantId = loaded[Math.floor(Math.random() * loaded.length)] ?? ''
      try {
        const rejected = await app.clover.accessToken(merchantId)
        await app.clover.accessToken(merchantId, { rejected })
        tally.token = (tally.token ?? 0) + 1
      } catch (error) {
        const code = isCloverError(error) ? error.code : String(error)
        tally[code] = (tally[code] ?? 0) + 1
        await setTimeout(10)
      }
    }
  }
  const callers = apps.flatMap(app => Array.from({ length: callersOfServer }, () => call(app)))
  return {
    tally,
    async stop () {
      end.abort()
      await Promise.all(callers)
    }
  }
}

const count = (logs: string[], type: string) => events(logs).filter(({ event }) => event === type).length
