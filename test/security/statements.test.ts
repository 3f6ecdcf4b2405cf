import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import t, { type Test } from 'tap'
import { CloverClock } from '../../src/clover/clock.js'
import { encryptedStorage, memoryStorage, type Installation } from '../../src/storage/index.js'
import { RecordCache } from '../../src/tokens/cache.js'
import { approve, authorizeRequest, callbackUrl, connect } from '../harness/browser.js'
import { events, merchantA, merchantB, startClover, startHost } from '../harness/host.js'
import { Time } from '../harness/time.js'
import { record } from '../../src/testing/conformance/records.js'

/** Watches a function of Node's crypto for one test, wherever it was imported from. */
function watch<Name extends 'randomBytes' | 'timingSafeEqual'> (t: Test, name: Name) {
  const original = crypto[name]
  const calls: Array<{ args: unknown[], result: unknown }> = []
  const replace = (fn: unknown) => {
    Object.assign(crypto, { [name]: fn })
    syncBuiltinESMExports()
  }
  replace((...args: unknown[]) => {
    const result = Reflect.apply(original, crypto, args) as unknown
    calls.push({ args, result })
    return result
  })
  t.teardown(() => replace(original))
  return calls
}

t.test('the random part of a state is 16 bytes of crypto.randomBytes, in high and in low trust (security 4)', async t => {
  const calls = watch(t, 'randomBytes')
  const { browser } = await startHost(t)
  for (let launch = 0; launch < 5; launch++) {
    calls.length = 0
    const [id] = (authorizeRequest(await browser().visit('/clover/launch')).searchParams.get('state') ?? '').split('.')
    const made = calls.map(({ result }) => result).filter(result => Buffer.isBuffer(result) && result.length === 16)
    t.same(made.map(bytes => (bytes as Buffer).toString('hex')), [id])
  }
})

t.test('the MACs of a state and of its cookie are compared in constant time (security 8)', async t => {
  const { clover, browser } = await startHost(t)
  const calls = watch(t, 'timingSafeEqual')
  const compared = () => calls.flatMap(({ args }) => args).map(String)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const state = authorizeRequest(launch).searchParams.get('state') ?? ''
  const [cookie = ''] = merchant.cookieValues
  const [name = ''] = await merchant.stateCookies()
  const macOf = (text: string) => text.slice(text.lastIndexOf('.') + 1)
  const plain = (text: string) => text.replaceAll('-', '+').replaceAll('_', '/')
  const change = (text: string) => text.slice(0, -1) + (text.endsWith('A') ? 'E' : 'A')

  for (const [what, forgedState, forgedCookie] of [['a forged state', change(state), cookie], ['a forged cookie', state, change(cookie)], ['both genuine', state, cookie]] as const) {
    calls.length = 0
    const reply = await merchant.visit(approve(clover, launch, { edit: { state: forgedState } }), { headers: { cookie: `${name}=${forgedCookie}` } })
    t.equal(reply.headers.location === '/', what === 'both genuine', what)
    t.ok(compared().includes(plain(macOf(forgedState))), `${what}: the state's`)
    t.ok(compared().includes(macOf(forgedCookie)), `${what}: the cookie's`)
  }
})

t.test('with a secret there is no PKCE: a foreign code is stopped by the check of its merchant (security 11, security 15)', async t => {
  const { app, clover, storage, browser } = await startHost(t)
  await connect(browser(), clover, merchantB)
  const before = await storage.get(merchantB)
  const [thief, victim] = [browser(), browser()]
  const launches = [await thief.visit(`/clover/launch?merchant_id=${merchantB}`), await victim.visit(`/clover/launch?merchant_id=${merchantA}`)] as const
  const codeOf = (url: string) => new URL(url).searchParams.get('code') ?? ''
  const codes = [codeOf(approve(clover, launches[0])), codeOf(approve(clover, launches[1]))] as const
  for (const [browser, launch, code, merchantId] of [[thief, launches[0], codes[1], merchantB], [victim, launches[1], codes[0], merchantA]] as const) {
    const reply = await browser.visit(callbackUrl(launch, { code, merchant_id: merchantId }))
    t.equal(reply.statusCode, 403)
  }
  t.same(await storage.get(merchantB), before)
  t.equal(await storage.get(merchantA), undefined)
  t.equal(await app.clover.accessToken(merchantB), before?.accessToken)
})

t.test('no request with a body is answered by a redirect that would carry it on (security 17)', async t => {
  const { app, clover, browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  const { search } = new URL(approve(clover, launch))
  const payload = { merchant_id: merchantA, code: 'a-code' }
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    for (const path of ['/clover/launch', '/clover/callback', '/clover/refresh']) {
      for (const headers of [{ accept: 'text/html' }, { accept: 'application/json' }]) {
        for (const url of [path, `${path}/`, `${path}${search}`]) {
          const reply = await merchant.visit(url, { method, payload, headers })
          t.ok(reply.statusCode >= 400 || reply.statusCode === 303, `${method} ${path}: ${reply.statusCode}`)
          if (reply.statusCode !== 303) t.equal(reply.headers.location, undefined)
        }
      }
    }
  }
  t.equal((await app.inject({ method: 'POST', url: '/clover/refresh', payload })).headers.location, undefined)
  t.equal(clover.calls.length, 0)
})

