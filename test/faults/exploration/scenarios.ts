import { randomFrom } from './explore.js'
import type { Fault, Scenario, Task } from './run-types.js'

const scenario = (name: string, part: Pick<Scenario, 'processes'> & Partial<Scenario>): Scenario => ({
  name, trust: 'high', recovery: 'reusable', header: true, start: 'stale', faults: [], budget: part.faults ? 1 : 0, ...part
})

const everyFault: Fault[] = ['put', 'ghost', 'get', 'lost', 'orphan', 'crash', 'expire', 'refuse']
const everyFaultOfHeartbeats: Fault[] = ['put', 'ghost', 'get', 'lost', 'orphan', 'crash', 'silence', 'refuse']
const two: Task[][] = [['call'], ['call']]
const three: Task[][] = [['call'], ['call'], ['call']]
const low = { trust: 'low' } as const
const once = { recovery: 'once' } as const
const large = { isLarge: true } as const

/** Gone through completely: every order of every step, with at most `budget` faults anywhere. */
export const exhaustive: Scenario[] = [
  scenario('three servers', { processes: three }),
  scenario('two callers in each of two servers', { processes: [['call', 'call'], ['call', 'call']] }),
  scenario('any one fault', { ...large, processes: two, faults: everyFault }),
  scenario('any one fault, once', { ...large, ...once, processes: two, faults: ['lost', 'orphan', 'expire', 'refuse', 'put'] }),
  scenario('any one fault, low trust', { ...large, ...low, processes: two, faults: everyFault }),
  scenario('two: late request and answer', { ...large, processes: two, faults: ['lost', 'orphan'], budget: 2 }),
  scenario('two: answers, once', { ...large, ...once, processes: two, faults: ['lost', 'refuse'], budget: 2 }),
  scenario('a recovery that Clover handles late, and nobody who asks', { quiet: true, processes: [['call']], faults: ['orphan', 'refuse'], budget: 2 }),
  scenario('a crash with a recovery in progress, and nobody who asks', { ...large, quiet: true, processes: [['call']], faults: ['orphan', 'refuse', 'crash'], budget: 2 }),
  scenario('a merchant whom nobody asks for', { ...large, quiet: true, processes: [['call']], faults: ['lost', 'crash'], budget: 3 }),
  scenario('a Clover that does not offer recovery', { header: false, processes: [['call']], faults: ['lost', 'crash', 'put'] }),
  scenario('a marked merchant', { ...large, start: 'marked', processes: two, faults: ['refuse', 'expire', 'put'] }),
  scenario('odd replies', { ...large, processes: two, faults: ['odd', 'expire'] }),
  scenario('two callbacks, new', { ...low, start: 'none', processes: [['connect'], ['connect']], faults: ['put', 'ghost', 'get'] }),
  scenario('two callbacks, with a dead pair', { ...large, ...low, start: 'dead', processes: [['connect'], ['connect']], faults: ['put', 'ghost', 'get'] }),
  scenario('a callback and a refresh', { ...large, ...low, processes: [['connect'], ['call']], faults: ['expire'] }),
  scenario('a disconnect and a refresh', { ...large, ...low, processes: [['disconnect'], ['call']], faults: ['put', 'ghost', 'get', 'expire'] }),
  scenario('a disconnect and a callback', { ...large, ...low, processes: [['disconnect'], ['connect']], faults: ['put', 'ghost'] }),
  scenario('a disconnect and a callback, with a dead pair', { ...low, start: 'dead', processes: [['disconnect'], ['connect']], faults: ['put', 'ghost', 'get'] }),
  scenario('a callback that finds a dead pair', { start: 'dead', processes: [['connect']], faults: ['put'] }),
  scenario('a disconnect and a returning visit', { ...low, start: 'fresh', processes: [['disconnect'], ['connect']], faults: ['put', 'ghost'] }),
  scenario('a new connection is refreshed before its callback knows', { ...low, start: 'none', processes: [['connect', 'force']], faults: ['put'], budget: 2 }),
  scenario('two servers, with heartbeats', { processes: two, heartbeats: 2 }),
  scenario('a disconnect and a refresh with heartbeats', { processes: [['disconnect'], ['call']], heartbeats: 1 }),
  scenario('a silent attempt, with heartbeats', { ...large, processes: two, heartbeats: 0, faults: ['silence'] }),
  scenario('a silent attempt that renews its record, with heartbeats', { ...large, processes: two, heartbeats: 1, faults: ['silence'] }),
  scenario('writes that fail, with heartbeats', { processes: [['call']], heartbeats: 1, faults: ['put', 'ghost'] }),
  scenario('an attempt that dies, with heartbeats', { processes: [['call']], heartbeats: 1, faults: ['lost', 'crash'] }),
  scenario('a disconnect, a callback and a refresh', { ...large, processes: [['disconnect'], ['connect'], ['call']] })
]

