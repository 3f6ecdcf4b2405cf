import t from 'tap'
import { merchantA } from '../harness/host.js'
import { apiHost, orders, ownServer, type ApiHost } from './api-host.js'

const rows = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `ORDER${index}`, total: index }))
const withOrders = (count: number) => ({ merchants: [{ id: merchantA, orders: rows(count) }] })

async function collect ({ app }: ApiHost, path = orders, options?: { limit?: number, signal?: AbortSignal }): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of app.clover.paginate<{ id: string }>(merchantA, path, options)) ids.push(id)
  return ids
}

t.test('every element comes once and in order, whatever the number', async t => {
  for (const [count, limit, calls] of [[0, undefined, 1], [1, undefined, 1], [99, undefined, 1], [100, undefined, 2], [101, undefined, 2], [2345, 1000, 3], [7, 3, 3], [6, 3, 3], [3, 1, 4]] as const) {
    const host = await apiHost(t, { simulator: withOrders(count) })
    await host.connect()
    t.same(await collect(host, orders, limit === undefined ? undefined : { limit }), rows(count).map(({ id }) => id))
    t.equal(host.clover.count('rest'), calls, `${count} elements, ${limit ?? 100} a page`)
  }
})

t.test('other parameters of the path are kept; its limit and offset are honoured', async t => {
  const host = await apiHost(t, { simulator: withOrders(9) })
  await host.connect()
  t.same(await collect(host, `${orders}?orderBy=total%20DESC`, { limit: 4 }), rows(9).reverse().map(({ id }) => id))
  t.match(host.clover.calls.at(-1)?.fields, ['orderBy', 'limit', 'offset'])
  const other = await apiHost(t, { simulator: withOrders(9) })
  await other.connect()
  t.same(await collect(other, `${other.clover.origin}${orders}?limit=2&offset=5`), ['ORDER5', 'ORDER6', 'ORDER7', 'ORDER8'])
  t.equal(other.clover.count('rest'), 3)
  t.same(await collect(other, `${orders}?limit=2&offset=5`, { limit: 9 }), ['ORDER5', 'ORDER6', 'ORDER7', 'ORDER8'])
  t.equal(other.clover.count('rest'), 4, 'the option goes first')
})

t.test('a page that is short because of a lower limit of Clover is not taken for the last one', async t => {
  const host = await apiHost(t, { simulator: withOrders(450) })
  await host.connect()
  host.clover.fault({ on: 'rest', kind: 'reply', body: genuine => ({ elements: (genuine as { elements: object[] }).elements.slice(0, 200) }), times: 2 })
  t.same(await collect(host, orders, { limit: 1000 }), rows(450).map(({ id }) => id))
})

t.test('a collection that ignores the offset ends with an error', async t => {
  const host = await apiHost(t, { simulator: withOrders(200) })
  await host.connect()
  host.clover.fault({ on: 'rest', kind: 'reply', body: { elements: rows(200) }, times: 5 })
  const ids: string[] = []
  await t.rejects(async () => {
    for await (const { id } of host.app.clover.paginate<{ id: string }>(merchantA, orders)) ids.push(id)
  }, { code: 'FST_CLOVER_BAD_REPLY', message: /the same page/ })
  t.same(ids, rows(200).map(({ id }) => id), 'each came once')
  t.equal(host.clover.count('rest'), 2)
})

t.test('a wrong limit or offset is refused before Clover is called', async t => {
  const host = await apiHost(t)
  await host.connect()
  for (const limit of [0, -1, 1001, 1.5, NaN, Infinity, '10' as never]) await t.rejects(collect(host, orders, { limit }), { code: 'FST_CLOVER_INVALID_OPTIONS' }, String(limit))
  for (const query of ['limit=x', 'limit=0', 'limit=1e9', 'offset=-1', 'offset=x', 'offset=0.5']) await t.rejects(collect(host, `${orders}?${query}`), { code: 'FST_CLOVER_INVALID_OPTIONS' }, query)
  await t.rejects(host.app.clover.paginate('short', orders).next(), { code: 'FST_CLOVER_INVALID_MERCHANT_ID' })
  t.equal(host.clover.count('rest'), 0)
})

