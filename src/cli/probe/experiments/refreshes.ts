import type { Experiment } from '../experiment.js'
import { granted } from '../session.js'
import { Unsettled } from '../outcome.js'

/** Milliseconds after which an access token is tried again: its end may take a moment to be known everywhere. */
const settling = 5_000

/** @internal Whether a refresh token works once, and what a refresh ends. */
export const refreshes: Experiment = {
  name: 'refresh',
  settles: ['accessTokenDiesAtRefresh', 'recoveryHeader'],
  learns: 'whether a refresh token works once, whether the old access token dies at a refresh, the recovery header',
  async run (session) {
    const { calls, findings } = session
    const old = await session.pair()
    if (!await session.works(old.accessToken)) throw new Unsettled('/v3/merchants/{mId}: a new access token is refused')
    const pair = granted('/oauth/v2/refresh', await calls.refresh(old.refreshToken))
    session.keep(pair)
    // The new pair is not used yet: that would end recovery, and the header with it.
    let isAlive = await session.works(old.accessToken)
    if (isAlive) {
      await session.pause(settling)
      isAlive = await session.works(old.accessToken)
    }
    findings.settle('accessTokenDiesAtRefresh', !isAlive)
    const again = await calls.refresh(old.refreshToken)
    findings.fact('refreshTokenWorksOnce', !again.ok)
    if (again.ok) return session.keep(again.value)
    findings.fact('spentRefreshTokenStatus', again.status)
    if (session.isHighTrust) findings.settle('recoveryHeader', again.recoveryAvailable)
    else findings.fact('recoveryHeaderForLowTrust', again.recoveryAvailable)
  }
}
