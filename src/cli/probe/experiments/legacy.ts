import type { Experiment } from '../experiment.js'
import { NotHere } from '../outcome.js'
import { granted } from '../session.js'

/** @internal Whether `migrate_v2` ends the v1 token that it gets. */
export const legacy: Experiment = {
  name: 'legacy',
  settles: ['legacyTokenDiesAtMigration'],
  learns: 'whether migrate_v2 ends the v1 token that it gets (CLOVER_LEGACY_TOKEN)',
  cost: 'The token in CLOVER_LEGACY_TOKEN may end.',
  cannot: ({ settings: { legacyToken } }) => legacyToken === undefined ? 'set CLOVER_LEGACY_TOKEN to a v1 token of the same merchant' : undefined,
  async run (session) {
    const { settings: { legacyToken = '' }, calls, findings, merchant } = session
    if (!await session.works(legacyToken)) throw new NotHere('CLOVER_LEGACY_TOKEN does not work for the merchant who authorized the app')
    const verifier = 'fastify-clover-probe'.repeat(3)
    const code = granted('/oauth/token/migrate_v2', await calls.migrate({ merchantId: merchant, legacyToken, verifier }))
    findings.settle('legacyTokenDiesAtMigration', !await session.works(legacyToken))
    const reply = await session.exchange({ code, verifier })
    findings.fact('migratedCodeWorks', reply.ok)
    findings.fact('legacyTokenDiesAtExchange', !await session.works(legacyToken))
    if (reply.ok) session.keep(reply.value)
  }
}
