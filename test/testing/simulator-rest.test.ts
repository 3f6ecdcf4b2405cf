import { request as httpRequest } from 'node:http'
import t from 'tap'
import { merchantId, other, start, simulator, ask, post, get, refresh } from './simulator-calls.js'

t.test('the REST API replies to the merchant\'s own token, in pages', async t => {
  const clover = await simulator(t)
  const { access_token: token } = clover.connect({ merchantId })
  const merchant = await get(clover, `/v3/merchants/${merchantId}`, token)
  t.match(merchant, { status: 200, body: { id: merchantId, name: 'Fern & Filter Coffee', owner: { id: 'ROBINREYES001', name: 'Robin Reyes' } } })
  t.equal(merchant.body.href, `${clover.origin}/v3/merchants/${merchantId}`)
  const items = await get(clover, `/v3/merchants/${merchantId}/items`, token)
  t.equal((items.body.elements as unknown[]).length, 5)
  const page = await get(clover, `/v3/merchants/${merchantId}/items?limit=2&offset=4`, token)
  t.match(page.body.elements, [{ name: 'Beans, 250 g', price: 1250 }])
  t.match((await get(clover, `/v3/merchants/${merchantId}/orders?limit=1`, token)).body.elements, [{ total: 810, state: 'locked' }])
  t.equal((await get(clover, `/v3/merchants/${merchantId}/items?limit=x`, token)).status, 400)
  const sorted = async (orderBy: string) => {
    const { body } = await get(clover, `/v3/merchants/${merchantId}/orders?orderBy=${encodeURIComponent(orderBy)}`, token)
    return (body.elements as Array<{ total: number }>).map(({ total }) => total)
  }
  t.same(await sorted('total'), [350, 810, 1930])
  t.same(await sorted('createdTime DESC'), [1930, 350, 810])
  t.same(await sorted('state ASC,total DESC'), [810, 350, 1930])
  t.equal((await get(clover, `/v3/merchants/${merchantId}/unheard`, token)).status, 404)
  t.equal((await post(clover, `/v3/merchants/${merchantId}`, {})).status, 401)
  t.equal((await get(clover, '/nowhere')).status, 404)
})

t.test('the REST API refuses a call without a live token, or with another merchant\'s', async t => {
  for (const foreignMerchant of [401, 404] as const) {
    const clover = await simulator(t, { unknowns: { foreignMerchant } })
    const { access_token: token } = clover.connect({ merchantId })
    t.match(await get(clover, `/v3/merchants/${other}`, token), { status: foreignMerchant })
    t.match(await get(clover, `/v3/merchants/${other}/items`, token), { status: foreignMerchant })
    for (const bad of [undefined, 'nonsense']) {
      for (const path of [`/v3/merchants/${merchantId}`, `/v3/merchants/${merchantId}/orders`, '/v3/anything', '/pakms/apikey']) {
        t.match(await get(clover, path, bad), { status: 401, body: { message: '401 Unauthorized' } })
      }
    }
    const basic = await ask(`${clover.origin}/v3/merchants/${merchantId}`, { headers: { authorization: `Basic ${token}` } })
    t.equal(basic.status, 401)
  }
})

t.test('without a permission the answer is 401, as for a bad token', async t => {
  const clover = await simulator(t, {
    apps: [{ permissions: { readMerchant: false } }, { permissions: { readInventory: false, readOrders: false, ecommerce: false } }]
  })
  const [first = '', second = ''] = clover.apps.map(app => clover.connect({ merchantId, appId: app.id }).access_token)
  const statuses = async (token: string) => await Promise.all(['', '/items', '/orders'].map(async path => (await get(clover, `/v3/merchants/${merchantId}${path}`, token)).status))
  t.same(await statuses(first), [401, 200, 200])
  t.same(await statuses(second), [200, 401, 401])
  t.equal((await get(clover, '/pakms/apikey', second)).status, 401)
})

