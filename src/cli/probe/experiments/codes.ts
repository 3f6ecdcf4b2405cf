import type { Experiment } from '../experiment.js'
import { granted } from '../session.js'

/** @internal Whether a code works once, and whether its second use ends the tokens of the first. */
export const codeReuse: Experiment = {
  name: 'code-reuse',
  settles: [],
  learns: 'whether a code works once, and whether its second use ends the tokens of the first',
  cost: 'Clover may end the tokens of a code that comes twice: the probe authorizes again then.',
  async run (session) {
    const { calls, findings } = session
    const grant = await session.grant()
    const pair = granted('/oauth/v2/token', await session.exchange(grant))
    const again = await session.exchange(grant)
    findings.fact('codeWorksOnce', !again.ok)
    if (!again.ok) findings.fact('usedCodeStatus', again.status)
    findings.fact('accessTokenDiesAtCodeReuse', !await session.works(pair.accessToken))
    const next = await calls.refresh(pair.refreshToken)
    findings.fact('refreshTokenDiesAtCodeReuse', !next.ok)
    if (next.ok) session.keep(next.value)
  }
}

/** @internal Whether a code still works after `--wait` seconds. */
export const codeLifetime: Experiment = {
  name: 'code-lifetime',
  settles: [],
  learns: 'whether a code still works after --wait seconds',
  cannot: ({ settings: { wait } }) => wait === undefined ? 'give --wait seconds' : undefined,
  async run (session) {
    const { settings: { wait = 0 }, findings } = session
    const grant = await session.grant()
    await session.pause(wait * 1000)
    const reply = await session.exchange(grant)
    findings.fact(reply.ok ? 'codeLivesLongerThanSeconds' : 'codeLivesAtMostSeconds', wait)
    if (reply.ok) session.keep(reply.value)
  }
}

/** @internal Whether `no_refresh_token` leaves the refresh token out, on which visits of connected merchants rely. */
export const noRefreshToken: Experiment = {
  name: 'no-refresh-token',
  settles: [],
  learns: 'whether no_refresh_token=true leaves the refresh token out for this kind of app',
  async run (session) {
    const { calls, findings } = session
    const reply = await calls.exchangeForAccess(await session.grant())
    if (!reply.ok) return findings.fact('noRefreshToken', `refused with status ${reply.status}`)
    findings.fact('noRefreshToken', reply.value.refreshToken === null ? 'honoured' : 'ignored')
    findings.fact('accessTokenWithoutRefreshTokenWorks', await session.works(reply.value.accessToken))
  }
}
