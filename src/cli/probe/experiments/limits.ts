import { userAgent } from '../calls.js'
import type { Experiment } from '../experiment.js'
import { NotHere, Unsettled } from '../outcome.js'

/** Requests at once: Clover's documented limit is 50 a second and 10 at once for an app. */
const burst = 60
/** Milliseconds until a limit counts from nothing again. */
const rest = 3_000

/** @internal Whether calls to the token endpoints count towards the rate limits, with tokens that are made up. */
export const limits: Experiment = {
  name: 'limits',
  settles: ['tokenEndpointsLimited'],
  learns: 'whether calls to the token endpoints count towards the rate limits; the tokens are made up',
  cost: `Two bursts of ${burst} requests: other calls of this app may get 429 for some seconds.`,
  async run (session) {
    const { calls, findings, app } = session
    const accessToken = await session.accessToken()
    const headers = { 'user-agent': userAgent, accept: 'application/json' }
    const limitedOf = async (expected: number, call: (number: number) => Promise<number>): Promise<number> => {
      const statuses = await Promise.all(Array.from({ length: burst }, async (_, number) => await call(number)))
      const other = statuses.find(status => status !== expected && status !== 429)
      if (other !== undefined) throw new Unsettled(`a burst: status ${other}`)
      await session.pause(rest)
      return statuses.filter(status => status === 429).length
    }
    const control = await limitedOf(200, async () => await calls.raw({
      endpoint: '/v3/merchants/{mId}', path: `/v3/merchants/${session.merchant}`, method: 'GET', headers: { ...headers, authorization: `Bearer ${accessToken}` }
    }))
    findings.fact('limitedOf60ApiCalls', control)
    const refresh = async (number: number) => await calls.raw({
      endpoint: '/oauth/v2/refresh',
      path: '/oauth/v2/refresh',
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ client_id: app.appId, refresh_token: `made-up-by-fastify-clover-probe-${number}` })
    })
    const limited = await limitedOf(await refresh(burst), refresh)
    findings.fact('limitedOf60TokenCalls', limited)
    if (limited === 0 && control === 0) throw new NotHere(`Clover limited neither of two bursts of ${burst} requests`)
    findings.settle('tokenEndpointsLimited', limited > 0)
  }
}
