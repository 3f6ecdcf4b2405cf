import type { Experiment } from '../experiment.js'
import { authorizePages } from '../authorize-pages.js'
import { Unsettled } from '../outcome.js'
import { challenges, type OddVisit, type Session } from '../session.js'

const cannot = ({ isHighTrust }: Session) => isHighTrust ? 'an app of high trust has no PKCE' : undefined

/** @internal Whether a `code_challenge` needs `code_challenge_method=S256`. */
export const challengeMethod: Experiment = {
  name: 'challenge-method',
  settles: ['requireChallengeMethod'],
  learns: 'whether a code_challenge needs code_challenge_method=S256',
  cannot,
  async run (session) {
    session.findings.settle('requireChallengeMethod', !await isAccepted(session, challenges.withoutMethod))
  }
}

/** @internal Whether `code_challenge_method=plain` is accepted. */
export const plainChallenge: Experiment = {
  name: 'plain-challenge',
  settles: [],
  learns: 'whether code_challenge_method=plain is accepted',
  cannot,
  async run (session) {
    session.findings.fact('plainChallengeAccepted', await isAccepted(session, challenges.plain))
  }
}

/**
 * Whether an authorization with these parameters ends with tokens. Clover may refuse the page, of which the browser never comes back, or the code's
 * exchange.
 */
async function isAccepted (session: Session, edit: NonNullable<OddVisit['edit']>): Promise<boolean> {
  const refused = await authorizePages(session).refuses(edit({ verifier: 'v'.repeat(43) }))
  if (refused) return false
  session.say(`If Clover shows an error now, open ${session.server.address} again.`)
  const { arrival, verifier } = await session.visit({ edit, mayFail: true })
  if (arrival.hasReturned && !await session.ask('Did Clover show an error?')) throw new Unsettled('the browser came back without an answer of Clover')
  if (arrival.hasReturned || arrival.query.error !== undefined) return false
  const reply = await session.exchange({ code: session.accept(arrival), verifier })
  if (reply.ok) session.keep(reply.value)
  return reply.ok
}
