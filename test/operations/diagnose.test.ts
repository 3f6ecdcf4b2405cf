import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { Value } from '@sinclair/typebox/value'
import t from 'tap'
import { links } from '../../src/operations/checks.js'
import { Finding } from '../../src/operations/finding.js'
import { encryptedStorage, memoryStorage } from '../../src/storage/index.js'
import { merchantA } from '../harness/host.js'
import { until } from '../harness/waiting.js'
import { anchorsOf, guideTo, proseOf, read, rowsOf } from '../readme/documents.js'
import { collect, complaints, operatorToken, startDoctorHost, type DoctorHostOptions } from './doctor-host.js'

t.test('a healthy host has no warning and no error, and each check is made, in its order', async t => {
  const hosts: DoctorHostOptions[] = [{}, { proxy: {} }, { proxy: { tls: true } }, { appId: 'SIMULATORAPP2' }, { options: { storage: encryptedStorage(memoryStorage(), { keys: [{ id: 'one', key: randomBytes(32) }] }) } }]
  for (const host of hosts) {
    const { diagnose, connect } = await startDoctorHost(t, host)
    await connect()
    const findings = await diagnose({ merchantId: merchantA })
    t.same(complaints(findings), [])
    t.same(Object.keys(findings), Object.keys(links))
  }
})

t.test('each finding has the form of its schema, and says where to read on unless it is in order', async t => {
  const { app } = await startDoctorHost(t, { listens: false, options: { cookieSecret: 'x'.repeat(32) } })
  const findings = await collect(app.clover.diagnose())
  for (const finding of findings) {
    t.ok(Value.Check(Finding, finding), finding.check)
    t.match(finding.message, /^\S[^]*\.$/, finding.check)
    t.equal(finding.link !== undefined, finding.status !== 'ok', finding.check)
  }
  t.ok(findings.some(({ status }) => status === 'warning'))
})

t.test('each link leads to a heading of a document that is in the package, and the guide lists each check', async t => {
  for (const [check, link] of Object.entries(links)) {
    const [path = '', anchor = ''] = link.split('#')
    t.match(path, /^(?:README\.md|src\/[a-z]+\/README\.md)$/, check)
    t.ok(existsSync(path), link)
    t.ok(anchorsOf(proseOf(read(path))).includes(anchor), link)
  }
  t.same(rowsOf(guideTo('operations'), 'Check').flatMap(([cell = '']) => [...cell.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name)), Object.keys(links))
})

t.test('no finding holds a secret, whatever is wrong (security 33)', async t => {
  const canaries = { cookieSecret: 'canary-canary-canary-canary-canary-c', appSecret: 'canary-app-secret', sealingKey: randomBytes(32).toString('base64'), webhookAuth: 'canary-webhook-auth-0001' }
  const hosts: DoctorHostOptions[] = [
    {},
    { listens: false },
    { proxy: { answer: passed => ({ ...passed, headers: { ...passed.headers, location: String(passed.headers.location ?? '').replace('/oauth/', '/other/') } }) } },
    { proxy: { answer: passed => ({ ...passed, status: passed.status === 302 ? 200 : passed.status, body: JSON.stringify(passed) }) } },
    { proxy: { answer: passed => ({ ...passed, status: 500, body: JSON.stringify(passed) }) } }
  ]
  for (const host of hosts) {
    const { app, connect, clover, storage, leaks } = await startDoctorHost(t, {
      ...host,
      simulator: { apps: [{ id: 'SIMULATORAPP1', secret: canaries.appSecret, webhookAuth: canaries.webhookAuth }] },
      options: {
        cookieSecret: canaries.cookieSecret,
        storage: encryptedStorage({
          ...memoryStorage(),
          delete: async () => { throw new Error(`no: ${tokens.join(' ')}`) }
        }, { keys: [{ id: 'one', key: canaries.sealingKey }] })
      }
    })
    const tokens: string[] = []
    await connect()
    const record = await storage.get(merchantA)
    for (const token of [record?.accessToken, record?.refreshToken]) if (token) tokens.push(token)
    t.equal(tokens.length, 2)
    const text = JSON.stringify(await collect(app.clover.diagnose({ merchantId: merchantA })))
    t.match(text, /"status":"(?:error|warning)"/)
    t.notMatch(text, /state=/)
    t.same(leaks(text, [...Object.values(canaries), ...tokens, operatorToken, ...clover.liveRefreshTokens(merchantA)]), [])
  }
})

t.test('wrong arguments are refused before anything is sent', async t => {
  const { app, proxy, clover } = await startDoctorHost(t, { proxy: {} })
  const refused = async (given: unknown, error: { code: string, message?: string }) => { await t.rejects(collect(app.clover.diagnose(given as never)), error) }
  await refused({ merchantid: merchantA }, { code: 'FST_CLOVER_INVALID_OPTIONS', message: 'diagnose(): merchantid is not an option: did you mean merchantId?' })
  await refused({ signal: {} }, { code: 'FST_CLOVER_INVALID_OPTIONS', message: 'diagnose(): signal must be an AbortSignal.' })
  await refused(null, { code: 'FST_CLOVER_INVALID_OPTIONS', message: 'diagnose(): options must be a plain object.' })
  for (const merchantId of ['merchant', 7, null, [merchantA]]) await refused({ merchantId }, { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  t.same(proxy.requests, [])
  t.equal(clover.calls.length, 0)
  t.match(await collect(app.clover.diagnose({ merchantId: undefined, signal: undefined })), [{ check: 'app-secret' }])
})

t.test('the diagnosis goes on as findings are taken', async t => {
  const { app, proxy } = await startDoctorHost(t, { proxy: {} })
  const iterator = app.clover.diagnose()
  t.same(proxy.requests, [])
  for (let finding = await iterator.next(); finding.value?.check !== 'clock'; finding = await iterator.next());
  t.same(proxy.requests, [], 'the public addresses come later')
  await iterator.return?.()
  t.same(proxy.requests, [])
})

t.test('a signal, and the close of the server, end it', async t => {
  const { app } = await startDoctorHost(t)
  await t.rejects(collect(app.clover.diagnose({ signal: AbortSignal.abort(new Error('never')) })), { message: 'never' })
  const abort = new AbortController()
  await t.rejects(async () => {
    for await (const { check } of app.clover.diagnose({ signal: abort.signal })) if (check === 'clock') abort.abort(new Error('enough'))
  }, { message: 'enough' })

  let waiting = 0
  const neverAnswers: typeof fetch = async (_input, init) => await new Promise((_resolve, reject) => {
    waiting++
    init?.signal?.addEventListener('abort', () => { reject(new Error('aborted')) })
  })
  const closed = await startDoctorHost(t, { listens: false, runtime: { fetch: neverAnswers } })
  const byClose = t.rejects(collect(closed.app.clover.diagnose()), { code: 'FST_CLOVER_CLOSING' })
  await until(() => waiting > 0)
  await closed.app.close()
  await byClose
  await t.rejects(collect(closed.app.clover.diagnose()), { code: 'FST_CLOVER_CLOSING' })

  waiting = 0
  const asked = await startDoctorHost(t, { listens: false, runtime: { fetch: neverAnswers } })
  const during = new AbortController()
  const bySignal = t.rejects(collect(asked.app.clover.diagnose({ signal: during.signal })), { message: 'enough' })
  await until(() => waiting > 0)
  during.abort(new Error('enough'))
  await bySignal
})
