import t from 'tap'
import { installations } from '../../src/tokens/installations.js'
import { startServer, gate, leap, merchantId, patiently, quiet, refused, unclear } from './one-server.js'

t.test('refresh() gets a new token whatever the age of the old one, and returns no secret', async t => {
  const { accessTokens, clover, storage, connect } = startServer(t)
  const before = await connect()
  const summary = await accessTokens.refresh(merchantId)
  const after = storage.records.get(merchantId)
  t.not(after?.accessToken, before.accessToken)
  t.equal(summary.merchantId, merchantId)
  t.notMatch(JSON.stringify(summary), /access-|code-/)
  t.equal(clover.count('refresh'), 1)
  const [one, two] = await Promise.all([accessTokens.refresh(merchantId), accessTokens.refresh(merchantId)])
  t.same(one, two)
  t.equal(clover.count('refresh'), 2, 'two operators at once are served by one refresh')
})

t.test('refresh() tries itself after another caller\'s refresh that it shared has failed', async t => {
  const { accessTokens, refreshes, clover, connect } = startServer(t, { maxWait: 60_000 })
  await connect()
  await leap(1800)
  const answer = gate()
  clover.intercept = async (_call, run) => {
    if (clover.calls.length > 1) return run()
    await answer.promise
    return unclear('odd', { malformed: true })
  }
  const caller = accessTokens.accessToken(merchantId)
  caller.catch(() => {})
  await quiet()
  const operator = accessTokens.refresh(merchantId)
  await quiet()
  answer.open()
  await t.rejects(caller, { code: 'FST_CLOVER_BAD_REPLY', statusCode: 502, merchantId })
  t.ok(refreshes.isBusyOrBackingOff(merchantId))
  t.equal((await patiently(operator)).merchantId, merchantId)
})

t.test('installations() lists every merchant, page by page, without secrets', async t => {
  const { store, storage, connect } = startServer(t)
  for (let i = 0; i < 250; i++) await connect(`MERCHANT${String(i).padStart(5, '0')}`)
  const ids = []
  for await (const summary of installations(store)) {
    ids.push(summary.merchantId)
    if (ids.length === 1) t.notOk('accessToken' in summary)
  }
  t.equal(new Set(ids).size, 250)
  t.same(storage.calls, ['list', 'list', 'list'])
})

t.test('installation() shows a mark', async t => {
  const { accessTokens, clover, connect } = startServer(t, { launchUrl: id => `https://shop.example/clover/launch?merchant_id=${id}` })
  await connect()
  await leap(1800)
  clover.intercept = () => refused
  await t.rejects(accessTokens.accessToken(merchantId), {
    code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED', launchUrl: `https://shop.example/clover/launch?merchant_id=${merchantId}`
  })
  t.match(await accessTokens.installation(merchantId), { reauthorizationRequired: { since: Number } })
})