t.test('items and orders can be added, with a permission of its own', async t => {
  const clover = await simulator(t, { apps: [{}, { permissions: { writeOrders: false } }] })
  const [first = '', second = ''] = clover.apps.map(app => clover.connect({ merchantId, appId: app.id }).access_token)
  const post = async (path: string, token: string, body: object = { total: 12 }) => await ask(`${clover.origin}/v3/merchants/${merchantId}${path}`, {
    method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body)
  })
  const added = await post('/orders', first)
  t.match(added, { status: 200, body: { id: /^[A-Z0-9]{13}$/, total: 12 } })
  const ordersOf = async (id: string) => JSON.stringify((await get(clover, `/v3/merchants/${id}/orders`, clover.connect({ merchantId: id }).access_token)).body)
  const { id } = added.body as { id: string }
  t.ok((await ordersOf(merchantId)).includes(id))
  t.notOk((await ordersOf(other)).includes(id), 'of this merchant only')
  t.equal((await post('/items', first, { name: 'Tea' })).status, 200)
  t.equal((await post('/orders', second)).status, 401)
})

t.test('PAKMS has one key for each app and merchant', async t => {
  const clover = await simulator(t)
  const key = async (id: string) => (await get(clover, '/pakms/apikey', clover.connect({ merchantId: id }).access_token)).body
  const first = await key(merchantId)
  t.match(first, { active: true, createdTime: start, modifiedTime: start, developerAppUuid: 'SIMULATORAPP1', merchantUuid: merchantId })
  clover.setNow(start + 1000)
  t.same(await key(merchantId), first)
  t.not((await key(other)).apiAccessKey, first.apiAccessKey)
  clover.uninstall(merchantId)
  t.not((await key(merchantId)).apiAccessKey, first.apiAccessKey)
})

t.test('a call to the API or to the token endpoints must name its app in User-Agent; pages and other settings of the simulator do not ask', async t => {
  const paths = ['/oauth/v2/refresh', '/oauth/token?client_id=a&client_secret=b&code=c', `/v3/merchants/${merchantId}`, `/v3/merchants/${merchantId}/orders`, '/v3/nowhere', '/pakms/apikey']
  for (const missingUserAgent of [undefined, 400, 403, false] as const) {
    const clover = await simulator(t, missingUserAgent === undefined ? {} : { unknowns: { missingUserAgent } })
    const { access_token: token, refresh_token: refreshToken } = clover.connect({ merchantId })
    const status = (path: string, userAgent?: string) => new Promise((resolve, reject) => {
      const body = path.endsWith('/refresh') && JSON.stringify({ client_id: 'SIMULATORAPP1', refresh_token: refreshToken })
      const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }), ...(userAgent !== undefined && { 'user-agent': userAgent }) }
      // Unlike fetch, it adds no header of its own.
      httpRequest(clover.origin + path, { method: body ? 'POST' : 'GET', headers }, response => { response.resume().once('end', () => resolve(response.statusCode)) }).once('error', reject).end(body || undefined)
    })
    for (const userAgent of [undefined, 'node', 'undici']) {
      for (const path of ['/', '/oauth/v2/authorize', '/oauth/authorize']) t.equal(await status(path, userAgent), await status(path, 'Mozilla/5.0'), path)
      if (missingUserAgent !== false) for (const path of paths) t.equal(await status(path, userAgent), missingUserAgent ?? 400, `${path} from ${userAgent}`)
    }
    t.ok(clover.isLive(refreshToken), 'nothing was handled')
    t.equal(await status(`/v3/merchants/${merchantId}`, missingUserAgent === false ? undefined : 'my-shop/2.1'), 200)
  }
  const clover = await simulator(t)
  const { body } = await ask(`${clover.origin}/pakms/apikey`, { headers: { 'user-agent': 'node' } })
  t.match(body.message, /^The User-Agent header must name the app: <product>\/<version>/)
  t.match(clover.calls.at(-1), { endpoint: 'pakms', handled: 400, status: 400 })
})

t.test('every answer carries a Date made from the injected time', async t => {
  const clover = await simulator(t)
  const expected = new Date(start).toUTCString()
  const { access_token: token } = clover.connect({ merchantId })
  for (const path of ['/', '/nowhere', '/oauth/v2/authorize', '/pakms/apikey', '/oauth/token', `/v3/merchants/${merchantId}`]) {
    const response = await fetch(clover.origin + path, { headers: { authorization: `Bearer ${token}` } })
    t.equal(response.headers.get('date'), expected, path)
    await response.text()
  }
  t.equal((await refresh(clover, 'x')).headers.get('date'), expected)
})
