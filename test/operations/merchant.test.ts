import t, { type Test } from 'tap'
import type { Installation } from '../../src/installation.js'
import { ownServer } from '../api/api-host.js'
import { merchantA } from '../harness/host.js'
import { until } from '../harness/waiting.js'
import { collect, complaints, startDoctorHost, type DoctorHost, type DoctorHostOptions } from './doctor-host.js'

/** A host with a connected merchant whose record a test may change, and what is found about that merchant. */
async function connected (t: Test, more: DoctorHostOptions = {}): Promise<DoctorHost & { change: (change: (record: Installation) => Partial<Installation>) => Promise<void>, look: () => ReturnType<DoctorHost['diagnose']> }> {
  const host = await startDoctorHost(t, { listens: false, ...more, options: given => ({ cache: false, ...(typeof more.options === 'function' ? more.options(given) : more.options) }) })
  await host.connect()
  const change = async (change: (record: Installation) => Partial<Installation>) => {
    const record = await host.storage.get(merchantA)
    if (!record) throw new Error('not connected')
    await host.storage.delete(merchantA)
    await host.storage.put({ ...record, ...change(record) }, undefined)
  }
  const look = () => host.diagnose({ merchantId: merchantA })
  return { ...host, change, look }
}

const now = ({ time }: DoctorHost) => Math.floor(time.now() / 1000)

t.test('a connected merchant: the pair, a token, the permission and the ecommerce key; nothing is refreshed', async t => {
  const { look, clover } = await connected(t)
  t.match(await look(), {
    merchant: { status: 'ok', message: /is connected; the refresh token ends at 20\d\d-/ }, 'access-token': { status: 'ok' }, 'read-merchant': { status: 'ok' }, 'ecommerce-key': { status: 'ok' }
  })
  t.equal(clover.count('refresh') + clover.count('recovery'), 0)
})

t.test('a merchant who is not connected, or not named', async t => {
  const { diagnose } = await startDoctorHost(t, { listens: false })
  const stranger = await diagnose({ merchantId: merchantA })
  t.match(stranger.merchant, { status: 'error', message: /is not connected/, fix: /launch/ })
  t.equal(stranger['access-token'], undefined)
  t.match((await diagnose()).merchant, { status: 'not-checked', message: /No merchant was named/ })
})

t.test('a token that has ended is refreshed as for a handler, and only then', async t => {
  const { look, clover, time } = await connected(t)
  time.pass(3_600_000)
  t.match(await look(), { merchant: { status: 'ok' }, 'access-token': { status: 'ok' }, 'read-merchant': { status: 'ok' } })
  t.equal(clover.count('refresh'), 1)
  await look()
  t.equal(clover.count('refresh'), 1)
})

t.test('each state of a stored pair', async t => {
  const host = await connected(t)
  const { change, look } = host
  const at = async (changes: Partial<Installation>, status: string, message: RegExp) => {
    const before = await host.storage.get(merchantA)
    if (!before) throw new Error('not connected')
    await change(() => changes)
    t.match((await look()).merchant, { status, message }, JSON.stringify(changes))
    await host.storage.delete(merchantA)
    await host.storage.put(before, undefined)
  }
  const seconds = now(host)
  await at({ reauthorizationRequired: { since: seconds - 100, retryAt: seconds + 100 } }, 'error', /refuses every stored token .* It is tried again at/)
  await at({ reauthorizationRequired: { since: seconds - 100, retryAt: seconds - 1 } }, 'error', /It is to be tried again now/)
  await at({ reauthorizationRequired: { since: -1e15, retryAt: seconds - 1 } }, 'error', /since an impossible time/)
  await at({ refreshLease: { by: 'x', until: seconds + 30 } }, 'ok', /is being refreshed/)
  await at({ refreshLease: { by: 'x', until: seconds - 30 } }, 'warning', /was cut off/)
  await at({ refreshLease: { by: 'x', until: seconds + 1e7 } }, 'warning', /was cut off/)
  await at({ confirmAt: seconds + 600 }, 'ok', /doubtful, and is refreshed once more at/)
  await at({ confirmAt: seconds - 600 }, 'warning', /doubtful since .* is due/)
  await at({ refreshTokenExpiration: seconds - 1 }, 'error', /ended at/)
  await at({ refreshTokenExpiration: null }, 'ok', /is connected\.$/)
})

t.test('a v1 token', async t => {
  const { look, change, clover } = await connected(t, { options: { flow: 'v1' } })
  const legacy = clover.legacyToken({ merchantId: merchantA })
  await change(() => ({ flow: 'v1', accessToken: legacy, accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null, dueAt: null }))
  t.match(await look(), { merchant: { status: 'ok', message: /v1 token/ }, 'access-token': { status: 'ok' }, 'read-merchant': { status: 'ok' } })
})

t.test('a merchant whom Clover refuses has no token, and the error says what to do', async t => {
  const { look, clover, time } = await connected(t)
  clover.uninstall(merchantA)
  time.pass(3_600_000)
  const findings = await look()
  t.match(findings['access-token'], { status: 'error', message: /accepts no stored token .*launch route/ })
  t.equal(findings['read-merchant'], undefined)
  t.match((await look()).merchant, { status: 'error', message: /refuses every stored token/ })
})

