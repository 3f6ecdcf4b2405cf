import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cloverSimulator } from '../../src/testing/index.js'
import { connectMerchants, findLost, highTrust, lowTrust, planFor } from './merchants.js'
import { until } from '../harness/waiting.js'
import { findStores, openStore } from './stores.js'
import { workerStarter, type Worker } from './workers.js'

/*
 * A process that does not run while Clover's answers arrive, for longer than the timeout of its calls.
 */

/** Milliseconds: however slow the machine is, Clover has the calls before. */
const callTimeout = 4_000
/** Milliseconds between Clover's handling of a refresh and its answer: the process is paused in this time. */
const answerAfter = 500
/** Milliseconds. */
const pause = callTimeout + 200

const startWorker = await workerStarter(t)
const [store] = await findStores()
t.jobs = 4

interface Pause {
  name: string
  /** Resolves once the process runs again. */
  run: (worker: Worker) => Promise<void>
}

const pauses: Pause[] = [
  {
    name: 'stopped',
    run: async worker => {
      worker.signal('SIGSTOP')
      await setTimeout(pause)
      worker.signal('SIGCONT')
    }
  },
  { name: 'blocked', run: worker => worker.call('block', pause) }
]

for (const { name, run } of pauses) {
  for (const appId of [lowTrust, highTrust]) {
    t.test(`a ${name} process stores the pairs that arrived meanwhile: ${appId === lowTrust ? 'a low-trust app loses nobody' : 'a high-trust app needs no recovery'}`, { buffered: true },
      t => pauseDuringRefresh(t, appId, run))
  }
}

async function pauseDuringRefresh (t: Test, appId: string, run: Pause['run']): Promise<void> {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const address = store?.make(t)
  if (address === undefined) throw new Error('there is no store')
  const { storage, close } = await openStore(address)
  t.teardown(close)
  const merchants = await connectMerchants(clover, storage, appId, 5)
  const plan = planFor(clover, { appId, callTimeout })
  const worker = await startWorker()
  await worker.call('serve', 'paused', plan, address)
  clover.fault({ on: 'refresh', kind: 'latency', ms: answerAfter, when: 'after', times: merchants.length })

  const asked = Promise.all(merchants.map(merchantId => worker.call('token', 'paused', merchantId)))
  await until('Clover spent every token', () => clover.calls.filter(({ handled }) => handled === 200).length === merchants.length)
  await run(worker)
  const outcomes = await asked
  const records = await Promise.all(merchants.map(merchantId => storage.get(merchantId)))
  t.same(outcomes, records.map(record => ({ token: record?.accessToken })), 'every caller gets the token that is stored')
  t.ok(records.every(record => clover.isLive(record?.refreshToken ?? '')), 'every stored refresh token is live')
  t.equal(clover.count('refresh'), merchants.length, 'Clover got one refresh of each')
  t.equal(clover.count('recovery'), 0)
  await worker.kill()
  t.same(await findLost(clover, plan, address, merchants), [])
}
