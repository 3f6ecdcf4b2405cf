import type { FastifyRequest } from 'fastify'
import { connect } from '../harness/browser.js'
import { lowTrust, merchantA, merchantB } from '../harness/host.js'
import { askAll, fold, join, must, pairOf, type Flow } from './flow.js'
import { canary, type WatchedHost, type WatchedHostOptions } from './watched-host.js'

const guard = { refresh: { onRequest: async (request: FastifyRequest) => { if (request.headers['x-operator'] !== 'yes') throw Object.assign(new Error('not an operator'), { statusCode: 401 }) } } }

/** Merchants who come, are served and leave. */
export const connections: Flow[] = [
  ...[['v2, high trust', {}], ['v2, low trust', { appId: lowTrust }], ['v1', { options: { flow: 'v1' } }]].map(([name, host]) => ({
    name: `${String(name)}: connect, use, refresh, come back, disconnect`,
    host: host as WatchedHostOptions,
    run: async (host: WatchedHost) => {
      await join(host, merchantA, '/clover/launch?return_to=/orders')
      await askAll(host, merchantA)
      const token = await host.token(merchantA)
      await host.token(merchantA, { rejected: token ?? '' })
      host.time.pass(25 * 60_000)
      await host.token(merchantA)
      host.time.pass(31 * 60_000)
      await askAll(host, merchantA)
      await join(host, merchantA)
      await host.try('disconnect()', async () => await host.app.clover.disconnect(merchantA))
      await askAll(host, merchantA)
    }
  })),
  {
    name: 'two servers share a store, and one loses what the other wrote',
    run: async (host, another) => {
      const other = await another({ beside: host })
      await join(host, merchantA)
      await Promise.all([askAll(host, merchantA), askAll(other, merchantA)])
      host.time.pass(31 * 60_000)
      await Promise.all([host.token(merchantA), other.token(merchantA)])
      await fold(host, other)
    }
  },
  {
    name: 'another deployment has the records, and one of them has a token in the place of its name',
    host: { options: { deployment: 'staging' } },
    run: async (host, another) => {
      const other = await another({ beside: host, options: { deployment: 'production' } })
      for (const merchantId of [merchantA, merchantB]) await join(other, merchantId)
      const record = await host.raw.get(merchantB)
      if (!record) throw new Error('not connected')
      await host.raw.put({ ...record, deployment: canary('refresh token') }, record.revision)
      for (const merchantId of [merchantA, merchantB]) {
        await askAll(host, merchantId)
        await connect(host.browser(), host.clover, merchantId)
        await host.try('disconnect()', async () => await host.app.clover.disconnect(merchantId))
      }
      await host.try('adopt()', async () => await host.app.clover.adopt(pairOf(host, merchantA)))
      await host.try('installations({ unusable })', async () => {
        const all: unknown[] = []
        for await (const one of host.app.clover.installations({ unusable: true })) all.push(one)
        must(all.length === 2, 'both are listed')
        return all
      })
      await fold(host, other)
    }
  },
  {
    name: 'adopt: a good pair, a second one, a foreign one, malformed ones',
    run: async host => {
      const adopt = (tokens: object) => host.try('adopt()', async () => await host.app.clover.adopt(tokens as ReturnType<typeof pairOf>))
      await adopt(pairOf(host, merchantA))
      await adopt(pairOf(host, merchantA))
      await adopt({ ...pairOf(host, merchantA), merchantId: merchantB })
      const pair = pairOf(host, merchantB)
      for (const wrong of [{ accessTokenExpiration: pair.refreshToken }, { refreshToken: [pair.refreshToken] }, { merchantId: pair.accessToken }, { accessToken: `${pair.accessToken}\n` }]) await adopt({ ...pair, ...wrong })
      await askAll(host, merchantB)
    }
  },
  {
    name: 'a secret in the place of a merchant id',
    run: async host => {
      const secret = canary('access token')
      for (const run of [host.app.clover.refresh, host.app.clover.installation, host.app.clover.disconnect]) await host.try('with a token for an id', async () => await run(secret))
      await host.token(secret)
    }
  }
]

/** What operators do, and what they are told. */
export const operators: Flow[] = [
  {
    name: 'the refresh route: guarded, malformed bodies, other media types',
    host: { options: { routes: guard } },
    run: async host => {
      await join(host, merchantA)
      const post = (payload: string, headers: Record<string, string> = {}) => host.inject({ method: 'POST', url: '/clover/refresh', payload, headers: { 'content-type': 'application/json', 'x-operator': 'yes', authorization: `Bearer ${canary()}`, ...headers } })
      const own = JSON.stringify({ merchant_id: merchantA })
      await post(own)
      await post(own, { 'x-operator': 'no' })
      await post(JSON.stringify({ merchant_id: merchantB }))
      for (const body of [`{"merchant_id":"${canary()}"}`, `{"merchant_id":"${canary()}`, `{"${canary()}":1}`, `["${canary()}"]`, `"${canary()}"`, canary(), `{"merchant_id":${canary()}}`, `{"__proto__":{"${canary()}":1}}`, `{"merchant_id":"${canary()}${'x'.repeat(2000)}"}`]) await post(body)
      for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/xml']) await post(`merchant_id=${merchantA}&token=${canary()}`, { 'content-type': type })
    }
  },
  {
    name: 'the OpenAPI document',
    run: async host => { host.sawObject('the document', JSON.parse(JSON.stringify(host.app.swagger()))) }
  },
  {
    name: 'a recovery of a pair that was lost, by this server and by the next',
    host: { options: { maxWait: 200 } },
    run: async (host, another) => {
      await join(host, merchantA)
      host.clover.fault({ on: 'refresh', kind: 'drop-after', times: 3 })
      await askAll(host, merchantA)
      await askAll(host, merchantA)
      host.clover.fault({ on: 'refresh', kind: 'drop-after', times: 3 })
      host.clover.fault({ on: 'recovery', kind: 'drop-after' })
      await askAll(host, merchantA)
      host.time.pass(120_000)
      const other = await another({ beside: host })
      await askAll(other, merchantA)
      await fold(host, other)
    }
  },
  {
    name: 'a refresh that brings a refresh token, and no access token',
    run: async host => {
      await join(host, merchantA)
      host.time.pass(31 * 60_000)
      host.clover.fault({ on: 'refresh', kind: 'reply', body: { refresh_token: canary('refresh token'), access_token: [canary('access token')] } })
      await host.token(merchantA)
      must(host.heard.has('fastify-clover:odd-reply'), 'an odd reply')
      await askAll(host, merchantA)
    }
  },
  {
    name: 'reauthorization: every stored token is refused',
    run: async host => {
      await join(host, merchantA)
      host.clover.uninstall(merchantA)
      host.time.pass(31 * 60_000)
      await askAll(host, merchantA)
      await host.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })
      await join(host, merchantA)
      await askAll(host, merchantA)
    }
  },
  {
    name: 'a v1 token that Clover refuses',
    host: { options: { flow: 'v1' } },
    run: async host => {
      await join(host, merchantA)
      const token = await host.token(merchantA)
      host.clover.uninstall(merchantA)
      await host.token(merchantA, { rejected: token ?? '' })
      await host.token(merchantA)
      await askAll(host, merchantA)
    }
  }
]
