import fc from 'fast-check'
import t from 'tap'
import { isCloverError } from '../../src/errors.js'
import { authorizeRequest } from '../harness/browser.js'
import { merchantA, merchantB, startHost } from '../harness/host.js'
import { numberOf, share } from '../harness/share.js'

/*
 * FASTIFY_CLOVER_ROUTES_SEED repeats a run, FASTIFY_CLOVER_ROUTES makes it longer.
 */

const numRuns = numberOf('FASTIFY_CLOVER_ROUTES', share(80, 400))
const seed = numberOf('FASTIFY_CLOVER_ROUTES_SEED', process.env.FASTIFY_CLOVER_ROUTES === undefined ? 1 : Date.now() % 2 ** 31)
const parameters = { seed, numRuns }
t.comment(`FASTIFY_CLOVER_ROUTES_SEED=${seed} FASTIFY_CLOVER_ROUTES=${numRuns}`)

const nasty = fc.constantFrom('', '//evil.example', '/\\evil', '/%2f%2fevil', '/ok?a=b', '\u0000', '\r\nset-cookie: a=b', '<script>', '[object Object]', '__proto__', 'constructor', '%', '%ff', 'null', 'true', '1e999', merchantA, merchantB, merchantA.toLowerCase(), 'SIMULATORAPP1', 'access_denied', 'x'.repeat(3000))
/** Any characters. The same of `fc.string` builds a table of all there are, which takes a second. */
const anyText = (maxLength?: number) => fc.array(fc.nat(0x10ffff), { ...maxLength !== undefined && { maxLength } }).map(points => String.fromCodePoint(...points))
const value = fc.oneof(nasty, anyText(40), fc.string({ maxLength: 300 }))
const names = ['merchant_id', 'merchantId', 'employee_id', 'client_id', 'code', 'return_to', 'state', 'error', 'error_description']
const name = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: fc.oneof(nasty, fc.string({ maxLength: 20 }), fc.constantFrom('code[]', 'code[x]', 'state[]')) })
const fields = fc.array(fc.tuple(name, value), { maxLength: 6 })
const accept = fc.constantFrom('text/html', 'application/json', '*/*', '')
const destination = fc.constantFrom('document', 'iframe', 'empty', 'nonsense')

function toQuery (pairs: ReadonlyArray<readonly [string, string]>, raw: string): string {
  return `${pairs.map(([key, text]) => `${encode(key)}=${encode(text)}`).join('&')}${raw}`
}

/** Lone surrogates cannot be encoded, and no browser sends them. */
function encode (text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'))
}

/** Text after the query that no encoder would make. */
const rawTail = fc.constantFrom('', '&', '&&', '&=', '&code', '&%', '&%zz=%zz', '&a=%c3%28', '#', '&code=1&code=2', ';x', '?x')

t.test('any launch redirects to Clover, or is a page or a 4xx, and makes no call to Clover', async t => {
  let calls = 0
  const { browser } = await startHost(t, { runtime: { fetch: async () => { calls++; return Response.json({}) } } })
  const seen = new Map<number, number>()
  const merchant = browser()
  await fc.assert(fc.asyncProperty(fields, rawTail, accept, destination, async (pairs, raw, type, kind) => {
    const reply = await merchant.visit(`/clover/launch?${toQuery(pairs, raw)}`, { headers: { accept: type, 'sec-fetch-dest': kind } })
    seen.set(reply.statusCode, (seen.get(reply.statusCode) ?? 0) + 1)
    if (![200, 302, 400].includes(reply.statusCode)) throw new Error(`${reply.statusCode} ${reply.body}`)
    if (reply.statusCode === 302) authorizeRequest(reply)
    if (reply.statusCode === 400 && !reply.body.includes('FST_')) throw new Error(`not typed: ${reply.body}`)
    if (/<script|<img/.test(reply.body)) throw new Error('echoed')
    if ((await merchant.stateCookies()).length > 5) throw new Error('too many cookies')
  }), parameters)
  t.equal(calls, 0)
  t.ok([200, 302, 400].every(status => (seen.get(status) ?? 0) > 0), `all kinds were met: ${JSON.stringify([...seen])}`)
})

t.test('no request to the callback causes an untyped 500 or is stored', async t => {
  let calls = 0
  const { app, browser, storage } = await startHost(t, { runtime: { fetch: async () => { calls++; return Response.json({ message: 'Failed to validate authentication code.' }, { status: 401 }) } } })
  const seen = new Map<string, number>()
  const genuine = fc.record({ merchant: fc.constantFrom(undefined, merchantA, merchantB), keepCookie: fc.boolean(), keepState: fc.boolean(), isTidy: fc.boolean() })
  await fc.assert(fc.asyncProperty(fields, rawTail, accept, fc.option(genuine), async (pairs, raw, type, own) => {
    const merchant = browser()
    const all: Array<[string, string]> = own?.isTidy ? [['code', 'never-issued-1'], ['merchant_id', own.merchant ?? merchantA]] : [...pairs]
    if (own) {
      const launch = await merchant.visit(`/clover/launch${own.merchant === undefined ? '' : `?merchant_id=${own.merchant}`}`)
      if (own.keepState) all.push(['state', authorizeRequest(launch).searchParams.get('state') ?? ''])
    }
    const before = calls
    const reply = await merchant.visit(`/clover/callback?${toQuery(all, raw)}`, { headers: { accept: type, ...(own?.keepCookie === false && { cookie: 'none=1' }) } })
    const made = calls - before
    const key = `${reply.statusCode}${made > 0 ? ' with a call' : ''}`
    seen.set(key, (seen.get(key) ?? 0) + 1)
    if (![302, 400, 403].includes(reply.statusCode)) throw new Error(`${reply.statusCode} ${reply.body}`)
    if (reply.statusCode === 302) {
      if (!reply.headers.location?.startsWith('https://shop.example/clover/callback?state=')) authorizeRequest(reply)
    } else if (!reply.body.includes('FST_')) throw new Error(`not typed: ${reply.body}`)
    if (made > 0 && !(own?.keepCookie && own.keepState && reply.statusCode === 403 && made === 1)) throw new Error(`${made} calls for ${key}`)
    if (/<script|<img/.test(reply.body)) throw new Error('echoed')
    if (await storage.get(merchantA) || await storage.get(merchantB)) throw new Error('stored')
  }), parameters)
  t.ok(['302', '400', '403', '403 with a call'].every(key => (seen.get(key) ?? 0) > 0), `all kinds were met: ${JSON.stringify([...seen])}`)
  t.ok(app.clover)
})

