import t from 'tap'
import { connect } from '../harness/browser.js'
import { merchantA, merchantB, startHost } from '../harness/host.js'

t.test('a host\'s own queue keeps idle merchants connected', async t => {
  const { app, clover, browser, time, storage } = await startHost(t, { options: { keepAlive: false } })
  await connect(browser(), clover, merchantA)
  time.pass(340 * 86_400_000)
  await connect(browser(), clover, merchantB)
  const queue: string[] = []
  for await (const merchantId of app.clover.due()) queue.push(merchantId)
  t.same(queue, [merchantA])
  t.same(await Promise.all(queue.map(merchantId => app.clover.refreshIfDue(merchantId))), ['refreshed'])
  t.equal(await app.clover.refreshIfDue(merchantA), 'skipped')
  t.equal(await app.clover.refreshIfDue(merchantB, { within: 60 }), 'skipped')
  t.equal(clover.count('refresh'), 1)
  t.ok(clover.isLive((await storage.get(merchantA))?.refreshToken ?? ''))
  for await (const merchantId of app.clover.due({ within: 0 })) t.fail(merchantId)
  await app.close()
  await t.rejects(app.clover.refreshIfDue(merchantA), { code: 'FST_CLOVER_CLOSING' })
})
