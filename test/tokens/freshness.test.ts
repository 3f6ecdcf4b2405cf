import fc from 'fast-check'
import t from 'tap'
import { isAgeing, isFresh, isToBeConfirmed, usableUntil } from '../../src/tokens/freshness.js'

t.test('a token without an end stays fresh and never ages', async t => {
  const v1 = { accessTokenExpiration: null, updatedAt: 1_000 }
  t.ok(isFresh(v1, 4_000_000_000, 86_400))
  t.notOk(isAgeing(v1, 4_000_000_000, 0.99))
  t.equal(usableUntil(v1, 60, 0.2), Infinity)
})

t.test('the one time that the cache compares with says the same as the checks of a record that was just read', async t => {
  const seconds = fc.integer({ min: 0, max: 4_000 })
  fc.assert(fc.property(seconds, seconds, fc.option(seconds), fc.integer({ min: 0, max: 3_000 }), fc.constantFrom(0, 0.2, 0.5, 0.9), (updatedAt, life, confirmAfter, minValidity, refreshAhead) => {
    const confirmAt = confirmAfter === null ? undefined : updatedAt + Math.min(confirmAfter, 900)
    const record = { accessTokenExpiration: updatedAt + life, updatedAt, ...(confirmAt !== undefined && { confirmAt }) }
    const end = usableUntil(record, minValidity, refreshAhead)
    for (const now of [end - 1, end - 0.001, end + 0.001, end + 1]) {
      const isUsable = isFresh(record, now, minValidity) && !isAgeing(record, now, refreshAhead) && !isToBeConfirmed(record, now)
      if (isUsable !== (now < end)) throw new Error(`at ${now}, ${end}: ${isUsable}`)
    }
  }), { seed: 1, numRuns: 2_000 })
  t.equal(usableUntil({ accessTokenExpiration: 2_000, updatedAt: 1_000, reauthorizationRequired: { since: 1, retryAt: 2 } }, 60, 0.2), 0, 'a marked record is looked at each time')
  t.pass('2,000 records')
})

t.test('a token ages from the moment at which less than its share of life is left', async t => {
  const times = { accessTokenExpiration: 2_000, updatedAt: 1_000 }
  t.equal(isAgeing(times, 1_800, 0.2), false)
  t.equal(isAgeing(times, 1_800.5, 0.2), true)
  t.equal(isAgeing({ ...times, accessTokenExpiration: null }, 1_800_000, 0.9), false, 'a token without an end does not')
  t.equal(isAgeing(times, 2_500, 0), false, 'nor one that is not to be refreshed ahead')
})
