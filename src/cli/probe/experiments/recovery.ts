import type { Pair } from '../calls.js'
import { needsHighTrust, type Experiment } from '../experiment.js'
import { Unsettled } from '../outcome.js'
import { granted, type Session } from '../session.js'

const cost = 'Clover may take it for theft and end this merchant\'s tokens: the probe authorizes again then.'

/** A pair whose refresh token was spent, and whose new pair counts as lost. */
interface Loss {
  spent: string
  lost: Pair
}

async function lose ({ calls }: Session, pair: Pair): Promise<Loss> {
  // An ordinary refresh first: Clover may treat a token from an exchange or from a recovery differently.
  const { refreshToken } = granted('/oauth/v2/refresh', await calls.refresh(pair.refreshToken))
  return { spent: refreshToken, lost: granted('/oauth/v2/refresh', await calls.refresh(refreshToken)) }
}

/** @internal Whether a lost pair is recovered by the spent token, also a second time, and what a recovery ends. */
export const recovery: Experiment = {
  name: 'recovery',
  settles: ['recovery'],
  learns: 'whether a lost pair is recovered by the spent token, and twice; whether the lost pair dies; whether an unspent token recovers',
  cost,
  cannot: needsHighTrust,
  async run (session) {
    const { calls, findings } = session
    const { spent, lost } = await lose(session, await session.pair())
    let pair = granted('/oauth/v2/recovery', await calls.recover(spent))
    findings.fact('recoveryWithSpentToken', true)
    const again = await calls.recover(spent)
    findings.settle('recovery', again.ok ? 'reusable' : 'once')
    if (again.ok) pair = again.value
    const next = await calls.refresh(pair.refreshToken)
    findings.fact('pairSurvivesASecondRecovery', next.ok)
    findings.fact('lostAccessTokenDiesAtRecovery', !await session.works(lost.accessToken))
    if (!next.ok) return
    pair = next.value
    // Last: what Clover does with a chain of which a dead token is presented is not known.
    const unspent = await calls.recover(pair.refreshToken)
    findings.fact('recoveryWithUnspentToken', unspent.ok)
    if (unspent.ok) pair = unspent.value
    findings.fact('lostRefreshTokenDiesAtRecovery', !(await calls.refresh(lost.refreshToken)).ok)
    const last = await calls.refresh(pair.refreshToken)
    findings.fact('pairSurvivesADeadToken', last.ok)
    if (last.ok) session.keep(last.value)
  }
}

/** @internal Whether the use of the new access token, or of the new refresh token, ends recovery. */
export const recoveryEnds: Experiment = {
  name: 'recovery-ends',
  settles: ['recoveryEndsWith'],
  learns: 'whether the use of the new access token, or of the new refresh token, ends recovery',
  cost,
  cannot: needsHighTrust,
  async run (session) {
    const { calls, findings } = session
    const first = await lose(session, await session.pair())
    // Without any use it must work, or the rest says nothing.
    let pair = granted('/oauth/v2/recovery', await calls.recover(first.spent))

    const second = await lose(session, pair)
    if (!await session.works(second.lost.accessToken)) throw new Unsettled('/v3/merchants/{mId}: the access token of a refresh is refused')
    const afterAccess = await calls.recover(second.spent)
    findings.fact('recoveryAfterUseOfAccessToken', afterAccess.ok)
    pair = afterAccess.ok ? afterAccess.value : second.lost

    const third = await lose(session, pair)
    pair = granted('/oauth/v2/refresh', await calls.refresh(third.lost.refreshToken))
    const afterRefresh = await calls.recover(third.spent)
    findings.fact('recoveryAfterUseOfRefreshToken', afterRefresh.ok)
    session.keep(afterRefresh.ok ? afterRefresh.value : pair)
    if (afterRefresh.ok) throw new Unsettled('recovery works even after the new refresh token was used, for which the simulator has no setting')
    findings.settle('recoveryEndsWith', afterAccess.ok ? 'refresh-token' : 'either-token')
  }
}
