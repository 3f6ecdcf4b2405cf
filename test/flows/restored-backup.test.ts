import t from 'tap'
import type { Installation } from '../../src/installation.js'
import { memoryStorage } from '../../src/storage/index.js'
import { refreshAll } from '../readme/fragments/operations.js'
import { connect } from '../harness/browser.js'
import { highTrust, lowTrust, startHost } from '../harness/host.js'

/*
 * The table of the guide to operations: what becomes of merchants whose store is restored from a backup.
 */

const merchants = ['UNTOUCHED0000', 'REFRESHED0001', 'REFRESHED0002', 'DISCONNECTED0', 'UNINSTALLED00'] as const
const [untouched, once, twice, disconnected, uninstalled] = merchants
const isNew = 'CONNECTED0000'
/** Milliseconds. */
const day = 86_400_000

async function restored (t: Parameters<typeof startHost>[0], appId: string) {
  const storage = memoryStorage()
  const { app, clover, browser, time } = await startHost(t, {
    appId, simulator: { merchants: [...merchants, isNew].map(id => ({ id })) }, options: { storage, cache: false, keepAlive: false }
  })
  for (const merchantId of merchants) await connect(browser(), clover, merchantId)
  const backup = await Promise.all(merchants.map(async merchantId => await storage.get(merchantId) as Installation))
  time.pass(3_600_000)
  for (const merchantId of [once, twice]) await app.clover.refresh(merchantId)
  time.pass(3_600_000)
  await app.clover.refresh(twice)
  await connect(browser(), clover, isNew)
  for (const merchantId of [disconnected, uninstalled]) await app.clover.disconnect(merchantId)
  clover.uninstall(uninstalled, appId)

  for (const merchantId of [...merchants, isNew]) await storage.delete(merchantId)
  for (const record of backup) await storage.put(record, undefined)
  time.pass(day)
  const outcomeOf = async (merchantId: string) => await app.clover.accessToken(merchantId).then(token => clover.isLiveAccessToken(token), ({ code }) => String(code).slice(11))
  return { app, clover, outcomeOf }
}

t.test('a high-trust app: the pair of a merchant who was refreshed once is recovered', async t => {
  const { app, clover, outcomeOf } = await restored(t, highTrust)
  t.match(await app.clover.keepAlive(), { candidates: 5, due: 0 }, 'no refresh token is near its end')
  await refreshAll(app)
  t.equal(await outcomeOf(untouched), true)
  t.equal(await outcomeOf(once), true)
  t.equal(clover.count('recovery', { ok: true }), 1)
  t.equal(await outcomeOf(twice), 'REAUTHORIZATION_REQUIRED')
  t.equal(await outcomeOf(isNew), 'NOT_CONNECTED')
  t.equal(await outcomeOf(disconnected), true, 'Clover knows nothing of the disconnection')
  t.equal(await outcomeOf(uninstalled), 'REAUTHORIZATION_REQUIRED')
  t.match(await app.clover.summary(), { merchants: 5, reauthorizationRequired: 2 })
})

t.test('a low-trust app has no recovery', async t => {
  const { app, outcomeOf } = await restored(t, lowTrust)
  await refreshAll(app)
  t.equal(await outcomeOf(untouched), true)
  t.equal(await outcomeOf(once), 'REAUTHORIZATION_REQUIRED')
  t.equal(await outcomeOf(twice), 'REAUTHORIZATION_REQUIRED')
})
