import t from 'tap'
import { genuineReply, ownerOf } from './fake-clover.js'
import { checkReply } from './fuzz-checks.js'
import { merchants, startFuzzHost, fuzz, oddQuery, oddCookies, setCookies, addTo, headersOf } from './fuzz-host.js'

/*
 * Random launches, callbacks, refresh bodies and replies of Clover, FASTIFY_CLOVER_FUZZ of each. A failure names its seed and number:
 * FASTIFY_CLOVER_FUZZ_SEED=... repeats a run.
 */

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
