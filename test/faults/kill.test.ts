import t, { type Test } from 'tap'
import { cloverSimulator, type CloverSimulator } from '../../src/testing/index.js'
import type { Gate } from './gated-storage.js'
import { connectMerchants, findLost, highTrust, lowTrust, planFor } from './merchants.js'
import { isLong, share } from '../harness/share.js'
import { until } from '../harness/waiting.js'
import { findStores, openStore, type StoreAddress } from './stores.js'
import { workerStarter, type Worker } from './workers.js'

/** Of a victim, in milliseconds: however slow the machine is, what is stopped has not given up before the kill. */
const patient = { callTimeout: 120_000, storageTimeout: 60_000 }
/** Milliseconds that pass between the kill and the rescue, without anybody waiting for them. */
const pastEveryLease = 600_000
const merchantsAtStep = share(1, 3)

/** Where a process is killed while it refreshes a merchant, and what becomes of the merchant. */
interface Step {
  name: string
  /** The pair was lost before, so that the process must recover it. */
  afterLoss?: boolean
  stop: Gate | { call: 'refresh' | 'recovery', when: 'before' | 'after' }
  /** How many recoveries Clover grants in the end. */
  recoveries: number[]
  /** Nobody holds a live token then: the one gap of a low-trust app, and the known limit of a recovery whose answer is lost. */
  lost?: boolean
}

const harmless: Step[] = [
  { name: 'before the intent is written', stop: { put: 1, when: 'before' }, recoveries: [0] },
  { name: 'while the intent is written', stop: { put: 1, when: 'during' }, recoveries: [0] },
  { name: 'after the intent is written', stop: { put: 1, when: 'after' }, recoveries: [0] },
  { name: 'while Clover has the call', stop: { call: 'refresh', when: 'before' }, recoveries: [0] },
  { name: 'after the pair is written', stop: { put: 2, when: 'after' }, recoveries: [0] }
]
const inTheGap: Step[] = [
  { name: 'after Clover spent the token', stop: { call: 'refresh', when: 'after' }, recoveries: [1] },
  { name: 'after the reply', stop: { put: 2, when: 'before' }, recoveries: [1] }
]
const inTheWrite: Step = { name: 'while the pair is written', stop: { put: 2, when: 'during' }, recoveries: [0, 1] }
const inRecovery: Step[] = [
  { name: 'before the lease is extended for a recovery', afterLoss: true, stop: { put: 2, when: 'before' }, recoveries: [1] },
  { name: 'while the lease is extended for a recovery', afterLoss: true, stop: { put: 2, when: 'during' }, recoveries: [1] },
  { name: 'after the lease is extended for a recovery', afterLoss: true, stop: { put: 2, when: 'after' }, recoveries: [1] },
  { name: 'while Clover has the recovery', afterLoss: true, stop: { call: 'recovery', when: 'before' }, recoveries: [1] },
  { name: 'after the recovered pair is written', afterLoss: true, stop: { put: 3, when: 'after' }, recoveries: [1] }
]
const afterRecovery: Step[] = [
  { name: 'after Clover granted the recovery', afterLoss: true, stop: { call: 'recovery', when: 'after' }, recoveries: [2] },
  { name: 'after the reply to the recovery', afterLoss: true, stop: { put: 3, when: 'before' }, recoveries: [2] }
]

const stores = await findStores(['mariadb'])
const start = await workerStarter(t)
const rescuers = await Promise.all([start(), start()])
t.jobs = 8

// In the short share, the steps at which a store is at work are tried on each of them, and the others on one.
const stepsInWrites = [...harmless.filter(({ name }) => name.includes('written')), inTheWrite, ...inRecovery.slice(1, 2)]

for (const { kind, skip, make } of stores) {
  t.test(`${kind}: a process is killed at each step, and another serves every merchant with one refresh or one recovery`, { skip, buffered: true }, async t => {
    const clover = await cloverSimulator()
    await killAtSteps(t, clover, highTrust, make(t), isLong || kind === 'sqlite'
      ? [...harmless, ...inTheGap, inTheWrite, ...inRecovery, ...afterRecovery.map(step => ({ ...step, recoveries: [1], lost: true }))]
      : stepsInWrites)
  })

  if (!isLong && kind !== 'sqlite') continue

  t.test(`${kind}: where Clover recovers a pair again, a kill after the recovery loses nobody`, { skip, buffered: true }, async t => {
    const clover = await cloverSimulator({ unknowns: { recovery: 'reusable' } })
    await killAtSteps(t, clover, highTrust, make(t), afterRecovery)
  })

  t.test(`${kind}: a low-trust app loses nobody to a kill outside of the one gap`, { skip, buffered: true }, async t => {
    const clover = await cloverSimulator()
    await killAtSteps(t, clover, lowTrust, make(t), [...harmless, ...inTheGap.map(step => ({ ...step, recoveries: [0], lost: true }))])
  })
}

