import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { isCloverError } from '../../src/errors.js'
import type { CloverOptions } from '../../src/options.js'
import { kRuntime, plugin } from '../../src/plugin.js'
import type { CloverStorage } from '../../src/storage/contract.js'
import { memoryStorage } from '../../src/storage/index.js'
import type { Runtime } from '../../src/tokens/runtime.js'
import { cookieSecret, highTrust, startHost, Time } from '../helpers/host.js'
import { approve } from '../helpers/browser.js'
import { fakeFetch, genuineReply, oddReply, ownerOf, toResponse, type FakeCall } from './fake-clover.js'
import { Random } from './random.js'
import { checkReply, usedHeap, watchProcess } from './watch.js'

/*
 * Random launches, callbacks, refresh bodies and replies of Clover, FASTIFY_CLOVER_FUZZ of each. A failure names its seed and number:
 * FASTIFY_CLOVER_FUZZ_SEED=... repeats a run.
 */

const cases = Number(process.env.FASTIFY_CLOVER_FUZZ ?? 1_000)
const seed = Number(process.env.FASTIFY_CLOVER_FUZZ_SEED ?? Date.now() % 2 ** 31)
t.comment(`FASTIFY_CLOVER_FUZZ_SEED=${seed} FASTIFY_CLOVER_FUZZ=${cases}`)
t.setTimeout(0)

const merchants = Array.from({ length: 50 }, (_, index) => `MERCHANT${String(index).padStart(5, '0')}`)
const names = ['merchant_id', 'merchantId', 'employee_id', 'client_id', 'code', 'return_to', 'state', 'error', 'error_description', 'code[]', 'state[x]', '__proto__', 'constructor']
const rawTails = ['', '', '', '&', '&&', '&=', '&code', '&%', '&%zz=%zz', '&a=%c3%28', '&code=canary-1&code=canary-2', ';x', '?x', '&merchant_id', '&=canary']

interface FuzzHost { app: FastifyInstance, time: Time, storage: CloverStorage, problems: string[] }

/** A host whose Clover is a function. Its log, at level trace, must hold no canary; nothing is stored for a merchant whom Clover did not name. */
async function startFuzzHost (t: Test, answer: (call: FakeCall) => Response, isOf: (token: string, merchantId: string) => boolean): Promise<FuzzHost> {
  watchProcess(t)
  const time = new Time()
  const problems: string[] = []
  const storage = memoryStorage()
  const watched: CloverStorage = {
    ...storage,
    put: (next, expected) => {
      if (!isOf(next.accessToken, next.merchantId)) problems.push(`stored for ${next.merchantId}: ${next.accessToken}`)
      return storage.put(next, expected)
    }
  }
  const app = Fastify({ logger: { level: 'trace', stream: { write: line => { if (line.includes('canary')) problems.push(`logged: ${line}`) } } } })
  t.teardown(() => app.close())
  // Jumps in time take the place of waiting.
  const runtime: Partial<Runtime> = { fetch: fakeFetch(answer), now: time.now, sleep: async milliseconds => { time.pass(Math.min(milliseconds, 60_000)) } }
  await app.register(plugin, {
    environment: { name: 'fuzz', authorize: 'https://a.example', api: 'https://b.example', legacy: 'https://c.example' },
    appId: highTrust,
    appSecret: 'canary-app-secret',
    storage: watched,
    cookieSecret,
    baseUrl: 'https://shop.example',
    callTimeout: 1_000,
    keepAlive: false, // sleeps end at once here
    routes: { refresh: { onRequest: async () => {} } },
    [kRuntime]: runtime
  } as CloverOptions)
  await app.ready()
  return { app, time, storage, problems }
}