t.test('a record that cannot be read', async t => {
  const { look, storage } = await connected(t)
  const record = await storage.get(merchantA)
  await storage.delete(merchantA)
  await storage.put({ ...record, accessToken: 7 } as never, undefined)
  t.match((await look()).merchant, { status: 'error', message: /cannot be read .*accessToken/ })
  const down = await startDoctorHost(t, { listens: false, options: { storage: { get: async () => { throw new Error('no route to the database') }, put: async () => true, delete: async () => false } } })
  t.match((await down.diagnose({ merchantId: merchantA })).merchant, { status: 'error', message: /cannot be read: no route to the database\.$/ })
})

t.test('the Read merchant permission', async t => {
  const simulator = { apps: [{ id: 'SIMULATORAPP1', permissions: { readMerchant: false } }] }
  const host = await connected(t, { simulator, options: { dangerouslyTrustMerchantId: true } })
  t.match((await host.look())['read-merchant'], { status: 'not-checked', message: /dangerouslyTrustMerchantId does without/ })
  const checking = await startDoctorHost(t, { listens: false, simulator: host.clover, options: { storage: host.storage } })
  await host.app.close()
  t.match((await checking.diagnose({ merchantId: merchantA }))['read-merchant'], { status: 'error', message: /answers 401 to a token that has not expired: the app has no Read merchant permission/, fix: /Read merchant/ })
  t.equal(checking.clover.count('refresh'), 0, 'no token is spent on a missing permission')
})

t.test('a token of another merchant, or of none that Clover knows', async t => {
  const { look, change, clover } = await connected(t)
  const other = clover.connect({ merchantId: 'MERCHANT0000B' })
  await change(() => ({ accessToken: other.access_token }))
  t.match((await look())['read-merchant'], { status: 'error', message: /answers 401/ })
  clover.fault({ on: 'merchant', kind: 'reply', body: { id: 'MERCHANT0000B' } })
  t.match((await look())['read-merchant'], { status: 'error', message: /is another merchant's/, fix: /disconnect/ })
  const known = await connected(t, { simulator: { unknowns: { foreignMerchant: 404 } } })
  const foreign = known.clover.connect({ merchantId: 'MERCHANT0000B' })
  await known.change(() => ({ accessToken: foreign.access_token }))
  t.match((await known.look())['read-merchant'], { status: 'error', message: /knows no merchant/ })
})

t.test('answers of Clover that are none', async t => {
  const { look, clover } = await connected(t)
  clover.fault({ on: 'merchant', kind: 'status', status: 503 })
  clover.fault({ on: 'pakms', kind: 'drop-before' })
  const findings = await look()
  t.match(findings['read-merchant'], { status: 'warning', message: /no usable answer/ })
  t.match(findings['ecommerce-key'], { status: 'warning' })
})

t.test('the ecommerce key', async t => {
  let answer: [status: number, body: object] = [200, {}]
  const { origin } = await ownServer(t, (_request, response) => { response.writeHead(answer[0], { 'content-type': 'application/json' }).end(JSON.stringify(answer[1])) })
  const { look, change } = await connected(t, { options: ({ clover }) => ({ environment: { ...clover.environment, ecommerce: origin } }) })
  const key = { active: true, apiAccessKey: 'public-key-1', createdTime: 1, modifiedTime: 1, developerAppUuid: 'SIMULATORAPP1', merchantUuid: merchantA }
  const cases: Array<[answer: typeof answer, unused: string, used: string]> = [
    [[200, key], 'ok', 'ok'],
    [[401, {}], 'not-checked', 'error'],
    [[403, {}], 'not-checked', 'error'],
    [[404, {}], 'warning', 'error'],
    [[200, { ...key, apiAccessKey: 7 }], 'warning', 'error'],
    [[200, { ...key, merchantUuid: 'MERCHANT0000B' }], 'error', 'error'],
    [[200, { ...key, developerAppUuid: 'SIMULATORAPP2' }], 'error', 'error'],
    [[200, { ...key, active: false }], 'warning', 'error'],
    [[200, { ...key, apiAccessKey: 'public-key-2' }], 'ok', 'error']
  ]
  for (const [given, unused, used] of cases) {
    answer = given
    await change(({ ecommercePublicKey: _, ...record }) => ({ ...record, ecommercePublicKey: undefined as never }))
    t.match((await look())['ecommerce-key'], { status: unused }, JSON.stringify(given))
    await change(() => ({ ecommercePublicKey: 'public-key-1' }))
    t.match((await look())['ecommerce-key'], { status: used }, `${JSON.stringify(given)}, and a key is stored`)
  }
})

t.test('a signal that is aborted while a token is waited for ends the diagnosis', async t => {
  const { app, clover, time } = await connected(t)
  time.pass(3_600_000)
  clover.fault({ on: 'refresh', kind: 'latency', ms: Infinity })
  const abort = new AbortController()
  const findings = collect(app.clover.diagnose({ merchantId: merchantA, signal: abort.signal }))
  await until(() => clover.openCalls > 0)
  abort.abort(new Error('enough'))
  await t.rejects(findings, { message: 'enough' })
})

t.test('a healthy merchant has no complaints', async t => {
  const { look } = await connected(t, { listens: true })
  t.same(complaints(await look()), [])
})
