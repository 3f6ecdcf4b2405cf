import type { CloverStorage } from '../../storage/contract.js'

/** A store for one case, and what to do when the case is over. */
export interface StorageUnderTest {
  /** The adapter, over data that holds no record yet. */
  storage: CloverStorage
  /**
   * A second instance of the adapter over the same data, best with a connection of its own, as another server would have it. Without
   * one, the cases about several servers are skipped.
   */
  another?: CloverStorage
  /**
   * Locks the data against writers, as a backup or another program would, on a connection that neither `storage` nor `another` uses, and
   * returns a function that ends the lock: `BEGIN IMMEDIATE` and `ROLLBACK` in SQLite, `LOCK TABLE` in a transaction elsewhere. Called when
   * a record has been stored, and ended within a second. Without it, the cases about locks are skipped; they also need `another`.
   */
  lock?: () => (() => unknown) | Promise<() => unknown>
  /** Called when the case is over, however it ended: drops the data, closes connections. */
  cleanup?: () => unknown
}

/** Makes a store that holds nothing, anew for each case. */
export type MakeStorage = () => CloverStorage | StorageUnderTest | Promise<CloverStorage | StorageUnderTest>

/** What a test runner hands to a test, as far as it is used: node:test, tap and vitest have it. */
export interface SkipContext {
  /** Takes a reason. Typed loosely, since the types of tap ask for more than tap does. */
  skip: (...args: never[]) => unknown
}

/** One thing that an adapter must do. */
export interface ConformanceCase {
  /** A sentence that says what the adapter does. */
  name: string
  /**
   * Tries it on a fresh store. Rejects with an Error whose message says what is broken. What cannot be tried (an adapter without
   * `list`, no second instance) is told to `context.skip`, and passes.
   */
  run: (context?: SkipContext) => Promise<void>
}

/** The options of `storageConformance`. */
export interface ConformanceOptions {
  /** Milliseconds that one call to the adapter may take, default 10 000. */
  timeout?: number
}
