import { merchantA, merchantB } from '../harness/host.js'
import { fold, join, must, type Flow } from './flow.js'
import { canary, type WatchedHost } from './watched-host.js'

const orders = '/v3/merchants/{mId}/orders'

/** Calls Clover; its answer is the host's own, so that only an error is noted. Resolves with the status. */
export async function call (host: WatchedHost, path: string | URL, init?: Parameters<WatchedHost['app']['clover']['fetch']>[2], merchantId = merchantA): Promise<number | undefined> {
  const response = await host.try('fetch()', async () => await host.app.clover.fetch(merchantId, path, init), { isSecret: true })
  // Where the body breaks off, that is an error of fetch's own.
  await response?.text().catch((error: unknown) => { host.sawError('the body of a fetch()', error) })
  return response?.status
}

/** Reads a collection to its end; its elements are the host's own. */
export async function list (host: WatchedHost, path: string, options?: Parameters<WatchedHost['app']['clover']['paginate']>[2]): Promise<number | undefined> {
  const count = async () => {
    let elements = 0
    for await (const element of host.app.clover.paginate(merchantA, path, options)) elements += Number(element !== undefined)
    return elements
  }
  return await host.try('paginate()', count)
}

/** Asks for the key; it is for the host's pages. */
export async function key (host: WatchedHost, options?: { renew?: boolean }): Promise<string | undefined> {
  return await host.try('ecommercePublicKey()', async () => await host.app.clover.ecommercePublicKey(merchantA, options), { isSecret: true })
}

/** All calls of Clover's API. */
export async function callAll (host: WatchedHost): Promise<void> {
  const body = { method: 'POST', body: JSON.stringify({ title: canary('payload') }), headers: { 'content-type': 'application/json' } }
  await call(host, `${orders}?note=${canary('payload')}`)
  await call(host, orders, body)
  await list(host, orders)
  await key(host, { renew: true })
}

