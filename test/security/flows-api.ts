import { merchantA, merchantB } from '../helpers/host.js'
import { fold, join, must, type Flow } from './flow.js'
import { canary, type Stage } from './stage.js'

const orders = '/v3/merchants/{mId}/orders'

/** Calls Clover; its answer is the host's own, so that only an error is noted. Resolves with the status. */
export async function call (stage: Stage, path: string | URL, init?: Parameters<Stage['app']['clover']['fetch']>[2], merchantId = merchantA): Promise<number | undefined> {
  const response = await stage.try('fetch()', async () => await stage.app.clover.fetch(merchantId, path, init), { isSecret: true })
  // Where the body breaks off, that is an error of fetch's own.
  await response?.text().catch((error: unknown) => { stage.sawError('the body of a fetch()', error) })
  return response?.status
}

/** Reads a collection to its end; its elements are the host's own. */
export async function list (stage: Stage, path: string, options?: Parameters<Stage['app']['clover']['paginate']>[2]): Promise<number | undefined> {
  const count = async () => {
    let elements = 0
    for await (const element of stage.app.clover.paginate(merchantA, path, options)) elements += Number(element !== undefined)
    return elements
  }
  return await stage.try('paginate()', count)
}

/** Asks for the key; it is for the host's pages. */
export async function key (stage: Stage, options?: { renew?: boolean }): Promise<string | undefined> {
  return await stage.try('ecommercePublicKey()', async () => await stage.app.clover.ecommercePublicKey(merchantA, options), { isSecret: true })
}

/** All calls of Clover's API. */
export async function callAll (stage: Stage): Promise<void> {
  const body = { method: 'POST', body: JSON.stringify({ title: canary('payload') }), headers: { 'content-type': 'application/json' } }
  await call(stage, `${orders}?note=${canary('payload')}`)
  await call(stage, orders, body)
  await list(stage, orders)
  await key(stage, { renew: true })
}

