import t from 'tap'
import { isDue } from '../../src/jobs/due.js'
import { isAhead, isRefusedFor, isToBeConfirmed, limits } from '../../src/tokens/freshness.js'
import type { Installation } from '../../src/installation.js'
import { day, jobsOf } from '../jobs/server-jobs.js'
import { startServer, leap, merchantId, patiently, quiet, refused } from './one-server.js'

/*
 * Times that a wrong clock wrote (rule 23): one that lies further ahead than a rule can write counts as past.
 */

const year = 365 * day
const now = () => Date.now() / 1000
/** Five minutes, by which a clock may have been corrected since. */
const tolerance = 300

t.test('a time counts as future up to its limit, and as past beyond it', t => {
  for (const limit of [limits.mark, limits.lease, limits.confirmation]) {
    t.equal(isAhead(1000, 1000, limit), false)
    t.equal(isAhead(1001, 1000, limit), true)
    t.equal(isAhead(1000 + limit + tolerance, 1000, limit), true)
    t.equal(isAhead(1001 + limit + tolerance, 1000, limit), false)
    t.equal(isAhead(1000 + year, 1000, limit), false)
  }
  t.same(limits, { lease: 600, mark: 86_400, confirmation: 900, unknownEnd: 86_400 })
  t.equal(isRefusedFor(undefined, 1000), false)
  t.equal(isRefusedFor({ since: 0, retryAt: 1000 + day + tolerance }, 1000), true)
  t.equal(isRefusedFor({ since: 0, retryAt: 1001 + day + tolerance }, 1000), false)
  t.equal(isToBeConfirmed({}, 1000), false)
  t.equal(isToBeConfirmed({ confirmAt: 1900 + tolerance }, 1000), false)
  t.equal(isToBeConfirmed({ confirmAt: 1901 + tolerance }, 1000), true)
  t.equal(isToBeConfirmed({ confirmAt: 1000 }, 1000), true)
  t.end()
})

t.test('keep-alive checks a record whose times a wrong clock wrote', async t => {
  const { connect } = startServer(t)
  const record = await connect()
  const due = (change: Partial<Installation>) => isDue({ ...record, ...change }, 30 * day, now())
  t.equal(due({}), false)
  t.equal(due({ refreshLease: { by: 'x', until: now() + 600 + tolerance } }), false, 'a lease')
  t.equal(due({ refreshLease: { by: 'x', until: now() + 601 + tolerance } }), true)
  t.equal(due({ refreshLease: { by: 'x', until: now() } }), true)
  t.equal(due({ reauthorizationRequired: { since: now(), retryAt: now() + day } }), false, 'a mark')
  t.equal(due({ reauthorizationRequired: { since: now() + year, retryAt: now() + year } }), true)
  t.equal(due({ confirmAt: now() + 900 }), false, 'a confirmation')
  t.equal(due({ confirmAt: now() + year }), true)
  const unknown = { refreshTokenExpiration: null }
  t.equal(due({ ...unknown, dueAt: now() + day }), false, 'a refresh token without an end')
  t.equal(due({ ...unknown, dueAt: now() + year }), true)
  // Half of a refresh token's life is computed from when it was obtained.
  const ends = (days: number) => ({ refreshTokenExpiration: now() + days * day, updatedAt: now() + year })
  t.equal(due(ends(31)), false, 'tokens that were obtained in the future, by their time')
  t.equal(due(ends(30)), true)
  t.equal(due({ refreshTokenExpiration: now() + 8 * day, updatedAt: now() + tolerance }), false, 'a clock that was corrected by minutes')
})

t.test('a mark a year ahead keeps nobody from trying: callers and keep-alive', async t => {
  const mark = () => ({ since: now() + year, retryAt: now() + year + 60 })
  const one = startServer(t)
  await one.mark(mark())
  await leap(1801)
  t.type(await one.accessTokens.accessToken(merchantId), 'string')
  t.equal(one.storage.records.get(merchantId)?.reauthorizationRequired, undefined)
  const two = startServer(t)
  await two.mark(mark())
  t.match(await patiently(jobsOf(two).keepAlive.run()), { due: 1, refreshed: 1 })
  t.equal(two.storage.records.get(merchantId)?.reauthorizationRequired, undefined)
})

t.test('the wait of marks grows also after a mark that was dated in the future', async t => {
  const { accessTokens, clover, storage, mark } = startServer(t)
  await mark({ since: now() + year, retryAt: now() + year })
  await leap(1801)
  clover.intercept = () => refused
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
    const { since = 0, retryAt = 0 } = storage.records.get(merchantId)?.reauthorizationRequired ?? {}
    t.ok(since <= now(), 'it is dated by the clock of now')
    waits.push(Math.round(retryAt - now()))
    await leap(retryAt - now() + 1)
  }
  t.ok(Number(waits[5]) > 900, waits.join())
})

t.test('keep-alive refreshes under a lease a year ahead once a real one would have ended', async t => {
  const one = startServer(t)
  const record = await one.connect()
  one.storage.records.set(merchantId, { ...record, refreshLease: { by: 'a server of the future', until: now() + year }, dueAt: now() + year })
  const began = now()
  t.match(await patiently(jobsOf(one).keepAlive.run()), { due: 1, refreshed: 1 })
  t.ok(now() - began >= 40, 'it may be the lease of a refresh in progress')
  t.equal(one.storage.records.get(merchantId)?.refreshLease, undefined)
})

t.test('a confirmation a year ahead is made by the next caller, or by keep-alive', async t => {
  for (const who of ['caller', 'keep-alive'] as const) {
    const one = startServer(t)
    const record = await one.connect()
    one.storage.records.set(merchantId, { ...record, confirmAt: now() + year, dueAt: now() + year })
    if (who === 'caller') t.equal(await one.accessTokens.accessToken(merchantId), record.accessToken)
    else await patiently(jobsOf(one).keepAlive.run())
    await quiet()
    t.same(one.clover.calls, ['refresh'])
    t.equal(one.storage.records.get(merchantId)?.confirmAt, undefined)
  }
})
