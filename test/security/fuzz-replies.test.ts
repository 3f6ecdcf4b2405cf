import t from 'tap'
import { isCloverError } from '../../src/errors.js'
import { startHost } from '../harness/host.js'
import { approve } from '../harness/browser.js'
import { genuineReply, oddReply, toResponse } from './fake-clover.js'
import { Random } from './random.js'
import { checkReply, watchProcess } from './fuzz-checks.js'
import { cases, seed, merchants, startFuzzHost, fuzz, setCookies } from './fuzz-host.js'

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
    // In, or to Clover once more for a full exchange, since the stored pair turned out to be dead.
    const location = String(reply.headers.location)
    if (reply.statusCode === 302 && location !== '/' && !location.startsWith('https://a.example/oauth/v2/authorize?')) throw new Error(`astray: ${location}`)
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
