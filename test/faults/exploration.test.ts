import t from 'tap'
import { exhaust, replay, wander, type Failure } from './exploration/explore.js'
import { sources } from './exploration/modules.js'
import { anyScenario, exhaustive, thorough } from './exploration/scenarios.js'

/*
 * The code of src/tokens under every interleaving of servers, store and Clover, and under faults anywhere: see exploration/world.ts.
 *
 * FASTIFY_CLOVER_EXPLORE=n makes n times as many random schedules and goes through the thorough scenarios too (with tap's --timeout=0).
 * FASTIFY_CLOVER_SEED=n begins the random schedules at another seed.
 * FASTIFY_CLOVER_REPLAY=seed runs one random schedule and prints its trace.
 */
const times = Number(process.env.FASTIFY_CLOVER_EXPLORE ?? 0)
const randomRuns = 12_000 * Math.max(1, times)
const firstSeed = Number(process.env.FASTIFY_CLOVER_SEED ?? (times > 0 ? Math.floor(Math.random() * 2 ** 31) : 1))

// Errors are part of the traffic here, and nobody looks at where they came from.
Error.stackTraceLimit = 0
t.setTimeout(times > 0 ? 0 : 840_000)

function explain ({ property, what, scenario, choices, trace }: Failure): string {
  return [`${property}: ${what}`, `scenario: ${JSON.stringify(scenario)}`, `choices: ${JSON.stringify(choices)}`, ...trace].join('\n')
}

for (const scenario of times > 0 ? [...exhaustive, ...thorough] : exhaustive) {
  t.test(`every schedule: ${scenario.name}`, async t => {
    const { runs, steps, states, complete, failure } = await exhaust(scenario, sources)
    if (failure) return t.fail(explain(failure))
    t.ok(complete)
    t.comment(`${runs} schedules, ${steps} steps, ${states} states`)
  })
}

t.test(`random schedules from seed ${firstSeed} on`, async t => {
  let steps = 0
  for (let seed = firstSeed; seed < firstSeed + randomRuns; seed++) {
    const run = await wander(anyScenario(seed), sources, seed)
    steps += run.steps
    if (run.failure) return t.fail(`seed ${seed}: ${explain(run.failure)}`)
  }
  t.pass(`${randomRuns} schedules, ${steps} steps`)
})

t.test('a run can be run again by its choices', async t => {
  const [scenario] = exhaustive
  if (scenario === undefined) return t.fail('no scenarios')
  class Idle extends sources.RefreshProtocol {
    override async run (): Promise<never> { throw new Error('never') }
  }
  const blind = { ...sources, RefreshProtocol: Idle }
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
