import t from 'tap'
import type { Fault, FaultKind } from '../../src/testing/index.js'
import { approve, callbackUrl, connect } from '../harness/browser.js'
import { memoryStorage } from '../../src/storage/index.js'
import { highTrust, merchantA, merchantB, startHost } from '../harness/host.js'

const json = { headers: { accept: 'application/json' } }

t.test('without the Read merchant permission the error names it, and nothing is stored', async t => {
  const { clover, storage, browser } = await startHost(t, { simulator: { apps: [{ id: highTrust, permissions: { readMerchant: false } }] } })
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const reply = await merchant.visit(approve(clover, launch), json)
  t.equal(reply.statusCode, 403)
  t.match(reply.json(), { code: 'FST_CLOVER_PERMISSION', message: /enable the Read merchant permission for the app in Clover's developer dashboard/ })
  t.equal(await storage.get(merchantA), undefined)
})

t.test('whatever Clover answers to an exchange or a merchant check, the error is typed and nothing is stored (security 24)', async t => {
  const { clover, storage, browser, leaks } = await startHost(t)
  const reply = (body: string | ((genuine: unknown) => object | string), more: { contentType?: string } = {}): FaultKind => ({ kind: 'reply', body, ...more })
  const edited = (changes: object) => reply(genuine => ({ ...genuine as object, ...changes }))
  type Case = [string, FaultKind, number, string]
  const both: Case[] = [
    ['500', { kind: 'status', status: 500 }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['429', { kind: 'status', status: 429, headers: { 'retry-after': '17' } }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['302', { kind: 'status', status: 302, headers: { location: 'https://evil.example' } }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['dropped before', { kind: 'drop-before' }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['dropped during', { kind: 'drop-during' }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['dropped after', { kind: 'drop-after' }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ['HTML', reply('<html>canary</html>', { contentType: 'text/html' }), 502, 'FST_CLOVER_BAD_REPLY'],
    ['an empty body', reply(''), 502, 'FST_CLOVER_BAD_REPLY'],
    ['null', reply('null'), 502, 'FST_CLOVER_BAD_REPLY'],
    ['an array', reply('[]'), 502, 'FST_CLOVER_BAD_REPLY'],
    ['10 MB', reply(genuine => JSON.stringify(genuine) + ' '.repeat(10 * 1024 * 1024)), 502, 'FST_CLOVER_BAD_REPLY']
  ]
  const token: Case[] = [
    ['400', { kind: 'status', status: 400 }, 403, 'FST_CLOVER_DENIED'],
    ['401', { kind: 'status', status: 401 }, 403, 'FST_CLOVER_DENIED'],
    ['404', { kind: 'status', status: 404 }, 503, 'FST_CLOVER_UNAVAILABLE'],
    ...['access_token', 'refresh_token', 'access_token_expiration', 'refresh_token_expiration'].flatMap(field =>
      [undefined, null, '', true, {}, -1, 'canary\nnewline', 'x'.repeat(20_000), 1e300].filter(value => !(value === 'x'.repeat(20_000) && field.endsWith('expiration')))
        .map((value): Case => [`${field}: ${String(value).slice(0, 20)}`, edited({ [field]: value }), 502, 'FST_CLOVER_BAD_REPLY']))
  ]
  const merchant: Case[] = [
    ['401', { kind: 'status', status: 401 }, 403, 'FST_CLOVER_PERMISSION'],
    ['403', { kind: 'status', status: 403 }, 403, 'FST_CLOVER_PERMISSION'],
    ['404', { kind: 'status', status: 404 }, 403, 'FST_CLOVER_MERCHANT_MISMATCH'],
    ['another merchant', edited({ id: merchantB }), 403, 'FST_CLOVER_MERCHANT_MISMATCH'],
    ['no id', edited({ id: undefined }), 502, 'FST_CLOVER_BAD_REPLY'],
    ['an odd id', edited({ id: { toString: 'x' } }), 502, 'FST_CLOVER_BAD_REPLY']
  ]
  const answers: unknown[] = []
  const expected: unknown[] = []
  for (const [on, cases] of [['token', [...both, ...token]], ['merchant', [...both, ...merchant]]] as const) {
    for (const [name, fault, statusCode, code] of cases) {
      clover.clearFaults()
      const target: Fault = { on, ...fault }
      clover.fault(target)
      const browserOfMerchant = browser()
      const launch = await browserOfMerchant.visit(`/clover/launch?merchant_id=${merchantA}`)
      const { headers, body, statusCode: status } = await browserOfMerchant.visit(approve(clover, launch), json)
      const reply = JSON.parse(body) as { statusCode: number, code: string }
      answers.push([`${on}: ${name}`, [status, reply.statusCode, reply.code, headers['cache-control'], headers['referrer-policy'], leaks(body, ['canary']), await storage.get(merchantA)]])
      expected.push([`${on}: ${name}`, [statusCode, statusCode, code, 'no-store', 'no-referrer', [], undefined]])
      if (name === '429') t.equal(headers['retry-after'], '17')
    }
  }
  t.same(answers, expected)
})

t.test('a call that Clover does not answer ends in time (security 25)', async t => {
  const { clover, storage, browser } = await startHost(t, { options: { callTimeout: 80 } })
  for (const on of ['token', 'merchant'] as const) {
    clover.fault({ on, kind: 'latency', ms: Infinity })
    const reply = await connect(browser(), clover, merchantA)
    t.equal(reply.statusCode, 503)
    t.match(reply.body, 'no answer within 80 ms')
  }
  t.equal(await storage.get(merchantA), undefined)
})

t.test('a failure of the store is a 503, and the merchant can start again (security 36)', async t => {
  let fails = true
  const { clover, browser } = await startHost(t, {
    options: {
      storage: {
        get: async () => { if (fails) throw new Error('the database is down'); return undefined },
        put: async () => !fails,
        delete: async () => false
      }
    }
  })
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const reply = await merchant.visit(approve(clover, launch), json)
  t.equal(reply.statusCode, 503)
  t.match(reply.json(), { code: 'FST_CLOVER_STORAGE' })
  t.equal(clover.calls.length, 0, 'found out before the code was spent')
  fails = false
  t.equal((await connect(merchant, clover, merchantA)).headers.location, '/')
})

t.test('a code that Clover refuses is a 403 that says what to check, and the log does not have the code (security 37)', async t => {
  const { clover, browser, logs } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const reply = await merchant.visit(callbackUrl(launch, { code: 'never-issued-by-clover', merchant_id: merchantA }))
  t.equal(reply.statusCode, 403)
  t.match(reply.body, /check the App ID and the App Secret/)
  t.equal(clover.count('token', { ok: false }), 1)
  t.ok(logs.some(line => line.includes('FST_CLOVER_DENIED') && line.includes(merchantA)))
})

t.test('a failure of the server is logged at level error, an outage of Clover or a merchant\'s mistake at info', async t => {
  const storage = memoryStorage()
  let isDown = false
  const get: typeof storage.get = async merchantId => {
    if (isDown) throw new Error('no such table: clover')
    return await storage.get(merchantId)
  }
  const { clover, browser, logs } = await startHost(t, { options: { storage: { ...storage, get } } })
  const visit = async () => {
    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
    logs.length = 0
    await merchant.visit(approve(clover, launch))
    return logs.map(line => JSON.parse(line) as { level: number, msg: string, err?: { stack: string } }).filter(({ msg }) => msg.endsWith('a launch or callback failed'))
  }
  clover.fault({ on: 'token', kind: 'status', status: 500 })
  t.match(await visit(), [{ level: 30 }])
  clover.fault({ on: 'token', kind: 'status', status: 401 })
  t.match(await visit(), [{ level: 30 }])
  isDown = true
  t.match(await visit(), [{ level: 50, err: { stack: /no such table: clover/ } }])
})
