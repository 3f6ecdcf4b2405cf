import t from 'tap'
import { exhaust, replay, wander, type Failure } from './exploration/explore.js'
import { explorer } from './exploration/explorer.js'
import { sources } from './exploration/modules.js'
import { anyScenario, exhaustive, thorough } from './exploration/scenarios.js'
import { isLong, numberOf, share } from '../harness/share.js'

/*
 * The code of src/tokens under every interleaving of servers, store and Clover, and under faults anywhere: see exploration/stepped-servers.ts.
 *
 * The large scenarios are gone through in the full share; here random schedules stand for them.
 *
 * FASTIFY_CLOVER_EXPLORE=n makes n times as many random schedules and goes through the thorough scenarios too (with tap's --timeout=0).
 * FASTIFY_CLOVER_SEED=n begins the random schedules at another seed.
 * FASTIFY_CLOVER_REPLAY=seed runs one random schedule and prints its trace.
 */
const times = numberOf('FASTIFY_CLOVER_EXPLORE', 0)
const randomRuns = times > 0 ? 6_000 * times : share(300, 6_000)
const firstSeed = numberOf('FASTIFY_CLOVER_SEED', times > 0 ? Math.floor(Math.random() * 2 ** 31) : 1)
const scenarios = times > 0 ? [...exhaustive, ...thorough] : isLong ? exhaustive : exhaustive.filter(({ isLarge }) => !isLarge)

t.setTimeout(times > 0 ? 0 : 840_000)
const explore = explorer(t)

function explain ({ property, what, scenario, choices, trace }: Failure): string {
  return [`${property}: ${what}`, `scenario: ${JSON.stringify(scenario)}`, `choices: ${JSON.stringify(choices)}`, ...trace].join('\n')
}

for (const scenario of scenarios) {
  t.test(`every schedule: ${scenario.name}`, async t => {
    const { runs, steps, states, complete, failure } = await explore({ scenario: scenario.name })
    if (failure) return t.fail(explain(failure))
    t.ok(complete)
    t.comment(`${runs} schedules, ${steps} steps, ${states} states`)
  })
}

t.test(`random schedules from seed ${firstSeed} on`, async t => {
  const { runs, steps, failure } = await explore({ from: firstSeed, count: randomRuns })
  if (failure) return t.fail(`seed ${firstSeed + runs - 1}: ${explain(failure)}`)
  t.pass(`${randomRuns} schedules, ${steps} steps`)
})

t.test('a run can be run again by its choices', async t => {
  const [scenario] = exhaustive
  if (scenario === undefined) return t.fail('no scenarios')
  const createRefreshing: typeof sources.createRefreshing = dependencies => {
    const made = sources.createRefreshing(dependencies)
    made.refreshes.refresh = async () => { throw new Error('never') }
    return made
  }
  const blind = { ...sources, createRefreshing }
  const { failure } = await exhaust(scenario, blind)
  t.equal(failure?.property, 'P1')
  t.equal((await replay(scenario, blind, failure?.choices ?? []))?.property, 'P1')
  t.equal(await replay(scenario, sources, failure?.choices ?? []), undefined)
})

if (process.env.FASTIFY_CLOVER_REPLAY) {
  const seed = Number(process.env.FASTIFY_CLOVER_REPLAY)
  t.test(`seed ${seed}`, async t => {
    const { steps, failure } = await wander(anyScenario(seed), sources, seed)
    t.comment(failure ? explain(failure) : `${steps} steps, nothing broken`)
  })
}
