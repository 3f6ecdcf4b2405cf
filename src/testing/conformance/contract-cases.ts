import { check } from './failure.js'
import { after, merchant, newRevision, record } from './records.js'
import { checkNothing, checkStored, insert, replace, type Trial } from './trial.js'

const upper = '0123456789ABCDEF0123456789ABCDEF'

/** The behaviour of each method without concurrent calls. */
export const contractCases: Trial[] = [
  {
    name: 'get resolves undefined or null for a merchant that is not stored',
    async attempt ({ storage }) {
      await checkNothing(storage, merchant(1), 'Nothing has been put (makeStorage must return an empty store)')
    }
  },
  {
    name: 'put without an expected revision stores a first record, and get gives it back',
    async attempt ({ storage }) {
      const first = await insert(storage, record())
      await checkStored(storage, first, 'A first record was put')
    }
  },
  {
    name: 'put without an expected revision does not change a stored record',
    async attempt ({ storage }) {
      const first = await insert(storage, record())
      const stored = await storage.put(record({ accessToken: 'other' }), undefined)
      await checkStored(storage, first, 'put(next, undefined) overwrote a stored record, and must only store where nothing is stored')
      check(!stored, 'put(next, undefined) resolved true although a record is stored: it must resolve false.')
    }
  },
  {
    name: 'put with the stored revision replaces the record',
    async attempt ({ storage }) {
      const first = await insert(storage, record())
      const second = await replace(storage, after(first, { accessToken: 'access-token-2', dueAt: 5 }), first)
      await checkStored(storage, second, 'A record was replaced')
      const third = await replace(storage, after(second, { accessToken: 'access-token-3' }), second)
      await checkStored(storage, third, 'A record was replaced a second time')
    }
  },
  {
    name: 'put with an old revision does not change the record',
    async attempt ({ storage }) {
      const first = await insert(storage, record())
      const second = await replace(storage, after(first), first)
      const stored = await storage.put(after(first, { accessToken: 'stale' }), first.revision)
      await checkStored(storage, second, 'put ignored its expected revision and overwrote a newer record')
      check(!stored, 'put resolved true although another revision is stored: it must resolve false.')
    }
  },
  {
    name: 'put with an expected revision stores nothing if there is no record',
    async attempt ({ storage }) {
      const stored = await storage.put(record(), newRevision())
      await checkNothing(storage, merchant(1), 'put with an expected revision created a record (an upsert): a disconnected merchant would come back')
      check(!stored, 'put with an expected revision resolved true although nothing is stored: it must resolve false.')
    }
  },
  {
    name: 'revisions are compared byte by byte',
    async attempt ({ storage }) {
      const pairs = [[upper, upper.toLowerCase()], ['0'.repeat(27) + '10000', '0'.repeat(29) + '1e4']] as const
      for (const [index, [revision, similar]] of pairs.entries()) {
        const first = await insert(storage, record({ merchantId: merchant(index), revision }))
        const why = `revision ${similar} was taken for ${revision}: compare them as bytes (a binary collation), not ignoring case and not as numbers`
        const stored = await storage.put(after(first, { accessToken: 'other' }), similar)
        const deleted = await storage.delete(first.merchantId, similar)
        check(!stored && !deleted, `${stored ? 'put' : 'delete'} resolved true: ${why}.`)
        await checkStored(storage, first, `The record changed: ${why}`)
      }
    }
  },
  {
    name: 'delete without a revision deletes the record, and resolves with whether there was one',
    async attempt ({ storage }) {
      check(!await storage.delete(merchant(1)), 'delete resolved true although nothing is stored: it must resolve false.')
      const first = await insert(storage, record())
      check(await storage.delete(first.merchantId), 'delete without a revision resolved false although a record was stored: it must delete it and resolve true.')
      await checkNothing(storage, first.merchantId, 'delete resolved true and the record is still there')
    }
  },
  {
    name: 'delete with a revision deletes only that revision',
    async attempt ({ storage }) {
      check(!await storage.delete(merchant(1), newRevision()), 'delete with a revision resolved true although nothing is stored: it must resolve false.')
      const first = await insert(storage, record())
      const second = await replace(storage, after(first), first)
      const deleted = await storage.delete(second.merchantId, first.revision)
      await checkStored(storage, second, 'delete ignored its expected revision and deleted a newer record')
      check(!deleted, 'delete resolved true although another revision is stored: it must resolve false.')
      check(await storage.delete(second.merchantId, second.revision), 'delete with the stored revision resolved false: it must delete the record and resolve true.')
      await checkNothing(storage, second.merchantId, 'delete with the stored revision resolved true and the record is still there')
    }
  },
  {
    name: 'writes for a deleted record do not affect the next record of the merchant',
    async attempt ({ storage }) {
      const first = await insert(storage, record({ accessToken: 'old', spentRefreshToken: 'old' }))
      await storage.delete(first.merchantId)
      const late = await storage.put(after(first), first.revision)
      await checkNothing(storage, first.merchantId, 'put with the revision of a deleted record brought the merchant back')
      check(!late, 'put with the revision of a deleted record resolved true: it must resolve false.')
      const again = await insert(storage, record())
      await checkStored(storage, again, 'A record was inserted again after a delete')
      check(!await storage.put(after(first), first.revision), 'put with the revision of the record before the delete resolved true: it must resolve false.')
      check(!await storage.delete(first.merchantId, first.revision), 'delete with the revision of the record before the delete resolved true: it must resolve false.')
      await checkStored(storage, again, 'A late write for a deleted record changed the next record')
    }
  },
  {
    name: 'writes for one merchant do not affect another',
    async attempt ({ storage }) {
      const [first, second, ...others] = [
        record({ merchantId: '0000000000001' }),
        record({ merchantId: '0000000000010' }),
        ...['00000000001E1', 'NULL000000000', 'AAAAAAAAAAAAA', 'AAAAAAAAAAAAB', 'ZZZZZZZZZZZZZ'].map(merchantId => record({ merchantId }))
      ] as const
      for (const one of [first, second, ...others]) await insert(storage, one)
      const changed = await replace(storage, after(first), first)
      await storage.delete(second.merchantId)
      for (const one of [changed, ...others]) await checkStored(storage, one, 'The record of another merchant was changed or deleted')
      await checkNothing(storage, second.merchantId, 'A merchant was deleted')
    }
  },
  {
    name: 'a write of one server is visible to another at once',
    async attempt ({ storage, another }) {
      const other = another()
      await checkNothing(other, merchant(1), 'Nothing has been put')
      const first = await insert(storage, record())
      await checkStored(other, first, 'The second instance does not see what the first has put (a cache in the adapter, or a replica?)')
      const second = await replace(other, after(first), first)
      await checkStored(storage, second, 'The first instance does not see what the second has put (a cache in the adapter, or a replica?)')
      await other.delete(second.merchantId)
      await checkNothing(storage, second.merchantId, 'The first instance still sees what the second has deleted (a cache in the adapter, or a replica?)')
    }
  }
]