/** Calls of Clover's API. */
export const apiCalls: Flow[] = [
  {
    name: 'fetch: a good answer, with secrets of the host in the query, the headers and the body; the answer itself is shown',
    run: async stage => {
      await join(stage, merchantA)
      const response = await stage.app.clover.fetch(merchantA, orders)
      stage.sawObject('an answer', response)
      await response.text()
      const secret = () => canary('payload')
      must(await call(stage, `${orders}?note=${secret()}`, { headers: { 'x-own': secret(), authorization: `Bearer ${canary()}` } }) === 200, '200')
      must(await call(stage, orders, { method: 'POST', body: JSON.stringify({ title: secret() }), headers: { 'content-type': 'application/json' } }) === 200, 'a new order')
    }
  },
  {
    name: 'fetch: Clover rejects a body with secrets in it, and quotes it',
    run: async stage => {
      await join(stage, merchantA)
      for (const status of [400, 401, 403, 404, 422, 429, 500, 503]) {
        for (const method of ['POST', 'DELETE'] as const) {
          const secret = canary('payload')
          stage.clover.fault({ on: 'rest', kind: 'status', status, body: { message: `Invalid ${secret}` }, headers: { 'x-quoted': secret, 'www-authenticate': `Bearer ${secret}`, 'retry-after': secret }, times: 10 })
          must(await call(stage, `${orders}?card=${secret}`, { method, body: JSON.stringify({ card: secret }), headers: { 'content-type': 'application/json', 'x-own': secret } }) === status, `${method} ${status}`)
          stage.clover.clearFaults()
        }
      }
    }
  },
  {
    name: 'fetch: 401 with a refresh, 401 that stays, 429, and 5xx that ends and that stays',
    run: async stage => {
      await join(stage, merchantA)
      const refreshes = () => stage.clover.count('refresh')
      const before = refreshes()
      stage.clover.fault({ on: 'rest', kind: 'status', status: 401 })
      must(await call(stage, orders) === 200 && refreshes() > before, 'a refresh')
      stage.clover.fault({ on: 'rest', kind: 'status', status: 401, times: 9 })
      must(await call(stage, orders) === 401, '401')
      await list(stage, orders)
      stage.clover.clearFaults()
      for (const status of [429, 500]) {
        for (const times of [1, 20]) {
          stage.clover.fault({ on: 'rest', kind: 'status', status, times })
          must(await call(stage, orders) === (times === 1 ? 200 : status), String(status))
          await list(stage, orders)
          stage.clover.clearFaults()
        }
      }
    }
  },
  {
    name: 'fetch: foreign URLs and wrong arguments, with secrets in them',
    run: async stage => {
      await join(stage, merchantA)
      const sent = stage.sent.length
      const { origin, host } = new URL(stage.clover.origin)
      const secret = () => canary('payload')
      for (const path of [`https://evil.example/?t=${secret()}`, `//evil.example/${secret()}`, `http://${secret()}@${host}/v3/x`, `${origin}.evil.example/${secret()}`, `blob:${origin}/${secret()}`, `data:,${secret()}`, secret(), `/\\evil.example/${secret()}`, new URL(`https://evil.example/${secret()}`)]) {
        await call(stage, path)
        await list(stage, String(path))
      }
      for (const init of [{ method: 'GET IT' }, { headers: { 'x y': secret() } }, { body: secret() }, { signal: AbortSignal.abort(new Error('mine')) }]) await call(stage, orders, init)
      await call(stage, orders, {}, merchantB)
      await call(stage, orders, {}, canary('access token'))
      must(stage.sent.slice(sent).every(({ url }) => url.origin === origin), 'nothing but Clover was called')
      must(stage.errors.length > 20, 'the errors')
    }
  },
  {
    name: 'fetch: streams, and a token that died meanwhile',
    run: async stage => {
      await join(stage, merchantA)
      stage.clover.fault({ on: 'rest', kind: 'status', status: 401 })
      const body = new Blob([`{"title":"${canary('payload')}"}`]).stream()
      must(await call(stage, orders, { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/json' } } as RequestInit) === 401, 'a body that cannot be sent again')
      stage.time.pass(31 * 60_000)
      must(await call(stage, orders) === 200, 'a fresh token')
      stage.clover.uninstall(merchantA)
      await call(stage, orders)
      await key(stage)
      await list(stage, orders)
    }
  },
  {
    name: 'paginate: pages, wrong options, refusals and answers that are no lists',
    run: async stage => {
      stage.clover.addMerchant({ id: merchantA, orders: Array.from({ length: 250 }, (_, index) => ({ id: `ORDER${index}`, note: canary() })) })
      await join(stage, merchantA)
      must(await list(stage, orders) === 250, 'three pages')
      must(await list(stage, `${orders}?note=${canary('payload')}`, { limit: 200 }) === 250, 'two pages')
      for (const options of [{ limit: 0 }, { limit: canary() as unknown as number }, { signal: AbortSignal.abort(new Error('mine')) }]) await list(stage, orders, options)
      for (const query of [`limit=${canary('payload')}`, `offset=${canary('payload')}`]) await list(stage, `${orders}?${query}`)
      for (const status of [401, 403, 404, 302, 429, 500]) {
        stage.clover.fault({ on: 'rest', kind: 'status', status, body: { message: canary() }, headers: { location: `https://evil.example/${canary()}`, 'retry-after': canary() }, times: 20 })
        await list(stage, `${orders}?note=${canary('payload')}`)
        stage.clover.clearFaults()
      }
      for (const body of [{ elements: canary() }, { [canary()]: [] }, [canary()], `{"elements":["${canary()}`, `<html>${canary()}</html>`, '']) {
        stage.clover.fault({ on: 'rest', kind: 'reply', body })
        await list(stage, orders)
      }
    }
  },
  {
    name: 'the ecommerce key: asked for, kept, renewed, disabled; of another merchant or app, and odd',
    run: async stage => {
      await join(stage, merchantA)
      const first = await key(stage)
      must(first !== undefined && await key(stage) === first, 'the key')
      await stage.try('installation()', async () => await stage.app.clover.installation(merchantA))
      const token = () => canary('access token')
      for (const change of [{ active: false }, { merchantUuid: merchantB }, { merchantUuid: token() }, { developerAppUuid: token() }, { apiAccessKey: [token()] }, { apiAccessKey: `${token()}\n` }, { active: token() }]) {
        stage.clover.fault({ on: 'pakms', kind: 'reply', body: genuine => ({ ...genuine as object, ...change }) })
        must(await key(stage, { renew: true }) === undefined, JSON.stringify(Object.keys(change)))
      }
      for (const body of [token(), `<html>${token()}`, { [token()]: token() }]) {
        stage.clover.fault({ on: 'pakms', kind: 'reply', body, headers: { etag: token() } })
        await key(stage, { renew: true })
      }
      for (const status of [401, 403, 404, 429, 500]) {
        stage.clover.fault({ on: 'pakms', kind: 'status', status, body: { message: token() }, times: 9 })
        await key(stage, { renew: true })
        stage.clover.clearFaults()
      }
      stage.broken = 'put'
      must(await key(stage, { renew: true }) !== undefined, 'a key that cannot be kept')
    }
  },
  {
    name: 'the ecommerce key: an environment that has none',
    run: async (stage, another) => {
      const { ecommerce: _none, ...environment } = stage.clover.environment
      const other = await another({ beside: stage, options: { environment: { ...environment, name: 'simulator' } } })
      await join(other, merchantA)
      must(await key(other) === undefined, 'no key')
      await fold(stage, other)
      stage.errors.push(...other.errors)
    }
  }
]