t.test('access tokens go in the Authorization header alone, and to the environment\'s API alone; refresh tokens to it alone (security 22, security 23)', async t => {
  const environment = { name: 'mars', authorize: 'https://authorize.example', api: 'https://api.example', legacy: 'https://legacy.example', ecommerce: 'https://ecommerce.example' }
  let issued = 0
  const calls: Array<{ url: string, authorization: string | null, rest: string }> = []
  const { app, browser, time } = await startHost(t, {
    options: { environment },
    runtime: {
      fetch: async (input, init) => {
        const headers = new Headers(init?.headers)
        const authorization = headers.get('authorization')
        headers.delete('authorization')
        calls.push({ url: String(input), authorization, rest: String(init?.body ?? '') + JSON.stringify([...headers]) })
        issued++
        const expiration = time.now() / 1000 + 1800
        return Response.json({ access_token: `a-token-of-mars-${issued}`, refresh_token: `a-refresh-token-${issued}`, access_token_expiration: expiration, refresh_token_expiration: expiration + 1800, id: merchantA })
      }
    }
  })
  for (let visit = 0; visit < 2; visit++) {
    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
    t.equal((await merchant.visit(callbackUrl(launch, { code: `a-code-of-mars-${visit}`, merchant_id: merchantA }))).headers.location, '/')
    await app.clover.refresh(merchantA)
    await app.clover.accessToken(merchantA, { rejected: await app.clover.accessToken(merchantA) })
  }
  t.ok(calls.length >= 8)
  for (const { url, authorization, rest } of calls) {
    t.equal(new URL(url).origin, environment.api)
    t.notMatch(url + rest, 'a-token-of-mars', 'in no address, body or other header')
    t.equal(authorization !== null, url.startsWith('https://api.example/v3/'), url)
    t.equal(rest.includes('a-refresh-token'), url.endsWith('/oauth/v2/refresh'), url)
    t.notMatch(url + String(authorization), 'a-refresh-token')
  }
})

t.test('a refresh token of one environment is not sent by a server of another that reads the same store (security 23)', async t => {
  const time = new Time()
  const [here, there] = [await startClover(t, time), await startClover(t, time)]
  const storage = memoryStorage()
  const one = await startHost(t, { simulator: here, options: { storage: { ...storage } } })
  const other = await startHost(t, { simulator: there, options: { storage: { ...storage }, environment: { ...there.environment, name: 'elsewhere' } } })
  await connect(one.browser(), here, merchantA)
  time.pass(31 * 60_000)
  const { accessToken, refresh, installation, disconnect } = other.app.clover
  for (const call of [accessToken, refresh, installation, disconnect]) await t.rejects(Promise.resolve(call(merchantA)), { code: 'FST_CLOVER_OTHER_APP' })
  t.equal(there.calls.length, 0)
  t.ok(here.isLive((await storage.get(merchantA))?.refreshToken ?? ''))
})

t.test('an envelope is AES-256-GCM with a nonce of 12 bytes of crypto.randomBytes and a tag of 16, under a key derived for sealing alone (security 27, security 31)', async t => {
  const calls = watch(t, 'randomBytes')
  const key = crypto.randomBytes(32)
  const storage = memoryStorage()
  const plain: Installation = { ...record(), accessToken: 'an-access-token', refreshToken: 'a-refresh-token' }
  await encryptedStorage(storage, { keys: [{ id: 'mine', key }] }).put(plain, undefined)
  const stored = await storage.get(plain.merchantId)
  // By the format's own description, and none of the code that sealed it.
  const cipherKey = Buffer.from(crypto.hkdfSync('sha256', key, '', 'fastify-clover token sealing', 32))
  for (const [field, text] of [['accessToken', 'an-access-token'], ['refreshToken', 'a-refresh-token']] as const) {
    const [version, id, body = ''] = String(stored?.[field]).split('.')
    t.same([version, id], ['fc1', 'mine'])
    const bytes = Buffer.from(body, 'base64url')
    t.equal(bytes.length, 12 + text.length + 16)
    const nonce = bytes.subarray(0, 12)
    t.ok(calls.some(({ result }) => Buffer.isBuffer(result) && result.equals(nonce)), 'the nonce is random')
    const decipher = crypto.createDecipheriv('aes-256-gcm', cipherKey, nonce, { authTagLength: 16 })
    decipher.setAAD(Buffer.from(JSON.stringify(['fc1', 'mine', plain.appId, plain.environment, plain.merchantId, field])))
    decipher.setAuthTag(bytes.subarray(-16))
    t.equal(Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString(), text)
  }
})

