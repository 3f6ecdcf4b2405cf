import { setImmediate as turn } from 'node:timers/promises'
import type { Installation } from '../../src/storage/index.js'
import { broken, type Broken, type Data } from './broken.js'

/** Runs what it is given one after the other. */
function lock (): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const result = last.then(work, work)
    last = result
    return result
  }
}

async function checkThenWrite (data: Data, next: Installation, expected: string | undefined): Promise<boolean> {
  const found = data.get(next.merchantId)?.revision
  await turn()
  if (found !== expected) return false
  data.set(next.merchantId, structuredClone(next))
  return true
}

/** Adapters whose put or delete is wrong. */
export const brokenWrites: Broken[] = [
  broken('check, then write', /put.* at once [2-8] resolved true.*not one atomic step/, (_, data) => ({
    put: (next: Installation, expected?: string) => checkThenWrite(data, next, expected)
  })),
  broken('atomic in one process only', /updates were lost, since the check and the write are not one atomic step/, (_, data) => {
    const locked = lock()
    return { put: (next: Installation, expected?: string) => locked(() => checkThenWrite(data, next, expected)) }
  }),
  broken('put overwrites whatever is stored', /put ignored its expected revision and overwrote a newer record/, (_, data) => ({
    put: async (next: Installation) => { data.set(next.merchantId, structuredClone(next)); return true }
  })),
  broken('put overwrites and says false', /overwrote a stored record/, (right, data) => ({
    async put (next: Installation, expected?: string) {
      const stored = await right.put(next, expected)
      data.set(next.merchantId, structuredClone(next))
      return stored
    }
  })),
  broken('put without an expected revision is an upsert', /put\(next, undefined\) overwrote a stored record/, (right, data) => ({
    put: (next: Installation, expected?: string) => right.put(next, expected ?? data.get(next.merchantId)?.revision)
  })),
  broken('put says true to all', /put resolved true although another revision is stored/, right => ({
    put: async (next: Installation, expected?: string) => { await right.put(next, expected); return true }
  })),
  broken('put says false to all', /resolved false although nothing is stored/, right => ({
    put: async (next: Installation, expected?: string) => { await right.put(next, expected); return false }
  })),
  broken('put updates nothing', /put with the stored revision resolved false/, right => ({
    put: async (next: Installation, expected?: string) => expected === undefined && await right.put(next, expected)
  })),
  broken('put resolves nothing', /put resolved undefined: it must resolve true if it stored/, right => ({
    put: async (next: Installation, expected?: string) => { await right.put(next, expected) }
  })),
  broken('put resolves what the driver gave', /put resolved an object/, right => ({
    put: async (next: Installation, expected?: string) => ({ changes: Number(await right.put(next, expected)) })
  })),
  broken('put lets a unique-key violation through', /put rejected with "duplicate key".*resolve false where .* a race is lost/, (right, data) => ({
    async put (next: Installation, expected?: string) {
      await turn()
      if (expected === undefined && data.has(next.merchantId)) throw new Error('duplicate key')
      return await right.put(next, expected)
    }
  })),
  broken('put with a revision makes a record where none is', /created a record \(an upsert\)/, (right, data) => ({
    put: (next: Installation, expected?: string) => right.put(next, data.has(next.merchantId) ? expected : undefined)
  })),
  broken('put only knows whether something is stored', /brought the merchant back|changed the one that was made after it|overwrote a newer record/, (right, data) => ({
    put: (next: Installation, expected?: string) => right.put(next, expected === undefined ? undefined : data.get(next.merchantId)?.revision)
  })),
  broken('of eight at once none wins', /at once none resolved true/, right => {
    const busy = new Set<string>()
    return {
      async put (next: Installation, expected?: string) {
        if (busy.has(next.merchantId)) {
          busy.add(`${next.merchantId} spoilt`)
          return false
        }
        busy.add(next.merchantId)
        await turn()
        const stored = !busy.delete(`${next.merchantId} spoilt`) && await right.put(next, expected)
        busy.delete(next.merchantId)
        return stored
      }
    }
  }),
  broken('writers that meet keep each other out for good', /some put must win/, right => ({
    put: async (next: Installation, expected?: string) => next.updatedAt !== 1 && await right.put(next, expected)
  })),
  broken('a reader meets a gap between two writes', /vanished for a moment/, (_, data) => ({
    async put (next: Installation, expected?: string) {
      if (data.get(next.merchantId)?.revision !== expected) return false
      data.delete(next.merchantId)
      await turn()
      data.set(next.merchantId, structuredClone(next))
      return true
    }
  })),
  broken('revisions ignoring case', /ABCDEF.*compare them as bytes/, (right, data) => ({
    async put (next: Installation, expected?: string) {
      const stored = data.get(next.merchantId)?.revision
      return await right.put(next, expected?.toLowerCase() === stored?.toLowerCase() ? stored : expected)
    }
  })),
  broken('revisions ignoring case in delete', /^delete resolved true: revision .*compare them as bytes/, (right, data) => ({
    async delete (merchantId: string, expected?: string) {
      const stored = data.get(merchantId)?.revision
      return await right.delete(merchantId, expected !== undefined && expected.toLowerCase() === stored?.toLowerCase() ? stored : expected)
    }
  })),
  broken('revisions compared as numbers', /1e4 was taken for .*compare them as bytes/, (right, data) => ({
    async put (next: Installation, expected?: string) {
      const stored = data.get(next.merchantId)?.revision
      return await right.put(next, Number(expected) === Number(stored) ? stored : expected)
    }
  })),
  broken('delete ignores its revision', /delete ignored its expected revision and deleted a newer record/, right => ({
    delete: (merchantId: string) => right.delete(merchantId)
  })),
  broken('delete says true to all', /delete resolved true although nothing is stored/, right => ({
    delete: async (merchantId: string, expected?: string) => { await right.delete(merchantId, expected); return true }
  })),
  broken('delete resolves nothing', /delete resolved undefined/, right => ({
    delete: async (merchantId: string, expected?: string) => { await right.delete(merchantId, expected) }
  })),
  broken('delete rejects where nothing is', /delete rejected with "not found".*must resolve false/, (right, data) => ({
    async delete (merchantId: string, expected?: string) {
      if (!data.has(merchantId)) throw new Error('not found')
      return await right.delete(merchantId, expected)
    }
  })),
  broken('delete forgets nothing', /delete resolved true and the record is still there/, (_, data) => ({
    delete: async (merchantId: string, expected?: string) => data.has(merchantId) && (expected === undefined || data.get(merchantId)?.revision === expected)
  })),
  broken('delete without a revision needs one', /delete without a revision resolved false although a record was stored/, (right) => ({
    delete: (merchantId: string, expected?: string) => right.delete(merchantId, expected ?? 'none')
  })),
  broken('delete checks, then deletes', /Of 8 deletes of one record at once [2-8] resolved true|A put and a delete with the same revision at once resolved true and true/, (_, data) => ({
    async delete (merchantId: string, expected?: string) {
      const found = data.get(merchantId)
      await turn()
      if (found === undefined || (expected !== undefined && found.revision !== expected)) return false
      data.delete(merchantId)
      return true
    }
  })),
  broken('a put in progress brings a deleted merchant back', /the put brought it back|which brought the record back|resolved true and true/, (_, data) => ({
    async put (next: Installation, expected?: string) {
      if (data.get(next.merchantId)?.revision !== expected) return false
      data.set(next.merchantId, structuredClone(next))
      await turn()
      await turn()
      data.set(next.merchantId, structuredClone(next))
      return true
    }
  }))
]