t.test('any invalid post to the refresh route is a typed 4xx and makes no call to Clover', async t => {
  let calls = 0
  const { app } = await startHost(t, { runtime: { fetch: async () => { calls++; return Response.json({}) } } })
  const type = fc.oneof({ weight: 5, arbitrary: fc.constant('application/json') }, { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'nonsense', 'application/json; charset=utf-16', 'application/JSON') })
  const body = fc.oneof(
    fc.json(), anyText(), fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes)),
    fc.record({ merchant_id: fc.oneof(fc.anything(), fc.constantFrom(merchantA, merchantB)) }, { noNullPrototype: true }).map(object => { try { return JSON.stringify(object) } catch { return '{}' } }),
    fc.constantFrom(`{"merchant_id":"${merchantA}"}`, '', 'x'.repeat(5000))
  )
  await fc.assert(fc.asyncProperty(type, body, async (contentType, payload) => {
    const reply = await app.inject({ method: 'POST', url: '/clover/refresh', headers: { 'content-type': contentType }, payload: payload ?? '' })
    if (![400, 409, 413, 415].includes(reply.statusCode)) throw new Error(`${reply.statusCode} ${reply.body}`)
    if (reply.statusCode === 409 && !reply.body.includes('FST_CLOVER_NOT_CONNECTED')) throw new Error('not typed')
  }), parameters)
  t.equal(calls, 0)
})

t.test('for any invalid reply of Clover the error is typed and nothing is stored (security 24)', async t => {
  const good = { access_token: 'good-access-token', access_token_expiration: 4_000_000_000, refresh_token: 'good-refresh-token', refresh_token_expiration: 4_100_000_000, id: merchantA }
  const json = fc.oneof(
    fc.jsonValue(),
    fc.constant(good),
    fc.tuple(fc.constantFrom(...Object.keys(good)), fc.oneof(fc.jsonValue(), fc.constantFrom(undefined, -1, 1e300, '', 'a b', 'x\ny', 'é', merchantB))).map(([key, changed]) => ({ ...good, [key]: changed }))
  )
  const answer = fc.oneof(
    { weight: 8, arbitrary: fc.record({ status: fc.oneof({ weight: 4, arbitrary: fc.constant(200) }, { weight: 1, arbitrary: fc.constantFrom(201, 202, 302, 400, 401, 403, 404, 415, 429, 500, 502, 599) }), body: fc.oneof({ weight: 4, arbitrary: json.map(data => JSON.stringify(data)) }, { weight: 1, arbitrary: fc.string() }), date: fc.constantFrom('nonsense', '', 'Thu, 01 Jan 1970 00:00:00 GMT') }) },
    { weight: 1, arbitrary: fc.constant('network error' as const) }
  )
  let answers: Array<typeof answer extends fc.Arbitrary<infer T> ? T : never> = []
  const { app, storage, browser } = await startHost(t, {
    runtime: {
      fetch: async () => {
        const next = answers.shift()
        if (next === undefined || typeof next === 'string') throw new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ECONNRESET' }) })
        return new Response(next.body, { status: next.status, headers: { date: next.date } })
      }
    }
  })
  const seen = new Map<string, number>()
  await fc.assert(fc.asyncProperty(answer, answer, async (toExchange, toMerchant) => {
    answers = [toExchange, toMerchant]
    const merchant = browser()
    const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
    const state = authorizeRequest(launch).searchParams.get('state') ?? ''
    const reply = await merchant.visit(`/clover/callback?code=a-random-code&merchant_id=${merchantA}&state=${state}`, { headers: { accept: 'application/json' } })
    const stored = await storage.get(merchantA)
    const fits = [toExchange, toMerchant].every(one => typeof one !== 'string' && one.status < 300)
    if (reply.headers.location === '/') {
      if (!fits || !stored) throw new Error('connected from a bad reply')
      if (!/^[\x21-\x7e]+$/.test(stored.accessToken) || stored.refreshToken === null || !(Number(stored.accessTokenExpiration) > 9e8)) throw new Error(`stored: ${JSON.stringify(stored)}`)
      if (!await app.clover.disconnect(merchantA)) throw new Error('not stored')
      seen.set('connected', (seen.get('connected') ?? 0) + 1)
      return
    }
    const { code } = JSON.parse(reply.body) as { code: string }
    seen.set(code, (seen.get(code) ?? 0) + 1)
    if (!isCloverError(Object.assign(new Error('x'), { code })) || ![403, 502, 503].includes(reply.statusCode)) throw new Error(`${reply.statusCode} ${reply.body}`)
    if (stored) throw new Error('stored from a bad reply')
  }), parameters)
  t.ok(['connected', 'FST_CLOVER_BAD_REPLY', 'FST_CLOVER_DENIED', 'FST_CLOVER_UNAVAILABLE'].every(key => (seen.get(key) ?? 0) > 0), `all kinds were met: ${JSON.stringify([...seen])}`)
})
