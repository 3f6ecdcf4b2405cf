import type { Installation } from '../../storage/contract.js'
import type { CheckedStorage } from './checked-storage.js'
import { difference } from './difference.js'
import { CannotTry, check, fail } from './failure.js'

/** A fresh store for a case. */
export interface Store {
  storage: CheckedStorage
  /** A second instance over the same data. Throws CannotTry if there is none. */
  another: () => CheckedStorage
  /** Locks the data. Resolves with a function that ends the lock. Throws CannotTry if `makeStorage` returned no lock. */
  lock: () => Promise<() => unknown>
}

/** A case without its store. */
export interface Trial {
  name: string
  attempt: (store: Store) => Promise<void>
}

/** Fails the case unless exactly this record is stored. `what`: the beginning of the error's sentence. */
export async function checkStored (storage: CheckedStorage, expected: Installation, what: string): Promise<void> {
  const got = await storage.get(expected.merchantId)
  check(got !== undefined, `${what}: get finds no record of merchant ${expected.merchantId}.`)
  checkSame(expected, got, what)
}

/** Fails the case unless two records are the same. */
export function checkSame (expected: Installation, got: Installation | undefined, what: string): void {
  const found = difference(expected, got)
  if (found !== undefined) fail(`${what}: ${found}.`)
}

/** Fails the case if a record is stored for a merchant. */
export async function checkNothing (storage: CheckedStorage, merchantId: string, what: string): Promise<void> {
  check(await storage.get(merchantId) === undefined, `${what}: get finds a record of merchant ${merchantId}.`)
}

/** Stores a first record, which must work. */
export async function insert (storage: CheckedStorage, next: Installation): Promise<Installation> {
  check(await storage.put(next, undefined),
    'put(next, undefined) resolved false although nothing is stored for the merchant: it must store the record (makeStorage must return an empty store).')
  return next
}

/** Replaces a record, which must work. */
export async function replace (storage: CheckedStorage, next: Installation, before: Installation): Promise<Installation> {
  check(await storage.put(next, before.revision), 'put with the stored revision resolved false: it must replace the record.')
  return next
}

/** As `Promise.all`, but waits for every call even if one fails, so that none is in progress when the case ends. */
export async function all<T> (calls: Array<Promise<T>>): Promise<T[]> {
  await Promise.allSettled(calls)
  return await Promise.all(calls)
}

/** The adapter's list. Throws CannotTry if it has none. */
export function listOf (storage: CheckedStorage): NonNullable<CheckedStorage['list']> {
  if (storage.list === undefined) throw new CannotTry('The adapter has no list: installations(), keep-alive and resealing will not work with it.')
  return storage.list
}
