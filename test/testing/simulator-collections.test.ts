import t, { type Test } from 'tap'
import { cloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'

const merchantId = 'FERNFILTER001'
const now = 1_800_000_000_000
const day = 24 * 3_600_000

/** A simulator with one merchant, and what it replies to paths of the merchant's API. */
async function start (t: Test, merchant: Record<string, Array<Record<string, unknown>>> = {}, options: SimulatorOptions = {}) {
  const clover = await cloverSimulator({ now: () => now, merchants: [{ id: merchantId, ...merchant }], ...options })
  t.teardown(() => clover.close())
  const { access_token: token } = clover.connect({ merchantId })
  const get = async (path: string) => {
    const response = await fetch(clover.origin + path, { headers: { authorization: `Bearer ${token}`, 'user-agent': 'test/1.0' } })
    return { status: response.status, body: await response.json() as Record<string, unknown> }
  }
  const ids = async (path: string) => {
    const { status, body } = await get(path)
    const rows = body.elements ?? body.data
    return Array.isArray(rows) ? rows.map(({ id }: { id: string }) => id) : status
  }
  const ordersWith = (...filters: string[]) => ids(`/v3/merchants/${merchantId}/orders?${new URLSearchParams(filters.map((filter): [string, string] => ['filter', filter])).toString()}`)
  return { clover, get, ids, ordersWith }
}

t.test('filters compare numbers and text, and an element must match all', async t => {
  const orders = [{ id: 'A', total: 9, note: 'tea' }, { id: 'B', total: 10, note: 'bun' }, { id: 'C', total: 100 }]
  const { ordersWith, ids } = await start(t, { orders, items: orders })
  const cases: Array<[string[], string[] | number]> = [
    [[], ['A', 'B', 'C']], [['total=10'], ['B']], [['total!=10'], ['A', 'C']], [['total>9'], ['B', 'C']], [['total>=10'], ['B', 'C']], [['total<10'], ['A']], [['total<=10'], ['A', 'B']],
    [['total>9', 'total<100'], ['B']], [['note=tea'], ['A']], [['note!=tea'], ['B']], [['nothing=1'], []], [['total'], 400], [['=1'], 400], [['total=1', 'x y'], 400]
  ]
  for (const [filters, expected] of cases) t.same(await ordersWith(...filters), expected, filters.join(' & '))
  t.same(await ids(`/v3/merchants/${merchantId}/items?filter=total%3D9`), ['A'], 'of items too')
})

t.test('orders reach back 90 days if the request has no time filter, and one window has at most 90 days', async t => {
  const orders = [-200, -90, -89, 0].map(days => ({ id: `${days}`, createdTime: now + days * day, clientCreatedTime: now + (days - 100) * day }))
  const bounds = (since: number, until: number, field = 'createdTime') => [`${field}>=${now + since * day}`, `${field}<=${now + until * day}`]
  const cut: Array<[string[], string[]]> = [
    [[], ['-90', '-89', '0']], [['id!=0'], ['-90', '-89']], [['createdTime!=0'], ['-90', '-89', '0']],
    [bounds(-200, -110), ['-200']], [bounds(-90, 0), ['-90', '-89', '0']], [[`createdTime=${now - 200 * day}`], ['-200']],
    [[`createdTime>${now - 90 * day}`], ['-89', '0']], [bounds(-200, -110, 'clientCreatedTime'), ['-90', '-89']]
  ]
  const tooLong: Array<[string[], string[]]> = [
    [bounds(-200, -89), ['-90', '-89']], [[`createdTime>=${now - 300 * day}`], ['-90', '-89', '0']], [[`createdTime<=${now - 89 * day}`], ['-90', '-89']]
  ]
  const { ordersWith } = await start(t, { orders })
  for (const [filters, expected] of [...cut, ...tooLong]) t.same(await ordersWith(...filters), expected, filters.join(' & '))
  const strict = await start(t, { orders }, { unknowns: { longWindow: 'refused' } })
  for (const [filters, expected] of cut) t.same(await strict.ordersWith(...filters), expected, filters.join(' & '))
  for (const [filters] of tooLong) t.equal(await strict.ordersWith(...filters), 400, filters.join(' & '))
  const timeless = await start(t, { orders: [{ id: 'A' }], items: [{ id: 'OLD', createdTime: 1 }] })
  t.same(await timeless.ordersWith(), ['A'], 'an order without a time is always there')
  t.same(await timeless.ids(`/v3/merchants/${merchantId}/items`), ['OLD'], 'items have no such limit')
})

t.test('the default orders are recent, and an added order has a time', async t => {
  const clover = await cloverSimulator({ now: () => now })
  t.teardown(() => clover.close())
  for (const { orders, charges } of clover.merchants) {
    for (const time of [...orders.map(({ createdTime }) => createdTime), ...charges.map(({ created }) => created)]) t.ok(Number(time) <= now && Number(time) > now - day)
  }
  const { access_token: token } = clover.connect({ merchantId })
  for (const [body, createdTime] of [[{ total: 1 }, now], [{ total: 1, createdTime: 5 }, 5]] as const) {
    const response = await fetch(`${clover.origin}/v3/merchants/${merchantId}/orders`, {
      method: 'POST', body: JSON.stringify(body), headers: { authorization: `Bearer ${token}`, 'user-agent': 'test/1.0', 'content-type': 'application/json' }
    })
    t.match(await response.json(), { createdTime })
  }
})

t.test('charges of the ecommerce API come in a list of 10, or of 100 at most, from the one that starting_after names', async t => {
  const charges = Array.from({ length: 120 }, (_, n) => ({ id: `C${n}`, created: now - n * 1_000 }))
  const { get, ids } = await start(t, { charges })
  t.match(await get('/v1/charges?limit=2'), { status: 200, body: { object: 'list', url: '/v1/charges', has_more: true, data: [{ id: 'C0' }, { id: 'C1' }] } })
  const first = await ids('/v1/charges')
  t.equal(Array.isArray(first) && first.length, 10)
  const most = await ids('/v1/charges?limit=1000')
  t.equal(Array.isArray(most) && most.length, 100)
  t.match(await get('/v1/charges?limit=2&starting_after=C118'), { body: { has_more: false, data: [{ id: 'C118' }, { id: 'C119' }] } })
  t.same(await ids(`/v1/charges?created.gte=${now - 2_000}&created.lte=${now - 1_000}`), ['C1', 'C2'])
  t.equal(await ids('/v1/charges?starting_after=NOBODY'), 400)
  const exclusive = await start(t, { charges: [...charges, { id: 'TIMELESS' }] }, { unknowns: { startingAfter: 'exclusive' } })
  t.same(await exclusive.ids('/v1/charges?starting_after=C118'), ['C119', 'TIMELESS'])
  const forbidden = await start(t, { charges }, { apps: [{ permissions: { ecommerce: false } }] })
  t.equal(await forbidden.ids('/v1/charges'), 401)
})
