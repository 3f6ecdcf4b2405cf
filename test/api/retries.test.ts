import t from 'tap'
import { merchantA } from '../harness/host.js'
import { apiHost, orders, type ApiHost } from './api-host.js'
import { until } from '../harness/waiting.js'

const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"total":1}' }

/** A body that can be read once. */
const stream = (text = '{"total":1}') => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  duplex: 'half' as const,
  body: new ReadableStream({ start (controller) { controller.enqueue(new TextEncoder().encode(text)); controller.close() } })
})

const statuses = ({ clover }: ApiHost) => clover.calls.filter(({ endpoint }) => endpoint === 'rest').map(({ status }) => status)

t.test('after 429 the call waits as long as Clover says, else a second, then twice as long; whatever the method', async t => {
  for (const [header, retryAfter] of [['crossTokenConcurrentLimit', '3'], ['tokenConcurrentLimit', '2'], ['crossTokenLimit'], ['tokenLimit']] as const) {
    for (const init of [{}, post]) {
      const host = await apiHost(t)
      await host.connect()
      const headers = { [`X-RateLimit-${header}`]: '1', ...(retryAfter && { 'retry-after': retryAfter }) }
      host.clover.fault({ on: 'rest', kind: 'status', status: 429, headers, times: 3 })
      t.equal((await host.app.clover.fetch(merchantA, orders, init)).status, 200)
      t.same(host.waits, retryAfter ? Array(3).fill(Number(retryAfter) * 1000) : [1000, 2000, 4000], header)
      t.same(statuses(host), [429, 429, 429, 200])
    }
  }
})

t.test('the jitter only makes a wait longer, by half a second at most', async t => {
  const host = await apiHost(t, { runtime: { jitter: () => 0.999 } })
  await host.connect()
  host.clover.fault({ on: 'rest', kind: 'status', status: 429, headers: { 'retry-after': '7' } })
  await host.app.clover.fetch(merchantA, orders)
  host.clover.fault({ on: 'rest', kind: 'status', status: 429 })
  await host.app.clover.fetch(merchantA, orders)
  t.ok(Number(host.waits[0]) > 7400 && Number(host.waits[0]) < 7500)
  t.ok(Number(host.waits[1]) > 1400 && Number(host.waits[1]) < 1500)
})

t.test('after 429 the retries are bounded in number and in time, then the call resolves with Clover\'s 429', async t => {
  const inNumber = await apiHost(t)
  await inNumber.connect()
  const always = { on: 'rest', kind: 'status', status: 429, times: Infinity } as const
  inNumber.clover.fault({ ...always, headers: { 'retry-after': '1' } })
  const last = await inNumber.app.clover.fetch(merchantA, orders)
  t.equal(last.status, 429)
  t.equal(last.headers.get('retry-after'), '1')
  t.same(await last.json(), { message: 'Too Many Requests' }, 'whose body is there')
  t.equal(inNumber.clover.count('rest'), 6)

  const inTime = await apiHost(t, { options: { maxWait: 5_000 } })
  await inTime.connect()
  inTime.clover.fault(always)
  t.equal((await inTime.app.clover.fetch(merchantA, orders)).status, 429)
  t.same(inTime.waits, [1000, 2000], 'another four seconds would be too long')

  const tooLong = await apiHost(t)
  await tooLong.connect()
  tooLong.clover.fault({ ...always, headers: { 'retry-after': '3600' } })
  t.equal((await tooLong.app.clover.fetch(merchantA, orders)).status, 429)
  t.same(tooLong.waits, [], 'nobody waits for an hour')
})

t.test('every call of a burst beyond Clover\'s limits succeeds', async t => {
  const host = await apiHost(t, { simulator: { rateLimits: { tokenPerSecond: 6 } } })
  await host.connect()
  const answers = await Promise.all(Array.from({ length: 20 }, () => host.app.clover.fetch(merchantA, orders)))
  t.ok(answers.every(({ status }) => status === 200))
  t.ok(statuses(host).includes(429), 'although some were too many')
})