/** Runs every case, names the one that fails, and holds the heap to what it was after the first fifth. */
async function fuzz (t: Test, problems: string[], one: (random: Random) => Promise<string>): Promise<Map<string, number>> {
  const seen = new Map<string, number>()
  const warm = Math.floor(cases / 5)
  let before = 0
  const start = performance.now()
  for (let index = 0; index < cases; index++) {
    if (index === warm) before = await usedHeap()
    // A turn of the event loop, as a server has all the time: without it no timer of a call's deadline is ever freed.
    if (index % 16 === 0) await new Promise(resolve => setImmediate(resolve))
    try {
      const outcome = await one(new Random(seed, index))
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
      if (problems[0] !== undefined) throw new Error(problems[0])
    } catch (error) {
      throw new Error(`case ${index} of FASTIFY_CLOVER_FUZZ_SEED=${seed}: ${String(error)}`, { cause: error })
    }
  }
  await new Promise(resolve => setTimeout(resolve, 1_100)) // deadlines of the last calls
  const grown = await usedHeap() - before
  const outcomes = [...seen].sort(([, a], [, b]) => b - a).map(([key, count]) => `${key}: ${count}`).join(', ')
  t.comment(`${cases} in ${Math.round(performance.now() - start)} ms; heap ${Math.round(before / 1024)} KiB, grown by ${Math.round(grown / 1024)} KiB; ${outcomes}`)
  t.ok(grown < 8 * 1024 * 1024, `the heap grew by ${grown} bytes`)
  return seen
}

function encode (text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, ''))
}

/** A query of known and unknown names, tidy or not. */
function oddQuery (random: Random, fixed: Record<string, string> = {}): string {
  const values = (name: string) => name.startsWith('merchant') && random.chance(0.6) ? random.pick(...merchants) : name === 'return_to' && random.chance(0.5) ? `/orders/${random.int(100)}` : name === 'code' ? `canary-${random.text(20, 120)}` : random.nasty()
  const odd = random.some(names, 3).map(name => [name, values(name)] as const)
  return [...Object.entries(fixed), ...odd].map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&') + random.pick(...rawTails)
}

/** A Cookie header of some that were set, some changed, and some of strangers. */
function oddCookies (random: Random, pool: readonly string[]): string {
  const visible = (text: string) => text.replace(/[^\x20-\x7e\u0080-\u00ff]/g, '')
  const strange = Array.from({ length: random.int(3) }, () => visible(`${random.nasty()}=${random.nasty()}`))
  return [...random.some(pool, 8), ...random.some(pool, 2).map(cookie => visible(random.mutated(cookie))), ...strange].join('; ')
}

function setCookies (headers: Record<string, unknown>): string[] {
  return [headers['set-cookie'] ?? []].flat().map(line => String(line).slice(0, String(line).indexOf(';'))).filter(pair => !pair.endsWith('='))
}

function addTo (pool: string[], cookies: string[]): void {
  pool.push(...cookies)
  pool.splice(0, pool.length - 12)
}

const headersOf = (random: Random) => ({ accept: random.pick('text/html', 'application/json', '*/*', ''), 'sec-fetch-dest': random.pick('document', 'document', 'iframe', 'fencedframe', 'empty', 'x'), host: random.pick('shop.example', 'evil.example') })

t.test('launches: to Clover, or a page, or a typed 400, and never a call to Clover (security 2, security 14)', async t => {
  const pool: string[] = []
  let calls = 0
  const { app, problems } = await startFuzzHost(t, () => { calls++; return Response.json({}) }, () => false)
  const seen = await fuzz(t, problems, async random => {
    const cookie = oddCookies(random, pool)
    const reply = await app.inject({ url: `/clover/launch?${oddQuery(random)}`, headers: { ...headersOf(random), ...(cookie !== '' && { cookie }) } })
    checkReply(reply, [200, 302, 400])
    if (reply.statusCode === 302) {
      const { origin, searchParams } = new URL(String(reply.headers.location))
      if (origin !== 'https://a.example' || searchParams.get('redirect_uri') !== 'https://shop.example/clover/callback') throw new Error(String(reply.headers.location))
      if (setCookies(reply.headers).length !== 1) throw new Error('not one state')
      addTo(pool, setCookies(reply.headers))
    } else if (reply.headers['set-cookie'] !== undefined) throw new Error('a cookie with a page')
    return String(reply.statusCode)
  })
  t.equal(calls, 0)
  t.ok(['200', '302', '400'].every(key => seen.has(key)))
})

