import t, { type Test } from 'tap'
import type { SimulatorOptions, Unknowns } from '../../src/testing/index.js'
import { Unknowns as Schema } from '../../src/testing/simulator/unknowns.js'
import { share } from '../harness/share.js'
import { appId, lowId, merchantId } from '../testing/simulator-browser.js'
import { otherMerchantId, probe, probedClover, type Probed } from './probing.js'

/** Every position of every switch. */
const positions = Object.fromEntries(Object.entries(Schema.properties).map(([name, schema]): [string, unknown[]] =>
  [name, 'anyOf' in schema ? schema.anyOf.map((literal: { const: unknown }) => literal.const) : [false, true]])) as unknown as { [Name in keyof Unknowns]: Array<Unknowns[Name]> }

/** Three rounds have every switch in every position; the next three have other combinations. */
function settingOf (round: number): Partial<Unknowns> {
  return {
    ...Object.fromEntries(Object.entries(positions).map(([name, values], place) => [name, values[(round + place * (1 + Math.floor(round / 3))) % values.length]])),
    // Without it the probe goes no further: it has a test of its own.
    httpLocalhost: true
  }
}

/** The experiments that take most of a probe's time. */
type Costly = 'limits' | 'cap'
const costly: Costly[] = ['limits', 'cap']

/** A Clover in which everything can be found out, but by the experiments that are left out. */
async function probeAll (t: Test, options: SimulatorOptions, lowTrust: boolean, without: Costly[] = []): Promise<Probed> {
  let isBurst = false
  const clover = await probedClover(t, {
    alwaysAsk: true,
    // The limits of calls at once: they do not depend on how fast the machine is, as long as the calls take some time.
    rateLimits: { appPerSecond: 1_000_000, tokenPerSecond: 1_000_000 },
    latency: () => isBurst ? 50 : 0,
    ...options
  })
  const app = lowTrust ? lowId : appId
  return await probe(t, clover, {
    lowTrust,
    args: ['--other-merchant', otherMerchantId, '--wait', '1', ...without.length > 0 ? ['--skip', without.join()] : []],
    env: { CLOVER_LEGACY_TOKEN: clover.legacyToken({ merchantId, appId: app }) },
    person: {
      deniesFirst: true,
      launches: true,
      answer: question => {
        isBurst = question.includes('limits:')
        if (question.includes('is it uninstalled?')) clover.uninstall(merchantId, app)
        return 'y'
      }
    }
  })
}

/** What does not change from one run to the next. */
const lasting = ({ probedAt: _at, facts, ...report }: Probed['report']) =>
  ({ ...report, facts: facts.filter(({ name }) => !name.startsWith('limitedOf') && name !== 'clockAheadOfCloverSeconds') })

for (const lowTrust of [false, true]) {
  const notHere: Array<keyof Unknowns> = lowTrust
    ? ['recovery', 'recoveryEndsWith', 'recoveryHeader', 'recoverySurvivesUninstall', 'implicitParameters']
    : ['requireChallengeMethod', 'implicitParameters']

  t.test(`every switch in every position is found, and the report makes a second simulator like the first: ${lowTrust ? 'low' : 'high'} trust`, async t => {
    for (let round = 0; round < share(3, 12); round++) {
      const unknowns = settingOf(round)
      const without = share(costly.filter(name => !(name === 'limits' ? [0, 1] : [2]).includes(round) || lowTrust), round < 3 ? [] : costly)
      const notFound = [...notHere, ...without.includes('limits') ? ['tokenEndpointsLimited'] : []]
      const probed = await probeAll(t, { unknowns, ...(round === 2 && { refreshTokensPerMerchant: 4, accessTokenLifetime: 900 }) }, lowTrust, without)
      t.equal(probed.code, 0)
      t.same(probed.report.unknowns, Object.fromEntries(Object.entries(unknowns).filter(([name]) => !notFound.includes(name))))
      t.same(probed.report.measured, { accessTokenLifetime: round === 2 ? 900 : 1800, refreshTokenLifetime: 31_536_000, ...(round === 2 && !without.includes('cap') && { refreshTokensPerMerchant: 4 }) })
      t.match(probed.report, { trust: lowTrust ? 'low' : 'high', environment: 'simulator' })

      if (round % 3 === 2) t.same(lasting((await probeAll(t, { unknowns: probed.report }, lowTrust, without)).report), lasting(probed.report))
    }
  })
}

t.test('what is no switch is a fact', async t => {
  const high = await probeAll(t, {}, false, share(['limits'], []))
  t.match(Object.fromEntries(high.report.facts.map(({ name, value }) => [name, value])), {
    callbackParameters: 'client_id code employee_id merchant_id state',
    launchParameters: 'client_id employee_id merchant_id',
    denialParameters: 'error error_description state',
    refreshTokenWorksOnce: true,
    recoveryWithSpentToken: true,
    recoveryWithUnspentToken: false,
    lostRefreshTokenDiesAtRecovery: true,
    codeWorksOnce: true,
    accessTokenDiesAtCodeReuse: false,
    noRefreshToken: 'honoured',
    formBodyStatus: 415,
    madeUpRefreshTokenStatus: 401,
    dateHeader: true,
    accessTokenIsJwt: false,
    refreshTokensAtOnce: 'more than 12',
    codeLivesLongerThanSeconds: 1,
    migratedCodeWorks: true
  })
  const low = await probeAll(t, {}, true, share(costly, []))
  t.match([low.fact('plainChallengeAccepted'), low.fact('noRefreshToken'), low.fact('recoveryHeaderForLowTrust')], [false, 'honoured', false])
})
