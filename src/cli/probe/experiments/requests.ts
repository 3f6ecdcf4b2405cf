import { userAgent } from '../calls.js'
import type { Experiment } from '../experiment.js'
import { Unsettled } from '../outcome.js'

const merchantEndpoint = '/v3/merchants/{mId}'
const refreshEndpoint = '/oauth/v2/refresh'

/** @internal What a request without a `User-Agent` gets, and one with that of Node. */
export const missingUserAgent: Experiment = {
  name: 'user-agent',
  settles: ['missingUserAgent'],
  learns: 'what a request without a User-Agent gets, and one with that of Node',
  async run (session) {
    const { calls, findings } = session
    const accessToken = await session.accessToken()
    const ask = async (headers: Record<string, string>) => await calls.raw({
      endpoint: merchantEndpoint, path: `/v3/merchants/${session.merchant}`, method: 'GET', headers: { authorization: `Bearer ${accessToken}`, accept: 'application/json', ...headers }
    })
    const control = await ask({ 'user-agent': userAgent })
    if (control !== 200) throw new Unsettled(`${merchantEndpoint}: status ${control} even with a User-Agent`)
    const refresh = async (headers: Record<string, string>) => await calls.raw({
      endpoint: refreshEndpoint, path: refreshEndpoint, method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json', ...headers }, body: madeUp(session.app.appId)
    })
    const tokenControl = await refresh({ 'user-agent': userAgent })
    findings.fact('userAgentOfNodeStatus', await ask({ 'user-agent': 'node' }))
    const token = await refresh({})
    const status = await ask({})
    if (status === 200 && token === tokenControl) findings.settle('missingUserAgent', false)
    else if ((status === 400 || status === 403) && token === status) findings.settle('missingUserAgent', status)
    else throw new Unsettled(`without a User-Agent ${merchantEndpoint} answers ${status}, and ${refreshEndpoint} ${token}, for which the simulator has no setting`)
  }
}

/** @internal Whether the token endpoints refuse forms, with a token that is made up. */
export const formBody: Experiment = {
  name: 'form-body',
  settles: [],
  learns: 'whether the token endpoints refuse forms; the token is made up',
  async run ({ calls, findings, app }) {
    const ask = async (type: string, body: string) => await calls.raw({
      endpoint: refreshEndpoint, path: refreshEndpoint, method: 'POST', headers: { 'content-type': type, accept: 'application/json', 'user-agent': userAgent }, body
    })
    findings.fact('madeUpRefreshTokenStatus', await ask('application/json', madeUp(app.appId)))
    findings.fact('formBodyStatus', await ask('application/x-www-form-urlencoded', String(new URLSearchParams(JSON.parse(madeUp(app.appId))))))
  }
}

function madeUp (appId: string): string {
  return JSON.stringify({ client_id: appId, refresh_token: 'made-up-by-fastify-clover-probe' })
}
