import type { CloverStorage } from './contract.js'

/** @internal The durability of a store, as its database itself tells it. */
export interface DurabilityReport {
  /** The database's name, such as `PostgreSQL`. */
  store: string
  /** The settings of each server that was asked, in the database's own words. Empty: it cannot be asked. */
  servers: Array<Record<string, string>>
}

/**
 * @internal The method of a ready adapter that asks its database for the settings on which durability depends. It is no part of the contract: an adapter
 * without it works, and a wrapper that does not pass it on loses nothing else.
 */
export const kDurability = Symbol('fastify-clover.durability')

/** @internal Adds the method to an adapter. It is not enumerable: a copy such as `{ ...adapter, put }` may write elsewhere, and must not report this store. */
export function withDurability<T extends CloverStorage> (storage: T, ask: () => Promise<DurabilityReport>): T {
  return Object.defineProperty(storage, kDurability, { value: ask })
}

/** @internal The method of an adapter; undefined if it has none. */
export function durabilityOf (storage: CloverStorage): (() => Promise<DurabilityReport>) | undefined {
  return (storage as { [kDurability]?: () => Promise<DurabilityReport> })[kDurability]
}
