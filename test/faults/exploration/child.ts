/*
 * Explores in a process of its own, without coverage, which makes it five times slower. Its parent says what to explore.
 */
import { pathToFileURL } from 'node:url'
import { usePlainSignals } from './abort-signals.js'
import { exhaust, replay, wander, type Exploration, type Failure } from './explore.js'
import { sources, type TokenModules } from './modules.js'
import { anyScenario, exhaustive, thorough } from './scenarios.js'

/** What a parent may ask for. `mutant`: the file of a compiled one, and the choices of a schedule that shows it. */
export type Order =
  | { scenario: string, mutant?: { file: string, schedule: string | undefined } }
  | { from: number, count: number }

/** What came of it; the scenarios of random schedules are complete after their number. */
export type Outcome = Pick<Exploration, 'runs' | 'steps' | 'states' | 'complete'> & { failure?: Failure }

// Errors are part of the traffic here, and nobody looks at where they came from.
Error.stackTraceLimit = 0
usePlainSignals()

async function exploreScenario ({ scenario: name, mutant }: Extract<Order, { scenario: string }>): Promise<Outcome> {
  const scenario = [...exhaustive, ...thorough].find(scenario => scenario.name === name)
  if (scenario === undefined) throw new Error(`no scenario ${name}`)
  if (mutant === undefined) return await exhaust(scenario, sources)
  const { sources: modules } = await import(pathToFileURL(mutant.file).href) as { sources: TokenModules }
  const choices = mutant.schedule?.split(' ').map(Number)
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
  const exploring = 'scenario' in order ? exploreScenario(order) : exploreAtRandom(order.from, order.count)
  exploring.then(outcome => process.send?.({ outcome }), (error: unknown) => process.send?.({ error: String(error) }))
})
process.once('disconnect', () => process.exit(0))
process.send?.('ready')
