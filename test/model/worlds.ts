import { quiet, type Faults, type Setting } from './setting.js'

/*
 * The worlds that are gone through. "At most" counts faults, connections and disconnections in one history.
 */

const everyFault: Faults = { answers: true, lateRequests: true, refusals: true, crashes: true, leases: true, store: true, lateWrites: true }
const low = { trust: 'low' } as const
const once = { recovery: 'once' } as const
const callbacks = { callbacks: 2, disconnects: true, faults: { store: true, lateWrites: true, refusals: true } }

function worlds<T extends string> (settings: Record<T, Partial<Setting>>): Record<T, Setting> {
  return Object.fromEntries(Object.entries<Partial<Setting>>(settings).map(([name, setting]) => [name, { ...quiet, ...setting }])) as Record<T, Setting>
}

/** Gone through in seconds: by the test. */
export const small = worlds({
  'no faults, tokens grow old twice': { ages: 2 },
  'two faults': { faults: everyFault, faultsAtMost: 2 },
  'two faults, recovery once': { ...once, faults: everyFault, faultsAtMost: 2 },
  'two faults, no offer of recovery': { offersRecovery: false, faults: everyFault, faultsAtMost: 2 },
  'three faults, low trust': { ...low, faults: everyFault, faultsAtMost: 3 },
  'three late requests, refusals or leases': { faults: { lateRequests: true, refusals: true, leases: true }, faultsAtMost: 3 },
  'one fault, three processes': { processes: 3, faults: everyFault, faultsAtMost: 1 },
  'no faults, heartbeats': { heartbeats: true, ages: 2 },
  'two faults, heartbeats': { heartbeats: true, faults: everyFault, faultsAtMost: 2 },
  'two faults, heartbeats, recovery once': { ...once, heartbeats: true, faults: everyFault, faultsAtMost: 2 },
  'disconnects, heartbeats': { ...callbacks, heartbeats: true, faultsAtMost: 2 },
  'new merchant, callbacks': { ...low, ...callbacks, start: 'nothing', faultsAtMost: 3 },
  'merchant who left, callbacks': { ...low, ...callbacks, start: 'left', faultsAtMost: 2 },
  'connected merchant, callbacks': { ...callbacks, faultsAtMost: 2 }
})

/** Gone through in minutes: by `npm run model`. */
export const large = worlds({
  'no faults, three processes': { processes: 3, ages: 3 },
  'any faults but refusals and late writes': { faults: { ...everyFault, refusals: false, lateWrites: false } },
  'four faults': { faults: everyFault, faultsAtMost: 4 },
  'any faults': { faults: everyFault },
  'any faults, recovery once': { ...once, faults: everyFault },
  'any faults, low trust': { ...low, faults: everyFault },
  'three faults, heartbeats': { heartbeats: true, faults: everyFault, faultsAtMost: 3 },
  'any faults but refusals and late writes, heartbeats': { heartbeats: true, faults: { ...everyFault, refusals: false, lateWrites: false } },
  'any leases, three processes, heartbeats': { heartbeats: true, processes: 3, faults: { leases: true } },
  'two faults, three processes': { processes: 3, faults: everyFault, faultsAtMost: 2 },
  'two faults, three processes, recovery once': { ...once, processes: 3, faults: everyFault, faultsAtMost: 2 },
  'four faults, three processes, low trust': { ...low, processes: 3, faults: everyFault, faultsAtMost: 4 },
  'any leases, three processes': { processes: 3, faults: { leases: true } },
  'three faults, callbacks': { ...callbacks, faults: everyFault, faultsAtMost: 3 },
  'three faults, callbacks, recovery once': { ...once, ...callbacks, faults: everyFault, faultsAtMost: 3 },
  'five faults, callbacks, low trust': { ...low, ...callbacks, faults: everyFault, faultsAtMost: 5 },
  'five faults, callbacks, new merchant': { ...low, ...callbacks, start: 'nothing', faults: everyFault, faultsAtMost: 5 },
  'four faults, callbacks, merchant who left': { ...low, ...callbacks, start: 'left', faults: everyFault, faultsAtMost: 4 }
})

/** The known limits: Clover's only answer with a pair is lost, and nothing brings it back. */
export const limits = worlds({
  'one lost answer, low trust': { ...low, faults: { answers: true, irreplaceable: true }, faultsAtMost: 1 },
  'two lost answers, recovery once': { ...once, faults: { answers: true, irreplaceable: true }, faultsAtMost: 2 }
})

/** For the mutants: each is the smallest in which some rule is missed. */
export const forMutants = worlds({
  quiet: { ages: 1 },
  store: { faults: { store: true }, faultsAtMost: 1 },
  'store, low trust': { ...low, faults: { store: true }, faultsAtMost: 1 },
  answers: { faults: { answers: true }, faultsAtMost: 1 },
  'answers, no offer': { offersRecovery: false, faults: { answers: true }, faultsAtMost: 1 },
  leases: { faults: { leases: true }, faultsAtMost: 1 },
  'leases, once': { ...once, faults: { leases: true }, faultsAtMost: 1 },
  'leases, low trust': { ...low, faults: { leases: true }, faultsAtMost: 1 },
  'leases and answers': { faults: { leases: true, answers: true }, faultsAtMost: 2 },
  'late requests and refusals': { faults: { lateRequests: true, refusals: true }, faultsAtMost: 2 },
  'late requests and leases': { faults: { lateRequests: true, leases: true }, faultsAtMost: 2 },
  'late requests, refusals and leases': { faults: { lateRequests: true, refusals: true, leases: true }, faultsAtMost: 3 },
  'leases, heartbeats': { heartbeats: true, faults: { leases: true }, faultsAtMost: 1 },
  disconnects: { ...low, disconnects: true, faultsAtMost: 1 },
  'callbacks of a new merchant': { ...low, start: 'nothing', callbacks: 2, faultsAtMost: 2 },
  'callbacks that fail, of a new merchant': { ...low, start: 'nothing', callbacks: 1, disconnects: true, faults: { store: true }, faultsAtMost: 3 },
  'callbacks of a merchant who left': { ...low, start: 'left', callbacks: 2, faultsAtMost: 2 },
  'callbacks that fail, of a merchant who left': { ...low, start: 'left', callbacks: 1, faults: { store: true }, faultsAtMost: 2 },
  'callbacks that fail, and leases': { ...low, start: 'nothing', callbacks: 2, faults: { store: true, leases: true }, faultsAtMost: 5 }
})