t.test('safe methods are retried twice after 5xx and after network failures', async t => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'get']) {
    const host = await apiHost(t)
    await host.connect()
    host.clover.fault({ on: 'rest', kind: 'status', status: 503 })
    host.clover.fault({ on: 'rest', kind: 'drop-after' })
    const { status } = await host.app.clover.fetch(merchantA, orders, { method })
    t.equal(status, method.toUpperCase() === 'GET' ? 200 : 404)
    t.same(host.waits, [250, 500])
    t.equal(host.clover.count('rest'), 3)
  }
  const host = await apiHost(t)
  await host.connect()
  host.clover.fault({ on: 'rest', kind: 'status', status: 502, times: 3, body: { message: 'third' } })
  const last = await host.app.clover.fetch(merchantA, orders)
  t.equal(last.status, 502)
  t.same(await last.json(), { message: 'third' })
  host.clover.fault({ on: 'rest', kind: 'drop-before', times: 3 })
  await t.rejects(host.app.clover.fetch(merchantA, orders), { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 1, message: /orders: network error \w+\)/ })
  t.equal(host.clover.count('rest'), 6)
  host.clover.fault({ on: 'rest', kind: 'status', status: 503, headers: { 'retry-after': '4' } })
  host.waits.length = 0
  await host.app.clover.fetch(merchantA, orders)
  t.same(host.waits, [4000], 'as long as Clover says')
})

t.test('other methods are never retried after 5xx or a failure, since Clover may have processed them', async t => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const host = await apiHost(t)
    await host.connect()
    host.clover.fault({ on: 'rest', kind: 'status', status: 503, when: 'after' })
    t.equal((await host.app.clover.fetch(merchantA, orders, { ...post, method })).status, 503)
    host.clover.fault({ on: 'rest', kind: 'drop-after' })
    await t.rejects(host.app.clover.fetch(merchantA, orders, { ...post, method }), {
      code: 'FST_CLOVER_UNAVAILABLE', message: new RegExp(`${method} /v3/.*network error.*Clover may have processed the ${method}`)
    })
    t.equal(host.clover.count('rest'), 2)
    t.same(host.waits, [])
  }
})

t.test('a body that can be read once is sent once; others are sent again', async t => {
  const host = await apiHost(t)
  await host.connect()
  host.clover.fault({ on: 'rest', kind: 'status', status: 429 })
  t.equal((await host.app.clover.fetch(merchantA, orders, stream())).status, 429)
  t.equal(host.clover.count('rest'), 1)
  t.match(await (await host.app.clover.fetch(merchantA, orders, stream('{"total":5}'))).json(), { total: 5 })
  async function * pieces () { yield Buffer.from('{"total":6}') }
  host.clover.fault({ on: 'rest', kind: 'status', status: 429 })
  t.equal((await host.app.clover.fetch(merchantA, orders, { ...stream(), body: pieces() as never })).status, 429)

  const bytes = new TextEncoder().encode('{"total":7}')
  for (const body of ['{"total":7}', bytes, bytes.buffer, new Blob([bytes])]) {
    host.clover.fault({ on: 'rest', kind: 'status', status: 429 })
    t.match(await (await host.app.clover.fetch(merchantA, orders, { ...post, body })).json(), { total: 7 }, 'the same body')
  }
  for (const body of [new URLSearchParams({ a: '1' }), new FormData(), null]) {
    host.clover.fault({ on: 'rest', kind: 'status', status: 429 })
    t.not((await host.app.clover.fetch(merchantA, orders, { method: 'POST', body })).status, 429)
  }
})

t.test('unused answers free their connection', async t => {
  const host = await apiHost(t)
  await host.connect()
  const body = Buffer.alloc(20_000_000)
  host.clover.fault({ on: 'rest', kind: 'status', status: 503, body, times: 2 })
  host.clover.fault({ on: 'rest', kind: 'status', status: 401, body })
  await (await host.app.clover.fetch(merchantA, orders)).json()
  t.same(statuses(host), [503, 503, 401, 200])
  await until(() => host.clover.atOnce('rest').open === 0)
})

t.test('a wait ends with the caller\'s signal, or when the server closes', async t => {
  const caller = new AbortController()
  const reason = new Error('enough')
  let hasWaited = false
  const sleep = (milliseconds: number, signal?: AbortSignal) => new Promise<void>(resolve => {
    if (milliseconds !== 1000) return resolve()
    hasWaited = true
    signal?.addEventListener('abort', () => resolve())
  })
  const host = await apiHost(t, { runtime: { sleep } })
  await host.connect()
  host.clover.fault({ on: 'rest', kind: 'status', status: 429, times: 2 })
  const first = host.app.clover.fetch(merchantA, orders, { signal: caller.signal })
  await until(() => hasWaited)
  caller.abort(reason)
  await t.rejects(first, reason)
  hasWaited = false
  const second = host.app.clover.fetch(merchantA, orders)
  await until(() => hasWaited)
  await host.app.close()
  await t.rejects(second, { code: 'FST_CLOVER_CLOSING' })
  t.equal(host.clover.count('rest'), 2)
})
