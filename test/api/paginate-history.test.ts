import t from 'tap'
import type { PaginateOptions } from '../../src/api/paginate.js'
import type { SimulatorOptions } from '../../src/testing/index.js'
import { merchantA } from '../harness/host.js'
import { apiHost, orders, type ApiHost } from './api-host.js'

const day = 24 * 3_600_000
/** Clover's time in each test, in Unix milliseconds. */
const now = 1_800_000_000_000
const longest = 90 * day

const order = (createdTime: number) => ({ id: `ORDER${createdTime}`, createdTime })

async function collect ({ app }: ApiHost, options: PaginateOptions = {}, path = orders): Promise<number[]> {
  const times: number[] = []
  for await (const { createdTime } of app.clover.paginate<{ createdTime: number }>(merchantA, path, options)) times.push(createdTime)
  return times
}

async function hostWith (t: Parameters<typeof apiHost>[0], times: number[], simulator: SimulatorOptions = {}): Promise<ApiHost> {
  const host = await apiHost(t, { simulator: { merchants: [{ id: merchantA, orders: times.map(order) }], ...simulator }, runtime: { wallClock: () => now } })
  host.clover.setNow(now)
  await host.connect()
  return host
}

t.test('without since, Clover gives the orders of the last 90 days, and no error', async t => {
  const host = await hostWith(t, [now - 200 * day, now - 91 * day, now - longest, now - day, now])
  t.same(await collect(host), [now - longest, now - day, now])
})

t.test('since reaches back any time in windows of 90 days, and each order comes once', async t => {
  const since = now - 400 * day
  const borders = [0, 1, 2, 3, 4].flatMap(n => [-2, -1, 0, 1].map(step => since + n * longest + step))
  const between = Array.from({ length: 800 }, (_, n) => since + n * (day / 2) + 12_345)
  const times = [...new Set([since - day, ...borders, ...between, now])].filter(time => time <= now).sort((a, b) => a - b)
  for (const longWindow of ['refused', 'cut'] as const) {
    const host = await hostWith(t, times, { unknowns: { longWindow } })
    t.same(await collect(host, { since, limit: 100 }), times.filter(time => time >= since), 'in the order of time')
    t.equal(host.clover.count('rest', { ok: false }), 0, 'no window is too long')
  }
})

t.test('since and until are included, as a Date or in Unix milliseconds, and fractions are accepted', async t => {
  const [since, until] = [now - 100 * day, now - 95 * day]
  const host = await hostWith(t, [since - 1, since, since + day, until, until + 1, now])
  for (const options of [{ since, until }, { since: new Date(since), until: new Date(until) }, { since: since - 0.5, until: until + 0.5 }]) {
    t.same(await collect(host, options), [since, since + day, until])
  }
  t.same(await collect(host, { since: now, until: now }), [now])
})

t.test('one request for each window, and none for the future', async t => {
  const host = await hostWith(t, [now])
  for (const [options, calls] of [
    [{ since: now - 89 * day }, 1], [{ since: now - longest, until: now - 1 }, 1], [{ since: now - longest, until: now }, 2], [{ since: now - 269 * day }, 3], [{ since: now - day, until: now + 9_999 * day }, 1],
    [{ since: now + 1_000 }, 0],
    [{ since: new Date(now + day), until: new Date(now + 2 * day) }, 0]
  ] as const) {
    const before = host.clover.count('rest')
    await collect(host, options)
    t.equal(host.clover.count('rest') - before, calls, JSON.stringify(options))
  }
})

t.test('the end is Clover\'s present time, so a slow local clock misses nothing', async t => {
  const host = await hostWith(t, [now + 600_000])
  host.clover.setNow(now + 600_999)
  await host.app.clover.fetch(merchantA, '/v3/merchants/{mId}') // one answer tells the time
  await host.app.clover.fetch(merchantA, '/v3/merchants/{mId}')
  t.same(await collect(host, { since: now - day }), [now + 600_000])
})

t.test('filters, the order and the limit of the path are kept in each window', async t => {
  const rows = [[-95, 1], [-94, 2], [-5, 1], [-4, 2], [-3, 1]].map(([days = 0, total = 0]) => ({ id: `ORDER${days}`, createdTime: now + days * day, total }))
  const host = await apiHost(t, { simulator: { merchants: [{ id: merchantA, orders: rows }] }, runtime: { wallClock: () => now } })
  host.clover.setNow(now)
  await host.connect()
  t.same(await collect(host, { since: now - 100 * day }, `${orders}?filter=total%3D1&orderBy=createdTime%20DESC&limit=1`), [-95, -3, -5].map(days => now + days * day))
  t.match(host.clover.calls.at(-1)?.fields, ['filter', 'orderBy', 'limit', 'offset'])
  await t.rejects(collect(host, { since: now - day }, `${orders}?offset=5`), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /a path without offset if since is given/ })
})

t.test('timeField names another field with the time', async t => {
  const rows = [-100, -50].map(days => ({ id: `ORDER${days}`, createdTime: now, modifiedTime: now + days * day }))
  const host = await apiHost(t, { simulator: { merchants: [{ id: merchantA, orders: rows }] }, runtime: { wallClock: () => now } })
  host.clover.setNow(now)
  await host.connect()
  const ids: unknown[] = []
  for await (const { id } of host.app.clover.paginate(merchantA, orders, { since: now - 60 * day, timeField: 'modifiedTime' })) ids.push(id)
  t.same(ids, ['ORDER-50'])
})

t.test('if a collection ignores the filter, each element still comes once, and elements without the field are included', async t => {
  const host = await hostWith(t, [])
  const elements = [...[-150, -100, -5].map(days => order(now + days * day)), { id: 'NO TIME' }, 'no object', null]
  host.clover.fault({ on: 'rest', kind: 'reply', body: { elements }, times: Infinity })
  const found: unknown[] = []
  for await (const element of host.app.clover.paginate(merchantA, orders, { since: now - 160 * day })) found.push(element)
  const [first, second, third, ...others] = elements
  t.same(found, [first, second, ...others, third, ...others])
})

t.test('wrong times are refused before Clover is called', async t => {
  const host = await hostWith(t, [])
  const wrong: Array<[object, RegExp]> = [
    ...[NaN, Infinity, -1, 0, 1_700_000_000, '2026-01-01', null, new Date(NaN), {}, 1n].map((since): [object, RegExp] => [{ since }, /since must be a Date, or Unix milliseconds from the year 2000 on/]),
    [{ since: now, until: NaN }, /until must be a Date/],
    [{ since: now, until: now - 1 }, /since to be no later than until/],
    [{ until: now }, /needs since if until or timeField is given/],
    [{ timeField: 'createdTime' }, /needs since if/],
    ...['', 'created Time', 'x>=0&filter=y', 7, null].map((timeField): [object, RegExp] => [{ since: now, timeField }, /timeField must be the name of a field/])
  ]
  for (const [options, message] of wrong) await t.rejects(collect(host, options), { code: 'FST_CLOVER_INVALID_OPTIONS', message }, String(Object.values(options)))
  t.equal(host.clover.count('rest'), 0)
})
