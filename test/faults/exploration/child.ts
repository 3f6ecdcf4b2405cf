/*
 * Explores in a process of its own, without coverage, which makes it five times slower. Its parent says what to explore.
 */
import { exhaust, replay, wander, type Exploration, type Failure } from './explore.js'
import { sources } from './modules.js'
import { loadMutant } from './mutant-loader.js'
import { mutants } from './mutants.js'
import { anyScenario, exhaustive, thorough } from './scenarios.js'

/** What a parent may ask for. `mutant`: the place of one in the list, and a folder for its sources. */
export type Order =
  | { scenario: string, mutant?: { index: number, folder: string } }
  | { from: number, count: number }

/** What came of it; the scenarios of random schedules are complete after their number. */
export type Outcome = Pick<Exploration, 'runs' | 'steps' | 'states' | 'complete'> & { failure?: Failure }

// Errors are part of the traffic here, and nobody looks at where they came from.
Error.stackTraceLimit = 0

async function exploreScenario (name: string, mutant?: { index: number, folder: string }): Promise<Outcome> {
  const scenario = [...exhaustive, ...thorough].find(scenario => scenario.name === name)
  if (scenario === undefined) throw new Error(`no scenario ${name}`)
  const changed = mutant && mutants[mutant.index]
  if (!mutant || !changed) return await exhaust(scenario, sources)
  const modules = await loadMutant(changed, mutant.folder)
  const choices = changed.schedule?.split(' ').map(Number)
  const failure = choices && await replay(scenario, modules, choices)
  return failure ? { runs: 1, steps: failure.choices.length, states: 0, complete: false, failure } : await exhaust(scenario, modules)
}

async function exploreAtRandom (from: number, count: number): Promise<Outcome> {
  let steps = 0
  for (let seed = from; seed < from + count; seed++) {
    const run = await wander(anyScenario(seed), sources, seed)
    steps += run.steps
    if (run.failure) return { runs: seed - from + 1, steps, states: 0, complete: false, failure: run.failure }
  }
  return { runs: count, steps, states: 0, complete: true }
}

process.on('message', (order: Order) => {
  const exploring = 'scenario' in order ? exploreScenario(order.scenario, order.mutant) : exploreAtRandom(order.from, order.count)
  exploring.then(outcome => process.send?.({ outcome }), (error: unknown) => process.send?.({ error: String(error) }))
})
process.once('disconnect', () => process.exit(0))
process.send?.('ready')
