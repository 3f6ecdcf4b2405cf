import type { Installation } from '../../storage/contract.js'
import type { CheckedStorage } from './checked-storage.js'
import { difference } from './difference.js'
import { check } from './failure.js'
import { after, record } from './records.js'
import { checkStored, insert, replace, type Trial } from './trial.js'

/** No U+0000 and no lone surrogates: PostgreSQL's jsonb refuses them, and the plugin writes none. */
const oddStrings = [
  '', ' leading and trailing ', 'it\'s "quoted" `so`', '\\ \\n \\u0000 %s $1 ?1 :name {{}} ${}', 'line\nbreak\r\ttab', '\u0001 and \u001f',
  'žluťoučký 日本語 العربية', '👩‍👩‍👧 \u{1F600}', '\u2028\u2029\ufeff', 'null', 'undefined', 'true', '1e3', '0x10', '[object Object]'
]

const oddFields = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"toString":"x","hasOwnProperty":null,"a b":1,"quo\\"te":2,"ünïcode":3}') as Record<string, unknown>

async function checkKept (storage: CheckedStorage, next: Installation, what: string): Promise<void> {
  const first = await insert(storage, next)
  await checkStored(storage, first, what)
  const second = await replace(storage, after(first), first)
  await checkStored(storage, second, `${what}, and put again`)
}

/** A record comes back unchanged. */
export const documentCases: Trial[] = [
  {
    name: 'changing a record that get returned does not change the store',
    async attempt ({ storage }) {
      const first = await insert(storage, record({ refreshLease: { by: 'a', until: 1 } }))
      const got = await storage.get(first.merchantId)
      check(got?.refreshLease !== undefined, 'A record with a lease was put: get does not give its lease.')
      got.refreshLease.by = 'changed by the caller'
      got.accessToken = 'changed by the caller'
      await checkStored(storage, first, 'get returned a live reference: a change of the returned object changed the store (copy it)')
    }
  },
  {
    name: 'changing a record after put does not change the store',
    async attempt ({ storage }) {
      const refreshLease = { by: 'a', until: 1 }
      const first = record({ refreshLease })
      const before = structuredClone(first)
      await insert(storage, first)
      refreshLease.by = 'changed by the caller'
      first.accessToken = 'changed by the caller'
      await checkStored(storage, before, 'put keeps a reference: a change of its argument changed the store (copy it)')
    }
  },
  {
    name: 'put does not change its argument',
    async attempt ({ storage }) {
      const first = record({ more: { nested: [1] } })
      const second = after(first)
      const before = structuredClone([first, second] as const)
      await insert(storage, first)
      await replace(storage, second, first)
      const found = difference(before[0], first) ?? difference(before[1], second)
      check(found === undefined, `put changed its argument: ${found} (copy it first).`)
    }
  },
  {
    name: 'fields that the adapter does not know are kept',
    async attempt ({ storage }) {
      await checkKept(storage, record({
        futureObject: { key: 'abc', fetchedAt: 1.5 }, futureText: 'x', futureFlag: false, futureList: [1, 'two', null, [], {}], futureNothing: null
      }), 'A record with fields of a later version was put')
    }
  },
  {
    name: 'null stays null, and an absent field stays absent',
    async attempt ({ storage }) {
      await checkKept(storage, record({
        accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null, dueAt: null, futureNothing: { inner: null }
      }), 'A record with nulls and without its optional fields was put')
    }
  },
  {
    name: 'put replaces the whole record',
    async attempt ({ storage }) {
      const first = await insert(storage, record({ spentRefreshToken: 'x', recovered: true, refreshLease: { by: 'a', until: 2 }, future: { a: 1, b: 2 } }))
      const second = await replace(storage, record({ refreshLease: { by: 'b', until: 3 }, future: { a: 2 } }), first)
      await checkStored(storage, second, 'A record was replaced by one with fewer fields (put must not merge the two)')
    }
  },
  {
    name: 'odd strings, field names and numbers are kept exactly',
    async attempt ({ storage }) {
      const next = record({
        appId: oddStrings.join('|'),
        connectionId: '\u0001',
        accessTokenExpiration: 1_900_000_000.25,
        dueAt: 1_930_000_000.5,
        oddStrings,
        oddFields,
        numbers: [0, -1, 0.1, 1e-7, 1.7976931348623157e308, 5e-324, Number.MAX_SAFE_INTEGER, -123456789.125],
        deep: [[[[[[[[{ deep: [] }]]]]]]]]
      })
      await checkKept(storage, next, 'A record with odd values was put')
    }
  },
  {
    name: 'long tokens and a record of a megabyte are kept',
    async attempt ({ storage }) {
      const token = 'header.payload-'.repeat(7000)
      await checkKept(storage, record({ accessToken: `A${token}`, refreshToken: `R${token}`, spentRefreshToken: `S${token}` }),
        'A record with tokens of 100 kB was put (is a column too short?)')
      const large = await insert(storage, record({ merchantId: 'MEGABYTE00000', future: 'é'.repeat(500_000) }))
      await checkStored(storage, large, 'A record of 1 MB was put (is a column too short?)')
    }
  }
]
