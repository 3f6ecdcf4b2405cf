import { setImmediate as turn } from 'node:timers/promises'
import type { CloverStorage, Installation } from '../../src/storage/index.js'
import type { MakeStorage } from '../../src/testing/conformance/index.js'

export type Data = Map<string, Installation>
export type Fields = Installation & Record<string, unknown>

/** An adapter that is broken in one way, and what must be said about it. */
export interface Broken {
  how: string
  says: RegExp
  make: MakeStorage
  /** Milliseconds, for `storageConformance`. */
  timeout?: number
}

/** A right one over the data given, as the broken ones below are without what breaks them. */
export function rightStorage (data: Data = new Map()): Required<CloverStorage> {
  return {
    async get (merchantId) {
      await turn()
      return structuredClone(data.get(merchantId))
    },
    async put (next, expected) {
      const copy = structuredClone(next)
      await turn()
      if (data.get(next.merchantId)?.revision !== expected) return false
      data.set(next.merchantId, copy)
      return true
    },
    async delete (merchantId, expected) {
      await turn()
      return (expected === undefined || data.get(merchantId)?.revision === expected) && data.delete(merchantId)
    },
    async list ({ cursor = '', limit, dueBefore }) {
      await turn()
      const items = sorted(data, 'merchantId').filter(one => one.merchantId > cursor)
        .filter(({ dueAt }) => dueBefore === undefined || (dueAt !== null && dueAt <= dueBefore)).slice(0, limit)
      return items.length < limit ? { items } : { items, cursor: items.at(-1)?.merchantId ?? '' }
    }
  }
}

/** What is stored, in the order of a field. */
export function sorted (data: Data, by: 'merchantId' | 'revision' | 'dueAt'): Fields[] {
  return structuredClone([...data.values()] as Fields[]).sort((a, b) => (a[by] ?? 0) < (b[by] ?? 0) ? -1 : 1)
}

/** Two instances over the same data, both broken by what `breaks` puts in place of the right methods. */
export function broken (how: string, says: RegExp, breaks: (right: Required<CloverStorage>, data: Data) => Record<string, unknown>): Broken {
  return {
    how,
    says,
    make () {
      const data: Data = new Map()
      const instance = () => {
        const right = rightStorage(data)
        return { ...right, ...breaks(right, data) } as CloverStorage
      }
      return { storage: instance(), another: instance() }
    }
  }
}

/** Changes what is stored, not what is compared. */
export function storing (how: string, says: RegExp, change: (next: Fields, before: Installation | undefined) => unknown): Broken {
  return broken(how, says, (right, data) => ({
    put: (next: Installation, expected?: string) => right.put(change(structuredClone(next) as Fields, data.get(next.merchantId)) as Installation, expected)
  }))
}
