import { checkedStorage } from './checked-storage.js'
import { contractCases } from './contract-cases.js'
import { documentCases } from './document-cases.js'
import { CannotTry } from './failure.js'
import { listCases } from './list-cases.js'
import { lockCases } from './lock-cases.js'
import { raceCases } from './race-cases.js'
import type { Trial } from './trial.js'
import type { ConformanceCase, ConformanceOptions, MakeStorage, SkipContext, StorageUnderTest } from './types.js'

const trials = [...contractCases, ...documentCases, ...raceCases, ...lockCases, ...listCases]

/**
 * What an adapter must do, as cases for any test runner: a name and a function that rejects with a sentence about what is broken.
 *
 * The same for node:test (`test` from it), vitest (its `test`) and tap (`t.test`), each of which takes a name and a function:
 *
 * ```ts
 * import test from 'node:test'
 * import { storageConformance } from 'fastify-clover/testing'
 *
 * const cases = storageConformance(async () => {
 *   const table = await freshTable()
 *   return {
 *     storage: myStorage(pool, table),
 *     another: myStorage(anotherPool, table), // as a second server would have it
 *     lock: () => lockTable(table), // on a third connection; resolves with a function that ends the lock
 *     cleanup: () => dropTable(table)
 *   }
 * })
 * for (const { name, run } of cases) test(name, run)
 * ```
 *
 * The races fail by chance: an adapter that is not atomic is nearly always found when its calls go over several connections.
 *
 * @param makeStorage called for each case; hands out a store that holds nothing
 */
export function storageConformance (makeStorage: MakeStorage, { timeout = 10_000 }: ConformanceOptions = {}): ConformanceCase[] {
  return trials.map(trial => ({
    name: trial.name,
    // Rest arguments keep the function's length at 0: runners give one with an argument a callback to call.
    run: async (...[context]: [SkipContext?]) => {
      const reason = await attempt(trial, makeStorage, timeout)
      // After the cleanup, since vitest's skip throws.
      if (reason !== undefined) (context as { skip (reason: string): unknown } | undefined)?.skip(reason)
    }
  }))
}

/** Why a case could not be tried, if it could not. */
async function attempt (trial: Trial, makeStorage: MakeStorage, timeout: number): Promise<string | undefined> {
  const made = await makeStorage()
  const store: StorageUnderTest = 'storage' in made ? made : { storage: made }
  const [outcome] = await Promise.allSettled([tryOn(trial, store, timeout)])
  const [cleaned] = await Promise.allSettled([(async () => await store.cleanup?.())()])
  const untried = outcome.status === 'rejected' && outcome.reason instanceof CannotTry ? outcome.reason.message : undefined
  // What the case found comes before a cleanup that fails, perhaps for the same reason.
  if (outcome.status === 'rejected' && untried === undefined) throw outcome.reason
  if (cleaned.status === 'rejected') throw cleaned.reason
  return untried
}

async function tryOn (trial: Trial, { storage, another, lock }: StorageUnderTest, timeout: number): Promise<void> {
  await trial.attempt({
    storage: checkedStorage(storage, timeout),
    another: () => {
      if (another === undefined) throw new CannotTry('makeStorage gave no second instance (another): what two servers do at once is not tried.')
      return checkedStorage(another, timeout)
    },
    lock: async () => {
      if (lock === undefined) throw new CannotTry('makeStorage gave no lock: what happens while another connection locks the data is not tried.')
      return await lock()
    }
  })
}
