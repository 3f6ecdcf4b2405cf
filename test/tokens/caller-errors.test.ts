import t from 'tap'
import { advance, leap, merchantId, patiently, startServer, TestStorage } from './one-server.js'

/*
 * What a caller gets when the store or Clover does not do its part.
 */

const launchUrl = (merchantId: string) => `https://shop.example/clover/launch?merchant_id=${merchantId}`

t.test('a caller waits for a store that does not answer no longer than maxWait', async t => {
  const storage = new TestStorage()
  const { accessTokens, connect } = startServer(t, { storage, maxWait: 1_000, cache: false })
  await connect()
  storage.intercept = () => new Promise(() => {})
  let error: { code?: string } | undefined
  accessTokens.accessToken(merchantId).catch((reason: { code?: string }) => { error = reason })
  await advance(900)
  t.equal(error, undefined)
  await advance(200)
  t.equal(error?.code, 'FST_CLOVER_UNAVAILABLE')
})

t.test('a token that the caller rejected is not handed out again, even if Clover gives it once more', async t => {
  const { accessTokens, clover, connect } = startServer(t)
  const { accessToken: rejected } = await connect()
  clover.intercept = (_call, run) => {
    const answer = run() as { outcome: 'ok', value: object }
    return { ...answer, value: { ...answer.value, accessToken: rejected } }
  }
  await t.rejects(patiently(accessTokens.accessToken(merchantId, { rejected })), { code: 'FST_CLOVER_BAD_REPLY' })
})

t.test('the launch address is with an error that a launch would end, and with no other', async t => {
  const { accessTokens, storage, connect } = startServer(t, { launchUrl })
  await t.rejects(accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_NOT_CONNECTED', launchUrl: launchUrl(merchantId) })
  await connect()
  await leap(3600)
  storage.break()
  const error = await patiently(accessTokens.accessToken(merchantId).catch((error: object) => error))
  t.match(error, { code: 'FST_CLOVER_STORAGE' })
  t.notOk('launchUrl' in Object(error) && (error as { launchUrl?: string }).launchUrl)
})
