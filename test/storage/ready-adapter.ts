import type { Test } from 'tap'
import type { CloverStorage } from '../../src/storage/index.js'
import { durabilityOf } from '../../src/storage/durability.js'
import { merchant, record } from '../../src/testing/conformance/records.js'

/** Tests of the ready adapters' behaviour beyond the contract, on an empty store. */
export async function testReadyAdapter (t: Test, storage: Required<CloverStorage>): Promise<void> {
  t.equal(await storage.put(record(), ''), false, 'an empty expected revision is a revision, not the absence of one')
  await storage.put(record({ dueAt: 5, odd: '\u0000 and \ud800 alone' }), undefined)
  t.match(await storage.get(merchant(1)), { odd: '\u0000 and \ud800 alone' }, 'also strings that a JSONB column refuses')
  t.equal(await storage.delete(merchant(1), ''), false, 'in delete too')

  await storage.put(record({ merchantId: merchant(2), dueAt: 5.5 }), undefined)
  await storage.put(record({ merchantId: merchant(3), dueAt: null }), undefined)
  const due = async (dueBefore: number) => {
    const merchants: string[] = []
    let page = await storage.list({ limit: 2, dueBefore })
    merchants.push(...page.items.map(({ merchantId }) => merchantId))
    while (page.cursor !== undefined) {
      page = await storage.list({ limit: 2, dueBefore, cursor: page.cursor })
      merchants.push(...page.items.map(({ merchantId }) => merchantId))
    }
    return merchants.sort()
  }
  t.same(await due(4.9), [], 'a listing of what is due reads nothing else')
  t.same(await due(5), [merchant(1)], 'a record due at that very second is in it')
  t.same(await due(1e21), [merchant(1), merchant(2)])

  const report = await durabilityOf(storage)?.()
  t.type(report?.store, 'string')
  const settings = report?.servers.flatMap(server => Object.entries(server).flat()) ?? []
  t.equal(settings.length > 0, report?.store !== 'DynamoDB', 'it tells the settings on which its durability depends')
  for (const word of settings) t.match(word, /^[\w -]+$/)
}
