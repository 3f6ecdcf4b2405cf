import type { Experiment } from '../experiment.js'
import { NotHere } from '../outcome.js'
import { granted } from '../session.js'

/** Milliseconds in which Clover makes the uninstall known. */
const settling = 15_000

/** @internal Comes last: the merchant is connected again only by another approval. */
export const uninstall: Experiment = {
  name: 'uninstall',
  settles: ['accessTokenSurvivesUninstall', 'refreshSurvivesUninstall', 'recoverySurvivesUninstall'],
  learns: 'whether an access token, a refresh and a recovery still work after an uninstall',
  cost: 'You uninstall the app from the merchant\'s dashboard and install it again. Every token of this merchant and this app may end.',
  byHand: true,
  async run (session) {
    const { calls, findings } = session
    // Each is tried with tokens of its own: the use of one must not end another.
    const forAccess = granted('/oauth/v2/token', await calls.exchangeForAccess(await session.grant()))
    const forRefresh = await session.newPair()
    const beforeRecovery = session.isHighTrust ? await session.newPair() : undefined
    if (beforeRecovery !== undefined) granted('/oauth/v2/refresh', await calls.refresh(beforeRecovery.refreshToken))
    // A limit of Clover's on refresh tokens may have ended it.
    const refreshed = granted('/oauth/v2/refresh', await calls.refresh(forRefresh.refreshToken))

    if (!await session.ask('Uninstall the app in the merchant\'s Clover dashboard now. Is it uninstalled?', true)) throw new NotHere('the app was not uninstalled')
    await session.pause(settling)
    findings.settle('accessTokenSurvivesUninstall', await session.works(forAccess.accessToken))
    if (beforeRecovery !== undefined) findings.settle('recoverySurvivesUninstall', (await calls.recover(beforeRecovery.refreshToken)).ok)
    findings.settle('refreshSurvivesUninstall', (await calls.refresh(refreshed.refreshToken)).ok)

    await session.ask('Install the app again now, in the merchant\'s Clover dashboard or App Market. Is it installed?', true)
    session.keep(await session.newPair())
  }
}
