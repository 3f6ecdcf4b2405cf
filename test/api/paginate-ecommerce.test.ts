import t, { type Test } from 'tap'
import { isEcommerceUrl } from '../../src/api/api-url.js'
import { environments } from '../../src/environments.js'
import type { PaginateOptions } from '../../src/api/paginate.js'
import type { Unknowns } from '../../src/testing/index.js'
import { merchantA } from '../harness/host.js'
import { apiHost, type ApiHost } from './api-host.js'

/** The newest first, as Clover gives them. */
const charges = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `CHARGE${count - n}`, created: 1_700_000_000_000 + (count - n) * 1_000 }))

async function hostWith (t: Test, count: number, startingAfter: Unknowns['startingAfter'] = 'inclusive'): Promise<ApiHost> {
  const host = await apiHost(t, { simulator: { merchants: [{ id: merchantA, charges: charges(count) }], unknowns: { startingAfter } } })
  await host.connect()
  return host
}

async function collect ({ app, clover }: ApiHost, options: PaginateOptions = {}, path = '/v1/charges'): Promise<string[]> {
  const ids: string[] = []
  for await (const charge of app.clover.paginate<{ id: string } | null>(merchantA, `${clover.environment.ecommerce}${path}`, options)) ids.push(String(charge?.id))
  return ids
}

t.test('each element of the ecommerce API comes once, whether a page begins with the element of the cursor or after it', async t => {
  for (const startingAfter of ['inclusive', 'exclusive'] as const) {
    for (const [count, limit] of [[0, undefined], [1, undefined], [100, undefined], [101, undefined], [250, undefined], [7, 3], [7, 2], [4, 1], [3, 100]] as const) {
      const host = await hostWith(t, count, startingAfter)
      t.same(await collect(host, limit === undefined ? {} : { limit }), charges(count).map(({ id }) => id), `${count} elements, ${limit ?? 100} a page, ${startingAfter}`)
    }
  }
})

t.test('the limit and the cursor of the path are honoured, and other parameters are kept', async t => {
  const host = await hostWith(t, 30)
  t.same(await collect(host, {}, '/v1/charges?limit=20&starting_after=CHARGE4&customer=X'), ['CHARGE3', 'CHARGE2', 'CHARGE1'])
  t.same(host.clover.calls.at(-1)?.fields, ['limit', 'starting_after', 'customer'])
  await collect(host, {}, '/v1/charges?limit=20')
  t.equal(host.clover.count('rest'), 3)
})

t.test('since and until become filters of the ecommerce API, which has no windows', async t => {
  const host = await hostWith(t, 500)
  const second = (n: number) => 1_700_000_000_000 + n * 1_000
  t.same(await collect(host, { since: second(3), until: new Date(second(5)) }), ['CHARGE5', 'CHARGE4', 'CHARGE3'])
  t.same(await collect(host, { since: second(499) }), ['CHARGE500', 'CHARGE499'])
  t.equal(host.clover.count('rest'), 2)
  t.same(host.clover.calls.at(-1)?.fields, ['created.gte', 'created.lte', 'limit'])
  await collect(host, { since: second(499), timeField: 'status_transitions.paid' })
  t.same(host.clover.calls.at(-1)?.fields.slice(0, 2), ['status_transitions.paid.gte', 'status_transitions.paid.lte'])
})

t.test('a wrong limit, and ending_before, are refused before Clover is called', async t => {
  const host = await hostWith(t, 1)
  for (const limit of [0, 101, 1000, 1.5, NaN]) await t.rejects(collect(host, { limit }), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /limit (must be a whole number )?from 1 to 100/ })
  await t.rejects(collect(host, {}, '/v1/charges?limit=1000'), { code: 'FST_CLOVER_INVALID_OPTIONS' })
  await t.rejects(collect(host, {}, '/v1/charges?ending_before=CHARGE1'), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /without ending_before/ })
  t.equal(host.clover.count('rest'), 0)
})

t.test('pages without a next cursor, or with cursors in a circle, end with an error', async t => {
  const host = await hostWith(t, 1)
  const list = (...ids: unknown[]) => ({ object: 'list', has_more: true, data: ids.map(id => ({ id })) })
  for (const pages of [[list()], [list('A', 7)], [list(undefined)], [list('A', 'B'), list('B')], [list('A', 'B'), list('B', 'C'), list('C', 'A'), list('A', 'B')], [{ ...list(), data: [null] }]]) {
    for (const body of pages) host.clover.fault({ on: 'rest', kind: 'reply', body })
    await t.rejects(collect(host), { code: 'FST_CLOVER_BAD_REPLY', message: /has_more is true, but the last element has no new id/ }, JSON.stringify(pages))
    host.clover.clearFaults()
  }
})

t.test('a reply that is not a list is a typed error', async t => {
  const host = await hostWith(t, 1)
  for (const body of ['', 'null', '7', '[]', '{}', '{"elements":[]}', '{"data":[]}', '{"data":{},"has_more":false}', '{"data":[],"has_more":"no"}']) {
    host.clover.fault({ on: 'rest', kind: 'reply', body })
    await t.rejects(collect(host), { code: 'FST_CLOVER_BAD_REPLY', message: /GET \/v1\/charges: the reply has no data and has_more/ }, body)
  }
  await t.rejects(collect(host, {}, '/v1/charges?starting_after=NOBODY'), { code: 'FST_CLOVER_BAD_REPLY', message: /status 400/ })
  t.same(await collect(host), ['CHARGE1'])
})

t.test('the API of a URL is recognized by its origin, or by its path if both share the origin', async t => {
  const { sandbox, europe } = environments
  t.equal(isEcommerceUrl(sandbox, new URL('https://scl-sandbox.dev.clover.com/v1/charges')), true)
  t.equal(isEcommerceUrl(sandbox, new URL('https://apisandbox.dev.clover.com/v1/charges')), false)
  t.equal(isEcommerceUrl(europe, new URL('https://api.eu.clover.com/v1/charges')), false)
  const shared = { ...sandbox, ecommerce: sandbox.api }
  t.equal(isEcommerceUrl(shared, new URL(`${sandbox.api}/v1/charges`)), true)
  t.equal(isEcommerceUrl(shared, new URL(`${sandbox.api}/v3/merchants/X/orders`)), false)
})
