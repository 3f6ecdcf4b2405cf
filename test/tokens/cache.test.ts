import t from 'tap'
import { RecordCache } from '../../src/tokens/cache.js'
import { startServer, merchantId } from './one-server.js'

/*
 * How long a record in memory serves without a read of the store.
 */

/** A cache in a time of its own, and a record that was updated at second 0 of it. */
async function cached (t: Parameters<typeof startServer>[0], { minValidity = 60, refreshAhead = 0 } = {}) {
  const time = { now: 0 }
  const cache = new RecordCache({ max: 10, ttl: Infinity, minValidity, refreshAhead, monotonic: () => time.now * 1000, clock: { now: () => time.now } })
  const record = { ...await startServer(t).connect(), updatedAt: 0, accessTokenExpiration: 1800 }
  const isEasyAt = (second: number) => {
    time.now = second
    return cache.cachedToken(merchantId) !== undefined
  }
  return { cache, record, time, isEasyAt }
}

t.test('a cached token is handed out until only minValidity is left of it', async t => {
  const { cache, record, isEasyAt } = await cached(t)
  cache.set(record)
  t.same([0, 1739, 1740, 1800].map(isEasyAt), [true, true, false, false])
})

t.test('a cached token is handed out until half of its life is left, if that is less than minValidity', async t => {
  const { cache, record, isEasyAt } = await cached(t, { minValidity: 3600 })
  cache.set(record)
  t.same([0, 899, 900].map(isEasyAt), [true, true, false])
})

t.test('a cached token is handed out until its refresh ahead of time is due', async t => {
  const { cache, record, isEasyAt } = await cached(t, { refreshAhead: 0.2 })
  cache.set(record)
  t.same([0, 1439, 1440].map(isEasyAt), [true, true, false])
})

t.test('the share in which a cached token ages is one of its whole life, whenever that began', async t => {
  const { cache, record, isEasyAt } = await cached(t, { refreshAhead: 0.2 })
  cache.set({ ...record, updatedAt: 900 })
  t.same([900, 1619, 1620].map(isEasyAt), [true, true, false])
})

t.test('a cached token is handed out until its pair must be confirmed', async t => {
  const { cache, record, isEasyAt } = await cached(t)
  cache.set({ ...record, confirmAt: 900 })
  t.same([0, 899, 900].map(isEasyAt), [true, true, false])
})

t.test('a cached token without an expiration is always handed out, and one of a marked record never', async t => {
  const { cache, record, isEasyAt } = await cached(t)
  const endless = { ...record, accessTokenExpiration: null, refreshToken: null }
  cache.set(endless)
  t.ok(isEasyAt(1e9))
  cache.set({ ...endless, reauthorizationRequired: { since: 0, retryAt: 60 } })
  t.notOk(isEasyAt(0))
})

t.test('a record whose token has expired is removed from the cache', async t => {
  const { cache, record, time } = await cached(t)
  cache.set(record)
  time.now = 1799
  t.equal(cache.living(merchantId), record)
  time.now = 1800
  t.equal(cache.living(merchantId), undefined)
  t.equal(cache.recent(merchantId), undefined)
})