/** Calls of Clover's API. */
export const apiCalls: Flow[] = [
  {
    name: 'fetch: a good answer, with secrets of the host in the query, the headers and the body; the answer itself is shown',
    run: async host => {
      await join(host, merchantA)
      const response = await host.app.clover.fetch(merchantA, orders)
      host.sawObject('an answer', response)
      await response.text()
      const secret = () => canary('payload')
      must(await call(host, `${orders}?note=${secret()}`, { headers: { 'x-own': secret(), authorization: `Bearer ${canary()}` } }) === 200, '200')
      must(await call(host, orders, { method: 'POST', body: JSON.stringify({ title: secret() }), headers: { 'content-type': 'application/json' } }) === 200, 'a new order')
    }
  },
  {
    name: 'fetch: Clover rejects a body with secrets in it, and quotes it',
    run: async host => {
      await join(host, merchantA)
      for (const status of [400, 401, 403, 404, 422, 429, 500, 503]) {
        for (const method of ['POST', 'DELETE'] as const) {
          const secret = canary('payload')
          host.clover.fault({ on: 'rest', kind: 'status', status, body: { message: `Invalid ${secret}` }, headers: { 'x-quoted': secret, 'www-authenticate': `Bearer ${secret}`, 'retry-after': secret }, times: 10 })
          must(await call(host, `${orders}?card=${secret}`, { method, body: JSON.stringify({ card: secret }), headers: { 'content-type': 'application/json', 'x-own': secret } }) === status, `${method} ${status}`)
          host.clover.clearFaults()
        }
      }
    }
  },
  {
    name: 'fetch: 401 with a refresh, 401 that stays, 429, and 5xx that ends and that stays',
    run: async host => {
      await join(host, merchantA)
      const refreshes = () => host.clover.count('refresh')
      const before = refreshes()
      host.clover.fault({ on: 'rest', kind: 'status', status: 401 })
      must(await call(host, orders) === 200 && refreshes() > before, 'a refresh')
      host.clover.fault({ on: 'rest', kind: 'status', status: 401, times: 9 })
      must(await call(host, orders) === 401, '401')
      await list(host, orders)
      host.clover.clearFaults()
      for (const status of [429, 500]) {
        for (const times of [1, 20]) {
          host.clover.fault({ on: 'rest', kind: 'status', status, times })
          must(await call(host, orders) === (times === 1 ? 200 : status), String(status))
          await list(host, orders)
          host.clover.clearFaults()
        }
      }
    }
  },
  {
    name: 'fetch: foreign URLs and wrong arguments, with secrets in them',
    run: async host => {
      await join(host, merchantA)
      const sent = host.sent.length
      const { origin, host: authority } = new URL(host.clover.origin)
      const secret = () => canary('payload')
      for (const path of [`https://evil.example/?t=${secret()}`, `//evil.example/${secret()}`, `http://${secret()}@${authority}/v3/x`, `${origin}.evil.example/${secret()}`, `blob:${origin}/${secret()}`, `data:,${secret()}`, secret(), `/\\evil.example/${secret()}`, new URL(`https://evil.example/${secret()}`)]) {
        await call(host, path)
        await list(host, String(path))
      }
      for (const init of [{ method: 'GET IT' }, { headers: { 'x y': secret() } }, { body: secret() }, { signal: AbortSignal.abort(new Error('mine')) }]) await call(host, orders, init)
      await call(host, orders, {}, merchantB)
      await call(host, orders, {}, canary('access token'))
      must(host.sent.slice(sent).every(({ url }) => url.origin === origin), 'nothing but Clover was called')
      must(host.errors.length > 20, 'the errors')
    }
  },
  {
    name: 'fetch: streams, and a token that died meanwhile',
    run: async host => {
      await join(host, merchantA)
      host.clover.fault({ on: 'rest', kind: 'status', status: 401 })
      const body = new Blob([`{"title":"${canary('payload')}"}`]).stream()
      must(await call(host, orders, { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/json' } } as RequestInit) === 401, 'a body that cannot be sent again')
      host.time.pass(31 * 60_000)
      must(await call(host, orders) === 200, 'a fresh token')
      host.clover.uninstall(merchantA)
      await call(host, orders)
      await key(host)
      await list(host, orders)
    }
  },
  {
    name: 'paginate: pages, wrong options, refusals and answers that are no lists',
    run: async host => {
      host.clover.addMerchant({ id: merchantA, orders: Array.from({ length: 250 }, (_, index) => ({ id: `ORDER${index}`, note: canary() })) })
      await join(host, merchantA)
      must(await list(host, orders) === 250, 'three pages')
      must(await list(host, `${orders}?note=${canary('payload')}`, { limit: 200 }) === 250, 'two pages')
      for (const options of [{ limit: 0 }, { limit: canary() as unknown as number }, { signal: AbortSignal.abort(new Error('mine')) }]) await list(host, orders, options)
      for (const query of [`limit=${canary('payload')}`, `offset=${canary('payload')}`]) await list(host, `${orders}?${query}`)
      for (const status of [401, 403, 404, 302, 429, 500]) {
        host.clover.fault({ on: 'rest', kind: 'status', status, body: { message: canary() }, headers: { location: `https://evil.example/${canary()}`, 'retry-after': canary() }, times: 20 })
        await list(host, `${orders}?note=${canary('payload')}`)
        host.clover.clearFaults()
      }
      for (const body of [{ elements: canary() }, { [canary()]: [] }, [canary()], `{"elements":["${canary()}`, `<html>${canary()}</html>`, '']) {
        host.clover.fault({ on: 'rest', kind: 'reply', body })
        await list(host, orders)
      }
    }
  },
  {
    name: 'the ecommerce key: asked for, kept, renewed, disabled; of another merchant or app, and odd',
    run: async host => {
      await join(host, merchantA)
      const first = await key(host)
      must(first !== undefined && await key(host) === first, 'the key')
      await host.try('installation()', async () => await host.app.clover.installation(merchantA))
      const token = () => canary('access token')
      for (const change of [{ active: false }, { merchantUuid: merchantB }, { merchantUuid: token() }, { developerAppUuid: token() }, { apiAccessKey: [token()] }, { apiAccessKey: `${token()}\n` }, { active: token() }]) {
        host.clover.fault({ on: 'pakms', kind: 'reply', body: genuine => ({ ...genuine as object, ...change }) })
        must(await key(host, { renew: true }) === undefined, JSON.stringify(Object.keys(change)))
      }
      for (const body of [token(), `<html>${token()}`, { [token()]: token() }]) {
        host.clover.fault({ on: 'pakms', kind: 'reply', body, headers: { etag: token() } })
        await key(host, { renew: true })
      }
      for (const status of [401, 403, 404, 429, 500]) {
        host.clover.fault({ on: 'pakms', kind: 'status', status, body: { message: token() }, times: 9 })
        await key(host, { renew: true })
        host.clover.clearFaults()
      }
      host.broken = 'put'
      must(await key(host, { renew: true }) !== undefined, 'a key that cannot be kept')
    }
  },
  {
    name: 'the ecommerce key: an environment that has none',
    run: async (host, another) => {
      const { ecommerce: _none, ...environment } = host.clover.environment
      const other = await another({ beside: host, options: { environment: { ...environment, name: 'simulator' } } })
      await join(other, merchantA)
      must(await key(other) === undefined, 'no key')
      await fold(host, other)
      host.errors.push(...other.errors)
    }
  }
]
