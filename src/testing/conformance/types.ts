import type { CloverStorage } from '../../storage/contract.js'

/** A store for one case, and its cleanup. */
export interface StorageUnderTest {
  /** The adapter, over data that holds no record yet. */
  storage: CloverStorage
  /**
   * A second instance of the adapter over the same data, preferably with its own connection, like a second server. Without it, the cases about several
   * servers are skipped.
   */
  another?: CloverStorage
  /**
   * Locks the data against writers, as a backup or another program would, on a connection that neither `storage` nor `another` uses, and
   * returns a function that ends the lock: `BEGIN IMMEDIATE` and `ROLLBACK` in SQLite, `LOCK TABLE` in a transaction elsewhere. Called when a
   * record has been stored; the lock is ended within a second. Without it, the cases about locks are skipped; they also need `another`.
   */
  lock?: () => (() => unknown) | Promise<() => unknown>
  /** Called after the case, also if it failed: drops the data, closes connections. */
  cleanup?: () => unknown
}

/** Makes an empty store. Called for each case. */
export type MakeStorage = () => CloverStorage | StorageUnderTest | Promise<CloverStorage | StorageUnderTest>

/** The used part of the context that node:test, tap and vitest pass to a test. */
export interface SkipContext {
  /** Called with a reason. Typed loosely, since tap's types are stricter than tap. */
  skip: (...args: never[]) => unknown
}

/** One requirement on an adapter. */
export interface ConformanceCase {
  /** The behaviour of the adapter, as a sentence. */
  name: string
  /**
   * Tries it on a fresh store. Rejects with an Error whose message describes the defect. If it cannot be tried (the adapter has no `list`, or there is no
   * second instance), calls `context.skip` with the reason and resolves.
   */
  run: (context?: SkipContext) => Promise<void>
}

/** The options of `storageConformance`. */
export interface ConformanceOptions {
  /** Milliseconds that one call to the adapter may take, 1 to 600000. Default: 10000. */
  timeout?: number
}
