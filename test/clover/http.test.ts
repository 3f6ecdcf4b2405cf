import t from 'tap'
import { authorizeUrl } from '../../src/clover/authorize.js'
import { CloverClock } from '../../src/clover/clock.js'
import { createCloverHttp, networkReason, type CloverRequest } from '../../src/clover/http.js'

/*
 * What is sent to Clover with each call, and how much is read of what comes back.
 */

const url = new URL('http://localhost/x')

/** A call whose answer, or failure, the test gives; with what was handed to `fetch`. */
async function call (request: Partial<CloverRequest>, answer: () => Response) {
  const sent: RequestInit[] = []
  const fetch = (async (_url, init) => { sent.push(init ?? {}); return answer() }) as typeof globalThis.fetch
  const http = createCloverHttp({ fetch, clock: new CloverClock(Date.now), callTimeout: 1_000, userAgent: 'shop/1' })
  const came = await http({ endpoint: '/x', url, method: 'GET', ...request })
  return { came, sent: sent[0] ?? {} }
}

t.test('only what a call has is in its headers', async t => {
  const common = { accept: 'application/json', 'user-agent': 'shop/1' }
  const { sent: get } = await call({ accessToken: 'TOKEN' }, () => new Response('{}'))
  t.same(get.headers, { ...common, authorization: 'Bearer TOKEN' })
  t.notOk('body' in get)
  const { sent: post } = await call({ method: 'POST', body: { a: 'b' } }, () => new Response('{}'))
  t.same(post.headers, { ...common, 'content-type': 'application/json' })
  t.equal(post.body, '{"a":"b"}')
})

t.test('a reply of 256 KiB is read, and not a byte more', async t => {
  const size = 262_144
  const text = (length: number) => `"${'x'.repeat(length - 2)}"`
  t.match((await call({}, () => new Response(text(size)))).came, { outcome: 'answered', body: 'x'.repeat(size - 2) })
  t.same((await call({}, () => new Response(text(size + 1)))).came, { outcome: 'unclear', reason: `/x: a reply of more than ${size} bytes`, malformed: true })
  t.match((await call({}, () => new Response(text(size + 1), { status: 500 }))).came, { malformed: false }, 'an error\'s page tells nothing of the token')
})

t.test('a failure has the code of the network, wherever it stands, and no other text', async t => {
  const coded = (code: unknown) => Object.assign(new Error('CANARY'), { code })
  const caused = (cause: unknown) => new TypeError('fetch failed', { cause })
  const reasons: Array<[error: unknown, reason: string]> = [
    [coded('ECONNRESET'), 'network error ECONNRESET'],
    [caused(coded('ENOTFOUND')), 'network error ENOTFOUND'],
    [Object.assign(caused(new Error('CANARY')), { code: 'EOUTER' }), 'network error'],
    [Object.assign(caused('CANARY'), { code: 'EOUTER' }), 'network error EOUTER'],
    [coded('CANARY http://x'), 'network error'],
    [new Error('CANARY'), 'network error'],
    [{ code: 'ECONNRESET' }, 'network error'],
    [{ cause: coded('ECONNRESET') }, 'network error'],
    [undefined, 'network error']
  ]
  for (const [error, reason] of reasons) t.equal(networkReason(error), reason)
})

t.test('the authorize page is asked for a token in the implicit flow, and for a code with a challenge or without it in the others', async t => {
  const environment = { name: 'x', authorize: 'https://authorize.example', api: 'https://api.example', legacy: 'https://legacy.example' }
  const names = (app: { flow: 'v1' | 'v2', appSecret: string | false, implicit?: boolean }) => {
    const { searchParams } = new URL(authorizeUrl({ environment, appId: 'APP', ...app }, { redirectUri: 'https://shop.example/cb', state: 's', verifier: 'v' }))
    return [searchParams.get('response_type'), searchParams.has('code_challenge')]
  }
  t.same(names({ flow: 'v1', appSecret: false, implicit: true }), ['token', false])
  t.same(names({ flow: 'v1', appSecret: 'secret' }), ['code', false])
  t.same(names({ flow: 'v2', appSecret: 'secret' }), [null, false])
  t.same(names({ flow: 'v2', appSecret: false }), [null, true])
})

t.test('the first and the last second of the times that can be Clover\'s are believed', async t => {
  for (const [date, now] of [['Sat, 01 Jan 2000 00:00:00 GMT', 946_684_800.5], ['Fri, 31 Dec 9999 23:59:59 GMT', 253_402_300_799.5]] as const) {
    const clock = new CloverClock(() => 1_000_000)
    clock.observe(date)
    t.equal(clock.now(), now)
  }
})