t.test('the request for a page is retried after 429, 5xx, and a body that breaks off', async t => {
  const host = await apiHost(t, { simulator: withOrders(250) })
  await host.connect()
  const elements = host.app.clover.paginate(merchantA, orders)
  t.match(await elements.next(), { done: false, value: { id: 'ORDER0' } })
  host.clover.fault({ on: 'rest', kind: 'status', status: 429, headers: { 'retry-after': '2' } })
  host.clover.fault({ on: 'rest', kind: 'status', status: 500 })
  host.clover.fault({ on: 'rest', kind: 'drop-during' })
  const totals: unknown[] = []
  for await (const { total } of elements) totals.push(total)
  t.same(totals, Array.from({ length: 249 }, (_, index) => index + 1))
  t.same(host.waits, [2000, 250, 500])
})

t.test('a body that does not arrive in time is an error', async t => {
  const server = await ownServer(t, (_request, response) => { response.write('{"elements":[') })
  const host = await apiHost(t, { options: clover => ({ callTimeout: 100, environment: { ...clover.environment, ecommerce: server.origin } }) })
  await host.connect()
  await t.rejects(collect(host, `${server.origin}/list`), { code: 'FST_CLOVER_UNAVAILABLE', message: /no answer within 100 ms/ })
  t.equal(server.requests.length, 3)
})

t.test('any other answer than a page is a typed error', async t => {
  const cases = [
    [{ kind: 'status', status: 429, headers: { 'retry-after': '7' }, times: 6 }, { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 7 }],
    [{ kind: 'status', status: 503, times: 3 }, { code: 'FST_CLOVER_UNAVAILABLE', retryAfter: 1, message: /status 503/ }],
    [{ kind: 'status', status: 403 }, { code: 'FST_CLOVER_PERMISSION', statusCode: 403, merchantId: merchantA }],
    [{ kind: 'status', status: 404 }, { code: 'FST_CLOVER_BAD_REPLY', message: /GET \/v3\/merchants\/MERCHANT0000A\/orders: status 404/ }],
    [{ kind: 'status', status: 400 }, { code: 'FST_CLOVER_BAD_REPLY' }],
    [{ kind: 'reply', status: 204, body: '' }, { code: 'FST_CLOVER_BAD_REPLY', message: /no elements/ }],
    ...['<html>', '', '{}', '[]', 'null', '7', '{"elements":{}}', '{"elements":null}'].map(body =>
      [{ kind: 'reply', body }, { code: 'FST_CLOVER_BAD_REPLY', statusCode: 502, merchantId: merchantA, message: /the reply has no elements/ }] as const)
  ] as const
  for (const [fault, error] of cases) {
    const host = await apiHost(t)
    await host.connect()
    host.clover.fault({ on: 'rest', ...fault })
    await t.rejects(collect(host, orders), error, JSON.stringify(fault))
  }
  const host = await apiHost(t, { simulator: { apps: [{ id: 'SIMULATORAPP1', permissions: { readOrders: false } }] } })
  await host.connect()
  await t.rejects(collect(host), { code: 'FST_CLOVER_PERMISSION', message: /enable the necessary permission/ })
})

t.test('no page is requested after the caller stops', async t => {
  const host = await apiHost(t, { simulator: withOrders(300) })
  await host.connect()
  for await (const { id } of host.app.clover.paginate(merchantA, orders)) if (id === 'ORDER50') break
  t.equal(host.clover.count('rest'), 1)
  const abort = new AbortController()
  const reason = new Error('enough')
  const elements = host.app.clover.paginate(merchantA, orders, { signal: abort.signal, limit: 1 })
  await elements.next()
  abort.abort(reason)
  await t.rejects(elements.next(), reason)
  t.equal(host.clover.count('rest'), 2)
})
