import t from 'tap'
import { merchantA, startClover, startHost } from '../harness/host.js'
import { Time } from '../harness/time.js'
import { adoptable } from '../harness/pairs.js'

const hour = 3_600_000

t.test('a clock that is set back makes a server neither serve an expired token, nor back off longer, nor use its cache longer', async t => {
  const elapsed = new Time()
  const simulator = await startClover(t, elapsed)
  const { app, clover, storage, time } = await startHost(t, { simulator, runtime: { monotonic: elapsed.now, sleep: async () => {} } })
  const pass = (milliseconds: number) => { time.pass(milliseconds); elapsed.pass(milliseconds) }
  const pair = clover.connect({ merchantId: merchantA })
  await app.clover.adopt(adoptable(merchantA, pair))
  t.equal(await app.clover.accessToken(merchantA), pair.access_token)

  pass(hour)
  time.pass(-hour)
  t.not(await app.clover.accessToken(merchantA), pair.access_token, 'the token has died')
  t.equal(clover.count('refresh'), 1)

  pass(hour)
  clover.fault({ on: 'refresh', kind: 'status', status: 503, times: 3 })
  await t.rejects(app.clover.accessToken(merchantA), { code: 'FST_CLOVER_UNAVAILABLE' })
  time.pass(-hour)
  pass(31_000)
  t.type(await app.clover.accessToken(merchantA), 'string')

  await storage.delete(merchantA)
  time.pass(-hour)
  pass(11_000)
  await t.rejects(app.clover.accessToken(merchantA), { code: 'FST_CLOVER_NOT_CONNECTED' }, 'and sees within the cache\'s time that a merchant left')
})