t.test('cached records are bounded in number; the one used longest ago goes first (security 35)', async t => {
  const time = new Time()
  const cache = new RecordCache({ max: 3, ttl: 10_000, minValidity: 60, refreshAhead: 0.2, monotonic: time.now, clock: new CloverClock(time.now) })
  const seconds = Math.floor(time.now() / 1000)
  const of = (index: number): Installation => ({ ...record(), merchantId: `MERCHANT0000${index}`, accessToken: `token-${index}`, accessTokenExpiration: seconds + 1800, updatedAt: seconds })
  for (let index = 0; index < 5; index++) {
    cache.set(of(index))
    cache.cachedToken('MERCHANT00000') // in use
  }
  t.same([0, 1, 2, 3, 4].map(index => cache.cachedToken(`MERCHANT0000${index}`)), ['token-0', undefined, undefined, 'token-3', 'token-4'])
  t.same([0, 1, 2, 3, 4].map(index => cache.living(`MERCHANT0000${index}`)?.accessToken), ['token-0', undefined, undefined, 'token-3', 'token-4'])
  cache.close()
  for (const index of [0, 3, 4]) t.equal(cache.living(`MERCHANT0000${index}`), undefined)
})

t.test('while the store is down a merchant is served its own living token or a typed 503, never another\'s (security 36)', async t => {
  let isDown = false
  const inner = memoryStorage()
  const reached = <Args extends unknown[], Result>(run: (...args: Args) => Promise<Result>) => async (...args: Args) => {
    if (isDown) throw new Error('the database is down')
    return await run(...args)
  }
  const { app, clover, browser, time } = await startHost(t, {
    options: { storage: { get: reached(inner.get), put: reached(inner.put), delete: reached(inner.delete), list: reached(inner.list) } },
    after: app => { app.get('/token/:merchantId', async request => request.clover.accessToken((request.params as { merchantId: string }).merchantId)) }
  })
  await connect(browser(), clover, merchantA)
  await connect(browser(), clover, merchantB)
  const own = await app.clover.accessToken(merchantA)
  isDown = true
  time.pass(60_000)
  const replies = await Promise.all([merchantA, merchantB, merchantA, merchantB].map(merchantId => app.inject(`/token/${merchantId}`)))
  t.same(replies.map(({ statusCode }) => statusCode), [200, 503, 200, 503])
  t.same([replies[0]?.body, replies[2]?.body], [own, own])
  for (const reply of [replies[1], replies[3]]) t.match(reply?.json(), { code: 'FST_CLOVER_STORAGE', statusCode: 503 })
  time.pass(1_800_000)
  t.match((await app.inject(`/token/${merchantA}`)).json(), { code: 'FST_CLOVER_STORAGE' }, 'nor a dead one of its own')
})

t.test('each security event is in the log once it happens, with its reason and the merchant, and no secret (security 37)', async t => {
  const keys = [{ id: 'one', key: crypto.randomBytes(32) }]
  const storage = memoryStorage()
  const { app, clover, browser, logs, time } = await startHost(t, { options: { storage: encryptedStorage(storage, { keys }), maxWait: 2_000 }, runtime: { sleep: async () => {} } })
  const last = (event: string) => {
    const all = events(logs).filter(one => one.event === event)
    return all.at(-1) ?? `no ${event} among ${JSON.stringify(events(logs))}`
  }
  const evil = browser()
  await evil.visit(`/clover/callback?code=a-code-of-somebody&merchant_id=${merchantA}`)
  t.match(last('state-refused'), { reason: 'no state', merchantId: merchantA })
  await evil.visit(`/clover/callback?code=a-code-of-somebody&merchant_id=${merchantB}&state=forged`)
  t.match(last('state-refused'), { reason: /not this browser's/, merchantId: merchantB })
  const launch = await browser().visit('/clover/launch')
  authorizeRequest(launch)
  const merchant = browser()
  await merchant.visit(approve(clover, await merchant.visit('/clover/launch'), { merchantId: merchantA, edit: { merchant_id: merchantB } }))
  t.match(last('merchant-mismatch'), { merchantId: merchantB })

  await connect(browser(), clover, merchantA)
  // A pair that is lost between Clover and here: refused, then recovered.
  clover.fault({ on: 'refresh', kind: 'drop-after' })
  await app.clover.refresh(merchantA)
  t.match(last('refresh-refused'), { merchantId: merchantA, status: 401, recoveryAvailable: true })
  t.match(last('recovered'), { merchantId: merchantA })

  clover.uninstall(merchantA)
  await t.rejects(app.clover.refresh(merchantA), { code: 'FST_CLOVER_REAUTHORIZATION_REQUIRED' })
  t.match(last('reauthorization-required'), { merchantId: merchantA, since: Number, retryAt: Number })

  const stored = await storage.get(merchantA)
  if (stored) await storage.put({ ...stored, accessToken: stored.refreshToken ?? '' }, stored.revision)
  time.pass(60_000)
  await t.rejects(app.clover.accessToken(merchantA), { code: 'FST_CLOVER_SEALED' })
  t.match(last('record-not-opened'), { merchantId: merchantA, reason: /does not open at accessToken: it was changed/ })

  await app.clover.disconnect(merchantA)
  t.match(last('disconnected'), { merchantId: merchantA })
})
