import { Type } from '@sinclair/typebox'
import { optionsOf, requireOptions } from '../../checks/arguments.js'
import { checkedStorage } from './checked-storage.js'
import { contractCases } from './contract-cases.js'
import { documentCases } from './document-cases.js'
import { CannotTry } from './failure.js'
import { listCases } from './list-cases.js'
import { lockCases } from './lock-cases.js'
import { raceCases } from './race-cases.js'
import type { Trial } from './trial.js'
import type { ConformanceCase, ConformanceOptions, MakeStorage, SkipContext, StorageUnderTest } from './types.js'

const Options = optionsOf<ConformanceOptions>({
  timeout: Type.Number({ minimum: 1, maximum: 600_000, must: 'a number of milliseconds from 1 to 600000' })
})

const trials = [...contractCases, ...documentCases, ...raceCases, ...lockCases, ...listCases]

/**
 * The requirements on an adapter as cases for any test runner: each has a name and a function, which rejects with a sentence about the defect.
 *
 * This works with node:test (its `test`), vitest (its `test`) and tap (`t.test`), each of which takes a name and a function:
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
 * The races fail by chance: an adapter that is not atomic nearly always fails if its calls use several connections.
 *
 * @param makeStorage called for each case; returns an empty store
 */
export function storageConformance (makeStorage: MakeStorage, options: ConformanceOptions = {}): ConformanceCase[] {
  if (typeof makeStorage !== 'function') throw new TypeError('storageConformance: the first argument must be a function that makes a store.')
  requireOptions('storageConformance', Options, options)
  const { timeout = 10_000 } = options
  return trials.map(trial => ({
    name: trial.name,
    // With rest arguments the function's length is 0. A runner would pass a callback to a function with a parameter, and wait for it.
    run: async (...[context]: [SkipContext?]) => {
      const reason = await attempt(trial, makeStorage, timeout)
      // After the cleanup, since vitest's skip throws.
      if (reason !== undefined) (context as { skip (reason: string): unknown } | undefined)?.skip(reason)
    }
  }))
}

/** Runs a case. Resolves with the reason if it could not be tried. */
async function attempt (trial: Trial, makeStorage: MakeStorage, timeout: number): Promise<string | undefined> {
  const made = await makeStorage()
  const store: StorageUnderTest = 'storage' in made ? made : { storage: made }
  const [outcome] = await Promise.allSettled([tryOn(trial, store, timeout)])
  const [cleaned] = await Promise.allSettled([(async () => await store.cleanup?.())()])
  const untried = outcome.status === 'rejected' && outcome.reason instanceof CannotTry ? outcome.reason.message : undefined
  // The case's error takes precedence over that of the cleanup, which may have the same cause.
  if (outcome.status === 'rejected' && untried === undefined) throw outcome.reason
  if (cleaned.status === 'rejected') throw cleaned.reason
  return untried
}

async function tryOn (trial: Trial, { storage, another, lock }: StorageUnderTest, timeout: number): Promise<void> {
  await trial.attempt({
    storage: checkedStorage(storage, timeout),
    another: () => {
      if (another === undefined) throw new CannotTry('makeStorage returned no second instance (another), so the cases with two servers are skipped.')
      return checkedStorage(another, timeout)
    },
    lock: async () => {
      if (lock === undefined) throw new CannotTry('makeStorage returned no lock, so the cases with locked data are skipped.')
      return await lock()
    }
  })
}