t.test('callbacks: a code goes to Clover only with its own state, and a token is stored only for whom Clover names (security 3, security 6, security 15)', async t => {
  let expected: string[] = []
  let owner = ''
  let exchanges = 0
  const { app, time, problems } = await startFuzzHost(t, call => {
    if (call.path.startsWith('/oauth/v2/token')) {
      exchanges++
      if (!expected.includes(String(call.body.code))) problems.push(`a code was sent: ${String(call.body.code)}`)
      if (owner === 'nobody') return Response.json({ message: 'Failed to validate authentication code.' }, { status: 401 })
    }
    return Response.json(genuineReply(call, time.now(), owner))
  }, (token, merchantId) => ownerOf(token) === merchantId)
  const pool: string[] = []
  let codes = 0
  const seen = await fuzz(t, problems, async random => {
    const isGenuine = random.chance(0.5)
    const merchantId = random.pick(...merchants)
    const code = `canary-code.${++codes}`
    expected = []
    let isOwn = isGenuine
    owner = random.chance(0.7) ? merchantId : random.chance(0.5) ? random.pick(...merchants) : 'nobody'
    exchanges = 0
    let cookie = oddCookies(random, pool)
    const fixed: Record<string, string> = random.chance(0.7) ? { code } : {}
    if (random.chance(0.7)) fixed.merchant_id = random.chance(0.9) ? merchantId : random.nasty()
    if (isGenuine || random.chance(0.5)) {
      const launch = await app.inject(`/clover/launch${random.chance(0.7) ? `?merchant_id=${merchantId}` : ''}`)
      const own = setCookies(launch.headers)
      const state = new URL(String(launch.headers.location)).searchParams.get('state') ?? ''
      addTo(pool, own)
      fixed.state = state
      if (isGenuine) {
        cookie = [...own, cookie].filter(part => part !== '').join('; ')
      } else {
        // Its state without its cookie, or the other way round, or both too late.
        const way = random.int(4)
        if (way === 0) cookie = ''
        if (way === 1) fixed.state = random.mutated(state)
        if (way === 2) delete fixed.state
        if (way === 3) time.pass(601_000)
        if (way !== 0) cookie = own.join('; ')
        isOwn = way === 1 && fixed.state === state
      }
    }
    const url = `/clover/callback?${isGenuine && random.chance(0.7) ? new URLSearchParams(fixed).toString() : oddQuery(random, fixed)}`
    if (isOwn) expected = new URL(url, 'https://x').searchParams.getAll('code')
    const request = { url, headers: { ...headersOf(random), ...(cookie !== '' && { cookie }) } }
    const reply = await app.inject(request)
    checkReply(reply, [302, 400, 403, 502, 503])
    addTo(pool, setCookies(reply.headers))
    if (exchanges > 1) throw new Error(`${exchanges} exchanges`)
    const made = exchanges
    // Whatever came of it, it does not come again.
    if (random.chance(0.2)) checkReply(await app.inject(request), [302, 400, 403])
    if (exchanges > made) throw new Error('a second exchange')
    const location = String(reply.headers.location ?? '')
    const where = location.startsWith('https://a.example/') ? ' to Clover' : location.startsWith('https://shop.example/clover/callback?') ? ' to itself' : location.startsWith('/') && !location.startsWith('//') ? ' in' : location === '' ? '' : ' astray'
    if (where === ' astray' || (where === ' in' && made !== 1)) throw new Error(`${where}: ${location}`)
    time.pass(random.int(2_000))
    return reply.statusCode + where
  })
  t.ok(['302 in', '302 to Clover', '302 to itself', '400', '403'].every(key => seen.has(key)), 'all kinds were met')
})

t.test('refresh bodies: an operator\'s reply without tokens, or a typed 4xx (security 14, security 26)', async t => {
  const { app, time, problems } = await startFuzzHost(t, call => Response.json(genuineReply(call, time.now(), '')), (token, merchantId) => ownerOf(token) === merchantId)
  const connected = merchants.slice(0, 25)
  for (const merchantId of connected) {
    const [accessToken, refreshToken] = [`canary-access.${merchantId}.0`, `canary-refresh.${merchantId}.0`]
    await app.clover.adopt({ merchantId, accessToken, refreshToken, accessTokenExpiration: 4_000_000_000, refreshTokenExpiration: 4_000_000_000 })
  }
  const seen = await fuzz(t, problems, async random => {
    const merchantId = random.pick(...merchants)
    const text = JSON.stringify({ merchant_id: merchantId })
    const payload = random.pick<() => string | Buffer>(
      () => text, () => text,
    () => JSON.stringify(random.json(4)),
    () => JSON.stringify({ merchant_id: random.json(), [random.nasty()]: random.json() }),
    () => random.mutated(text),
    () => JSON.stringify({ merchant_id: merchantId, [random.nasty()]: random.json() }),
    () => Buffer.from(Uint8Array.from({ length: random.int(80) }, () => random.int(256))),
    () => text + ' '.repeat(random.int(2_000)),
    () => '['.repeat(random.int(1_100))
    )()
    const contentType = random.chance(0.8) ? 'application/json' : random.pick('application/JSON; charset=utf-8', 'application/json;', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'nonsense', 'application/json, text/plain', '')
    const reply = await app.inject({ method: 'POST', url: '/clover/refresh', headers: { 'content-type': contentType, ...(random.chance(0.1) && { 'content-encoding': 'gzip' }) }, payload })
    checkReply(reply, [200, 400, 409, 413, 415])
    if (reply.statusCode === 200 && !connected.includes(reply.json<{ merchant_id: string }>().merchant_id)) throw new Error(reply.body)
    time.pass(random.int(1_000))
    return String(reply.statusCode)
  })
  t.ok(['200', '400', '409', '413', '415'].every(key => seen.has(key)), 'all kinds were met')
})

