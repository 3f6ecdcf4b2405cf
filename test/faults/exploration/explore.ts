import { setImmediate } from 'node:timers/promises'
import type { Action, Scenario, Violation } from './run-types.js'
import { hash, quiescence } from './trace-names.js'
import { SteppedServers } from './stepped-servers.js'
import type { TokenModules } from './modules.js'

/** A run that broke a property: enough to run it again. */
export interface Failure extends Violation {
  scenario: Scenario
  /** The place, among the possible actions, of each action that was taken. */
  choices: number[]
  trace: string[]
}

export interface Exploration {
  runs: number
  steps: number
  /** Different states that were met. */
  states: number
  /** Whether every schedule within the budget was tried. */
  complete: boolean
  failure?: Failure
}

/** Chooses the next action by its place, or ends the run (`end`: faults stop, all settles), or leaves it (`leave`: seen before). */
type Choose = (actions: Action[], servers: SteppedServers) => number | 'end' | 'leave'

const longestRun = 400

async function runOnce (scenario: Scenario, modules: TokenModules, choose: Choose, isKnown?: (fingerprint: string) => boolean): Promise<{ servers: SteppedServers, choices: number[] }> {
  const servers = new SteppedServers(scenario, modules)
  const choices: number[] = []
  await setImmediate() // so that the process hears what it is told meanwhile
  for (;;) {
    await quiescence()
    servers.checkDue()
    if (servers.violation || choices.length === longestRun) break
    const actions = servers.actions()
    const choice = actions.length === 0 ? 'end' : choose(actions, servers)
    if (choice === 'leave') return { servers, choices }
    const action = choice === 'end' ? undefined : actions[choice]
    if (choice === 'end' || action === undefined) break
    choices.push(choice)
    servers.apply(action)
  }
  if (!servers.violation) await servers.finish(isKnown)
  return { servers, choices }
}

function failureOf (scenario: Scenario, { servers, choices }: { servers: SteppedServers, choices: number[] }): Failure | undefined {
  return servers.violation && { ...servers.violation, scenario, choices, trace: servers.trace }
}

/**
 * Every schedule of a scenario, depth first. A state that was met before is not gone through again: what follows depends on it alone. So does what
 * follows on the end of a run, of the state in which it has settled.
 */
export async function exhaust (scenario: Scenario, modules: TokenModules, limit = Infinity): Promise<Exploration> {
  const seen = new Set<number>()
  const settled = new Set<number>()
  const isKnown = (fingerprint: string) => {
    const before = settled.size
    return settled.add(hash(0, fingerprint)).size === before
  }
  /** The path to the run that comes next: at each place the choice taken, and how many there are (with the end of the run as the last). */
  const path: { choice: number, count: number }[] = []
  const result: Exploration = { runs: 0, steps: 0, states: 0, complete: false }
  do {
    let depth = 0
    const run = await runOnce(scenario, modules, (actions, servers) => {
      const planned = path[depth]
      if (planned === undefined) {
        const key = hash(0, servers.fingerprint())
        if (seen.has(key)) return 'leave'
        seen.add(key)
        path.push({ choice: 0, count: actions.length + 1 })
      }
      const { choice } = path[depth++] ?? { choice: 0 }
      return choice === actions.length ? 'end' : choice
    }, isKnown)
    result.runs++
    result.steps += run.choices.length
    result.states = seen.size
    const failure = failureOf(scenario, run)
    if (failure) return { ...result, failure }
    while (path.length > 0) {
      const last = path[path.length - 1]
      if (last && ++last.choice < last.count) break
      path.pop()
    }
  } while (path.length > 0 && result.runs < limit)
  return { ...result, complete: path.length === 0 }
}

/** Numbers from 0 up to 1 that a seed decides (mulberry32). */
export function randomFrom (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** One schedule that a seed decides: how often faults strike and how long a process runs on undisturbed differ from seed to seed. */
export async function wander (scenario: Scenario, modules: TokenModules, seed: number): Promise<{ steps: number, failure?: Failure }> {
  const random = randomFrom(seed)
  const faultiness = random() < 0.2 ? 0 : random() * 0.4
  const stickiness = random()
  let last = -1
  const run = await runOnce(scenario, modules, actions => {
    const indices = actions.map((_, i) => i)
    const faults = indices.filter(i => actions[i]?.cost === 1)
    const free = indices.filter(i => actions[i]?.cost === 0)
    const mine = free.filter(i => actions[i]?.process === last)
    const from = faults.length > 0 && (random() < faultiness || free.length === 0)
      ? faults
      : mine.length > 0 && random() < stickiness ? mine : free
    const choice = from[Math.floor(random() * from.length)] ?? 0
    last = actions[choice]?.process ?? -1
    return choice
  })
  const failure = failureOf(scenario, run)
  return { steps: run.choices.length, ...(failure && { failure }) }
}

/** Runs the choices of a failure again. */
export async function replay (scenario: Scenario, modules: TokenModules, choices: number[]): Promise<Failure | undefined> {
  let i = 0
  return failureOf(scenario, await runOnce(scenario, modules, () => choices[i++] ?? 'end'))
}
