import type { Installation, ListQuery } from '../../storage/contract.js'
import type { CheckedStorage } from './checked-storage.js'
import { check, fail } from './failure.js'
import { after, merchant, record } from './records.js'
import { checkSame, insert, listOf, replace, type Trial } from './trial.js'

const maxPages = 10_000

type BetweenPages = (seen: ReadonlyMap<string, Installation>) => Promise<void>

/** Reads a whole listing. Resolves with the last record seen of each merchant. */
async function walk (storage: CheckedStorage, query: Omit<ListQuery, 'cursor'>, betweenPages?: BetweenPages): Promise<Map<string, Installation>> {
  const list = listOf(storage)
  const seen = new Map<string, Installation>()
  let cursor: string | undefined
  for (let page = 0; page < maxPages; page++) {
    const { items, cursor: next } = await list(cursor === undefined ? query : { ...query, cursor })
    for (const item of items) seen.set(item.merchantId, item)
    if (next === undefined) return seen
    cursor = next
    await betweenPages?.(seen)
  }
  return fail(`list returned a cursor with each of ${maxPages} pages: the last page must have none.`)
}

async function insertMany (storage: CheckedStorage, count: number, fields: (index: number) => Partial<Installation> = () => ({})): Promise<Installation[]> {
  listOf(storage)
  const records = Array.from({ length: count }, (_, index) => record({ merchantId: merchant(1000 + index), ...fields(index) }))
  for (const one of records) await insert(storage, one)
  return records
}

function checkSeen (
  records: Installation[], seen: ReadonlyMap<string, Installation>, what: string, hint = 'Page by a key that does not change (the merchant id), not by an offset or a field that writes change.'
): void {
  const missed = records.filter(({ merchantId }) => !seen.has(merchantId)).length
  check(missed === 0, `${what}: list left out ${missed} of ${records.length} records that were there throughout. ${hint}`)
}

/** Changes every field by which an adapter may sort, so that a record not seen yet would move to a page that was already read. */
async function moveUnseen (storage: CheckedStorage, records: Installation[], seen: ReadonlyMap<string, Installation>, low: boolean): Promise<void> {
  for (const [index, one] of records.entries()) {
    if (seen.has(one.merchantId)) continue
    const digits = String(index).padStart(31, low ? '0' : 'f')
    const time = low ? 1 + index : 3_000_000_000 + index
    records[index] = await replace(storage, { ...one, revision: (low ? '0' : 'f') + digits, dueAt: time, updatedAt: time }, one)
  }
}

/** The behaviour of `list`. Skipped for an adapter without it. */
export const listCases: Trial[] = [
  {
    name: 'list of an empty store is empty',
    async attempt ({ storage }) {
      const seen = await walk(storage, { limit: 10 })
      check(seen.size === 0, `list of an empty store gave ${seen.size} records (makeStorage must return an empty store).`)
    }
  },
  {
    name: 'list returns every record unchanged, whatever the limit',
    async attempt ({ storage }) {
      const records = await insertMany(storage, 13, index => ({ dueAt: index % 3 === 0 ? null : index, accessToken: `token ${index}` }))
      for (const limit of [1, 5, 13, 100]) {
        const seen = await walk(storage, { limit })
        checkSeen(records, seen, `Records were listed with a limit of ${limit}`)
        check(seen.size === records.length, `list gave ${seen.size} merchants where ${records.length} are stored.`)
        for (const one of records) checkSame(one, seen.get(one.merchantId), 'list gave a record other than the one put')
      }
    }
  },
  {
    name: 'list misses no record while others are deleted',
    async attempt ({ storage }) {
      const records = await insertMany(storage, 20)
      const deleted = new Set<string>()
      const seen = await walk(storage, { limit: 4 }, async soFar => {
        for (const merchantId of [...soFar.keys()].filter(id => !deleted.has(id)).slice(0, 3)) {
          deleted.add(merchantId)
          await storage.delete(merchantId)
        }
      })
      checkSeen(records, seen, 'Records that had been listed were deleted between two pages')
    }
  },
  {
    name: 'list misses no record while others are inserted',
    async attempt ({ storage }) {
      const records = await insertMany(storage, 12)
      let inserted = 0
      const seen = await walk(storage, { limit: 4 }, async () => {
        if (inserted >= 6) return
        inserted += 2
        await insert(storage, record({ merchantId: merchant(inserted) }))
        await insert(storage, record({ merchantId: merchant(9000 + inserted) }))
      })
      checkSeen(records, seen, 'Records were inserted between two pages')
    }
  },
  {
    name: 'list misses no record while records change',
    async attempt ({ storage }) {
      for (const low of [true, false]) {
        const records = await insertMany(storage, 12)
        let moved = false
        const seen = await walk(storage, { limit: 4 }, async soFar => {
          if (!moved) await moveUnseen(storage, records, soFar, low)
          moved = true
        })
        checkSeen(records, seen, 'Records were changed between two pages')
        for (const { merchantId } of records) await storage.delete(merchantId)
      }
    }
  },
  {
    name: 'list with dueBefore returns at least the records that are due',
    async attempt ({ storage }) {
      const records = await insertMany(storage, 12, index => ({ dueAt: [null, 1_000.5, 2_000_000_000][index % 3] ?? null }))
      const due = records.filter(({ dueAt }) => dueAt !== null && dueAt < 1_500)
      checkSeen(due, await walk(storage, { limit: 3, dueBefore: 1_500 }), 'Records due before a time were listed')
      checkSeen(due, await walk(storage, { limit: 3, dueBefore: 1_000.5 }), 'Records due at exactly dueBefore were listed', 'Compare dueAt with <=, not with <.')
      const first = await insert(storage, record())
      const lease = after(first, { dueAt: 100, refreshLease: { by: 'a', until: 100 } })
      await replace(storage, lease, first)
      checkSeen([lease], await walk(storage, { limit: 3, dueBefore: 200 }), 'A record was replaced by one that is due earlier (is dueAt written by each put?)')
    }
  },
  {
    name: 'two listings at once do not affect each other',
    async attempt ({ storage }) {
      const records = await insertMany(storage, 12)
      const inner: Array<Map<string, Installation>> = []
      const outer = await walk(storage, { limit: 4 }, async () => {
        if (inner.length < 3) inner.push(await walk(storage, { limit: 5 }))
      })
      for (const seen of [outer, ...inner]) checkSeen(records, seen, 'Two listings went on at the same time')
    }
  }
]
