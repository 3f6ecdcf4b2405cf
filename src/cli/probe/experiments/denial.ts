import type { Experiment } from '../experiment.js'
import { NotHere, Unsettled } from '../outcome.js'

/** @internal Comes before the first authorization: who has approved the app is not asked again. */
export const denial: Experiment = {
  name: 'denial',
  settles: ['denial'],
  learns: 'the parameters after a denial',
  cost: 'Clover must still ask for approval, so the merchant must not have approved the app before. Press Deny then; the page comes again.',
  byHand: true,
  async run (session) {
    const { findings } = session
    const { arrival: { hasReturned, query } } = await session.visit({ mayFail: true, mayBeBare: true })
    if (hasReturned) throw new Unsettled('Clover did not come back after the denial')
    if (query.code !== undefined) throw new NotHere('the merchant had approved the app: uninstall it first')
    findings.fact('denialParameters', Object.keys(query).sort().join(' ') || 'none')
    const others = Object.keys(query).filter(name => name !== 'state')
    if (others.length === 0) return findings.settle('denial', 'bare')
    if (query.error === undefined) throw new Unsettled('the denial has parameters of another kind')
    findings.settle('denial', query.error_description === undefined ? 'error' : 'error-and-description')
  }
}