t.test('Clover\'s replies: whatever they are, an error is typed, and a token is stored only for whom Clover named (security 24)', async t => {
  let random = new Random(seed)
  let owner = ''
  let isWell = false
  /** No call is answered in this case. */
  let isOut = false
  let turns = 0
  /** Whom Clover named for a token, or for whose refresh token it came. */
  const named = new Map<string, string>()
  const name = (token: unknown, merchantId: unknown) => {
    if (typeof token !== 'string' || typeof merchantId !== 'string') return
    named.set(token, merchantId)
    if (named.size > 5_000) named.delete(String(named.keys().next().value))
  }
  const { app, time, storage, problems } = await startFuzzHost(t, call => {
    if (!isWell && (isOut || random.chance(0.05))) throw Object.assign(new TypeError('canary fetch failed'), { cause: Object.assign(new Error('canary'), { code: random.pick('ECONNRESET', 'UND_ERR_SOCKET', undefined) }) })
    const isTidy = isWell || random.chance(0.5)
    const genuine = genuineReply(call, time.now(), owner)
    const odd = isTidy ? { status: 200, headers: { date: new Date(time.now()).toUTCString() }, body: JSON.stringify(genuine) } : oddReply(random, genuine, time.now())
    if (odd.status >= 200 && odd.status < 300) {
      const body = parse(typeof odd.body === 'string' ? odd.body : Buffer.from(odd.body).toString())
      if (call.path.startsWith('/v3/')) name(call.token, body?.id)
      else if (!call.path.startsWith('/oauth/v2/token')) name(body?.access_token, ownerOfRefresh.get(String(call.body.refresh_token ?? call.body.recovery_token)))
    }
    return toResponse(odd)
  }, (token, merchantId) => named.get(token) === merchantId)
  /** Whose each refresh token is that lies in the store. */
  const ownerOfRefresh = new Map<string, string>()
  const few = merchants.slice(0, 12)
  const note = async () => {
    ownerOfRefresh.clear()
    for (const merchantId of few) {
      const record = await storage.get(merchantId)
      if (!record) continue
      name(record.accessToken, merchantId)
      for (const token of [record.refreshToken, record.spentRefreshToken]) if (typeof token === 'string') ownerOfRefresh.set(token, merchantId)
    }
  }
  const seen = await fuzz(t, problems, async caseRandom => {
    random = caseRandom
    isOut = random.chance(0.1)
    await note()
    if (++turns % 50 === 0) await recovers()
    const merchantId = random.pick(...few)
    owner = random.chance(0.8) ? merchantId : random.pick(...few)
    const what = random.pick('connect', 'connect', 'token', 'token', 'token', 'refresh')
    const outcome = what === 'connect' ? await connects(merchantId) : what === 'token' ? await token(merchantId) : await refreshes(merchantId)
    await new Promise(resolve => setImmediate(resolve)) // refreshes in the background
    time.pass(random.chance(0.3) ? random.int(4_000_000) : random.int(2_000))
    if (random.chance(0.02)) await app.clover.disconnect(merchantId)
    return `${what}: ${outcome}`
  })
  t.ok(['connect: 302', 'connect: 403', 'connect: 502', 'connect: 503', 'token: given', 'token: FST_CLOVER_BAD_REPLY', 'token: FST_CLOVER_UNAVAILABLE', 'refresh: 200', 'refresh: 502'].every(key => seen.has(key)), 'all kinds were met')

  /** Once Clover is well again, whatever it said before, every merchant has a living token within some minutes. */
  async function recovers (): Promise<void> {
    isWell = true
    for (let minutes = 0; minutes < 4; minutes++) {
      time.pass(600_000)
      for (const merchantId of few) await app.clover.accessToken(merchantId).catch(() => {})
      await new Promise(resolve => setImmediate(resolve))
      await note()
    }
    for (const merchantId of few) {
      const record = await storage.get(merchantId)
      const given = await app.clover.accessToken(merchantId).catch((error: unknown) => error)
      if (record && !(typeof given === 'string' && Number(record.accessTokenExpiration) > time.now() / 1000)) throw new Error(`${merchantId} has no living token at ${time.now() / 1000}: ${String(given)} ${JSON.stringify(record)}`)
    }
    isWell = false
  }

  async function connects (merchantId: string): Promise<string> {
    const launch = await app.inject(`/clover/launch?merchant_id=${merchantId}`)
    const state = new URL(String(launch.headers.location)).searchParams.get('state') ?? ''
    const reply = await app.inject({ url: `/clover/callback?${new URLSearchParams({ code: 'canary-code', merchant_id: merchantId, state })}`, headers: { accept: 'application/json', cookie: setCookies(launch.headers).join() } })
    checkReply(reply, [302, 403, 502, 503])
    if (reply.statusCode === 302 && reply.headers.location !== '/') throw new Error('astray')
    return String(reply.statusCode)
  }

  async function token (merchantId: string): Promise<string> {
    const before = await storage.get(merchantId)
    const options = random.pick<object | undefined>(undefined, undefined, {}, { minValidity: random.int(4_000) }, { rejected: before?.accessToken ?? 'none' })
    try {
      const given = options === undefined ? await app.clover.accessToken(merchantId) : await app.clover.accessToken(merchantId, options)
      if (named.get(given) !== merchantId) throw new Error(`given for ${merchantId}: ${given}`)
      return 'given'
    } catch (error) {
      if (!isCloverError(error)) throw error
      if (JSON.stringify(error).includes('canary') || error.message.includes('canary')) throw new Error('a secret is in the error', { cause: error })
      return error.code
    }
  }

  async function refreshes (merchantId: string): Promise<string> {
    const reply = await app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantId } })
    checkReply(reply, [200, 409, 502, 503])
    return String(reply.statusCode)
  }
})

