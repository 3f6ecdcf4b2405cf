import { longToken, merchantOf, recordOf, startHost } from '../harness/host.mjs'
import { rateText, ratioText, verdict } from '../harness/report.mjs'
import { makeStore, storeKinds } from '../harness/stores.mjs'
import { concurrent, interleave, processorRatio, ratio, repeated, spread } from '../harness/windows.mjs'

const sqliteClient = process.getBuiltinModule('node:sqlite') ? 'node:sqlite' : '@photostructure/sqlite'
const names = { memory: 'memory', sqlite: `SQLite (${sqliteClient}, a file in WAL mode)`, postgres: 'PostgreSQL (pg, a pool of 10)', redis: 'Redis (ioredis)' }
const merchants = Array.from({ length: 200 }, (_, n) => merchantOf(n))
const environment = { name: 'provider', authorize: 'http://localhost:1', api: 'http://localhost:1', legacy: 'http://localhost:1' }

/** `accessToken()` without a cache against a reading of the same record with the same client. */
export async function run ({ rounds, window }) {
  const rows = []
  const targets = []
  for (const kind of storeKinds) {
    const store = await makeStore(kind)
    if (store === undefined) {
      targets.push({ target: `${names[kind]}: 0.9 or better`, value: 'no server' })
      continue
    }
    try {
      for (const [n, merchantId] of merchants.entries()) {
        await store.storage.put(recordOf({ merchantId, accessToken: longToken(n), refreshToken: longToken(n + 1e6), left: 86_400 }), undefined)
      }
      const app = await startHost({ environment, storage: store.storage, cache: false })
      await app.ready()
      const calls = {
        bare: async n => (await store.bare(merchants[n % merchants.length])).accessToken,
        adapter: async n => (await store.storage.get(merchants[n % merchants.length])).accessToken,
        token: n => app.clover.accessToken(merchants[n % merchants.length])
      }
      const ways = kind === 'postgres' || kind === 'redis' ? { 'one by one': repeated, '16 at once': call => concurrent(call, 16) } : { 'one by one': repeated }
      for (const [way, make] of Object.entries(ways)) {
        const subjects = Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, make(call)]))
        const rates = await interleave(subjects, { rounds, window })
        const measured = ratio(rates, 'token', 'bare')
        rows.push([`${names[kind]}, ${way}`, ...['bare', 'adapter', 'token'].map(name => rateText(spread(rates[name]))), ratioText(ratio(rates, 'adapter', 'bare')), ratioText(measured), ratioText(processorRatio(subjects.token, subjects.bare))])
        targets.push({ target: `${names[kind]}, ${way}: 0.9 or better`, value: ratioText(measured), ...verdict(measured, 0.9) })
      }
      await app.close()
    } finally {
      await store.close()
    }
  }
  return {
    title: 'A token with the cache off',
    setup: ['The bare reading is written by hand with the same client: for memory the adapter itself, for SQLite a statement that is prepared once, for PostgreSQL `pool.query`, for Redis `HGET`; then `JSON.parse`, since a record is needed. 200 merchants in turn; tokens of 350 characters. Beyond that reading, `accessToken()` checks the form of the record and to whom it belongs, sets a limit to the time, and looks at the ages. "By processor time" is that of this process, for which the waiting for a database does not count.'],
    tables: [{ columns: ['Store', 'Bare, a second', 'Adapter\'s `get`', '`accessToken()`', 'Adapter over bare', '`accessToken()` over bare', 'The same by processor time'], rows }],
    targets,
    unfair: ['The databases are on the same machine, so that a round trip costs a few dozen microseconds; over a network all ratios go to 1.', 'The bare reading does not look at whether the connection is in a transaction, nor at who wrote the record.'],
    tried
  }
}

const tried = [
  'The adapters for SQL read the revision and the time of the next check with each record: 46.3 against 44.0 µs of processor time for a reading from PostgreSQL, 16 at once. Now they read them where the document is damaged.',
  'The script for Redis returned these as well: 0.75 of the bare reading, 16 at once, against 0.89 of one that returns only the document.',
  'An asynchronous function less on the way of a reading, and another in `accessToken()`: 1.50 against 1.83 µs over a reading from memory.',
  'The limit for SQLite and memory: of those 1.5 µs, the check of the record takes 0.7 (a third of that are the characters of the access token, one by one), the time limit 0.3, the sharing of one reading by several callers 0.2, and the ages 0.3. A bare reading from SQLite takes 5.8, so that 0.9 would leave 0.6 for all of it. The checks stay: a record may have been changed by hand.'
]
