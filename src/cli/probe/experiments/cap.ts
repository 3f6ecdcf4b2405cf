import type { Pair } from '../calls.js'
import type { Experiment } from '../experiment.js'
import { Unsettled } from '../outcome.js'

/** Authorizations that the experiment adds to the pair that is there already. */
const authorizations = 12

/** @internal How many refresh tokens of a merchant work at once: the reason why a visit asks for none. */
export const cap: Experiment = {
  name: 'cap',
  settles: [],
  learns: 'how many refresh tokens of a merchant work at once',
  cost: `${authorizations} authorizations: all refresh tokens of this merchant and this app that were there before may end, those of a running host too.`,
  async run (session) {
    const { calls, findings } = session
    const pairs: Pair[] = [await session.pair()]
    while (pairs.length <= authorizations) pairs.push(await session.newPair())
    // From the oldest on: a refresh makes a token newer, and must not save it from a limit that has been passed already.
    const alive: boolean[] = []
    for (const pair of pairs) {
      const reply = await calls.refresh(pair.refreshToken)
      alive.push(reply.ok)
      if (reply.ok) session.keep(reply.value)
    }
    const count = alive.filter(Boolean).length
    const first = alive.indexOf(true)
    if (count === 0) throw new Unsettled(`none of ${pairs.length} refresh tokens works`)
    if (count === pairs.length) return findings.fact('refreshTokensAtOnce', `more than ${authorizations}`)
    if (alive.slice(first).includes(false)) throw new Unsettled(`of ${pairs.length} refresh tokens ${count} work, and they are not the newest: ${alive.map(Number).join('')}, oldest first`)
    findings.fact('refreshTokensAtOnce', count)
    findings.measure('refreshTokensPerMerchant', count)
  }
}