/** The same for longer hunts. */
export const thorough: Scenario[] = [
  scenario('a disconnect that fails', { ...low, processes: [['call', 'disconnect']], faults: ['put'], budget: 2 }),
  scenario('a recovery that Clover handles late, a write that fails, and nobody who asks', { quiet: true, processes: two, faults: ['put', 'orphan', 'refuse'], budget: 2 }),
  scenario('a recovery that Clover handles late, two servers, and nobody who asks', { quiet: true, processes: two, faults: ['orphan', 'refuse'], budget: 2 }),
  scenario('a disconnect and a callback, and reads that fail', { ...low, processes: [['disconnect'], ['connect']], faults: ['put', 'ghost', 'get'] }),
  scenario('two callbacks, marked', { ...low, start: 'marked', processes: [['connect'], ['connect']], faults: ['put', 'ghost', 'get'] }),
  scenario('a callback and a refresh, late writes', { ...low, processes: [['connect'], ['call']], faults: ['put', 'ghost', 'get', 'expire'] }),
  scenario('two: write and lease, low trust', { ...low, processes: two, faults: ['put', 'expire'], budget: 2 }),
  scenario('two: late write and lease, low trust', { ...low, processes: two, faults: ['ghost', 'expire'], budget: 2 }),
  scenario('two: answer and lease, once', { ...once, processes: two, faults: ['lost', 'expire'], budget: 2 }),
  scenario('two: refusals and leases', { processes: two, faults: ['refuse', 'expire'], budget: 2 }),
  scenario('two: crash and lease', { processes: two, faults: ['crash', 'expire'], budget: 2 }),
  scenario('three servers, a lease that expires', { ...once, processes: three, faults: ['expire'] }),
  scenario('any two faults, one server', { processes: [['call']], faults: everyFault, budget: 2 }),
  scenario('any one fault, with heartbeats', { processes: two, heartbeats: 1, faults: everyFaultOfHeartbeats }),
  scenario('any one fault, once, with heartbeats', { ...once, processes: two, heartbeats: 1, faults: ['lost', 'orphan', 'silence', 'refuse', 'put', 'ghost'] }),
  scenario('a silent attempt that Clover answers late, with heartbeats', { processes: two, heartbeats: 0, faults: ['silence', 'orphan'], budget: 2 }),
  scenario('any two faults, one server, with heartbeats', { processes: [['call']], heartbeats: 2, faults: everyFaultOfHeartbeats, budget: 2 }),
  scenario('two: writes and silence, with heartbeats', { processes: two, heartbeats: 1, faults: ['put', 'ghost', 'silence'], budget: 2 }),
  scenario('any three faults, one server, once', { ...once, processes: [['call']], faults: everyFault, budget: 3 }),
  scenario('a callback and a refresh, two faults', { ...low, processes: [['connect'], ['call']], faults: ['put', 'ghost', 'get', 'expire'], budget: 2 }),
  scenario('a disconnect, a callback and a refresh, low trust', { ...low, processes: [['disconnect'], ['connect'], ['call']], faults: ['put', 'ghost', 'expire'] })
]

/** A scenario that a seed decides, with all that can be in one: more servers, tasks and faults than can be gone through completely. */
export function anyScenario (seed: number): Scenario {
  const random = randomFrom(seed ^ 0x5eed)
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T
  const tasks: Task[] = random() < 0.5 ? ['call', 'call', 'force'] : ['call', 'call', 'force', 'connect', 'connect', 'disconnect']
  const faults = [...everyFault, 'silence', 'outage', 'odd'] as const
  const share = random()
  const chosen = faults.filter(() => random() < share)
  return {
    name: `seed ${seed}`,
    trust: pick(['high', 'high', 'low']),
    recovery: pick(['once', 'reusable']),
    header: random() < 0.8,
    start: pick(['stale', 'stale', 'stale', 'marked', 'none']),
    processes: Array.from({ length: pick([1, 2, 2, 2, 3]) }, () => Array.from({ length: pick([1, 1, 2, 3]) }, () => pick(tasks))),
    faults: chosen,
    budget: pick([1, 2, 3, 4, 6]),
    ages: pick([0, 0, 1, 2]),
    quiet: random() < 0.2,
    loose: random() < 0.7,
    ...(random() < 0.5 && { heartbeats: pick([0, 1, 2, 4]) })
  }
}
