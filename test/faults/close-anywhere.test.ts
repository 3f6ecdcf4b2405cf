import { setImmediate, setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { isCloverError } from '../../src/errors.js'
import type { CloverStorage } from '../../src/storage/contract.js'
import { memoryStorage } from '../../src/storage/index.js'
import { approve } from '../harness/browser.js'
import { highTrust, lowTrust, merchantA, merchantB, startClover, startHost, type Host } from '../harness/host.js'
import { Time } from '../harness/time.js'
import { share } from '../harness/share.js'
import { adoptable } from '../harness/pairs.js'

/*
 * Every public operation, with the server told to close before and after each of its calls to the store and to Clover, one after another. The host
 * closes its store with the server. Closing ends, the operation ends, each merchant who is stored is served by the next server, and none of them by
 * a recovery: a refresh in progress was finished.
 */

interface Operation {
  name: string
  /** @param stored the merchant's access token */
  run: (host: Host, stored: string) => Promise<unknown>
  /** The merchant connects by it, or leaves by it: afterwards there may be no record. */
  mayBeGone?: string
  /** Milliseconds since the merchant connected; half an hour by default, after which the access token is dead. */
  age?: number
  /** It refreshes, or connects, in another way where the app has no secret. */
  isTriedInLowTrust?: boolean
}

async function all (items: AsyncIterable<unknown>): Promise<void> {
  for await (const item of items) if (item === undefined) throw new Error('nothing')
}

const pairOf = ({ clover }: Host, merchantId: string, appId: string) => {
  const pair = clover.connect({ merchantId, appId })
  return adoptable(merchantId, pair)
}

async function callback (host: Host, merchantId: string): Promise<void> {
  const browser = host.browser()
  const launch = await browser.visit(`/clover/launch?merchant_id=${merchantId}`)
  if (launch.statusCode === 302) await browser.visit(approve(host.clover, launch))
}

const operations = (appId: string): Operation[] => [
  { name: 'accessToken', run: ({ app }) => app.clover.accessToken(merchantA), isTriedInLowTrust: true },
  { name: 'accessToken with a refused token', run: ({ app }, rejected) => app.clover.accessToken(merchantA, { rejected }) },
  { name: 'refresh', run: ({ app }) => app.clover.refresh(merchantA), isTriedInLowTrust: true },
  { name: 'fetch', run: async ({ app }) => (await app.clover.fetch(merchantA, '/v3/merchants/{mId}/orders')).text() },
  { name: 'paginate', run: ({ app }) => all(app.clover.paginate(merchantA, '/v3/merchants/{mId}/orders', { limit: 1 })) },
  { name: 'ecommercePublicKey', run: ({ app }) => app.clover.ecommercePublicKey(merchantA) },
  { name: 'installation', run: ({ app }) => app.clover.installation(merchantA) },
  { name: 'installations', run: ({ app }) => all(app.clover.installations({ unusable: true })) },
  { name: 'keepAlive', run: ({ app }) => app.clover.keepAlive({ within: 31_536_000, rate: 1000 }), age: 340 * 86_400_000, isTriedInLowTrust: true },
  { name: 'adopt', run: host => host.app.clover.adopt(pairOf(host, merchantB, appId)), mayBeGone: merchantB },
  { name: 'disconnect', run: ({ app }) => app.clover.disconnect(merchantA), mayBeGone: merchantA },
  { name: 'migrateLegacy', run: ({ app, clover }) => all(app.clover.migrateLegacy([{ merchantId: merchantB, legacyToken: clover.legacyToken({ merchantId: merchantB, appId }) }], { rate: 1000 })), mayBeGone: merchantB },
  { name: 'a first visit', run: host => callback(host, merchantB), mayBeGone: merchantB, isTriedInLowTrust: true },
  { name: 'a visit of a connected merchant', run: host => callback(host, merchantA), isTriedInLowTrust: true }
]

/** Counts the steps of an operation, and does something at one of them. */
class Steps {
  count = 0
  /** The step at which `act` is called; from 1 on. */
  at = Infinity
  act: () => void = () => {}
  /** The host has closed its database. */
  isStoreClosed = false

  async step (): Promise<void> {
    if (++this.count === this.at) this.act()
    await setImmediate()
  }

  storage (inner: Required<CloverStorage>): Required<CloverStorage> {
    const around = async <T>(work: () => Promise<T>): Promise<T> => {
      await this.step()
      if (this.isStoreClosed) throw new Error('the database is closed')
      const result = await work()
      await this.step()
      return result
    }
    return {
      get: merchantId => around(async () => await inner.get(merchantId)),
      put: (next, expected) => around(async () => await inner.put(next, expected)),
      delete: (merchantId, expected) => around(async () => await inner.delete(merchantId, expected)),
      list: query => around(async () => await inner.list(query))
    }
  }

  readonly fetch: typeof globalThis.fetch = async (...args) => {
    await this.step()
    const response = await fetch(...args)
    await this.step()
    return response
  }
}

/** Runs an operation whose server closes at a step. Says whether it came to that step. */
async function closeAt (t: Test, appId: string, { name, run, mayBeGone, age = 1_900_000 }: Operation, at: number): Promise<boolean> {
  const where = `${name}, closed at step ${at}`
  const time = new Time()
  const clover = await startClover(t, time)
  const inner = memoryStorage()
  const steps = new Steps()
  const options = { keepAlive: false as const, cache: false as const }
  const host = await startHost(t, { simulator: clover, appId, options: { ...options, storage: steps.storage(inner) }, runtime: { wallClock: time.now, fetch: steps.fetch }, after: app => app.addHook('onClose', () => { steps.isStoreClosed = true }) })
  await host.app.clover.adopt(pairOf(host, merchantA, appId))
  time.pass(age)
  const { accessToken = '' } = await inner.get(merchantA) ?? {}
  let closing: Promise<void> | undefined
  Object.assign(steps, { count: 0, at, act: () => { closing = host.app.close() } })
  const [outcome] = await Promise.race([Promise.allSettled([run(host, accessToken)]), setTimeout(20_000, ['it does not end'] as const, { ref: false })])
  if (typeof outcome === 'string') t.fail(`${where}: ${outcome}`)
  else if (outcome.status === 'rejected' && !isCloverError(outcome.reason)) t.fail(`${where}: ${String(outcome.reason)}`)
  const hasClosed = closing !== undefined
  await closing
  await host.app.close()

  const next = await startHost(t, { simulator: clover, appId, options: { ...options, storage: inner }, runtime: { wallClock: time.now } })
  for (const merchantId of [merchantA, merchantB]) {
    const record = await inner.get(merchantId)
    if (record === undefined || record === null) {
      if (merchantId === merchantA && mayBeGone !== merchantA) t.fail(`${where}: ${merchantId} is gone`)
      continue
    }
    time.pass(120_000) // a lease of before has ended
    const token = await next.app.clover.accessToken(merchantId, { rejected: record.accessToken }).catch((error: unknown) => String(error))
    if (!clover.isLiveAccessToken(token)) t.fail(`${where}: ${merchantId} is lost: ${token}`)
    if (!clover.isLive((await inner.get(merchantId))?.refreshToken ?? '')) t.fail(`${where}: the stored refresh token of ${merchantId} is dead`)
  }
  if (clover.count('recovery') > 0) t.fail(`${where}: a refresh was not finished`)
  await next.app.close()
  return hasClosed
}

for (const appId of [highTrust, lowTrust]) {
  for (const operation of operations(appId)) {
    if (appId === lowTrust && !operation.isTriedInLowTrust) continue
    t.test(`${operation.name}, ${appId === lowTrust ? 'low' : 'high'} trust`, { timeout: 300_000 }, async t => {
      const stride = share(7, 1)
      let at = 1
      while (await closeAt(t, appId, operation, at)) at += stride
      t.ok(at > 1, `closed at every ${stride} of ${at - 1} steps`)
    })
  }
}
