import type { FastifyRequest } from 'fastify'
import { lowTrust, merchantA, merchantB } from '../helpers/host.js'
import { askAll, fold, join, pairOf, type Flow } from './flow.js'
import { canary, type Stage, type StageOptions } from './stage.js'

const guard = { refresh: { onRequest: async (request: FastifyRequest) => { if (request.headers['x-operator'] !== 'yes') throw Object.assign(new Error('not an operator'), { statusCode: 401 }) } } }

/** Merchants who come, are served and leave. */
export const connections: Flow[] = [
  ...[['v2, high trust', {}], ['v2, low trust', { appId: lowTrust }], ['v1', { options: { flow: 'v1' } }]].map(([name, stage]) => ({
    name: `${String(name)}: connect, use, refresh, come back, disconnect`,
    stage: stage as StageOptions,
    run: async (stage: Stage) => {
      await join(stage, merchantA, '/clover/launch?return_to=/orders')
      await askAll(stage, merchantA)
      const token = await stage.token(merchantA)
      await stage.token(merchantA, { rejected: token ?? '' })
      stage.time.pass(25 * 60_000)
      await stage.token(merchantA)
      stage.time.pass(31 * 60_000)
      await askAll(stage, merchantA)
      await join(stage, merchantA)
      await stage.try('disconnect()', async () => await stage.app.clover.disconnect(merchantA))
      await askAll(stage, merchantA)
    }
  })),
  {
    name: 'two servers share a store, and one loses what the other wrote',
    run: async (stage, another) => {
      const other = await another({ beside: stage })
      await join(stage, merchantA)
      await Promise.all([askAll(stage, merchantA), askAll(other, merchantA)])
      stage.time.pass(31 * 60_000)
      await Promise.all([stage.token(merchantA), other.token(merchantA)])
      await fold(stage, other)
    }
  },
  {
    name: 'adopt: a good pair, a second one, a foreign one, malformed ones',
    run: async stage => {
      const adopt = (tokens: object) => stage.try('adopt()', async () => await stage.app.clover.adopt(tokens as ReturnType<typeof pairOf>))
      await adopt(pairOf(stage, merchantA))
      await adopt(pairOf(stage, merchantA))
      await adopt({ ...pairOf(stage, merchantA), merchantId: merchantB })
      const pair = pairOf(stage, merchantB)
      for (const wrong of [{ accessTokenExpiration: pair.refreshToken }, { refreshToken: [pair.refreshToken] }, { merchantId: pair.accessToken }, { accessToken: `${pair.accessToken}\n` }]) await adopt({ ...pair, ...wrong })
      await askAll(stage, merchantB)
    }
  },
  {
    name: 'a secret in the place of a merchant id',
    run: async stage => {
      const secret = canary('access token')
      for (const run of [stage.app.clover.refresh, stage.app.clover.installation, stage.app.clover.disconnect]) await stage.try('with a token for an id', async () => await run(secret))
      await stage.token(secret)
    }
  }
]

/** What operators do, and what they are told. */
export const operators: Flow[] = [
  {
    name: 'the refresh route: guarded, malformed bodies, other media types',
    stage: { options: { routes: guard } },
    run: async stage => {
      await join(stage, merchantA)
      const post = (payload: string, headers: Record<string, string> = {}) => stage.inject({ method: 'POST', url: '/clover/refresh', payload, headers: { 'content-type': 'application/json', 'x-operator': 'yes', authorization: `Bearer ${canary()}`, ...headers } })
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
    run: async stage => { stage.sawObject('the document', JSON.parse(JSON.stringify(stage.app.swagger()))) }
  },
  {
    name: 'a recovery of a pair that was lost, by this server and by the next',
    stage: { options: { maxWait: 200 } },
    run: async (stage, another) => {
      await join(stage, merchantA)
      stage.clover.fault({ on: 'refresh', kind: 'drop-after', times: 3 })
      await askAll(stage, merchantA)
      await askAll(stage, merchantA)
      stage.clover.fault({ on: 'refresh', kind: 'drop-after', times: 3 })
      stage.clover.fault({ on: 'recovery', kind: 'drop-after' })
      await askAll(stage, merchantA)
      stage.time.pass(120_000)
      const other = await another({ beside: stage })
      await askAll(other, merchantA)
      await fold(stage, other)
    }
  },
  {
    name: 'reauthorization: every stored token is refused',
    run: async stage => {
      await join(stage, merchantA)
      stage.clover.uninstall(merchantA)
      stage.time.pass(31 * 60_000)
      await askAll(stage, merchantA)
      await stage.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })
      await join(stage, merchantA)
      await askAll(stage, merchantA)
    }
  },
  {
    name: 'a v1 token that Clover refuses',
    stage: { options: { flow: 'v1' } },
    run: async stage => {
      await join(stage, merchantA)
      const token = await stage.token(merchantA)
      stage.clover.uninstall(merchantA)
      await stage.token(merchantA, { rejected: token ?? '' })
      await stage.token(merchantA)
      await askAll(stage, merchantA)
    }
  }
]