async function killAtSteps (t: Test, clover: CloverSimulator, appId: string, address: StoreAddress, steps: Step[]): Promise<void> {
  t.teardown(() => clover.close())
  const { storage, close } = await openStore(address)
  t.teardown(close)
  const merchants = await connectMerchants(clover, storage, appId, steps.length * merchantsAtStep)
  const groups = steps.map((step, index) => ({ step, merchants: merchants.slice(index * merchantsAtStep, (index + 1) * merchantsAtStep) }))

  const victim = await start()
  await victim.call('serve', 'victim', planFor(clover, { appId, ...patient, maxCalls: 1000 }), address)
  await Promise.all(groups.flatMap(({ step, merchants }) => merchants.map(async merchantId => {
    if (step.afterLoss) await losePair(clover, appId, (await storage.get(merchantId))?.refreshToken ?? '')
    await bringTo(step, clover, victim, merchantId)
  })))
  victim.call('die')
  await victim.gone

  clover.clearFaults()
  clover.setNow(() => Date.now() + pastEveryLease)
  const name = t.name
  const plan = planFor(clover, { appId, clockAhead: pastEveryLease })
  await Promise.all(rescuers.map(rescuer => rescuer.call('serve', name, plan, address)))
  const results = await Promise.all(rescuers.map(rescuer => rescuer.call('storm', name, merchants, 5)))

  for (const { step, merchants } of groups) {
    for (const merchantId of merchants) {
      const stored = await storage.get(merchantId)
      const tokens = [...new Set(results.flatMap(({ tokens }) => tokens[merchantId] ?? []))]
      const errors = [...new Set(results.flatMap(({ errors }) => errors.filter(error => error.merchantId === merchantId).map(({ code }) => code)))]
      const recoveries = clover.count('recovery', { merchantId, ok: true })
      t.equal(clover.count('refresh', { merchantId, ok: true }), 1, `${step.name}: one refresh`)
      t.ok(step.recoveries.includes(recoveries), `${step.name}: ${step.recoveries.join(' or ')} recoveries, there were ${recoveries}`)
      if (step.lost) {
        t.same({ tokens, errors }, { tokens: [], errors: ['FST_CLOVER_REAUTHORIZATION_REQUIRED'] }, `${step.name}: the merchant must authorize again`)
        t.ok(stored?.reauthorizationRequired, `${step.name}: and is marked`)
      } else {
        t.same({ tokens, errors }, { tokens: [stored?.accessToken], errors: [] }, `${step.name}: every caller gets the stored token`)
        t.ok(clover.isLiveAccessToken(tokens[0] ?? ''), `${step.name}: it is live`)
        t.ok(clover.isLive(stored?.refreshToken ?? ''), `${step.name}: the stored refresh token is the live one`)
      }
    }
  }
  const survivors = groups.flatMap(({ step, merchants }) => step.lost ? [] : merchants)
  t.same(await findLost(clover, plan, address, survivors), [], 'everybody can be refreshed on')
  t.comment(`${merchants.length} merchants at ${steps.length} steps, ${survivors.length} survive, ${merchants.length - survivors.length} are in the gap`)
}

/** Lets the victim begin a merchant's refresh, and resolves once it has got to the step. */
async function bringTo ({ name, stop }: Step, clover: CloverSimulator, victim: Worker, merchantId: string): Promise<void> {
  if ('put' in stop) {
    let reached = false
    victim.call('park', 'victim', merchantId, stop).then(() => { reached = true }, () => {})
    victim.call('token', 'victim', merchantId)
    await until(name, () => reached)
    return
  }
  const { call, when } = stop
  const had = clover.count(call, { merchantId })
  clover.fault({ on: call, kind: 'latency', ms: Infinity, when, merchantId })
  victim.call('token', 'victim', merchantId)
  await until(name, () => clover.count(call, { merchantId }) > had &&
    (when === 'before' || clover.calls.some(seen => seen.endpoint === call && seen.merchantId === merchantId && seen.status === undefined && seen.handled === 200)))
}

/** Spends a refresh token, and throws the new pair away. */
async function losePair (clover: CloverSimulator, appId: string, refreshToken: string): Promise<void> {
  await fetch(`${clover.origin}/oauth/v2/refresh`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'user-agent': 'test/1.0' }, body: JSON.stringify({ client_id: appId, refresh_token: refreshToken })
  })
}
