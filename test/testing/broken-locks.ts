import type { CloverStorage, Installation } from '../../src/storage/index.js'
import type { MakeStorage } from '../../src/testing/conformance/index.js'
import { rightStorage, type Broken, type Data } from './broken.js'

/** Whether another connection locks the data, and the end of the lock. */
interface Lock {
  isHeld: boolean
  ended: Promise<void>
}

const isBusy = () => new Error('database is locked')

/** A right one: a write rejects while the data is locked. */
function lockable (data: Data, lock: Lock): Required<CloverStorage> {
  const right = rightStorage(data)
  return {
    ...right,
    async put (next, expected) {
      if (lock.isHeld) throw isBusy()
      return await right.put(next, expected)
    },
    async delete (merchantId, expected) {
      if (lock.isHeld) throw isBusy()
      return await right.delete(merchantId, expected)
    }
  }
}

/** Two instances over the same data and a lock, with what `change` puts in place of the right methods. */
export function withLock (change: (right: Required<CloverStorage>, data: Data, lock: Lock) => Record<string, unknown>): MakeStorage {
  return () => {
    const data: Data = new Map()
    const lock: Lock = { isHeld: false, ended: Promise.resolve() }
    const instance = () => {
      const right = lockable(data, lock)
      return { ...right, ...change(right, data, lock) } as CloverStorage
    }
    return {
      storage: instance(),
      another: instance(),
      lock () {
        let unlock = () => {}
        lock.isHeld = true
        lock.ended = new Promise(resolve => { unlock = resolve })
        return () => {
          lock.isHeld = false
          unlock()
        }
      }
    }
  }
}

const broken = (how: string, says: RegExp, change: Parameters<typeof withLock>[0], timeout?: number): Broken =>
  ({ how, says, make: withLock(change), ...(timeout !== undefined && { timeout }) })

/** What SQLite's drivers are expected to do: wait, and then write what still fits. */
export const waiting = withLock((_, data, lock) => ({
  async put (next: Installation, expected?: string) {
    await lock.ended
    return await rightStorage(data).put(next, expected)
  }
}))

/** The write is stored and its answer is lost: allowed, since the plugin then reads what is stored. */
export const unknownOutcomes = withLock((_, data, lock) => ({
  async put (next: Installation, expected?: string) {
    const isHeld = lock.isHeld
    const stored = await rightStorage(data).put(next, expected)
    if (isHeld) throw isBusy()
    return stored
  }
}))

/** Adapters that are wrong while another connection locks the data, or afterwards. */
export const brokenLocks: Broken[] = [
  broken('after a lock, what is confirmed is seen by this connection and never committed', /After another connection had locked the data, put resolved true, and another connection sees nothing of it/, right => {
    const own: Data = new Map()
    let isBroken = false
    return {
      get: async (merchantId: string) => own.get(merchantId) ?? await right.get(merchantId),
      async put (next: Installation, expected?: string) {
        if (!isBroken) {
          return await right.put(next, expected).catch(error => {
            isBroken = true
            throw error
          })
        }
        own.set(next.merchantId, next)
        return true
      }
    }
  }),
  broken('a locked put says true', /While another connection locked the data, put resolved true, and another connection sees nothing of it/, right => ({
    put: (next: Installation, expected?: string) => right.put(next, expected).catch(() => true)
  })),
  broken('a locked put says false', /put resolved false although its expected revision is stored: it must wait for the lock, or reject/, right => ({
    put: (next: Installation, expected?: string) => right.put(next, expected).catch(() => false)
  })),
  broken('a locked put rejects, and stores half of the record', /put rejected, and left something else than the record before or the next/, (right, data) => ({
    put: (next: Installation, expected?: string) => right.put(next, expected).catch(error => {
      const stored = data.get(next.merchantId)
      if (stored !== undefined) data.set(next.merchantId, { ...stored, revision: next.revision })
      throw error
    })
  })),
  broken('nothing works any more after a lock', /put rejected 3 times in a row: it must work again when the lock has ended/, right => {
    let error: unknown
    return {
      async put (next: Installation, expected?: string) {
        if (error !== undefined) throw error
        return await right.put(next, expected).catch((reason: unknown) => {
          error = reason
          throw reason
        })
      }
    }
  }),
  broken('a locked put never answers', /put did not settle within 300 milliseconds/, right => ({
    put: (next: Installation, expected?: string) => right.put(next, expected).catch(() => new Promise(() => {}))
  }), 300),
  broken('a locked put resolves nothing', /put resolved undefined/, right => ({
    put: (next: Installation, expected?: string) => right.put(next, expected).catch(() => {})
  })),
  broken('a locked delete says true', /delete resolved true, and the record is still there/, right => ({
    delete: (merchantId: string, expected?: string) => right.delete(merchantId, expected).catch(() => true)
  })),
  broken('a locked delete says false', /delete resolved false although its expected revision is stored/, right => ({
    delete: (merchantId: string, expected?: string) => right.delete(merchantId, expected).catch(() => false)
  })),
  broken('what waited for a lock is written without another look at the revision', /put confirmed \d+ increments and rejected 0, and the record says \d+.*updates were lost/, (right, data, lock) => ({
    async put (next: Installation, expected?: string) {
      if (!lock.isHeld) return await right.put(next, expected)
      const isNext = data.get(next.merchantId)?.revision === expected
      await lock.ended
      if (isNext) data.set(next.merchantId, structuredClone(next))
      return isNext
    }
  })),
  broken('a lock takes the record away for a moment', /A record vanished for a moment while writers replaced it and another connection locked the data/, (right, _, lock) => ({
    get: async (merchantId: string) => lock.isHeld ? undefined : await right.get(merchantId)
  })),
  broken('after a lock only the first writes work', /stored it \d+ times, although the data was locked only for short times/, (right, _, lock) => {
    let hasBeenLocked = false
    return {
      async put (next: Installation, expected?: string) {
        hasBeenLocked ||= lock.isHeld
        if (hasBeenLocked && next.updatedAt > 2 && next.updatedAt < 1_000) throw isBusy()
        return await right.put(next, expected)
      }
    }
  })
]