t.test('Clover\'s replies over real connections: the same holds (security 24)', async t => {
  const { app, clover, browser, storage, time } = await startHost(t, { options: { callTimeout: 2_000 } })
  watchProcess(t)
  const seen = new Set<number>()
  for (let index = 0; index < Math.ceil(cases / 20); index++) {
    const random = new Random(seed, index)
    const merchantId = random.pick('MERCHANT0000A', 'MERCHANT0000B')
    const on = random.pick('token', 'merchant', 'refresh', 'recovery')
    if (random.chance(0.1)) clover.fault({ on, kind: random.pick('drop-before', 'drop-after', 'drop-during') })
    else {
      const { status, headers, body } = oddReply(random, genuineReply({ path: `/oauth/v2/${on}`, body: {}, token: '' }, time.now(), merchantId), time.now())
      const { 'content-length': _, 'content-type': contentType = '', ...others } = headers
      clover.fault({ on, kind: 'reply', status, headers: others, contentType: contentType || 'application/json', body: random.chance(0.3) ? genuine => JSON.stringify(genuine).slice(0, random.int(200)) || ' ' : body.length === 0 ? ' ' : body })
    }
    const merchant = browser()
    const reply = await merchant.visit(approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantId}`)), { headers: { accept: 'application/json' } })
    checkReply(reply, [302, 403, 502, 503])
    const refreshed = await app.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantId } })
    checkReply(refreshed, [200, 409, 502, 503])
    seen.add(reply.statusCode).add(refreshed.statusCode)
    for (const id of ['MERCHANT0000A', 'MERCHANT0000B']) {
      const record = await storage.get(id)
      if (record && !/^[\x21-\x7e]+$/.test(record.accessToken)) throw new Error(`stored: ${JSON.stringify(record)}`)
    }
    clover.clearFaults()
    time.pass(120_000)
  }
  t.ok(seen.has(302) && seen.has(200))
})

function parse (text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}
