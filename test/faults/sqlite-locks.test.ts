import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cloverSimulator } from '../../src/testing/index.js'
import { share } from '../harness/share.js'
import { openSqlite } from '../harness/sqlite.js'
import { connectMerchants, highTrust, planFor } from './merchants.js'
import { findStores, openStore, type StoreAddress } from './stores.js'
import type { Storm } from './worker.js'
import { workerStarter } from './workers.js'

/*
 * Hosts with several processes on one SQLite file, set up badly or well: with the client's defaults (no timeout) and with a timeout by which
 * SQLite would block the process; with a write-ahead log and without.
 */

const processes = 4
const callers = share(8, 25)
const merchantCount = 20

const start = await workerStarter(t)
const workers = await Promise.all(Array.from({ length: processes }, start))
const makeFile = (await findStores()).find(({ kind }) => kind === 'sqlite')?.make

/** Starts a server in every process, on a file of its own with merchants whose tokens are stale. */
async function serve (t: Test, name: string, mode: string, changes: { timeout?: number } = {}) {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const made = makeFile?.(t)
  if (made?.kind !== 'sqlite') throw new Error('no SQLite')
  const database = openSqlite(made.file)
  database.exec(`PRAGMA journal_mode = ${mode}`)
  t.teardown(() => database.close())
  const address: StoreAddress = { ...made, ...changes }
  const { storage, close } = await openStore(address)
  const merchants = await connectMerchants(clover, storage, highTrust, merchantCount)
  await close()
  await Promise.all(workers.map(worker => worker.call('serve', name, planFor(clover), address)))
  return { clover, database, merchants, storm: () => Promise.all(workers.map(worker => worker.call('storm', name, merchants, callers))) }
}

function checkAnswered (t: Test, results: Storm[], refreshes: number): void {
  t.same(results.flatMap(({ errors }) => errors), [], 'no caller got an error')
  t.equal(results.reduce((sum, { calls }) => sum + calls, 0), processes * callers * merchantCount, 'every caller got a token')
  t.equal(refreshes, merchantCount, 'of one refresh of each merchant')
}

for (const mode of ['DELETE', 'WAL']) {
  t.test(`${mode}: ${processes} processes on one file that is opened without options answer every call`, async t => {
    const { clover, storm } = await serve(t, `${mode} without options`, mode)
    checkAnswered(t, await storm(), clover.count('refresh'))
  })

  t.test(`${mode}: processes go on while a stranger locks the file for seconds, although their host has set a timeout of 5 seconds`, async t => {
    const { clover, database, storm } = await serve(t, `${mode} locked`, mode, { timeout: 5_000 })
    await Promise.all(workers.map(worker => worker.call('watchLoop')))
    database.exec('BEGIN EXCLUSIVE')
    const answers = storm()
    // A process that is blocked answers no question before the lock has ended.
    const questions = 20
    const answered = workers.map(() => 0)
    for (let question = 0; question < questions; question++) {
      workers.forEach((worker, index) => {
        worker.call('loopDelay').then(() => { answered[index] = (answered[index] ?? 0) + 1 }, () => {})
      })
      await setTimeout(100)
    }
    const duringLock = [...answered]
    database.exec('ROLLBACK')
    const delays = await Promise.all(workers.map(worker => worker.call('loopDelay')))
    t.comment(`of ${questions} questions during the lock ${duringLock.join(', ')} were answered; longest delays of the event loops: ${delays.map(delay => delay.toFixed(0)).join(', ')} ms`)
    t.ok(duringLock.every(count => count > questions / 2), 'each process answered during the lock', { duringLock })
    checkAnswered(t, await answers, clover.count('refresh'))
  })
}
