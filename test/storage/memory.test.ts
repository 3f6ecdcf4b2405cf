import t from 'tap'
import { memoryStorage } from '../../src/storage/index.js'
import { merchant, record } from '../../src/testing/conformance/records.js'
import { conforms } from './conforms.js'
import { testReadyAdapter } from './ready-adapter.js'

t.test('memoryStorage conforms', async t => {
  await conforms(t, () => {
    const storage = memoryStorage()
    return { storage, another: storage }
  })
})

t.test('two memory storages are two stores', async t => {
  const one = memoryStorage()
  await one.put(record(), undefined)
  t.equal(await memoryStorage().get(record().merchantId), undefined)
})

t.test('pages follow each other whatever the order in which records were put', async t => {
  const storage = memoryStorage()
  const records = [5, 3, 9, 1, 7].map(number => record({ merchantId: merchant(number) }))
  for (const one of records) await storage.put(one, undefined)
  const first = await storage.list({ limit: 3 })
  t.same(first.items.map(({ merchantId }) => merchantId), [1, 3, 5].map(merchant))
  const second = await storage.list({ limit: 3, cursor: first.cursor ?? '' })
  t.same(second.items.map(({ merchantId }) => merchantId), [7, 9].map(merchant))
  t.equal(second.cursor, undefined)
})

t.test('memoryStorage does what ready adapters do', async t => await testReadyAdapter(t, memoryStorage()))
